// Compares a run with the ledger of its job: how a failure differs from the last success, and whether a success ends a told failure or overdue
// run. Pure: no I/O, no clock, no Node API, no Intl.

import { CAUSES, cause } from "./causes.mjs";
import { MOST_ENDS, STARTED_BY_LENGTH, endOf, isAfter, merged, recordOf, refusalOf, textOf, withRejected } from "./ledger.mjs";
import { own } from "./records.mjs";

/**
 * @typedef {{from: number, to: number}} RevisionChange
 * @typedef {{container: string|null, from: import("./ledger.mjs").Image, to: import("./ledger.mjs").Image}} ImageChange  container: null if
 *   the task has one container only
 * @typedef {{revision: RevisionChange|null, images: ImageChange[]}} Changes  without any content: nothing changed
 * @typedef {object} JobFacts  a failure, compared with the job's earlier runs
 * @property {string} since  the first failure in a row that is known
 * @property {number} failures  in a row, with this one
 * @property {boolean} isMore  earlier failures in this row may have been forgotten
 * @property {{at: string, revision: number|null}|null} lastSuccess
 * @property {number} goodRuns  in a row before the first failure
 * @property {boolean} areMoreGoodRuns  earlier ones may have been forgotten
 * @property {Changes|null} changes  since the last success; null if not known
 * @property {string|null} overdue  a deadline that passed since without a success
 * @property {string|null} endedWellAt  a later success, which was reported earlier than this failure
 * @typedef {object} RecoveryFacts
 * @property {"job"|"deployment"|"service"} of
 * @property {string|null} since  the first failure, or the deadline that was missed
 * @property {string} at  the success
 * @property {number|null} seconds  from `since` to `at`
 * @property {number} failures
 * @property {boolean} isMore
 * @property {string|null} overdue  the missed deadline, if it was told
 * @typedef {RecoveryFacts & {key: string, trouble: string, parts: (string|null)[], isHeld: boolean}} Recovery
 *   key: equal for all successes after one told trouble; trouble: the time of this trouble; parts: the ledgers that it ends in; isHeld: a
 *   recovery of this job was told a short time ago
 * @typedef {RecoveryFacts & {key: string, isHeld: boolean, ended: ("deployment"|"impaired")[], reportedAt: string}} ServiceRecovery
 *   ended: the troubles that end; reportedAt: the time of the report, `at` may be that of an earlier one
 */

/**
 * Compares a failure with the job's earlier runs: those of its schedule, if they are known.
 * @param {import("./ledger.mjs").LedgerRecord} record  with the failure
 * @param {import("./ledger.mjs").Ended} ended  the failure
 * @returns {JobFacts}
 */
export function jobFactsOf(record, { part, end }) {
  const ofPart = part === null ? null : own(record.parts, part);
  const ledger = ofPart?.lastSuccess ? ofPart : record.all;
  const before = ledger.ends.filter((one) => !isAfter(one, end));
  const { row, goodRuns, isWhole } = rowOf(before);
  const { lastSuccess } = ledger;
  const isOver = lastSuccess !== null && isAfter(lastSuccess, end);
  const success = isOver ? before.find(({ ok }) => ok) ?? null : lastSuccess;
  return {
    since: (row.at(-1) ?? end).at, failures: Math.max(1, row.length), isMore: !isWhole && success === null && ledger.ends.length === MOST_ENDS,
    lastSuccess: success && { at: success.at, revision: success.revision },
    goodRuns, areMoreGoodRuns: goodRuns > 0 && row.length + goodRuns === before.length && ledger.ends.length === MOST_ENDS,
    changes: isOver || success === null ? null : changesOf(success, end),
    endedWellAt: isOver ? lastSuccess.at : null, overdue: openOverdueOf([ofPart, record.all], lastSuccess),
  };
}

/** Returns the latest deadline that was missed since the last success. */
function openOverdueOf(ledgers, lastSuccess) {
  const missed = ledgers.map((ledger) => ledger?.told.overdue ?? null).filter((at) => at !== null && at > (lastSuccess?.at ?? ""));
  return missed.sort().at(-1) ?? null;
}

/** Splits ends, the newest first, into the failures in a row and the good runs in a row before them. isWhole: the row has a beginning. */
function rowOf(ends) {
  const good = ends.findIndex(({ ok }) => ok);
  const row = good === -1 ? ends : ends.slice(0, good);
  const rest = ends.slice(row.length);
  const bad = rest.findIndex(({ ok }) => !ok);
  return { row, goodRuns: bad === -1 ? rest.length : bad, isWhole: good !== -1 };
}

/** @returns {Changes|null} null if neither revisions nor images can be compared */
function changesOf(success, end) {
  const haveRevisions = success.revision !== null && end.revision !== null;
  const pairs = (end.images ?? []).map((to) => ({ to, from: (success.images ?? []).find(({ name }) => name === to.name) })).filter(({ from }) => from);
  if (!haveRevisions && pairs.length === 0) return null;
  return {
    revision: haveRevisions && success.revision !== end.revision ? { from: success.revision, to: end.revision } : null,
    images: pairs.filter(({ from, to }) => isOtherImage(from, to)).map(({ from, to }) => ({ container: pairs.length > 1 ? to.name : null, from, to })),
  };
}

/** Compares by digest where both are known: a tag such as `latest` may stay, and two tags may name one image. */
const isOtherImage = (from, to) => (from.digest !== null && to.digest !== null ? from.digest !== to.digest : from.image !== to.image);

/**
 * Notes that a failure is told, unless the job has ended well since: the alert then reports a past failure.
 * @param {import("./ledger.mjs").LedgerRecord} record  with the failure
 * @param {import("./ledger.mjs").Ended} ended
 * @returns {import("./ledger.mjs").LedgerRecord}
 */
export function withToldFailure(record, { part, end }) {
  const isNews = ({ lastSuccess, told }) => isAfter(end, lastSuccess) && end.at > (told.failure ?? "");
  const noted = (ledger) => (isNews(ledger) ? { ...ledger, told: { ...ledger.told, failure: end.at } } : ledger);
  const ofPart = part === null ? null : own(record.parts, part);
  return { ...record, all: noted(record.all), ...(ofPart ? { parts: { ...record.parts, [part]: noted(ofPart) } } : {}) };
}

/**
 * Says whether a success ends a failure or an overdue run that was told, and whose end was not told yet.
 *
 * A run that a schedule started ends the troubles of its schedule, and those of the whole job; a run that somebody started by hand ends all.
 * @param {import("./ledger.mjs").LedgerRecord} record  with the success
 * @param {import("./ledger.mjs").Ended} ended  the success
 * @param {number} windowMs  at most one recovery of a job in so many milliseconds of the runs' own time
 * @returns {Recovery|null}
 */
export function recoveryOf(record, { id, part, end }, windowMs) {
  if (!end.ok) return null;
  const troubles = troublesOf(record, part).filter(({ at }) => end.at > at);
  if (troubles.length === 0) return null;
  const trouble = troubles.map(({ at }) => at).sort().at(-1);
  const { overdue, ledger } = troubles[0];
  const told = record.all.told.recovered;
  const passedMs = told === null ? Infinity : Date.parse(end.at) - Date.parse(told);
  return {
    key: `recovered ${id} ${trouble}`, trouble, parts: troubles.map(({ key }) => key), isHeld: passedMs >= 0 && passedMs < windowMs,
    ...episodeOf(ledger, end, trouble, overdue),
  };
}

/**
 * Says whether two parts may have been started by one schedule. An overdue run is noted before the schedule has started any task: then nobody
 * knows whether the part begins with "chronos-schedule/" or "events-rule/".
 */
function isSameSchedule(one, other) {
  const [first, second] = [one, other ?? ""].map((key) => key.slice(key.indexOf("/") + 1)).sort((short, long) => short.length - long.length);
  const isCut = [one, other ?? ""].some((key) => key.length === STARTED_BY_LENGTH);
  return second === first || (isCut && first !== "" && second.startsWith(first));
}

/** Lists the troubles that were told and are open, the most particular one first. */
function troublesOf({ all, parts }, part) {
  const openOf = (key, ledger, failure) => {
    const { overdue, recovered } = ledger.told;
    const [openFailure, openOverdue] = [failure, overdue].map((at) => (at !== null && at > (recovered ?? "") ? at : null));
    return { key, ledger, overdue: openOverdue, at: [openFailure, openOverdue].filter(Boolean).sort().at(-1) ?? null };
  };
  const isOwn = ([key, { ends }]) => key === part || (ends.length === 0 && isSameSchedule(key, part));
  const others = Object.entries(parts).filter((one) => !isOwn(one));
  // A failure of another schedule is open until that schedule, or somebody by hand, ran the job well.
  const isOfOther = others.some(([, { told }]) => told.failure !== null && told.failure === all.told.failure);
  const open = [
    ...(part === null ? others : Object.entries(parts).filter(isOwn)).map(([key, ledger]) => openOf(key, ledger, ledger.told.failure)),
    openOf(null, all, isOfOther ? null : all.told.failure),
  ];
  return open.filter(({ at }) => at !== null);
}

/** Describes the trouble that ended: from the first failure in a row, or the missed deadline, to the first success after it. */
function episodeOf({ ends }, end, trouble, overdue) {
  const at = ends.filter((one) => one.ok && one.at > trouble && one.at < end.at).at(-1)?.at ?? end.at;
  const { row, isWhole } = rowOf(ends.filter((one) => one.at < at && !(one.ok && one.at > trouble)));
  const since = [row.at(-1)?.at, overdue].filter(Boolean).sort()[0] ?? null;
  return { of: "job", since, at, seconds: secondsBetween(since, at), failures: row.length, isMore: !isWhole && ends.length === MOST_ENDS, overdue };
}

const secondsBetween = (since, at) => (since === null ? null : Math.max(0, Math.floor((Date.parse(at) - Date.parse(since)) / 1000)));

/**
 * Notes that a recovery was told.
 * @param {import("./ledger.mjs").LedgerRecord} record
 * @param {{parts: (string|null)[], at: string}} recovery  as `recoveryOf` returns it
 * @returns {import("./ledger.mjs").LedgerRecord}
 */
export function withRecovery(record, { parts, at }) {
  const noted = (ledger) => (at > (ledger.told.recovered ?? "") ? { ...ledger, told: { ...ledger.told, recovered: at } } : ledger);
  const known = parts.filter((key) => key !== null && own(record.parts, key));
  return { ...record, all: noted(record.all), parts: { ...record.parts, ...Object.fromEntries(known.map((key) => [key, noted(record.parts[key])])) } };
}

/** Patterns of the catalogue whose alerts a recovery answers: a destination that takes the failures takes the recovery, too. */
const ANSWERED = {
  task: ["task-failed", "nonzero-exit", "start-failed", "out-of-memory"], application: ["application-error"],
  deployment: ["deployment-failed"], service: ["service-impaired"],
};

/** Returns the patterns by which a recovery is routed. @param {import("./incident.mjs").Incident} incident @param {string[]} patterns  of its event */
export const patternsOfRecovery = ({ kind }, patterns) => [...new Set([...patterns, ...own(ANSWERED, kind) ?? []])];

/** Sentences for recoveries; "recovered" in CAUSES has that of a job. No event of a completed deployment says whether it was a rollback. */
const SENTENCES = {
  deployment: { en: ["works again", "A deployment completed after the failed one; it may be the rollback."], ja: ["復旧", "デプロイの失敗後に別のデプロイが完了しました。ロールバックの可能性があります。"] },
  service: { en: ["works again", "The service reached a steady state."], ja: ["復旧", "サービスが定常状態になりました。"] },
};

/**
 * Makes the incident of a recovery from the incident of a success. Details of the task that ended well are left out.
 * @param {import("./incident.mjs").Incident} incident
 * @param {RecoveryFacts|Recovery|null} recovery  null in a drill, which has no ledger
 * @returns {import("./incident.mjs").Incident}
 */
export function recoveredIncident(incident, recovery) {
  const why = cause("recovered");
  const { of = "job", key = null, since = null, at = null, seconds = null, failures = 0, isMore = false, overdue = null } = recovery ?? {};
  return {
    ...incident, state: "recovered", rings: true, silentBecause: null, severity: CAUSES.recovered.severity,
    cause: { ...why, words: own(SENTENCES, of) ?? why.words }, stoppedReason: null, containers: [], log: null, links: { ...incident.links, log: null },
    recovery: recovery === null ? null : { of, since, at, seconds, failures, isMore, overdue },
    // The table keeps both as items: the keys must differ.
    ...(key === null ? {} : { subject: key, failure: `of ${key}` }),
  };
}

/**
 * @typedef {{version: 1, deployment: ServiceTrouble, impaired: ServiceTrouble}} ServiceRecord
 * @typedef {{told: string|null, recovered: string|null, good?: string}} ServiceTrouble  the times of the latest trouble, and of the latest
 *   recovery, that were told; good: of the first good report after the trouble, while its recovery is held
 */

const IMPAIRED = [
  "SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED", "SERVICE_TASK_CONFIGURATION_FAILURE",
  "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED", "ECS_OPERATION_THROTTLED",
];
const SERVICE_EVENTS = {
  SERVICE_DEPLOYMENT_FAILED: { trouble: "deployment", isGood: false }, SERVICE_DEPLOYMENT_COMPLETED: { trouble: "deployment", isGood: true },
  SERVICE_STEADY_STATE: { trouble: "impaired", isGood: true }, ...Object.fromEntries(IMPAIRED.map((name) => [name, { trouble: "impaired", isGood: false }])),
};

/**
 * Returns a service's report: a trouble, or the end of one; null for every other event.
 * @param {import("./incident.mjs").Incident} incident
 * @returns {{id: string, trouble: "deployment"|"impaired", isGood: boolean, at: string}|null}  id: the key of the item
 */
export function reportOf({ source, drill, kind, cluster, service, eventName, stoppedAt, time }) {
  const of = own(SERVICE_EVENTS, eventName ?? "");
  const at = stoppedAt ?? time;
  if (drill || source !== "aws.ecs" || !["deployment", "service"].includes(kind) || !of || !cluster || !service || !at) return null;
  return { id: `service ${cluster}|${service}`, ...of, at };
}

/** Reads the record of a service from the text of its item. @param {string|null} text @returns {ServiceRecord} */
export function serviceRecordOf(text) {
  let value = {};
  try {
    value = JSON.parse(text ?? "{}") ?? {};
  } catch {
    // A text that cannot be read is written anew.
  }
  const timeOf = (at) => (typeof at === "string" && !Number.isNaN(Date.parse(at)) ? at : null);
  const troubleOf = (trouble) => ({ told: timeOf(trouble?.told), recovered: timeOf(trouble?.recovered), ...(timeOf(trouble?.good) === null ? {} : { good: trouble.good }) });
  return { version: 1, deployment: troubleOf(value.deployment), impaired: troubleOf(value.impaired) };
}

/** Notes that a trouble of a service is told. @param {ServiceRecord} record @returns {ServiceRecord} */
export const withToldTrouble = (record, { trouble, at }) => withLater(record, trouble, "told", at);

/**
 * Says whether a good report of a service ends troubles that were told. A report ends the trouble of its own kind, and a trouble of the other
 * kind whose recovery is held: one message tells both.
 * @param {ServiceRecord} record
 * @param {{id: string, trouble: "deployment"|"impaired", at: string}} report
 * @param {number} windowMs
 * @returns {ServiceRecovery|null}
 */
export function serviceRecoveryOf(record, { id, trouble, at }, windowMs) {
  const isOpen = ({ told, recovered }) => told !== null && told > (recovered ?? "") && at > told;
  const ended = [trouble, trouble === "deployment" ? "impaired" : "deployment"]
    .filter((kind) => isOpen(record[kind]) && (kind === trouble || heldSince(record[kind]) !== null));
  if (ended.length === 0) return null;
  const [of] = ended;
  const { told } = record[of];
  const goodAt = [heldSince(record[of]), at].filter(Boolean).sort()[0];
  const latest = latestRecovery(record);
  const passedMs = latest === null ? Infinity : Date.parse(at) - Date.parse(latest);
  return {
    key: `recovered ${id} ${of} ${told}`, isHeld: passedMs >= 0 && passedMs < windowMs, of: of === "deployment" ? "deployment" : "service",
    since: told, at: goodAt, seconds: secondsBetween(told, goodAt), failures: 0, isMore: false, overdue: null, ended, reportedAt: at,
  };
}

/** Returns the time of the good report that is held, if no trouble came after it. */
const heldSince = ({ told, good = null }) => (good !== null && good > (told ?? "") ? good : null);
const latestRecovery = ({ deployment, impaired }) => [deployment.recovered, impaired.recovered].filter(Boolean).sort().at(-1) ?? null;

/**
 * Notes that a recovery of a service was told.
 * @param {ServiceRecord} record @param {{ended: string[], reportedAt: string}} recovery @returns {ServiceRecord}
 */
export const withServiceRecovery = (record, { ended, reportedAt }) => ended.reduce((before, trouble) => withoutGood(withLater(before, trouble, "recovered", reportedAt), trouble), record);

/**
 * Notes that a recovery of a service is held. A trouble that is older than the latest message of a recovery is closed: that message was its
 * answer. A later trouble stays open, with the time of the good report: the next good report after the window tells its recovery.
 * @param {ServiceRecord} record @param {{ended: string[], reportedAt: string}} recovery @returns {ServiceRecord}
 */
export function withHeldServiceRecovery(record, { ended, reportedAt }) {
  const latest = latestRecovery(record) ?? "";
  return ended.reduce((before, trouble) => {
    const { told } = before[trouble];
    // The time of the trouble closes the trouble, and does not move the window.
    if (told !== null && told <= latest) return withoutGood(withLater(before, trouble, "recovered", told), trouble);
    return heldSince(before[trouble]) === null ? { ...before, [trouble]: { ...before[trouble], good: reportedAt } } : before;
  }, record);
}

function withoutGood(record, trouble) {
  const { good, ...rest } = record[trouble];
  return heldSince(record[trouble]) !== null && good > (rest.recovered ?? "") ? record : { ...record, [trouble]: rest };
}

const withLater = (record, trouble, key, at) => (at > (record[trouble][key] ?? "") ? { ...record, [trouble]: { ...record[trouble], [key]: at } } : record);

/**
 * @typedef {object} Memory  the item that an event belongs to, and how the item changes
 * @property {string} id
 * @property {boolean} isGood  a success: silent, unless it ends a trouble that was told
 * @property {(text: string|null) => any} parse
 * @property {(record: any) => string} print
 * @property {(record: any, isTold: boolean) => any} changed  isTold: an alert of the event goes to a destination
 * @property {(record: any) => JobFacts|null} jobOf
 * @property {(record: any, windowMs: number) => Recovery|null} recoveryOf
 * @property {(record: any, recovery: Recovery) => any} withRecovery
 * @property {(record: any, recovery: Recovery) => any} [withHeld]  notes that a recovery is held; without it, the next success tells
 */

/**
 * Finds the item that an event belongs to: of a job, or of a service; null if it belongs to none.
 * @param {any} event
 * @param {import("./incident.mjs").Incident} incident  as `incidentOf` returns it for this event
 * @param {{ofServices: boolean}} how
 * @returns {Memory|null}
 */
export function memoryOf(event, incident, { ofServices }) {
  const ended = endOf(event, incident);
  if (ended !== null) return ofJob(ended);
  const refused = refusalOf(incident);
  if (refused !== null) return ofRefusal(refused);
  const report = ofServices ? reportOf(incident) : null;
  return report && ofService(report);
}

const ofJob = (ended) => ({
  id: ended.id, isGood: ended.end.ok, parse: recordOf, print: textOf, withRecovery,
  changed: (record, isTold) => (isTold && !ended.end.ok ? withToldFailure(merged(record, ended), ended) : merged(record, ended)),
  jobOf: (record) => (ended.end.ok ? null : jobFactsOf(record, ended)),
  recoveryOf: (record, windowMs) => recoveryOf(record, ended, windowMs),
});

/** Notes that ECS refused to run a job: if the job is overdue then, this is the reason. */
const ofRefusal = ({ id, at, reason }) => ({
  id, isGood: false, parse: recordOf, print: textOf, changed: (record) => withRejected(record, { at, reason }), jobOf: () => null, recoveryOf: () => null, withRecovery: (record) => record,
});

const ofService = (report) => ({
  id: report.id, isGood: report.isGood, parse: serviceRecordOf, print: JSON.stringify,
  changed: (record, isTold) => (isTold && !report.isGood ? withToldTrouble(record, report) : record),
  jobOf: () => null,
  recoveryOf: (record, windowMs) => (report.isGood ? serviceRecoveryOf(record, report, windowMs) : null),
  withRecovery: withServiceRecovery, withHeld: withHeldServiceRecovery,
});
