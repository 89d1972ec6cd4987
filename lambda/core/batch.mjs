// Reads a job of AWS Batch that failed, from the event that AWS Batch sends after the job's last attempt.
// Pure: no I/O, no clock, no Node API, no Intl. Never throws, and copies only the fields named here: commands, parameters and environments of
// the job, which may carry secrets, are never read.

import { crashOf, signalOf, suspectOf } from "./blame.mjs";
import { CAUSES, cause, judge, reportCause, timedOut } from "./causes.mjs";
import { normalised, sha256 } from "./digest.mjs";
import { freeText, integer, last, list, record, text, timeOfMs } from "./fields.mjs";
import { batchJobLink, logLink } from "./links.mjs";
import { errorNameOf, reasonKindOf } from "./reasons.mjs";

/** The detail-type of the events. */
export const BATCH_JOB = "Batch Job State Change";
/** The detail-type of the event about a job that cannot start: such a job never fails, and no job behind it starts. */
export const BATCH_BLOCKED = "Batch Job Queue Blocked";
/** The log group of jobs whose definition names no other. */
const LOG_GROUP = "/aws/batch/job";
/** The name that AWS Batch gives to the container of a job with one container. */
const CONTAINER = "default";

/**
 * @typedef {object} BatchJob
 * @property {string|null} id
 * @property {string|null} arn
 * @property {string|null} queue
 * @property {string|null} definition  name and revision
 * @property {number} attempts  attempts that ended
 * @property {number|null} mostAttempts  of the retry strategy
 * @property {number|null} timeoutSeconds  for one attempt
 * @property {number|null} index  of a child of an array job
 */

/**
 * Reads the event of a job.
 * @param {Record<string, any>} detail
 * @param {object} common  the fields that events of all kinds have
 */
export function batchJobIncident(detail, common) {
  const attempts = list(detail.attempts).map(record);
  const attempt = attempts.at(-1) ?? {};
  const status = text(detail.status);
  const job = jobOf(detail, attempts.length, common.resource);
  const jobName = text(detail.jobName);
  const found = containersOf(detail, attempt);
  const stoppedReason = freeText(detail.statusReason) ?? freeText(attempt.statusReason);
  const startedAt = timeOfMs(attempt.startedAt) ?? timeOfMs(detail.startedAt);
  const stoppedAt = timeOfMs(attempt.stoppedAt) ?? timeOfMs(detail.stoppedAt) ?? common.time;
  const isBlocked = common.detailType === BATCH_BLOCKED;
  const { why, suspect } = isBlocked ? { why: cause("batch-queue-blocked"), suspect: null } : status === "FAILED" ? causeOf(detail, { stoppedReason, startedAt, stoppedAt }, found) : { why: reportCause("AWS Batch", status ?? common.detailType), suspect: null };
  const log = logOf(suspect ?? suspectOf(found) ?? null, jobName, common);
  const isOver = status === "FAILED" && !isBlocked;
  return {
    ...common, kind: "batch", jobName, batch: job, cause: why, severity: CAUSES[why.id].severity,
    state: isBlocked ? "waiting" : !isOver ? "changed" : why.id === "batch-terminated" ? "stopped" : startedAt === null ? "failed-to-start" : "died",
    stoppedReason, startedAt, stoppedAt, durationSeconds: startedAt === null || !isOver ? null : secondsBetween(startedAt, stoppedAt),
    reasonKind: reasonKindOf(suspect?.reason ?? stoppedReason), errorName: errorNameOf(suspect?.reason ?? stoppedReason),
    taskId: last(found.map(({ taskArn }) => taskArn).find(Boolean) ?? null, "/"),
    containers: found.map(({ name, exitCode, signal, reason, essential }) => ({ name, exitCode, signal, reason, essential, failed: name === suspect?.name })),
    // The revision of the definition is no other failure, nor are the numbers and dates of a name that each run has of its own.
    // A queue is blocked by whichever job is at its head.
    failing: isBlocked ? `batch-queue ${job.queue ?? ""}` : `batch-job ${job.queue ?? ""} ${sha256(`${nameOf(job.definition)} ${withoutNumbers(jobName ?? "")}`).slice(0, 24)}`,
    messageDigest: why.id === "batch-failed" ? sha256(normalised(stoppedReason ?? "")) : undefined,
    facts: factsOf(job, why.id === "batch-timed-out"), log, links: { task: null, service: null, log: logLink(log, common), job: batchJobLink(common, job.id) },
  };
}

/** Reasons of AWS Batch that are about other jobs, by their beginnings. */
const OF_OTHERS = [[/^array child job failed/i, "batch-child-failed"], [/^dependent job failed/i, "batch-dependency-failed"]];

/** Decides why a job failed: what AWS Batch did itself, and then the end of the last attempt, as for any task. */
function causeOf(detail, { stoppedReason, startedAt, stoppedAt }, found) {
  const told = (id, suspect = null) => ({ why: cause(id), suspect });
  if (timedOut(stoppedReason)) return told("batch-timed-out");
  if (isTrue(detail.isTerminated) || isTrue(detail.isCancelled)) return told("batch-terminated");
  const ofOthers = OF_OTHERS.find(([words]) => words.test(stoppedReason ?? ""));
  if (ofOthers) return told(ofOthers[1]);
  const task = { group: null, startedBy: null, daemon: null, stopCode: null, stoppedReason, startedAt, stoppedAt, lastStatus: "STOPPED", desiredStatus: "STOPPED" };
  const { cause: why, suspect } = judge(task, found);
  if (why.id === "stopped-by-user") return told("batch-terminated");
  return ["unknown", "exit-zero", "no-exit-code"].includes(why.id) ? told("batch-failed", suspect) : { why: ofJob(why), suspect };
}

/** Names the job's container by its role: for ECS, the only container of every job is called "default". */
function ofJob(why) {
  if (why.values.container !== CONTAINER) return why;
  const { container, ...values } = why.values;
  const named = ([headline, sentence], name) => [headline, sentence.replace(/\{container\} ?/, name)];
  return { ...why, words: { en: named(why.words.en, "The job's container "), ja: named(why.words.ja, "ジョブのコンテナ") }, values };
}

const isTrue = (value) => value === true || value === "true";

function jobOf(detail, attempts, resource) {
  const arn = text(detail.jobArn) ?? resource;
  return {
    id: text(detail.jobId) ?? last(arn, "/"), arn, queue: last(text(detail.jobQueue), "/"), definition: last(text(detail.jobDefinition), "/"),
    attempts, mostAttempts: integer(record(detail.retryStrategy).attempts), timeoutSeconds: integer(record(detail.timeout).attemptDurationSeconds), index: integer(record(detail.arrayProperties).index),
  };
}

function factsOf({ queue, definition, attempts, mostAttempts, timeoutSeconds, index }, hasTimedOut) {
  const tries = mostAttempts === null ? String(attempts) : `${attempts} / ${mostAttempts}`;
  return [
    { key: "queue", kind: "name", value: queue }, { key: "jobDefinition", kind: "name", value: definition },
    { key: "attempts", kind: "name", value: attempts === 0 ? null : tries },
    { key: "arrayIndex", kind: "name", value: index === null ? null : String(index) }, { key: "timeout", kind: "seconds", value: hasTimedOut ? timeoutSeconds : null },
  ].filter(({ value }) => value !== null);
}

/**
 * Lists the containers of an attempt. A job has one container, or those of its task (`taskProperties`), or those of its pod, whose logs are not
 * in CloudWatch. A job that never got a task has none.
 */
function containersOf(detail, attempt) {
  const tasks = list(attempt.taskProperties).map(record);
  const defined = list(record(detail.ecsProperties).taskProperties).map(record).flatMap((task) => list(task.containers).map(record));
  if (tasks.length > 0) return tasks.flatMap((task) => list(task.containers).map(record).map((one) => containerOf({ taskArn: task.taskArn, ...one }, defined.find(({ name }) => name === one.name) ?? {})));
  const pods = list(attempt.containers).map(record);
  if (pods.length > 0) return pods.map((one) => containerOf({ ...one, logStreamName: null }, {}));
  const own = record(detail.container);
  const one = { ...own, ...record(attempt.container) };
  const hasRun = ["exitCode", "reason", "taskArn", "logStreamName"].some((name) => one[name] !== undefined && one[name] !== null);
  return hasRun ? [containerOf({ ...one, name: CONTAINER }, { essential: true, logConfiguration: own.logConfiguration })] : [];
}

function containerOf(container, definition) {
  const exitCode = integer(container.exitCode);
  return {
    name: text(container.name) ?? "?", exitCode, signal: signalOf(exitCode) ?? crashOf(exitCode), reason: freeText(container.reason),
    essential: typeof definition.essential === "boolean" ? definition.essential : null, taskArn: text(container.taskArn),
    stream: text(container.logStreamName), logging: record(definition.logConfiguration),
  };
}

/** Finds the log: in AWS Batch's own group, unless the job's definition has another one. */
function logOf(container, jobName, { region }) {
  if (!container) return null;
  const { logDriver, options } = container.logging;
  const driver = text(logDriver) ?? "awslogs";
  const isOfCloudWatch = driver === "awslogs";
  if (isOfCloudWatch && container.stream === null) return null;
  const { "awslogs-group": group, "awslogs-region": home } = record(options);
  return {
    container: container.name === CONTAINER ? jobName ?? container.name : container.name, driver, group: isOfCloudWatch ? text(group) ?? LOG_GROUP : null,
    region: (isOfCloudWatch ? text(home) : null) ?? region, stream: isOfCloudWatch ? container.stream : null,
  };
}

const nameOf = (definition) => (definition ?? "").replace(/:\d+$/, "");
/** Leaves single digits at the end of a word: `step1` and `step2` are different jobs. */
const withoutNumbers = (name) => normalised(name.replaceAll("_", " ")).replace(/\d{6,}/g, "<number>");
const secondsBetween = (from, to) => (to === null ? null : Math.max(0, Math.floor((Date.parse(to) - Date.parse(from)) / 1000)));
