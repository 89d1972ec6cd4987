// Finds out why a job is overdue. Reads only, and never fails: an alert without a reason is still an alert.

import { cronOf, nextTime } from "../core/cron.mjs";
import { missingBecauseOf } from "../io/aws.mjs";
import { isFamily, isOfJob, scheduleOf } from "./ledgers.mjs";
import { offsetsOf } from "./zone.mjs";

/** The time for all calls together. */
const LOOK_MS = 6_000;

/**
 * @typedef {{isEnabled: boolean, expression: string|null, zone: string, endsAt: string|null, runsTasks: boolean|null}} Schedule
 *   runsTasks: null if not known, as for a target that may start tasks by a call of its own
 * @typedef {object} Look  the calls
 * @property {() => Promise<string[]>} listClusters  ARNs
 * @property {(cluster: string, family: string, status: "RUNNING"|"STOPPED") => Promise<string[]>} listTasks
 * @property {(cluster: string, arns: string[]) => Promise<object[]>} describeTasks
 * @property {(name: string) => Promise<Schedule>} getSchedule
 * @property {(name: string) => Promise<Schedule>} describeRule
 * @typedef {{tasks: object[], missing: import("../core/incident.mjs").Missing[]}} Tasks
 */

/**
 * Reads the job's tasks of one status in all clusters. ECS is not asked about a name that no family can have.
 * @param {Look} look @param {import("./ledgers.mjs").Job} job @param {string[]} clusterArns @param {"RUNNING"|"STOPPED"} status
 * @param {(ms: number, work: Promise<any>) => Promise<any>} within
 * @returns {Promise<Tasks>}
 */
export async function tasksOf(look, job, clusterArns, status, within) {
  if (!isFamily(job.name)) return { tasks: [], missing: [] };
  const found = await Promise.all(clusterArns.map(async (cluster) => {
    try {
      const arns = await within(LOOK_MS, look.listTasks(cluster, job.name, status));
      try {
        return { tasks: arns.length === 0 ? [] : (await within(LOOK_MS, look.describeTasks(cluster, arns))).map((task) => ({ clusterArn: cluster, ...task })), missing: [] };
      } catch (error) {
        return { tasks: [], missing: [missingBecauseOf(error, "ecs:DescribeTasks")] };
      }
    } catch (error) {
      return { tasks: [], missing: [missingBecauseOf(error, "ecs:ListTasks")] };
    }
  }));
  return { tasks: found.flatMap(({ tasks }) => tasks).filter((task) => isOfJob(job, task)), missing: found.flatMap(({ missing }) => missing) };
}

/**
 * Finds the reason: a run in progress, a failure without an event, a refused call, or the schedule.
 * @param {Look} look
 * @param {{job: import("./ledgers.mjs").Job, views: import("./ledgers.mjs").View[], clusterArns: string[], from: number, to: number, now: number, stopped: object[],
 *   within: (ms: number, work: Promise<any>) => Promise<any>}} about  stopped: the tasks that ended within the window
 * @returns {Promise<{found: Partial<import("../core/watched.mjs").Overdue>, missing: import("../core/incident.mjs").Missing[]}>}
 */
export async function reasonOf(look, about) {
  const { job, views, clusterArns, from, to, stopped, within } = about;
  const schedule = scheduleOf(job, views);
  const [running, state] = await Promise.all([tasksOf(look, job, clusterArns, "RUNNING", within), schedule === null ? null : stateOf(look, schedule, within)]);
  const missing = [...running.missing, ...(state?.missing ?? [])];
  const refusal = refusalOf(views, from);
  const found = inProgress(running.tasks) ?? unreported(stopped) ?? (refusal && { reason: "rejected", refusal })
    ?? (state?.is === "absent" ? { isNotFound: true } : state?.is ? { reason: scheduleReason(state.is, { from, to }, about.now) } : {});
  return { found: { ...found, ...(schedule === null ? {} : { schedule: schedule.name }) }, missing };
}

/** Takes the run that began first. */
function inProgress(tasks) {
  const beginOf = ({ startedAt, createdAt }) => startedAt ?? createdAt ?? "";
  const [first] = [...tasks].sort((one, other) => (beginOf(one) < beginOf(other) ? -1 : 1));
  if (!first) return null;
  const isRunning = Boolean(first.startedAt);
  return { reason: isRunning ? "running" : "waiting", taskArn: first.taskArn, since: beginOf(first) || null, status: first.lastStatus };
}

/** Takes the failure that ended last, if the ledger does not know it. */
function unreported(stopped) {
  const [latest] = [...stopped].sort((one, other) => (one.stoppedAt < other.stoppedAt ? 1 : -1));
  return latest ? { reason: "unreported", taskArn: latest.taskArn, refusal: latest.stoppedReason ?? null } : null;
}

/** Returns the words of ECS about a refused RunTask after the beginning of the window. */
function refusalOf(views, from) {
  const refused = views.map(({ record }) => record.all.lastRejected ?? null).filter((one) => one && Date.parse(one.at) > from);
  return refused.sort((one, other) => (one.at < other.at ? 1 : -1))[0]?.reason ?? null;
}

/** Looks for the schedule in Scheduler's default group, then among the rules. "absent" is no reason: the schedule may be in another group. */
async function stateOf(look, { name, kinds }, within) {
  const reads = { schedule: [look.getSchedule, "scheduler:GetSchedule"], rule: [look.describeRule, "events:DescribeRule"] };
  const missing = [];
  for (const kind of kinds) {
    const [read, action] = reads[kind];
    try {
      return { is: await within(LOOK_MS, read(name)), missing };
    } catch (error) {
      const lost = missingBecauseOf(error, action);
      if (lost.why !== "absent") missing.push(lost);
    }
  }
  // Without an answer of both, nothing is known.
  return { is: missing.length === 0 ? "absent" : null, missing };
}

function scheduleReason(is, { from, to }, now) {
  if (!is.isEnabled) return "disabled";
  if (is.endsAt !== null && Date.parse(is.endsAt) <= now) return "ended";
  if (is.runsTasks === false) return "no-target";
  return isDue(is, from, to) ? undefined : "not-due";
}

/** Says whether a schedule has a time in the window. A rate, a single time and an expression that cannot be read may have one. */
function isDue({ expression, zone }, from, to) {
  if (!/^\s*cron\(/i.test(expression ?? "") || !Number.isFinite(from)) return true;
  try {
    const next = nextTime(cronOf(expression), offsetsOf(zone), from - 1);
    return next !== null && next <= to;
  } catch {
    return true;
  }
}
