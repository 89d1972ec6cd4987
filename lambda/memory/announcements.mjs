// Remembers announcements: a task is announced once, and a failure that keeps coming at occurrences 1, 2, 4, 8 and so on, for each destination.
// This module has the rules; the table keeps three kinds of items, and each write is conditional on the state that was read:
//
//   subject   the task, or the event if there is no task: counted once, in one window; settled once no destination is due to report it
//   window    one failure in one span of time: how often it came, how many each destination reported, and the run that announces it now
//   failure   the start of its latest window
//
// Windows begin at multiples of their length, in the events' own time: events that come in any order, or again days later, count in the same
// windows as if they had come in order.
//
// A subject is settled only after every destination that is due took the message that reports or counts it. A crash in between may repeat a
// message; it cannot lose one. A run that finds another run announcing the failure waits for the outcome.

import { own } from "../core/records.mjs";
import { MOST_UNANSWERED, UNANSWERED_MS } from "../core/unanswered.mjs";

/** How long an announcement is remembered: a day longer than the queue keeps events that may be sent again. */
const KEPT_MS = 15 * 24 * 3600_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** How many calls with an unknown outcome may follow one another, each with a new look. */
const MOST_UNCLEAR = 2;

/**
 * @typedef {{times: number, at: number, count: number, told: number}} Unanswered  times: posts without an answer; at: the time of the last one;
 *   count: how many occurrences it reported; told: how many were reported before
 * @typedef {{failure: string, since: number, settled: boolean, delivered: string[], unanswered: Record<string, Unanswered>}} Subject
 *   failure, since: the window that counted the subject; delivered: the destinations that took its message
 * @typedef {{since: number, count: number, told: Record<string, number>, earlier: number, holder: string|null, heldUntil: number}} Window
 *   told: for each destination, how many occurrences it reported
 * @typedef {{id: string, failure: string, since: number}} Place  the key of a window
 * @typedef {"done"|"lost"|"conflict"} Outcome  lost: an item changed since it was read; conflict: the write is to be tried again
 * @typedef {object} Table  Each call ends within `ms`. An error has `isUnclear` if the call may have been performed.
 * @property {(id: string, place: Place, ms: number) => Promise<{subject: Subject|null, window: Window|null, latest: number|null}|null>} look  a
 *   subject, a window and the latest window of its failure, of one moment; null if another run is writing one of them
 * @property {(id: string, ms: number) => Promise<Subject|null>} subject
 * @property {(id: string, ms: number) => Promise<Window|null>} window
 * @property {(failure: string, ms: number) => Promise<number|null>} latest  the start of the window that was opened last
 * @property {(id: string, place: Place, seen: object, fresh: Window, expires: number, ms: number) => Promise<Outcome>} open
 * @property {(id: string, place: Place, expires: number, ms: number) => Promise<Outcome>} join
 * @property {(id: string, seen: Window, names: string[], by: {holder: string, heldUntil: number}, ms: number) => Promise<{outcome: Outcome, window?: Window}>} take
 * @property {(id: string, seen: Subject, names: string[], expires: number, ms: number, as: {id: string, count: number}|null) => Promise<Outcome>} settle
 *   as: the window as it was read; settles only if the window is unchanged
 * @property {(id: string, windowId: string, told: {holder: string, names: string[], count: number}, note: object, ms: number) => Promise<Outcome>} mark
 * @property {(id: string, note: object, ms: number) => Promise<Outcome>} note  notes in the subject alone; adds `times` of posts without an
 *   answer to those noted before, unless `isAnew`, and keeps the noted `count` if the new one is null
 * @property {(windowId: string, name: string, count: number, ms: number) => Promise<Outcome>} raise
 * @property {(windowId: string, holder: string, ms: number) => Promise<Outcome>} release
 * @typedef {{count: number, since: string, earlier: number, next: number}} Occurrence
 *   the count-th time since; `earlier`: occurrences of the window before that no message reported; `next`: the count of the next message
 * @typedef {object} Decision
 * @property {"tell"|"duplicate"|"counted"} verdict
 * @property {number} [count]
 * @property {string[]} [pending]  the destinations to send to now
 * @property {string[]} [delivered]  the destinations that took the message before
 * @property {Record<string, number>} [unanswered]  the number of posts without an answer
 * @property {Record<string, Occurrence>} [occurrences]  for each pending destination
 * @property {Error} [trouble]  set if the table could not be used
 * @typedef {{name: string, took: boolean, unanswered: number}} Result  unanswered: all posts without an answer, with those of earlier runs
 * @typedef {object} How
 * @property {string[]} destinations
 * @property {() => void} [begin]  called when it is all but certain that this run will announce the event
 * @property {string} holder  unique to this run, even among retries of one event
 * @property {() => number} now
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} [random]
 * @property {number} waitMs  the time for the decision
 * @property {number} holdUntil  the time by which this run has certainly ended
 * @property {() => number} markMs  the time left for marking
 */

/** Reports that too many runs announce the same failure at once: Lambda runs this one again later. */
export class Busy extends Error {
  constructor() {
    super("the same failure is being announced by another invocation; this one is to be run again");
    this.name = "Busy";
  }
}

/**
 * Returns the keys of an incident: its subject, and the window to count in if no other window has counted it.
 * @param {{subject: string, failure: string, time: string|null}} incident
 * @param {{now: number, windowMs: number}} at
 */
export function keysOf({ subject, failure, time }, { now, windowMs }) {
  const length = Math.max(1, windowMs);
  return { subject, failure, since: Math.floor(momentOf(time, now) / length) * length };
}

/** Returns the window of a subject: a subject stays in the window that counted it. @returns {Place} */
export function placeOf(subject, keys) {
  const { failure, since } = subject?.failure ? subject : keys;
  return { id: windowKey(failure, since), failure, since };
}

const windowKey = (failure, since) => `${failure} @${since}`;

/**
 * Decides, has the message delivered, and marks the result. If the table does not answer, every destination gets the message: twice is better
 * than never.
 * @param {Table} table
 * @param {{subject: string, failure: string, since: number}} keys  as `keysOf` returns them
 * @param {How} how
 * @param {(decision: Decision) => Promise<Result[]>} deliver
 * @returns {Promise<Decision & {unsettled?: Error}>}
 * @throws {Busy} after waitMs
 */
export async function announce(table, keys, how, deliver) {
  const hold = { id: null };
  let decision = null;
  try {
    decision = await decide(table, keys, how, hold);
  } catch (error) {
    if (error instanceof Busy) {
      await letGo(table, how, hold).catch(() => {});
      throw error;
    }
    decision = { verdict: "tell", pending: how.destinations, delivered: [], unanswered: {}, occurrences: {}, trouble: error };
  }
  if (decision.verdict !== "tell") {
    await letGo(table, how, hold).catch(() => {});
    return decision;
  }
  let results = [];
  try {
    results = await deliver(decision);
  } finally {
    if (results.length === 0) await letGo(table, how, hold).catch(() => {});
  }
  try {
    await mark(table, keys, decision, results, how, hold);
    return decision;
  } catch (error) {
    await letGo(table, how, hold).catch(() => {});
    return { ...decision, unsettled: error };
  }
}

/**
 * Decides whether this subject is to be announced now, and to which destinations.
 * @param {Table} table
 * @param {{subject: string, failure: string, since: number}} keys
 * @param {How} how
 * @param {{id: string|null, joined?: string}} [hold]  receives the window that this run holds, or may hold; joined: the window in which this
 *   run certainly counted its subject
 * @returns {Promise<Decision>}
 * @throws {Busy} after waitMs; and every error of the table
 */
export async function decide(table, keys, how, hold = { id: null }) {
  const { now, sleep, random = Math.random, waitMs } = how;
  const deadline = now() + waitMs;
  const ms = () => {
    if (now() >= deadline) throw Object.assign(new Error("no time is left for the table"), { name: "TimeoutError" });
    return deadline - now();
  };
  let isContended = false;
  let unclear = 0;
  let isFirst = true;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    let step = null;
    try {
      // Most events are new: what a new one needs is read in one call, of one moment. A write to one of the items refuses this call.
      const seen = isFirst ? await table.look(keys.subject, placeOf(null, keys), ms()) : null;
      isFirst = false;
      step = await stepOf(table, keys, seen, how, hold, ms);
      unclear = 0;
    } catch (error) {
      // A table that answers is busy, not in trouble; a run that was at work before may be so still.
      if (now() >= deadline && isContended) throw new Busy();
      isContended = false;
      unclear += 1;
      if (!error.isUnclear || unclear > MOST_UNCLEAR) throw error;
      step = "unclear";
    }
    if (typeof step === "object") return step;
    if (step === "wait") isContended = true;
    if (step === "again") continue;
    // Waits after a refused write, too: the run that changed the item is at work.
    const waited = pause * (0.5 + random());
    if (now() + waited > deadline && isContended) throw new Busy();
    await sleep(Math.max(0, Math.min(waited, deadline - now())));
  }
}

/**
 * Reads what was not seen, and acts on the result.
 * @param {{subject: Subject|null, window: Window|null, latest: number|null}|null} seen  with the window of the keys
 * @returns {Promise<Decision|"again"|"wait">} again: read again at once; wait: other runs are at work
 */
async function stepOf(table, keys, seen, how, hold, ms) {
  const { destinations, holder, now } = how;
  // Reads in this order: the window is then at least as new as the subject, and contains every count that came with the subject.
  const subject = seen ? seen.subject : await table.subject(keys.subject, ms());
  if (subject?.settled) return { verdict: "duplicate" };
  const place = placeOf(subject, keys);
  const isSeen = seen !== null && place.id === placeOf(null, keys).id;
  const window = isSeen ? seen.window : await table.window(place.id, ms());
  const expires = now() + KEPT_MS;
  const by = { holder, heldUntil: how.holdUntil };
  if (window === null) {
    if (subject === null) how.begin?.();
    const latest = isSeen ? seen.latest : await table.latest(place.failure, ms());
    const found = { subject, ...await previousOf(table, place, latest, ms), names: destinations };
    const fresh = { since: place.since, count: 1, told: {}, earlier: untold(found.previous), ...by };
    const outcome = await held(hold, place, () => table.open(keys.subject, place, found, fresh, expires, ms()));
    // Nobody else can have announced a new subject in a window that this run has just opened.
    return outcome === "done" && subject === null ? tellOf({ subject: subjectOf(place), window: fresh, place }, destinations, now) : next(outcome);
  }
  if (subject === null) {
    const outcome = await table.join(keys.subject, place, expires, ms());
    if (outcome === "done") hold.joined = place.id;
    return next(outcome);
  }
  const pending = pendingOf(destinations, subject, window);
  if (pending.length === 0) {
    if (window.holder === holder) {
      const outcome = await table.release(place.id, holder, ms());
      if (outcome !== "conflict") hold.id = null;
      return next(outcome);
    }
    // AWS: GetItem may see one item of a transaction before another, and thus the window as it was before this subject was counted. A run that
    // received the answer to its own join has seen the whole transaction.
    const as = hold.joined === place.id ? null : { id: place.id, count: window.count };
    const outcome = await table.settle(keys.subject, subject, destinations, expires, ms(), as);
    return outcome === "done" ? { verdict: "counted", count: window.count } : next(outcome);
  }
  // If every pending destination left two posts without an answer, there is nothing to hold.
  const isHeld = pending.some((name) => timesOf(subject, name, now()) < MOST_UNANSWERED);
  if (isHeld && window.holder !== holder) {
    if (window.holder !== null && window.heldUntil >= now()) return "wait";
    // Another run may have announced it since: the next look decides from the answer of the table.
    return next((await held(hold, place, () => table.take(place.id, window, destinations, by, ms()))));
  }
  if (isHeld) hold.id = place.id;
  return tellOf({ subject, window, place }, pending, now);
}

/** Returns a subject that was counted and not announced. @returns {Subject} */
const subjectOf = ({ failure, since }) => ({ failure, since, settled: false, delivered: [], unanswered: {} });

/** Returns the decision to tell the pending destinations. */
function tellOf({ subject, window, place }, pending, now) {
  return {
    verdict: "tell", count: window.count, pending, delivered: subject.delivered, place, subject,
    unanswered: Object.fromEntries(pending.map((name) => [name, timesOf(subject, name, now())])),
    occurrences: Object.fromEntries(pending.map((name) => [name, occurrenceOf(window, toldOf(subject, window, name))])),
    told: Object.fromEntries(pending.map((name) => [name, toldOf(subject, window, name)])),
  };
}

/** Writes, and notes that the window may be held: the answer of a write may be lost. */
async function held(hold, { id }, write) {
  const before = hold.id;
  hold.id = id;
  const answer = await write();
  const outcome = answer.outcome ?? answer;
  if (outcome !== "done") hold.id = before;
  return outcome;
}

const next = (outcome) => (outcome === "done" ? "again" : "wait");

/** Returns the window that was opened last, if it is an earlier one. */
async function previousOf(table, place, latest, ms) {
  const id = latest !== null && latest < place.since ? windowKey(place.failure, latest) : null;
  const previous = id === null ? null : await table.window(id, ms());
  return { latest, previous, previousId: previous && id };
}

/** Marks the result for each destination, in one transaction with the notes of the subject. */
async function mark(table, keys, decision, results, how, hold) {
  const { now } = how;
  const took = results.filter((one) => one.took).map(({ name }) => name);
  const silent = results.filter((one) => !one.took && one.unanswered > (own(decision.unanswered, one.name) ?? 0));
  const count = decision.count ?? 0;
  // Marks destinations without an answer tentatively, so that the other subjects of this failure do not each try again.
  const names = [...took, ...silent.map(({ name }) => name)];
  const noteOf = ({ name, unanswered }) => ({
    times: unanswered - (own(decision.unanswered, name) ?? 0), isAnew: isOver(own(decision.subject?.unanswered ?? {}, name), now()), at: now(),
    // A run that could not use the table does not know the count.
    count: decision.count ?? null, told: own(decision.told ?? {}, name) ?? 0,
  });
  const note = {
    delivered: took, isSettled: took.length === decision.pending.length, expires: now() + KEPT_MS,
    unanswered: Object.fromEntries(silent.map((one) => [one.name, noteOf(one)])),
  };
  const isMine = decision.place !== undefined && hold.id === decision.place.id;
  if (isMine && names.length > 0) {
    const outcome = await persistently(how, (ms) => table.mark(keys.subject, hold.id, { holder: how.holder, names, count }, note, ms));
    if (outcome === "done") return;
    for (const name of names) await persistently(how, (ms) => table.raise(hold.id, name, count, ms));
  }
  if (names.length > 0) await persistently(how, (ms) => table.note(keys.subject, { ...note, place: placeOf(decision.subject, keys) }, ms));
  if (!isMine || names.length === 0) await letGo(table, how, hold);
}

/** Releases the window, so that other runs need not wait for the end of the hold. */
async function letGo(table, how, hold) {
  if (hold.id !== null) await persistently(how, (ms) => table.release(hold.id, how.holder, ms));
}

/** Repeats a write until it is done, lost to another run, or out of time. */
async function persistently({ now, sleep, random = Math.random, markMs }, write) {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    let failure = null;
    try {
      const outcome = await write(Math.max(1, markMs()));
      if (outcome !== "conflict") return outcome;
    } catch (error) {
      if (!error.isUnclear) throw error;
      failure = error;
    }
    const waited = pause * (0.5 + random());
    if (waited >= markMs()) throw failure ?? Object.assign(new Error("other writes were under way"), { name: "TransactionConflict" });
    await sleep(waited);
  }
}

/**
 * Returns the verdict that `decide` would reach for a subject that no run is announcing. Writes nothing.
 * @param {{subject: Subject|null, window: Window|null}} seen  the window of `placeOf`
 * @param {{destinations: string[]}} how
 * @returns {{verdict: "tell"|"duplicate"|"counted", since?: string, count?: number, told?: number, next?: number}}
 */
export function foresee({ subject, window }, { destinations }) {
  const iso = (ms) => new Date(ms).toISOString();
  const toldTo = destinations.map((name) => own(window?.told ?? {}, name) ?? 0);
  if (subject?.settled) return { verdict: "duplicate", since: iso(subject.since), ...(window ? { count: window.count, told: Math.max(0, ...toldTo) } : {}) };
  if (window === null) return { verdict: "tell" };
  const count = window.count + (subject === null ? 1 : 0);
  if (pendingOf(destinations, subject ?? { delivered: [], unanswered: {} }, { ...window, count }).length > 0) return { verdict: "tell" };
  const told = Math.min(...toldTo);
  return { verdict: "counted", since: iso(window.since), count, told, next: nextAfter(told) };
}

/** Returns the time of the event; the present if the event has no time, or one that is impossible. */
function momentOf(time, now) {
  const at = Date.parse(time);
  return at <= now ? at : now;
}

/** Lists the destinations that have not taken the subject and are due, or that did not answer while no later message counted the subject. */
function pendingOf(destinations, { delivered, unanswered }, { count, told }) {
  const isPending = (name) => count >= nextAfter(own(told, name) ?? 0) || (own(told, name) ?? 0) <= (own(unanswered, name)?.count ?? -1);
  return destinations.filter((name) => !delivered.includes(name) && isPending(name));
}

/** Counts the posts of the subject without an answer; after a quarter of an hour none. */
function timesOf({ unanswered }, name, now) {
  const note = own(unanswered, name);
  return note && !isOver(note, now) ? note.times : 0;
}

const isOver = (note, now) => note !== undefined && now - note.at >= UNANSWERED_MS;

/** Returns how many occurrences a destination reported, without the tentative mark of this subject's own post without an answer. */
function toldOf({ unanswered }, { told }, name) {
  const count = own(told, name) ?? 0;
  const note = own(unanswered, name);
  return note && count <= note.count ? note.told : count;
}

/** Counts the occurrences of a window that no message reported. */
function untold(window) {
  if (!window) return 0;
  const told = Math.max(0, ...Object.values(window.told));
  return Math.max(0, window.count - told) + (told === 0 ? window.earlier : 0);
}

/** Returns the next power of two that no message has reported. */
const nextAfter = (told) => (told === 0 ? 1 : 2 ** (Math.floor(Math.log2(told)) + 1));

const occurrenceOf = ({ count, since, earlier }, told) => ({
  count, since: new Date(since).toISOString(), earlier: told === 0 ? earlier : 0, next: nextAfter(count),
});
