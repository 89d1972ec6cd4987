// Keeps the memory of jobs: how the runs of a job ended, and what was told about them. Builds and merges ledgers, and derives facts from them.
// Pure: no I/O, no clock, no Node API, no Intl. memory/ledger.mjs stores the records in DynamoDB.
//
// The ends in a ledger are a function of the set of ends alone: whatever the order in which events arrive, and however often, the ledger is
// equal. Parts are an exception: if a job has more than MOST_PARTS schedules, a part that left and comes back keeps only its newer ends.

import { isGuardDuty } from "./blame.mjs";
import { isOfService } from "./causes.mjs";
import { withoutCredentials } from "./credentials.mjs";
import { own } from "./records.mjs";

/**
 * @typedef {{name: string, image: string, digest: string|null}} Image  of a container
 * @typedef {object} End  the end of one run
 * @property {string} at  ISO 8601 in UTC with milliseconds, so that texts compare as times do
 * @property {string} task  the id of the task; of a job of another machine, the id of the event
 * @property {boolean} ok
 * @property {number|null} seconds  from the start of the run to its end
 * @property {number|null} revision  of the task definition
 * @property {Image[]} [images]  only in `lastSuccess`, and in the newest end
 * @property {string|null} cause  of a failure: a key of CAUSES, such as "out-of-memory"
 * @typedef {object} Told
 * @property {string|null} failure  the `at` of the latest failure that was told since
 * @property {string|null} overdue  the deadline that was told last
 * @property {string|null} recovered  the `at` of the success that was told last
 * @property {string[]} running  the ids of tasks that were told as over their limit, the latest ones
 * @property {Record<string, string>} checked  the deadline that was checked last, by the words of the expectation: "by CRON ZONE", "every SECONDS" or
 *   "every SECONDS since", each followed by the schedule's name if there is one (`keyOf` in watch/deadline.mjs)
 * @typedef {{at: string, reason: string|null}} Rejected  a RunTask that ECS refused, in the words of ECS
 * @typedef {{lastSuccess: End|null, lastStart: string|null, ends: End[], told: Told, lastRejected?: Rejected}} Ledger  ends: the newest first;
 *   lastRejected: only of the whole job, and only if there was one
 * @typedef {{version: 1, all: Ledger, parts: Record<string, Ledger>}} LedgerRecord  parts: by the `startedBy` of the tasks
 * @typedef {object} Ended  an end, and the ledger that it belongs to
 * @property {string} id  the key of the item
 * @property {string} cluster  "-" for a job of another machine
 * @property {string} name  the family, or the name of the job of another machine
 * @property {string|null} part  the key in `parts`
 * @property {string|null} startedAt
 * @property {End} end
 */

export const VERSION = 1;
/** The number of ends that a ledger keeps. */
export const MOST_ENDS = 30;
/** The number of parts that a record keeps: those with the newest ends. */
export const MOST_PARTS = 20;
/** The number of tasks, told as over their limit, that a ledger keeps. */
export const MOST_RUNNING = 20;
/** The number of successes that durations are taken from, and the least number for a percentile. */
export const DURATIONS = 20;
export const LEAST_DURATIONS = 5;
/** How long a record is kept after the last write, in milliseconds: a yearly job with a month's delay. */
export const KEPT_MS = 400 * 24 * 3600_000;
/** The cluster of jobs of other machines. */
export const ELSEWHERE = "-";
/** AWS cuts `startedBy` at this length. */
export const STARTED_BY_LENGTH = 36;
const PART_PREFIXES = ["chronos-schedule/", "events-rule/"];
const MOST_IMAGES = 10;
const LENGTH = { name: 255, image: 400, cause: 60, reason: 1_000 };
/** Ends that say nothing about the job: somebody or something else stopped the task on purpose. */
const NO_VERDICT = ["stopped-by-user", "stopped-by-scheduler"];

/** Returns the key of a job's item. @param {{cluster: string, name: string}} job */
export const idOf = ({ cluster, name }) => `job ${cluster}|${name}`;

/** @returns {Ledger} */
export const emptyLedger = () => ({
  lastSuccess: null, lastStart: null, ends: [], told: { failure: null, overdue: null, recovered: null, running: [], checked: {} },
});
/** @returns {LedgerRecord} */
export const emptyRecord = () => ({ version: VERSION, all: emptyLedger(), parts: {} });

/**
 * Reads a record from the text of its item. A text that is malformed, or that a later version wrote otherwise, gives what can be read of it.
 * @param {string|null|undefined} text
 * @returns {LedgerRecord}
 */
export function recordOf(text) {
  const { all, parts } = parsed(text);
  return { version: VERSION, all: ledgerOf(all), parts: Object.fromEntries(Object.entries(record(parts)).map(([key, part]) => [key, ledgerOf(part)])) };
}

/** Returns the text of an item: equal records give equal texts. @param {LedgerRecord} value */
export const textOf = ({ all, parts }) => JSON.stringify({
  version: VERSION, all, parts: Object.fromEntries(Object.entries(parts).sort(([one], [other]) => order(one, other))),
});

/** Returns the time until which an item written now is kept. @param {number} now  milliseconds */
export const expiryOf = (now) => now + KEPT_MS;

/**
 * Returns the end that an event reports, and its job; null if the event is no end of a job: a task of a service, a stop by a user, a drill.
 * @param {any} event  as EventBridge delivers it
 * @param {import("./incident.mjs").Incident} incident  as `incidentOf` returns it for this event
 * @returns {Ended|null}
 */
export function endOf(event, incident) {
  if (incident.drill || !(incident.succeeded || incident.rings) || NO_VERDICT.includes(incident.cause.id)) return null;
  const ends = { task: endOfTask, application: endElsewhere };
  // Jobs of AWS Batch have a memory of their own: AWS Batch tries them again.
  return own(ends, incident.kind)?.(record(record(event).detail), incident) ?? null;
}

function endOfTask(detail, incident) {
  const { source, lastStatus, cluster, family, taskId, startedBy } = incident;
  const at = incident.stoppedAt ?? incident.time;
  if (source !== "aws.ecs" || lastStatus !== "STOPPED" || isOfService(incident) || !cluster || !family || !taskId || !at) return null;
  const end = { ...bareEnd(incident, at, taskId), revision: wholeOf(incident.revision), images: imagesOf(detail.containers) };
  return { id: idOf({ cluster, name: family }), cluster, name: family, part: partKeyOf(startedBy), startedAt: incident.startedAt, end: ordered(end) };
}

function endElsewhere(detail, incident) {
  const { jobName: name, eventId, startedAt } = incident;
  const at = incident.stoppedAt ?? incident.time;
  if (!name || !eventId || !at) return null;
  const end = { ...bareEnd(incident, at, eventId), revision: null };
  return { id: idOf({ cluster: ELSEWHERE, name }), cluster: ELSEWHERE, name, part: null, startedAt, end: ordered(end) };
}

const bareEnd = ({ succeeded, durationSeconds, cause }, at, task) => ({
  at, task, ok: succeeded === true, seconds: durationSeconds, cause: succeeded ? null : cause.id.slice(0, LENGTH.cause),
});

/** Returns the key of the part that a task belongs to: only schedules start a part, as other values of `startedBy` may differ each time. */
export const partKeyOf = (startedBy) => (PART_PREFIXES.some((prefix) => (startedBy ?? "").startsWith(prefix)) ? startedBy.slice(0, LENGTH.name) : null);

/** Lists the images of the containers that the task definition names, in the order of their names. */
function imagesOf(containers) {
  const ofTask = list(containers).map(record).filter(({ name, image }) => filled(name) && filled(image) && !isGuardDuty({ name }));
  return ofTask.map(({ name, image, imageDigest }) => ({
    name: name.slice(0, LENGTH.name), image: withoutCredentials(image).slice(0, LENGTH.image),
    digest: filled(imageDigest) ? imageDigest.slice(0, LENGTH.name) : digestIn(image),
  })).sort((one, other) => order(one.name, other.name)).slice(0, MOST_IMAGES);
}

/** Returns the digest in a reference such as "web@sha256:…". */
const digestIn = (image) => /@(sha256:[0-9a-f]{64})$/.exec(image)?.[1] ?? null;

/**
 * Adds an end to a record, in the job's ledger and in the ledger of its part. Changes nothing if the end is known, and never the argument.
 * @param {LedgerRecord} before
 * @param {{part: string|null, startedAt: string|null, end: End}} ended  as `endOf` returns it
 * @returns {LedgerRecord}
 */
export function merged(before, { part, startedAt, end }) {
  const all = withEnd(before.all, end, startedAt);
  if (part === null) return { ...before, all };
  const parts = { ...before.parts, [part]: withEnd(own(before.parts, part) ?? emptyLedger(), end, startedAt) };
  const latest = Object.entries(parts).sort(([one, first], [other, second]) => newestPart(first, second) || order(one, other));
  return { ...before, all, parts: Object.fromEntries(latest.slice(0, MOST_PARTS)) };
}

const NEVER = { at: "", task: "" };
const newestPart = ({ ends: [one = NEVER] }, { ends: [other = NEVER] }) => newestFirst(one, other);

/** Adds an end to a ledger. @param {Ledger} ledger @param {End} end @param {string|null} [startedAt] @returns {Ledger} */
export function withEnd(ledger, end, startedAt = null) {
  const others = ledger.ends.filter((one) => !isSame(one, end));
  const known = ledger.ends.find((one) => isSame(one, end));
  const ends = [...others, known ? better(known, end) : end].sort(newestFirst).slice(0, MOST_ENDS);
  const { lastSuccess, lastStart } = ledger;
  return {
    ...ledger,
    lastSuccess: !end.ok ? lastSuccess : isAfter(end, lastSuccess) ? end : isSame(end, lastSuccess) ? better(lastSuccess, end) : lastSuccess,
    lastStart: startedAt !== null && startedAt > (lastStart ?? "") ? startedAt : lastStart,
    ends: ends.map((one, nth) => (nth === 0 ? one : withoutImages(one))),
  };
}

/** Sorts ends: the newest first; of one moment by the task. */
const newestFirst = (one, other) => order(other.at, one.at) || order(other.task, one.task);
const isSame = (one, other) => one.at === other.at && one.task === other.task;
/** Of two reports of one end, takes the success: only a notifier that could not read the task definition takes a success for a failure. */
const better = (one, other) => (rankOf(one) >= rankOf(other) ? one : other);
const rankOf = (end) => `${end.ok ? 1 : 0}${JSON.stringify(withoutImages(end))}${JSON.stringify(end.images ?? [])}`;
const withoutImages = ({ images, ...rest }) => rest;
const order = (one, other) => (one < other ? -1 : one > other ? 1 : 0);

/**
 * Selects the ledger of an expectation: the whole job, or the part that a schedule starts. AWS cuts `startedBy`, and so does the comparison.
 * Of several parts the one with the newest end counts.
 * @param {LedgerRecord} value
 * @param {string|null} startedBy  the name of a schedule or rule, or the whole `startedBy`
 * @returns {{key: string|null, ledger: Ledger}}  key: in `parts`; a part that is not known gives an empty ledger and the key null
 */
export function ledgerIn(value, startedBy) {
  if (startedBy === null || startedBy === undefined) return { key: null, ledger: value.all };
  const names = ["", ...PART_PREFIXES].map((prefix) => (prefix + startedBy).slice(0, STARTED_BY_LENGTH));
  const found = Object.entries(value.parts).filter(([key]) => names.includes(key.slice(0, STARTED_BY_LENGTH)))
    .sort(([, one], [, other]) => newestPart(one, other));
  return found.length > 0 ? { key: found[0][0], ledger: found[0][1] } : { key: null, ledger: emptyLedger() };
}

/**
 * Notes in one ledger of a record that something was told, or checked.
 * @param {LedgerRecord} value
 * @param {string|null} key  of the part; null for the whole job. A part that does not exist is created
 * @param {Partial<Told>} told  the fields to replace
 * @returns {LedgerRecord}
 */
export function withTold(value, key, told) {
  const changed = (ledger) => {
    const next = { ...ledger.told, ...told };
    return { ...ledger, told: { ...next, running: next.running.slice(-MOST_RUNNING) } };
  };
  return key === null ? { ...value, all: changed(value.all) } : { ...value, parts: { ...value.parts, [key]: changed(own(value.parts, key) ?? emptyLedger()) } };
}

/**
 * Returns the refusal of a RunTask that an incident reports, and its job.
 * @param {import("./incident.mjs").Incident} incident
 * @returns {(Rejected & {id: string})|null}
 */
export function refusalOf({ drill, source, cause: { id }, cluster, family: name, stoppedAt, time, stoppedReason }) {
  const at = stoppedAt ?? time;
  return drill || source !== "aws.ecs" || id !== "run-rejected" || !cluster || !name || !at ? null : { id: idOf({ cluster, name }), at, reason: stoppedReason?.slice(0, LENGTH.reason) ?? null };
}

/** Notes the latest refusal of a RunTask. @param {LedgerRecord} value @param {Rejected} rejected @returns {LedgerRecord} */
export const withRejected = (value, { at, reason }) => (at > (value.all.lastRejected?.at ?? "") ? { ...value, all: { ...value.all, lastRejected: { at, reason } } } : value);

/** Says whether an end is newer than another one, or the only one. @param {End} end @param {End|null} other */
export const isAfter = (end, other) => other === null || newestFirst(end, other) < 0;

/**
 * Returns the open failure: the failures since the last success.
 * @param {Ledger} ledger
 * @returns {{since: string, failures: number, isMore: boolean, cause: string|null}|null}  since: the earliest that is kept; isMore: earlier
 *   ones may have been forgotten; cause: of the latest
 */
export function openFailureOf({ ends, lastSuccess }) {
  const open = ends.filter((one) => !one.ok && isAfter(one, lastSuccess));
  return open.length === 0 ? null : { since: open.at(-1).at, failures: open.length, isMore: open.length === MOST_ENDS, cause: open[0].cause };
}

/**
 * Counts the good runs in a row before the open failure; without one, the latest good runs in a row.
 * @param {Ledger} ledger
 * @returns {{count: number, isMore: boolean}}  isMore: earlier ones may have been forgotten
 */
export function goodRunsOf({ ends, lastSuccess }) {
  const before = ends.filter((one) => one.ok || !isAfter(one, lastSuccess));
  const bad = before.findIndex((one) => !one.ok);
  return { count: bad === -1 ? before.length : bad, isMore: bad === -1 && ends.length === MOST_ENDS };
}

/** Returns the durations of the latest successes in seconds, the newest first. @param {Ledger} ledger @returns {number[]} */
export const durationsOf = ({ ends }) => ends.filter(({ ok }) => ok).slice(0, DURATIONS).map(({ seconds }) => seconds).filter((seconds) => seconds !== null);

/**
 * Returns a percentile of the durations by the nearest rank, from LEAST_DURATIONS runs on.
 * @param {Ledger} ledger
 * @param {number} [share]  from 0 up to 1
 * @returns {number|null} seconds
 */
export function percentileOf(ledger, share = 0.95) {
  const sorted = durationsOf(ledger).sort((one, other) => one - other);
  return sorted.length < LEAST_DURATIONS ? null : sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Returns the usual duration: the median. @param {Ledger} ledger @returns {number|null} seconds */
export const usualOf = (ledger) => percentileOf(ledger, 0.5);

/**
 * Finds the latest success between two times.
 * @param {Ledger} ledger
 * @param {string} after  not included @param {string} until  included; both ISO 8601 with milliseconds
 * @returns {End|null}
 */
export function successIn({ ends, lastSuccess }, after, until) {
  return [lastSuccess, ...ends].find((one) => one?.ok && one.at > after && one.at <= until) ?? null;
}

/** Reads a ledger of any shape. @returns {Ledger} */
function ledgerOf(value) {
  const { lastSuccess, lastStart, ends, told, lastRejected } = record(value);
  const { failure, overdue, recovered, running, checked } = record(told);
  return {
    lastSuccess: isEnd(lastSuccess) ? ordered(lastSuccess) : null, lastStart: timeOf(lastStart),
    ends: list(ends).filter(isEnd).map(ordered).sort(newestFirst).slice(0, MOST_ENDS),
    told: {
      failure: timeOf(failure), overdue: timeOf(overdue), recovered: timeOf(recovered), running: list(running).filter(filled).slice(-MOST_RUNNING),
      checked: Object.fromEntries(Object.entries(record(checked)).filter(([, at]) => timeOf(at) !== null)),
    },
    ...(timeOf(record(lastRejected).at) === null ? {} : { lastRejected: { at: lastRejected.at, reason: filled(lastRejected.reason) ? lastRejected.reason : null } }),
  };
}

/** Brings the fields of an end into one order, so that equal ends have equal texts. @returns {End} */
const ordered = ({ at, task, ok, seconds, revision, images, cause }) => ({
  at, task, ok, seconds: seconds ?? null, revision: revision ?? null, ...(Array.isArray(images) ? { images } : {}), cause: cause ?? null,
});
const isEnd = (value) => timeOf(record(value).at) !== null && filled(value.task) && typeof value.ok === "boolean";

function parsed(text) {
  try {
    return record(JSON.parse(text ?? "null"));
  } catch {
    return {};
  }
}

const record = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const list = (value) => (Array.isArray(value) ? value : []);
const filled = (value) => typeof value === "string" && value !== "";
const wholeOf = (value) => (/^\d{1,9}$/.test(value ?? "") ? Number(value) : null);
const timeOf = (value) => (typeof value === "string" && !Number.isNaN(Date.parse(value)) ? value : null);
