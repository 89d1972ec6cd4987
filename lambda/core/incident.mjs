// Turns an event into an incident: the task that failed, the cause, and whether the incident is worth an alert.
// Pure: no I/O, no clock, no Node API, no Intl. Never throws, whatever the event holds, and copies only the fields named here:
// overrides, which may carry secrets, are never read. Text that looks like a credential is removed where free text is read, so that no
// message, no key and no log line has it.

import { crashOf, isGuardDuty, isServiceConnect, ranOutOfMemory, signalOf, suspectOf, wasStoppedByEcs } from "./blame.mjs";
import { BATCH_BLOCKED, BATCH_JOB, batchJobIncident } from "./batch.mjs";
import { CAUSES, cause, isOfService, judge, serviceCauseId, statusCause, whileStopping } from "./causes.mjs";
import { withoutCredentials } from "./credentials.mjs";
import { jsonOf, normalised, sha256 } from "./digest.mjs";
import { EXECUTION, executionIncident } from "./executions.mjs";
import { cut, freeText, integer, last, list, record, text, time } from "./fields.mjs";
import { clusterLink, logLink, logPlace, serviceLink, taskLink } from "./links.mjs";
import { errorNameOf, reasonKindOf, stopOf, tellsOrdinaryEnd } from "./reasons.mjs";
import { own } from "./records.mjs";
import { recoveredIncident } from "./recovery.mjs";
import { clean } from "./text.mjs";
import { WATCHED, watched, watchedSubjectOf } from "./watched.mjs";

/**
 * @typedef {{driver: string, group: string|null, region: string|null, prefix: string|null}} LogOutline
 * @typedef {{name: string, essential: boolean, log: LogOutline|null}} ContainerOutline
 * @typedef {{containers: ContainerOutline[]}} TaskDefinitionOutline
 * @typedef {{action: string, why: "denied"|"timeout"|"failed"|"absent"}} Missing  Something that could not be looked up.
 * @typedef {{taskDefinition?: TaskDefinitionOutline|null, missing?: Missing[], job?: object|null, recovery?: object|null}} Context
 *   job, recovery: facts of the ledger, which previews give; the notifier adds them later
 * @typedef {{name: string, exitCode: number|null, signal: string|null, reason: string|null,
 *   essential: boolean|null, failed: boolean}} Container
 * @typedef {{container: string, driver: string, group: string|null, region: string|null, stream: string|null}} LogPlace
 * @typedef {object} Incident
 * @property {"task"|"deployment"|"service"|"application"|"batch"|"execution"|"other"} kind
 * @property {"died"|"failed-to-start"|"stopped"|"stopping"|"changed"|"recovered"} state
 * @property {boolean} drill
 * @property {boolean} rings
 * @property {string|null} silentBecause
 * @property {boolean} succeeded  a stand-alone task, or a job of another machine, ended well
 * @property {string|null} jobName  the name of a job of another machine, or of AWS Batch
 * @property {import("./recovery.mjs").JobFacts|null} job  a failure, compared with the job's earlier runs
 * @property {import("./recovery.mjs").RecoveryFacts|null} recovery  of a recovery
 * @property {string|null} subject  announced once: the task, or else the event
 * @property {string|null} failure  equal for repetitions of one failure
 * @property {import("./causes.mjs").Severity} severity
 * @property {import("./causes.mjs").Cause} cause
 * @property {string|null} reasonKind  the kind of thing that the deciding reason is about ("port", "volume", …): different kinds are different failures
 * @property {Container[]} containers
 * @property {number|null} durationSeconds
 * @property {import("./batch.mjs").BatchJob} [batch]  of a job of AWS Batch
 * @property {import("./executions.mjs").Execution} [execution]  of an execution of Step Functions
 * @property {{task: string|null, service: string|null, log: string|null, cluster?: string|null, job?: string|null, execution?: string|null}} links
 * @property {LogPlace|null} log  the log of the suspect
 * @property {Missing[]} missing
 */

// A key of the table has at most 2,048 bytes, and a UTF-16 unit at most 3 bytes; the key of a window also has the time at which the window begins.
const KEY_LENGTH = 670;
// Names of AWS have at most 255 characters of one byte each: such names are kept whole.
const partOf = (value) => cut(value, /^[\x20-\x7e]*$/.test(value) ? 255 : 80);
const SHORT_PART = 40;
const LEVELS = { fatal: "error", critical: "error", error: "error", warning: "warning", warn: "warning", info: "info" };
const SEVERITIES = { ERROR: "error", WARN: "warning", WARNING: "warning", INFO: "info" };

/**
 * Reads an event. Unknown shapes give an incident too, and ring: a lost alert is worse than an odd one.
 * @param {unknown} event  as EventBridge delivers it
 * @param {Context} [context]  the results of the caller's look-ups
 * @returns {Incident}
 */
export function incidentOf(event, context) {
  const envelope = record(event);
  const detail = record(envelope.detail);
  const known = record(context);
  const common = commonOf(envelope, detail, known);
  const incident = isWatched(common) ? watchedIncident(detail, known, common) : common.detailType === "ECS Task State Change" ? taskIncident(detail, record(known.taskDefinition), common)
    : common.detailType === "AWS API Call via CloudTrail" ? rejectedRun(detail, common)
    : common.source === "taskbell.app" ? applicationIncident(detail, common)
    : [BATCH_JOB, BATCH_BLOCKED].includes(common.detailType) ? { ...NO_TASK, ...batchJobIncident(detail, common) }
    : common.detailType === EXECUTION ? { ...NO_TASK, ...executionIncident(detail, common) } : serviceIncident(detail, common);
  const keyed = isWatched(common) ? { ...incident, ...watchedKeys(incident) } : { ...incident, subject: subjectOf(incident), failure: failureOf(incident) };
  delete keyed.messageDigest;
  delete keyed.failing;
  delete keyed.errorName;
  return withFacts(keyed, known);
}

/** Adds facts of the ledger. A drill has no ledger: a task that ends well in a drill drills the recovery. */
function withFacts(incident, { job, recovery }) {
  const isDrilled = incident.drill && incident.succeeded && incident.lastStatus === "STOPPED";
  if (isDrilled || recovery) return recoveredIncident(incident, recovery ?? null);
  return { ...incident, job: job ?? null };
}

/** Says whether Scheduler asked for this: by itself, or in a drill through the bus. */
const isWatched = ({ source, drill, detailType }) => source === "taskbell.watch" || (drill && WATCHED.includes(detailType));

/** Reads the answer to a question of Scheduler. Only samples and drills bring the answer with the event. */
function watchedIncident(detail, known, common) {
  const found = record(known.found ?? detail.found);
  const { lookFailed = [], ...parts } = watched(common.detailType, detail, found, common.time);
  const clusters = list(detail.clusterArns).map((arn) => last(text(arn), "/")).filter(Boolean).join(" ");
  const task = { ...NO_TASK, ...common, stoppedReason: null, stoppedAt: null, ...parts, cluster: parts.cluster ?? (found.cluster === undefined && list(detail.clusterArns).length === 1 && !clusters.includes("*") ? clusters : null), clusters };
  const log = task.startedAt ? logPlace(mainContainer(list(record(known.taskDefinition).containers).map(record), list(record(found.task).containers).map(record)), task) : null;
  return {
    ...task, severity: CAUSES[task.cause.id].severity, log, missing: [...common.missing, ...lookFailed, ...list(found.missing).map(record).filter(({ action }) => text(action))],
    // Without a task, the list of tasks shows what has run instead.
    links: { task: taskLink(task), service: null, log: logLink(log, task), cluster: common.detailType === "Deadline" && !task.taskId ? clusterLink(task) : null },
  };
}

/** Returns the first essential container of a running task that has a log. */
function mainContainer(outlines, containers) {
  const found = outlines.find(({ name, essential, log }) => essential !== false && log && containers.some((one) => one.name === name));
  return found ? { name: text(found.name) ?? "?", log: record(found.log), runtimeId: text(containers.find(({ name }) => name === found.name).runtimeId) } : null;
}

/**
 * Returns the key of the subject, which is announced once. A task that passes through several states may be announced in each state, and
 * once in one state. The failure of a deployment comes under two detail-types, with the same id. Every other event is a subject of its
 * own: anybody with the permission to put events on the bus may name a task in them, and AWS refuses only sources that begin with "aws.".
 */
function subjectOf({ source, detailType, taskArn, state, eventId, deploymentId, batch, execution, stoppedAt, cause: { id } }) {
  const isOfEcs = source === "aws.ecs";
  const phase = state === "stopping" || state === "changed" ? `${state} ` : "";
  const task = isOfEcs && detailType === "ECS Task State Change" && taskArn ? `task ${phase}${taskArn}` : null;
  const failed = isOfEcs && id === "deployment-failed" && deploymentId ? `deployment ${deploymentId}` : null;
  // A job that blocks its queue may still fail, or block it again.
  const job = source === "aws.batch" && batch?.arn && id !== "batch-queue-blocked" ? `batch-job ${batch.arn}` : null;
  // An execution that is redriven may fail again.
  const run = source === "aws.states" && execution?.arn ? `execution ${execution.arn} ${stoppedAt}` : null;
  const name = task ?? failed ?? job ?? run ?? (eventId ? `event ${eventId}` : null);
  return name === null ? null : cut(name, KEY_LENGTH);
}

/** Returns the key of the failure. Each drill is a failure of its own, so that none is left out as a repetition. */
function failureOf(incident) {
  const { drill, eventId, taskArn, region, account, cluster, kind, service, family, group, daemon, jobName, resource, source, severity, cause: { id, values } } = incident;
  if (drill) return cut(`drill ${eventId ?? taskArn}`, KEY_LENGTH);
  const what = incident.failing ?? service ?? family ?? group ?? (daemon ? `daemon ${daemon}` : null) ?? (jobName ? `job ${jobName}` : kind === "application" ? source : resource);
  // No other source, not even an empty one, makes a key that ECS could make.
  const names = [source === "aws.ecs" ? null : source ?? "?", cluster, what, values.container, incident.messageDigest ?? values.name];
  const words = [account, region, kind, severity, id, values.code, [incident.reasonKind, incident.errorName].filter(Boolean).join(" ")];
  return [...names.map((part) => partOf(part ?? "")), ...words.map((part) => cut(partOf(part ?? ""), SHORT_PART))].join("|");
}

/** Returns keys by which each answer is announced once, and none is left out as a repetition of another. */
function watchedKeys(incident) {
  const subject = cut(watchedSubjectOf(incident) ?? `drill ${incident.eventId}`, KEY_LENGTH);
  return { subject, failure: cut(`watched ${subject}`, KEY_LENGTH) };
}

function commonOf(envelope, detail, known) {
  const resource = text(list(envelope.resources)[0]);
  const taskArn = text(detail.taskArn) ?? (resource?.includes(":task/") ? resource : null);
  const serviceArn = resource?.includes(":service/") ? resource : null;
  const arn = (taskArn ?? serviceArn ?? text(detail.clusterArn) ?? resource ?? "").split(":");
  const path = (taskArn ?? serviceArn ?? "").split("/");
  return {
    source: text(envelope.source), drill: envelope.source === "taskbell.drill",
    eventId: text(envelope.id), time: time(envelope.time), detailType: text(envelope["detail-type"]), resource, taskArn,
    partition: text(arn[1]) ?? "aws",
    region: text(envelope.region) ?? text(arn[3]),
    account: text(envelope.account) ?? text(arn[4]),
    // The short, older forms of these ARNs do not name the cluster.
    cluster: last(text(detail.clusterArn), "/") ?? (path.length > 2 ? text(path[1]) : null),
    taskId: last(taskArn, "/"),
    service: serviceArn ? last(serviceArn, "/") : null,
    daemon: last(text(detail.daemonArn), "/"),
    missing: list(known.missing).map(record).filter((missing) => text(missing.action)),
  };
}

function taskIncident(detail, taskDefinition, common) {
  const task = {
    group: text(detail.group), startedBy: text(detail.startedBy),
    stopCode: text(detail.stopCode), stoppedReason: freeText(detail.stoppedReason),
    startedAt: time(detail.startedAt), stoppedAt: time(detail.stoppedAt),
    lastStatus: text(detail.lastStatus), desiredStatus: text(detail.desiredStatus), daemon: common.daemon,
  };
  const outlines = list(taskDefinition.containers).map(record);
  const found = list(detail.containers).map((container) => containerOf(record(container), outlines));
  const phase = phaseOf(task);
  const { cause: judged, suspect: blamed, reason, endedByItself } = phase === "changed" ? { cause: statusCause(task.lastStatus) } : judge(task, found);
  const why = phase === "stopping" ? whileStopping(judged) : judged;
  // Scaling or a user's stop blames no container, but the log of the suspect is still the one to open. A container that neither ended nor has a reason may have no log.
  const suspect = why.values.container ? blamed : [blamed ?? suspectOf(found)].find((one) => one && (one.exitCode !== null || one.reason)) ?? null;
  const definition = splitDefinition(text(detail.taskDefinitionArn), task.group);
  const service = task.group?.startsWith("service:") ? task.group.slice("service:".length) : null;
  const normal = normalStop(why.id, task);
  const quiet = normal === null && endedByItself ? quietEnd(task, found, outlines.length > 0) : null;
  const silentBecause = common.drill ? null : normal ?? quiet;
  const log = logPlace(suspect, common);
  return {
    kind: "task", ...common, ...task, ...definition, service, cause: why, severity: CAUSES[why.id].severity, reasonKind: reasonKindOf(reason), errorName: errorNameOf(reason),
    state: stateOf(task, why.id), rings: silentBecause === null, silentBecause, succeeded: quiet !== null, jobName: null, job: null, recovery: null,
    launchType: text(detail.launchType), capacityProvider: text(detail.capacityProviderName),
    containers: found.map(({ runtimeId, log, ...container }) => ({ ...container, failed: container.name === why.values.container })),
    durationSeconds: durationOf(task.startedAt, time(detail.executionStoppedAt) ?? task.stoppedAt),
    links: { task: taskLink(common), service: serviceLink({ ...common, service }), log: logLink(log, common) },
    log,
  };
}

/** Fields of every incident that is not about a task. */
const NO_TASK = {
  state: "changed", reasonKind: null, rings: true, silentBecause: null, succeeded: false, jobName: null, job: null, recovery: null, startedAt: null, durationSeconds: null, stopCode: null, startedBy: null,
  family: null, revision: null, group: null, launchType: null, capacityProvider: null, containers: [], log: null,
};

/** Reads deployment and service events, and every detail-type that taskbell does not know. */
function serviceIncident(detail, common) {
  const eventName = text(detail.eventName);
  const stoppedReason = freeText(detail.reason) ?? freeText(detail.stoppedReason) ?? text(detail.status);
  const id = serviceCauseId(eventName, stoppedReason);
  const deployment = common.detailType === "ECS Deployment State Change" || eventName?.startsWith("SERVICE_DEPLOYMENT_");
  return {
    ...NO_TASK, ...common, kind: deployment ? "deployment" : common.service !== null || eventName !== null ? "service" : "other",
    severity: id === "service-event" ? own(SEVERITIES, text(detail.eventType)) ?? "warning" : CAUSES[id].severity,
    cause: cause(id, { name: eventName ?? common.detailType }),
    eventName, stoppedReason, deploymentId: text(detail.deploymentId), capacityProvider: last(text(list(detail.capacityProviderArns)[0]), "/") ?? text(detail.capacityProviderName),
    stoppedAt: time(detail.updatedAt) ?? time(detail.createdAt),
    links: { task: taskLink(common), service: serviceLink(common), log: null },
  };
}

/** Names of the AWS services that run tasks, by the principal that CloudTrail records. */
const CALLERS = {
  "scheduler.amazonaws.com": "EventBridge Scheduler", "events.amazonaws.com": "EventBridge", "states.amazonaws.com": "Step Functions",
  "batch.amazonaws.com": "AWS Batch", "pipes.amazonaws.com": "EventBridge Pipes",
};

/** Reads a RunTask that ECS refused or could not place, as CloudTrail recorded the call: there is no task, and no event of a task. */
function rejectedRun(detail, common) {
  const request = record(detail.requestParameters);
  const identity = record(detail.userIdentity);
  const caller = text(identity.invokedBy) ?? last(text(identity.arn), "/");
  const failure = list(record(detail.responseElements).failures).map(record).map((one) => freeText(one.reason)).find(Boolean);
  const refused = text([text(detail.errorCode), freeText(detail.errorMessage)].filter(Boolean).join(": "));
  const eventName = text(detail.eventName);
  const cluster = last(text(request.cluster), "/") ?? common.cluster ?? "default";
  const id = refused || failure ? "run-rejected" : "service-event";
  return {
    ...NO_TASK, ...common, kind: "service", cluster, ...splitDefinition(text(request.taskDefinition), null),
    severity: id === "run-rejected" ? CAUSES[id].severity : "info",
    cause: id === "run-rejected" ? cause(id, { name: caller, caller: own(CALLERS, caller) ?? caller, call: eventName }) : cause(id, { name: eventName }),
    eventName, reasonKind: reasonKindOf(refused ?? failure), stoppedReason: refused ?? failure ?? null, launchType: text(request.launchType), startedBy: caller,
    stoppedAt: time(detail.eventTime) ?? common.time, links: { task: null, service: null, log: null, cluster: clusterLink({ ...common, cluster }) },
  };
}

/** Reads an alert that an application raised: `{message, level, source, detail}`; and the end of a job of another machine: with `{job, at, seconds}`. */
function applicationIncident(detail, common) {
  const { message: said = null } = detail;
  // Compares the text that may be shown: two alerts that differ in a credential only are one failure.
  const given = withoutCredentials(typeof said === "string" ? said : said === null ? "" : jsonOf(said));
  const message = text(given) ?? common.detailType ?? "Application Error";
  const run = { ...NO_TASK, ...common, kind: "application", source: freeText(detail.source) ?? common.source, stoppedReason: null, stoppedAt: common.time, links: { task: null, service: null, log: null }, ...runElsewhere(detail, common) };
  if (common.detailType === "Job Succeeded") return { ...run, ...goodEnd(run.jobName, text(given)) };
  return {
    ...run, severity: own(LEVELS, text(detail.level)?.toLowerCase() ?? null) ?? "error",
    cause: cause("application-error", { message }), messageDigest: sha256(normalised(text(given) === null ? message : given)),
    applicationDetail: longText(withoutCredentials(detail.detail)),
  };
}

/** The longest name of a job of another machine: that of a family. */
const JOB_LENGTH = 255;
/** The longest run that is believed, in seconds: ten years. */
const LONGEST_RUN = 315_360_000;

/** Reads the run of a job of another machine. The clock there may be ahead: no run ends after its event. */
function runElsewhere(detail, { time: sentAt }) {
  const jobName = cut(clean(freeText(detail.job) ?? "", false).trim(), JOB_LENGTH) || null;
  if (jobName === null) return {};
  const said = time(detail.at);
  const stoppedAt = said !== null && sentAt !== null && said > sentAt ? sentAt : said ?? sentAt;
  const seconds = typeof detail.seconds === "number" && detail.seconds >= 0 && detail.seconds <= LONGEST_RUN ? Math.floor(detail.seconds) : null;
  return { jobName, stoppedAt, durationSeconds: seconds, startedAt: seconds === null || stoppedAt === null ? null : new Date(Date.parse(stoppedAt) - seconds * 1000).toISOString() };
}

/** Returns the facts of a job of another machine that ended well. The end of a job without a name is of no use. */
const goodEnd = (jobName, message) => ({
  severity: CAUSES["job-succeeded"].severity, cause: cause("job-succeeded"), rings: false, succeeded: jobName !== null, applicationDetail: longText(message),
  silentBecause: jobName === null ? "the event of a job that ended well names no job" : "a job of another machine ended well",
});

function containerOf(container, outlines) {
  const name = text(container.name) ?? "?";
  const outline = outlines.find((one) => one.name === name);
  const exitCode = integer(container.exitCode);
  return {
    name, exitCode, signal: signalOf(exitCode) ?? crashOf(exitCode), reason: freeText(container.reason),
    // AWS injected a container that the task definition does not list; except for Service Connect's proxy, such a container is never essential.
    essential: isServiceConnect({ name }) ? true : outlines.length === 0 ? null : outline ? outline.essential !== false : false,
    runtimeId: text(container.runtimeId), log: outline?.log ? record(outline.log) : null,
  };
}

/** Explains why a stop is normal: scaling, deploying and rebalancing stop tasks all day, and after maintenance or draining ECS starts the task elsewhere. */
function normalStop(causeId, task) {
  if (causeId === "stopped-by-user" && task.stopCode === null) return "a user stopped it, and no container had failed before";
  if (causeId === "stopped-by-scheduler") return "the service scheduler stopped it to scale, deploy or rebalance the service";
  if (!isOfService(task)) return null;
  if (causeId === "maintenance") return "maintenance of the infrastructure under a service's task: ECS starts another";
  return causeId === "draining" ? "the container instance under a service's task is drained: ECS starts another" : null;
}

/** Recognises a stand-alone task that finished its work: all containers ended with 0, or one essential container did and ECS stopped the others. */
function quietEnd(task, containers, definitionKnown) {
  if (isOfService(task)) return null;
  // Without a stop code only the reason shows whether the task lost its host, in words that AWS documents nowhere.
  if (!tellsOrdinaryEnd(task.stoppedReason) && (task.stopCode === null || stopOf(task.stoppedReason))) return null;
  const own = containers.filter((one) => !isGuardDuty(one));
  if (own.length > 0 && own.every((one) => one.exitCode === 0 && !ranOutOfMemory(one))) return "stand-alone task finished: every container exited with 0";
  if (!definitionKnown) return null;
  const finished = own.find((one) => one.essential && one.exitCode === 0);
  const failed = own.some((one) => ranOutOfMemory(one)
    || (one.exitCode === null ? one.essential !== false : one.exitCode !== 0 && !wasStoppedByEcs(one)));
  return finished && !failed ? `stand-alone task finished: essential container ${finished.name} exited with 0, and no other container failed` : null;
}

function phaseOf({ lastStatus, desiredStatus, stopCode }) {
  if (lastStatus === null || lastStatus === "STOPPED") return "stopped";
  return desiredStatus === "STOPPED" || stopCode ? "stopping" : "changed";
}

/** Causes of an end that a user, ECS or AWS planned, or that the task reached by itself: nothing failed. */
const PLANNED_STOPS = ["exit-zero", "stopped-by-user", "stopped-by-scheduler", "maintenance", "draining"];

/** Causes that keep a task from running. */
const NOT_STARTED = ["image-pull-failed", "secrets-init-failed", "logger-init-failed", "start-failed", "placement-failed", "command-not-found", "not-executable", "runtime-failed"];

function stateOf(task, causeId) {
  const phase = phaseOf(task);
  if (phase !== "stopped") return phase;
  if (task.startedAt === null && (causeId !== "stopped-by-user" && task.stopCode === "TaskFailedToStart" || NOT_STARTED.includes(causeId))) return "failed-to-start";
  return PLANNED_STOPS.includes(causeId) ? "stopped" : "died";
}

/** Splits "arn:…:task-definition/web:17" into web and 17. A group of a stand-alone task names the family, too. */
function splitDefinition(arn, group) {
  const [family, revision] = (last(arn, "/") ?? "").split(":");
  return { family: text(family) ?? (group?.startsWith("family:") ? text(group.slice("family:".length)) : null), revision: text(revision) };
}

/** Returns the seconds between two times. Clocks of a crash loop can run backwards by seconds: the result is then 0, never negative. */
function durationOf(startedAt, endedAt) {
  if (startedAt === null || endedAt === null) return null;
  return Math.max(0, Math.floor((Date.parse(endedAt) - Date.parse(startedAt)) / 1000));
}

/** Keeps both ends of a very long text: the message shows a part of each. */
const longText = (value) => text(typeof value === "string" && value.length > 40_000 ? `${value.slice(0, 10_000)}\n[…]\n${value.slice(-29_000)}` : value, 40_000);
