// Finds the patterns of the catalogue that match an event: EventBridge does not say which rule matched.
// Pure: no I/O, no clock, no Node API, no Intl.

import { BATCH_BLOCKED, BATCH_JOB } from "./batch.mjs";
import { EXECUTION } from "./executions.mjs";

const TASK = "ECS Task State Change";
const IMPAIRED = [
  "SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED", "SERVICE_TASK_CONFIGURATION_FAILURE",
  "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED", "DAEMON_TASK_START_IMPAIRED", "ECS_OPERATION_THROTTLED",
];
const PLANNED = ["Scaling activity initiated by", "Availability-zone rebalancing initiated by", "ECS is performing maintenance", "Amazon ECS is performing maintenance"];
const NOT_STARTED = ["Task failed to start", "CannotPull", "ResourceInitializationError"];
const UNHEALTHY = ["task failed elb health checks", "task failed container health checks"];
const SPOT = "your spot task was interrupted";

/**
 * Returns the names of the patterns of the catalogue, as in patterns/*.json, that match an event: EventBridge does not say which rule matched.
 * The watched clusters are not checked here: an event of another cluster does not arrive.
 * @param {unknown} event  as EventBridge delivers it
 * @returns {string[]}
 */
export function patternsOf(event) {
  const all = (path) => leavesOf(event, path.split("."));
  const has = (path, ...wanted) => all(path).some((value) => wanted.includes(value));
  const ends = (path, end) => all(path).some((value) => typeof value === "string" && value.endsWith(end));
  /** Compares in any case: the beginning of a text, or its end, also before a full stop. */
  const saysOf = (path, starts, ending) => all(path).some((value) => typeof value === "string" && (starts.some((start) => value.toLowerCase().startsWith(start))
    || [ending, `${ending}.`].some((end) => value.toLowerCase().endsWith(end))));
  const begins = (path, starts) => all(path).some((value) => typeof value === "string" && starts.some((start) => value.startsWith(start)));
  const ofApplication = has("source", "taskbell.app") ? applicationPatternsOf({ all, has }) : [];
  const names = [...ofApplication, ...jobPatternsOf({ has })];
  if (!has("source", "aws.ecs", "taskbell.drill")) return names;
  if (has("detail-type", TASK) && all("detail.clusterArn").length > 0 && has("detail.lastStatus", "STOPPED")) names.push(...taskPatternsOf({ all, has, begins, ends, saysOf }));
  if (has("detail-type", "ECS Deployment State Change", "ECS Service Action", "ECS Daemon Deployment State Change")
    && has("detail.eventName", "SERVICE_DEPLOYMENT_FAILED", "DAEMON_DEPLOYMENT_ROLLBACK_IN_PROGRESS", "DAEMON_DEPLOYMENT_ROLLBACK_FAILED")
    && all("resources").some((arn) => /:(?:service|daemon)\/[^/]+\//.test(arn))) names.push("deployment-failed");
  if (has("detail-type", "ECS Service Action", "ECS Daemon Service Action") && has("detail.eventName", ...IMPAIRED)
    && all("detail.clusterArn").length > 0) names.push("service-impaired");
  if (has("detail-type", "AWS API Call via CloudTrail") && has("detail.eventSource", "ecs.amazonaws.com") && has("detail.eventName", "RunTask", "StartTask")
    && (all("detail.errorCode").some((code) => !["ThrottlingException", "Throttling"].includes(code))
      || all("detail.responseElements.failures.reason").length > 0)) names.push("run-rejected");
  return names;
}

function applicationPatternsOf({ all, has }) {
  const verdicts = { "application-error": has("detail-type", "Application Error"), "job-succeeded": has("detail-type", "Job Succeeded") || all("detail.job").length > 0 };
  return Object.keys(verdicts).filter((name) => verdicts[name]);
}

/** Returns the patterns of jobs and workflows, which belong to no cluster. */
function jobPatternsOf({ has }) {
  const verdicts = {
    "batch-job-failed": (has("source", "aws.batch", "taskbell.drill") && has("detail-type", BATCH_JOB) && has("detail.status", "FAILED"))
      || (has("source", "aws.batch") && has("detail-type", BATCH_BLOCKED)),
    "execution-failed": has("source", "aws.states", "taskbell.drill") && has("detail-type", EXECUTION) && has("detail.status", "FAILED", "TIMED_OUT", "ABORTED"),
  };
  return Object.keys(verdicts).filter((name) => verdicts[name]);
}

function taskPatternsOf({ all, has, begins, ends, saysOf }) {
  const outOfMemory = (path) => all(path).some((value) => typeof value === "string" && /^OutOfMemory/i.test(value));
  const stopCodes = all("detail.stopCode");
  const failed = all("detail.containers.exitCode").some((code) => code !== 0);
  const without = (path, starts) => all(path).length === 0 || all(path).some((value) => typeof value === "string" && !starts.some((start) => value.startsWith(start)));
  // Takes all stops except planned stops of services and stops by users: only the notifier can tell which of the others are normal.
  const died = stopCodes.length === 0 || stopCodes.some((code) => !["ServiceSchedulerInitiated", "UserInitiated"].includes(code))
    || (has("detail.stopCode", "ServiceSchedulerInitiated")
      && (without("detail.stoppedReason", PLANNED) || without("detail.startedBy", ["ecs-svc/"]) || all("detail.containers.reason").length > 0));
  const verdicts = {
    "task-failed": died,
    "nonzero-exit": failed,
    "start-failed": has("detail.stopCode", "TaskFailedToStart") || (stopCodes.length === 0 && begins("detail.stoppedReason", NOT_STARTED)),
    "out-of-memory": outOfMemory("detail.containers.reason") || ends("detail.containers.reason", "OOM-killed (memory limit too low?): unknown") || outOfMemory("detail.stoppedReason"),
    "spot-interrupted": has("detail.stopCode", "SpotInterruption")
      || ((stopCodes.length === 0 || has("detail.stopCode", "TerminationNotice"))
        && saysOf("detail.stoppedReason", [SPOT], SPOT)),
    "health-check-failed": saysOf("detail.stoppedReason", UNHEALTHY, UNHEALTHY[1]),
    // The notifier decides whether such an end is a success: another container may have failed.
    "job-succeeded": has("detail.stopCode", "EssentialContainerExited") && has("detail.containers.exitCode", 0)
      && without("detail.group", ["service:", "daemon:"]) && without("detail.startedBy", ["ecs-svc/", "ecs-daemon/"]),
  };
  return Object.keys(verdicts).filter((name) => verdicts[name]);
}

/** Returns the values at a path, as the rule engine finds them: through lists, and only values without fields of their own. */
function leavesOf(value, path) {
  if (Array.isArray(value)) return value.flatMap((one) => leavesOf(one, path));
  if (path.length === 0) return value === undefined || (value !== null && typeof value === "object") ? [] : [value];
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, path[0])) return [];
  return leavesOf(value[path[0]], path.slice(1));
}
