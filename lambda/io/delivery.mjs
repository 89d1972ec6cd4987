// Sends one incident to several destinations at once: no destination waits for another, and none stops another.

import { own } from "../core/records.mjs";
import { MOST_UNANSWERED } from "../core/unanswered.mjs";

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {import("../core/destinations.mjs").Kind|null} kind
 * @property {"sent"|"sent-plain"|"failed"|"already"|"counted"} outcome  already: an earlier run of the same event delivered there; counted:
 *   the destination already reported this failure, and reports it again at the next power of two
 * @property {number} [ms]  the time of the attempts, if there were any
 * @property {import("./sender.mjs").Taken} [taken]
 * @property {Error & {status?: number|null, attempts?: number, unanswered?: number}} [error]
 */

/**
 * Sends to the pending destinations.
 * @param {import("./sender.mjs").Sender[]} senders
 * @param {{pending: string[], delivered: string[], unanswered: Record<string, number>}} decided  pending: the names of the destinations to send
 *   to; unanswered: the number of posts of earlier runs without an answer
 * @param {(sender: import("./sender.mjs").Sender, unanswered: number) => Promise<import("./sender.mjs").Taken>} send
 * @param {() => number} now
 * @returns {Promise<Result[]>} never fails
 */
export function deliverTo(senders, { pending, delivered, unanswered }, send, now) {
  return Promise.all(senders.map(async (sender) => {
    const { name } = sender;
    if (!pending.includes(name)) return { name, kind: sender.kind(), outcome: delivered.includes(name) ? "already" : "counted" };
    const before = own(unanswered, name) ?? 0;
    if (before >= MOST_UNANSWERED) return { name, kind: sender.kind(), outcome: "failed", error: withheld(before) };
    const from = now();
    try {
      const taken = await send(sender, before);
      return { name, kind: sender.kind(), outcome: taken.refused ? "sent-plain" : "sent", ms: now() - from, taken };
    } catch (error) {
      return { name, kind: sender.kind(), outcome: "failed", ms: now() - from, error };
    }
  }));
}

/** Refuses to post again: each post may have been taken, so one more would not be a repetition but a flood. */
const withheld = (unanswered) => Object.assign(new Error(`the message may have been taken: unanswered: ${unanswered}, not sent again`), { unanswered });

/** Returns the part of a result that the log line keeps. @param {Result} result */
export function toldOf({ name, kind, outcome, ms, taken, error }) {
  const { status, attempts, reread, refused, unanswered } = taken ?? error ?? {};
  return { name, kind, outcome, status, attempts, ms, reread, refused, ...(unanswered > 0 ? { unanswered } : {}), error: error?.message };
}

/**
 * Returns the error with which the run fails, so that Lambda runs the event again.
 * @param {Result[]} results
 * @param {boolean} alone  with one destination, the error of this destination says everything
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
