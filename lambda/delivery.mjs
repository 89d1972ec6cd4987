// One incident to several destinations at once: none waits for another, and none stops another.

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {import("./destinations.mjs").Kind|null} kind
 * @property {"sent"|"sent-plain"|"failed"|"already"} outcome  already: an earlier run of the same event rang there
 * @property {import("./sender.mjs").Taken} [taken]
 * @property {Error & {status?: number|null, attempts?: number}} [error]
 */

/**
 * @param {import("./sender.mjs").Sender[]} senders
 * @param {string[]} delivered  names of those that took it before
 * @param {(sender: import("./sender.mjs").Sender) => Promise<import("./sender.mjs").Taken>} send
 * @returns {Promise<Result[]>} never fails
 */
export function deliverTo(senders, delivered, send) {
  return Promise.all(senders.map(async (sender) => {
    const { name } = sender;
    if (delivered.includes(name)) return { name, kind: sender.kind(), outcome: "already" };
    try {
      const taken = await send(sender);
      return { name, kind: sender.kind(), outcome: taken.refused ? "sent-plain" : "sent", taken };
    } catch (error) {
      return { name, kind: sender.kind(), outcome: "failed", error };
    }
  }));
}

/** What the log keeps of a result. @param {Result} result */
export function toldOf({ name, kind, outcome, taken, error }) {
  const { status, attempts, reread, refused } = taken ?? error ?? {};
  return { name, kind, outcome, status, attempts, reread, refused, error: error?.message };
}

/**
 * Why Lambda is to run the event again.
 * @param {Result[]} results
 * @param {boolean} alone  where there is one destination, its own error says it all
 * @returns {Error|null}
 */
export function failureOf(results, alone) {
  const failed = results.filter(({ error }) => error);
  if (failed.length === 0 || alone) return failed[0]?.error ?? null;
  const told = failed.map(({ name, kind, error }) => `${name}${kind ? ` (${kind})` : ""}: ${error.message}`);
  const failure = new Error(`${failed.length} of ${results.length} destinations did not take it: ${told.join("; ")}`);
  failure.name = "Undelivered";
  return failure;
}
