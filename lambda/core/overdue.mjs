// Decides whether a job missed a deadline. Pure: no I/O, no clock, no Node API, no Intl.
//
// The window of a deadline ends with its check, a grace later, and begins with the check of the deadline before: each moment belongs to one
// window, so that a run that used its grace does not also count for the next deadline. A grace is time of the local clock, as the checks are:
// Scheduler asks at the deadline's time of the clock plus the grace.

import { isTime, momentOf, nextTime, previousTime } from "./cron.mjs";
import { MOST_ENDS } from "./ledger.mjs";

/** How far back deadlines are checked that no check came for: a day more than a clock change or an outage takes from a weekly job. */
const LOOK_BACK_MS = 8 * 24 * 3600_000;
const MOST_WINDOWS = 100;

/**
 * @typedef {{cron: import("./cron.mjs").Cron, offset: import("./cron.mjs").Offset, graceMs: number}} Deadline
 * @typedef {{from: number, deadline: number, to: number}} Window  milliseconds; a success after `from` and at the latest at `to` keeps the deadline
 * @typedef {"kept"|"failed"|"missed"|"pending"|"unknown"} Verdict  failed: a run failed, which has rung already; pending: nothing is known of
 *   the job at the beginning of the window; unknown: the ledger has forgotten the ends of the window
 * @typedef {import("./ledger.mjs").Ledger} Ledger
 */

/**
 * Returns the deadline that a check is about: the time of the clock, less the grace.
 * @param {Deadline} one
 * @param {number} time  at which Scheduler asks
 * @returns {number|null} the latest deadline before, if that time of the clock does not exist or is no deadline
 */
export function deadlineAt({ cron, offset, graceMs }, time) {
  const deadline = momentOf(time + offset(time) - graceMs, offset);
  return deadline !== null && isTime(cron, offset, deadline) ? deadline : previousTime(cron, offset, time - graceMs + 1);
}

/** Returns the moment of the check. A check in an hour that a clock change skips never comes: the grace then is time that passes. */
const checkOf = ({ offset, graceMs }, deadline) => momentOf(deadline + offset(deadline) + graceMs, offset) ?? deadline + graceMs;

/** @param {Deadline} one @param {number} deadline @returns {Window} */
export function windowOf(one, deadline) {
  const previous = previousTime(one.cron, one.offset, deadline);
  const to = checkOf(one, deadline);
  const from = previous === null ? -Infinity : checkOf(one, previous);
  // Around a clock change a check may be later than the next one.
  return { from: from < to ? from : previous, deadline, to };
}

/**
 * Lists the windows that a check decides: the deadline's own, and those since the last check for which no check came.
 * @param {Deadline} one
 * @param {number} deadline
 * @param {number|null} checked  the deadline that was checked last
 * @returns {Window[]} the oldest first; none if the deadline is checked already
 */
export function windowsOf(one, deadline, checked) {
  const windows = [];
  const earliest = checked === null ? deadline - 1 : Math.max(checked, deadline - LOOK_BACK_MS);
  for (let at = deadline; at !== null && at > earliest && windows.length < MOST_WINDOWS; at = previousTime(one.cron, one.offset, at)) windows.unshift(windowOf(one, at));
  return windows;
}

/** @param {Deadline} one @param {number} deadline @returns {number|null} */
export const nextDeadline = ({ cron, offset }, deadline) => nextTime(cron, offset, deadline);

/**
 * Decides a window.
 * @param {Window} window
 * @param {Ledger[]} ledgers  of the job in every cluster
 * @param {number|null} checked  the deadline that was checked last: since then the job is watched
 * @returns {Verdict}
 */
export function verdictOf(window, ledgers, checked) {
  const { from, to } = window;
  const ends = endsOf(ledgers);
  const within = ends.filter(({ at }) => at > from && at <= to);
  if (within.some(({ ok }) => ok)) return "kept";
  if (within.some(({ hasRung }) => hasRung)) return "failed";
  const isWatched = (checked !== null && checked <= from) || ends.some(({ at }) => at <= from);
  if (ledgers.some((ledger) => hasForgotten(ledger, to))) return "unknown";
  return isWatched ? "missed" : "pending";
}

/** Says whether a ledger may have had ends in a window that ended then: it is full of later ends. */
const hasForgotten = ({ ends }, to) => ends.length === MOST_ENDS && momentIn(ends.at(-1)) > to;

/**
 * Decides whether a job that is to end well at least every so often is overdue.
 * @param {{everyMs: number, graceMs: number}} every
 * @param {number} time  of the check
 * @param {Ledger[]} ledgers
 * @param {number|null} watchedSince  the first check
 * @returns {{verdict: "kept"|"failed"|"missed"|"pending", deadline: number|null}}
 */
export function verdictOfEvery({ everyMs, graceMs }, time, ledgers, watchedSince) {
  const ends = endsOf(ledgers);
  const success = ends.find(({ ok }) => ok)?.at ?? null;
  const since = success ?? watchedSince;
  if (since === null) return { verdict: "pending", deadline: null };
  const deadline = since + everyMs;
  if (deadline + graceMs > time) return { verdict: "kept", deadline };
  return { verdict: ends.some(({ at, hasRung }) => hasRung && at + everyMs + graceMs > time) ? "failed" : "missed", deadline };
}

/**
 * Returns the ends of all ledgers, the newest first.
 * @param {Ledger[]} ledgers
 * @returns {{at: number, ok: boolean, hasRung: boolean, seconds: number|null}[]}  hasRung: a failure for which an alert was due; a failure that
 *   no destination takes has not rung
 */
export function endsOf(ledgers) {
  const all = ledgers.flatMap(({ lastSuccess, ends, told }) => [lastSuccess, ...ends].filter(Boolean).map((end) => ({ ...end, hasRung: !end.ok && end.at <= (told.failure ?? "") })));
  return all.map((end) => ({ ...end, at: momentIn(end) })).sort((one, other) => other.at - one.at);
}

const momentIn = ({ at }) => Date.parse(at);
