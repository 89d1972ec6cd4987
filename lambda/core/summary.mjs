// Sums up the week of all jobs: open problems, flaky jobs, slower jobs. Pure: no I/O, no clock, no Node API, no Intl.

import { ELSEWHERE, durationsOf, openFailureOf } from "./ledger.mjs";

const WEEK_MS = 7 * 24 * 3600_000;
/** A job is slower if the median of the latest runs is this many times the median of those before. */
const SLOWER = 1.5;
const LATEST = 5;
const BEFORE = 15;
/** Seconds that a slower job has to lose: differences below are noise. */
const LEAST_LOSS = 10;
/** The most lines about jobs: with the headline, a sentence, the number of others and the foot, a message has 15 lines at most. */
export const MOST_LINES = 11;
const ORDER = ["overdue", "open", "flaky", "slower", "new"];

/**
 * @typedef {{name: string, cluster: string, startedBy: string|null, ledger: import("./ledger.mjs").Ledger, isExpected: boolean}} Known  a job
 */

/**
 * Sums up.
 * @param {Known[]} jobs
 * @param {number} now  milliseconds
 * @returns {import("./watched.mjs").Summary}
 */
export function summaryOf(jobs, now) {
  const lines = jobs.map((job) => lineOf(job, now)).filter(Boolean).sort(inOrder);
  const shown = lines.slice(0, MOST_LINES);
  return { jobs: jobs.length, problems: lines.filter(({ kind }) => kind !== "new").length, lines: shown, more: lines.length - shown.length };
}

/** Sorts the gravest lines first; equal ones by their age, then by name. */
function inOrder(one, other) {
  const keyOf = ({ kind, since, job }) => `${ORDER.indexOf(kind)} ${since ?? ""} ${job}`;
  return keyOf(one) < keyOf(other) ? -1 : 1;
}

function lineOf({ name, cluster, startedBy, ledger, isExpected }, now) {
  const of = { job: startedBy === null ? name : `${name} (${startedBy})`, cluster: cluster === ELSEWHERE ? null : cluster };
  const open = openFailureOf(ledger);
  if (open) return { ...of, kind: "open", since: open.since, failures: open.failures, cause: open.cause };
  const { overdue } = ledger.told;
  if (overdue !== null && overdue > (ledger.lastSuccess?.at ?? "")) return { ...of, kind: "overdue", since: overdue };
  if (ledger.ends.length === 0) return isExpected ? { ...of, kind: "new" } : null;
  const failed = ledger.ends.filter(({ ok, at }) => !ok && now - Date.parse(at) < WEEK_MS);
  if (failed.length > 0) return { ...of, kind: "flaky", failures: failed.length, cause: failed[0].cause, since: failed.at(-1).at };
  const durations = durationsOf(ledger);
  const [latest, before] = [durations.slice(0, LATEST), durations.slice(LATEST, LATEST + BEFORE)];
  if (latest.length < LATEST || before.length < LATEST) return null;
  const [now5, then] = [medianOf(latest), medianOf(before)];
  return now5 > SLOWER * then && now5 - then >= LEAST_LOSS ? { ...of, kind: "slower", seconds: now5, beforeSeconds: then } : null;
}

function medianOf(values) {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
