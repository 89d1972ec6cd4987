// One incident to several destinations at once: none waits for another, and none stops another.

import { own } from "../core/records.mjs";
import { MOST_UNANSWERED } from "../core/unanswered.mjs";

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {import("../core/destinations.mjs").Kind|null} kind
 * @property {"sent"|"sent-plain"|"failed"|"already"|"counted"} outcome  already: an earlier run of the same event rang there; counted: the
 *   destination was told of this failure, and is told again at the next power of two
 * @property {import("./sender.mjs").Taken} [taken]
 * @property {Error & {status?: number|null, attempts?: number, unanswered?: number}} [error]
 */

/**
 * @param {import("./sender.mjs").Sender[]} senders
 * @param {{pending: string[], delivered: string[], unanswered: Record<string, number>}} decided  pending: the names of those to be told;
 *   unanswered: so many posts of earlier runs were not answered
 * @param {(sender: import("./sender.mjs").Sender, unanswered: number) => Promise<import("./sender.mjs").Taken>} send
 * @returns {Promise<Result[]>} never fails
 */
export function deliverTo(senders, { pending, delivered, unanswered }, send) {
  return Promise.all(senders.map(async (sender) => {
    const { name } = sender;
    if (!pending.includes(name)) return { name, kind: sender.kind(), outcome: delivered.includes(name) ? "already" : "counted" };
    const before = own(unanswered, name) ?? 0;
    try {
      if (before >= MOST_UNANSWERED) throw withheld(before);
      const taken = await send(sender, before);
      return { name, kind: sender.kind(), outcome: taken.refused ? "sent-plain" : "sent", taken };
    } catch (error) {
      return { name, kind: sender.kind(), outcome: "failed", error };
    }
  }));
}

/** Each post may have been taken: one more would not be a repetition but a flood. */
const withheld = (unanswered) => Object.assign(new Error(`the message may have been taken: unanswered: ${unanswered}, not sent again`), { unanswered });

/** What the log keeps of a result. @param {Result} result */
export function toldOf({ name, kind, outcome, taken, error }) {
  const { status, attempts, reread, refused, unanswered } = taken ?? error ?? {};
  return { name, kind, outcome, status, attempts, reread, refused, ...(unanswered > 0 ? { unanswered } : {}), error: error?.message };
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
