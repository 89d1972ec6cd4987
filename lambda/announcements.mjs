// What was announced already: a task once, and of a failure that keeps coming occurrences 1, 2, 4, 8 and so on.
// The rules are here; the table only keeps two kinds of items, each changed by one conditional write:
//
//   subject   the task, or the event where there is no task: counted once, settled once it needs no more telling
//   failure   the same failure of the same family or service: how often it came in its window, how often was told,
//             and who is telling it just now
//
// A window is one of the events' own times: what is sent again days later counts among its neighbours of that day. Events
// come in any order, so that it reaches as far back from the first that came as forward. Older ones open one of their own.
//
// A subject is settled only after every place it goes to took the message that tells or counts it. A crash in between may repeat a
// message; it cannot lose one. Whoever finds somebody else telling waits for the outcome.

/** How long what was announced is remembered: a day longer than the queue keeps what may be sent again. */
const KEPT_MS = 15 * 24 * 3600_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

/**
 * @typedef {{failure: string, since: number, settled: boolean, delivered: string[]}} Subject
 *   delivered: of several destinations those that took it, while others have not
 * @typedef {{since: number, count: number, told: number, earlier: number, holder: string|null, heldUntil: number}} Failure
 * @typedef {object} Table  Every write says false where the item is no longer as it was seen.
 * @property {(keys: {subject: string, failure: string}) => Promise<{subject: Subject|null, failure: Failure|null}>} look
 * @property {(keys: object, seen: Failure|null, fresh: Failure, expires: number) => Promise<boolean>} open
 * @property {(keys: object, seen: Failure, expires: number) => Promise<boolean>} join
 * @property {(keys: object, seen: Failure, by: {holder: string, heldUntil: number, now: number}) => Promise<boolean>} take
 * @property {(keys: object, told: {holder: string, count: number, since: number}, expires: number) => Promise<void>} told
 * @property {(keys: object, since: number, expires: number) => Promise<boolean>} settle  false where it was settled before
 * @property {(keys: object, names: string[], told: {holder: string, count: number, since: number}, expires: number) => Promise<void>} note
 *   adds to what the subject has as delivered; those that took it were told of this many
 * @property {(keys: object, holder: string) => Promise<void>} release
 * @typedef {{count: number, since: string, earlier: number, next: number}} Occurrence
 *   The count-th time since; `earlier`: those of the window before that no message has counted; `next`: told again at.
 */

/** Too many invocations tell the same failure at once: Lambda runs this one again later. */
export class Busy extends Error {
  constructor() {
    super("the same failure is being announced by another invocation; this one is to be run again");
    this.name = "Busy";
  }
}

/**
 * Whether this subject is to be told now.
 * @param {Table} table
 * @param {{subject: string, failure: string}} keys
 * @param {{time: string|null, windowMs: number, holder: string, now: () => number, sleep: (ms: number) => Promise<void>,
 *   random?: () => number, waitMs: number, holdMs: number}} how  time: the event's own; holder: no other invocation's, not
 *   even a retry's; holdMs: after it, this invocation is certainly over
 * @returns {Promise<{verdict: "tell", occurrence: Occurrence, delivered: string[]} | {verdict: "duplicate"} | {verdict: "counted", count: number}>}
 * @throws {Busy} after waitMs; and whatever the table throws
 */
export async function decide(table, keys, { time, windowMs, holder, now, sleep, random = Math.random, waitMs, holdMs }) {
  const deadline = now() + waitMs;
  const at = momentOf(time, now());
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    const { subject, failure } = await table.look(keys);
    const expires = now() + KEPT_MS;
    if (subject?.settled) return { verdict: "duplicate" };
    if (!isWithin(failure, at, windowMs)) {
      const fresh = { since: at, count: 1, told: 0, earlier: untold(failure, subject, keys), holder, heldUntil: now() + holdMs };
      if (await table.open(keys, failure, fresh, expires)) return { verdict: "tell", occurrence: occurrenceOf(fresh), delivered: subject?.delivered ?? [] };
    } else if (!isCounted(subject, failure, keys)) {
      // Counted; the next look tells whether it is to be told.
      if (await table.join(keys, failure, expires)) continue;
    } else if (!isDue(failure) && subject.delivered.length === 0) {
      // The table refuses where another run told this subject after it was read here; the next look sees that.
      if (await table.settle(keys, failure.since, expires)) return { verdict: "counted", count: failure.count };
    } else if (failure.holder === null || failure.heldUntil < now()) {
      if (await table.take(keys, failure, { holder, heldUntil: now() + holdMs, now: now() })) {
        // None may have been counted since: the look after taking is the one that counts.
        const { failure: held, subject: known } = await table.look(keys);
        if (held?.holder === holder) return { verdict: "tell", occurrence: occurrenceOf(held), delivered: known?.delivered ?? [] };
      }
    }
    const ms = pause * (0.5 + random());
    if (now() + ms > deadline) throw new Busy();
    await sleep(ms);
  }
}

/**
 * What `decide` would say of a subject nobody else is telling. Writes nothing.
 * @param {{subject: Subject|null, failure: Failure|null}} seen  as `look` gives it
 * @param {{subject: string, failure: string}} keys
 * @param {{time: string|null, now: number, windowMs: number}} how  time: the event's own
 * @returns {{verdict: "tell"|"duplicate"|"counted", since?: string, count?: number, told?: number, next?: number}}
 *   Of a duplicate whose window is over, `count` and `told` are not known any more.
 */
export function foresee({ subject, failure }, keys, { time, now, windowMs }) {
  const iso = (ms) => new Date(ms).toISOString();
  const counted = isCounted(subject, failure, keys);
  if (subject?.settled) {
    return { verdict: "duplicate", since: iso(subject.since), ...(counted ? { count: failure.count, told: failure.told } : {}) };
  }
  if (!isWithin(failure, momentOf(time, now), windowMs)) return { verdict: "tell" };
  const count = failure.count + (counted ? 0 : 1);
  if (isDue({ ...failure, count }) || subject?.delivered?.length > 0) return { verdict: "tell" };
  return { verdict: "counted", since: iso(failure.since), count, told: failure.told, next: nextAfter(failure.told) };
}

/** The message was taken. @param {Occurrence} occurrence  the one that `decide` gave */
export async function announced(table, keys, { count, since }, { holder, now }) {
  await table.told(keys, { holder, count, since: Date.parse(since) }, now() + KEPT_MS);
}

/**
 * Some of its destinations took the message: whoever tells this subject next leaves them out. For them the failure was told: one
 * destination that is gone does not make the others ring for every task.
 * @param {string[]} names
 * @param {Occurrence} occurrence  the one that `decide` gave
 */
export async function noted(table, keys, names, { count, since }, { holder, now }) {
  if (names.length > 0) await table.note(keys, names, { holder, count, since: Date.parse(since) }, now() + KEPT_MS);
}

/** It was not taken: whoever waits may try at once. */
export const abandoned = (table, keys, { holder }) => table.release(keys, holder);

/** When it happened; now where the event does not say, or says what cannot be. */
function momentOf(time, now) {
  const at = Date.parse(time);
  return at <= now ? at : now;
}

const isWithin = (failure, at, windowMs) => failure !== null && Math.abs(at - failure.since) < windowMs;
const isCounted = (subject, failure, keys) => subject?.failure === keys.failure && subject.since === failure?.since;

/** Those of the window before that no message has counted, without the one that is counted anew. */
function untold(failure, subject, keys) {
  if (failure === null) return 0;
  return failure.count - failure.told + (failure.told === 0 ? failure.earlier : 0) - (isCounted(subject, failure, keys) ? 1 : 0);
}

/** Whether a power of two was reached that no message has told. */
const isDue = ({ count, told }) => count >= nextAfter(told);
const nextAfter = (told) => (told === 0 ? 1 : 2 ** (Math.floor(Math.log2(told)) + 1));

const occurrenceOf = ({ count, since, earlier, told }) => ({
  count, since: new Date(since).toISOString(), earlier: told === 0 ? earlier : 0, next: nextAfter(count),
});
