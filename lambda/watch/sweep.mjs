// Looks at the running tasks of the watched jobs: tasks over their limit, and tasks that do not start. Never stops a task.

import { sha256 } from "../core/digest.mjs";
import { percentileOf, usualOf, withTold } from "../core/ledger.mjs";
import { missingBecauseOf } from "../io/aws.mjs";
import { update } from "../memory/ledger.mjs";
import { isFamily, isOfJob, nameIn, viewsOf } from "./ledgers.mjs";

/** How long a task may wait for its start. */
const START_MS = 10 * 60_000;
/** The limit "auto" is this many times the 95th percentile of the latest successes, but at least one round of the sweep. */
const TIMES_USUAL = 3;
const LEAST_LIMIT_SECONDS = 300;
const WAITING = ["PROVISIONING", "PENDING"];
/** How many families are listed at once. */
const AT_ONCE = 4;
/** The time between two sweeps, and the golden ratio: each sweep begins this share of the looks later, so that a start far from all earlier ones follows. */
const ROUND_MS = 5 * 60_000;
const GOLDEN = 0.618033988749895;
/** How many looks one sweep makes, on average. More looks take turns, so that none of them waits for a ListTasks that ECS throttles. */
const LOOKS_A_SWEEP = 100;
/** How many looks begin at once, and the time between two later ones: half of what ECS allows the account, 100 at once and 20 a second. */
const BURST = 50;
const GAP_MS = 100;
/** The pauses before a throttled call is made again. */
const PAUSES_MS = [500, 1_000, 2_000];
const THROTTLED = /Throttl|RequestLimitExceeded|TooManyRequests/;
/** Refusals that no later call changes: ECS does not take the parameters. */
const REFUSED = ["ClientException", "InvalidParameterException"];
/** Reasons that another run of the sweep would meet again. */
const LASTING = ["denied", "absent", "refused"];

/**
 * @typedef {import("./deadline.mjs").World & {hasTime: () => boolean, now: () => number, note: (facts: object) => void}} World
 *   hasTime: whether another message can be posted in this run; note: adds to the log line
 * @typedef {{name: string, startedBy: string|null, maxSeconds: number|"auto"}} Limited
 */

/**
 * Looks once. A cluster or a family that cannot be read does not hide the others.
 * @param {any} event
 * @param {World} world
 * @returns {Promise<{verdict: string, outcome: string}>}
 * @throws {Error} after the last look, if a message could not be posted, or a call failed that may succeed later
 */
export async function sweep(event, world) {
  const { clusterArns, jobs } = event.detail;
  const ofFamilies = jobs.filter(({ name }) => isFamily(name)).map(({ name, startedBy = null, maxSeconds }) => ({ name, startedBy, maxSeconds }));
  const families = Map.groupBy(ofFamilies, ({ name }) => name);
  const looks = clusterArns.flatMap((cluster) => [...families].map(([family, ofFamily]) => ({ cluster, family, jobs: ofFamily })));
  const time = Date.parse(event.time);
  const pace = paceOf(world);
  const look = async (one) => {
    if (!world.hasTime()) return unlooked(one);
    await pace();
    return looked(one, event, world);
  };
  const results = await inTurns(rotated(dueOf(looks, Number.isNaN(time) ? world.now() : time), time), look);
  const failed = results.flatMap(({ missing }) => missing);
  world.note({ tasks: results.reduce((sum, { tasks }) => sum + tasks, 0), ...(failed.length > 0 ? { notWatched: failed } : {}) });
  const errors = results.flatMap((one) => one.errors);
  errors.push(...await toldLooks(failed, world));
  if (errors.length > 0) throw errors[0];
  const told = results.flatMap((one) => one.told);
  const passing = failed.find(({ why }) => !LASTING.includes(why));
  if (passing) throw Object.assign(new Error(`could not look at the tasks of ${passing.family} in ${passing.cluster}: ${passing.action} ${passing.why}`), { name: "SweepIncomplete" });
  const outcome = told.find((one) => one !== "duplicate") ?? told[0] ?? "silent";
  return { verdict: told.length > 0 ? "told" : "quiet", outcome };
}

/**
 * Takes the looks whose turn it is: all, or if these are too many for one sweep, one share after the other, so that each look comes after as
 * many sweeps as there are shares. The name of a look alone decides its share: a cluster that comes or goes takes no turn from another one.
 */
function dueOf(looks, time) {
  const shares = Math.ceil(looks.length / LOOKS_A_SWEEP);
  if (shares <= 1) return looks;
  const turn = Math.floor(time / ROUND_MS) % shares;
  return looks.filter(({ cluster, family }) => parseInt(sha256(`${cluster} ${family}`).slice(0, 8), 16) % shares === turn);
}

/** Lets looks begin: the first ones at once, the others one after the other. */
function paceOf({ now, how }) {
  const from = now();
  let begun = 0;
  let turn = Promise.resolve();
  return () => {
    begun += 1;
    const at = from + Math.max(0, begun - BURST) * GAP_MS;
    turn = turn.then(() => (at > now() ? how.sleep(at - now()) : undefined));
    return turn;
  };
}

/** Makes a call again that ECS throttled, after a pause, as long as there is time. */
async function patiently(call, { hasTime, how }) {
  for (const pause of PAUSES_MS) {
    try {
      return await call();
    } catch (error) {
      if (!THROTTLED.test(error?.name ?? "") || !hasTime()) throw error;
    }
    await how.sleep(pause * (0.5 + how.random()));
  }
  return call();
}

/** Begins a list elsewhere in each sweep: if the time is too short for all looks, other ones are left out. */
function rotated(list, time) {
  const first = Number.isNaN(time) ? 0 : Math.floor(((Math.floor(time / ROUND_MS) * GOLDEN) % 1) * list.length);
  return [...list.slice(first), ...list.slice(0, first)];
}

/** Counts a look for which no time is left as one without an answer: the run fails, and Lambda runs the sweep again. */
const unlooked = ({ cluster, family }) => ({ told: [], errors: [], missing: [{ cluster: nameIn(cluster), family, action: "ecs:ListTasks", why: "timeout" }], tasks: 0 });

/** Works through a list, some entries at once. */
async function inTurns(list, work) {
  const results = [];
  const queue = [...list];
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (queue.length > 0) results.push(await work(queue.shift()));
  }));
  return results;
}

async function looked({ cluster, family, jobs }, event, world) {
  const place = { cluster: nameIn(cluster), family };
  const result = { told: [], errors: [], missing: [], tasks: 0 };
  let action = "ecs:ListTasks";
  try {
    const arns = await patiently(() => world.look.listTasks(cluster, family, "RUNNING"), world);
    action = "ecs:DescribeTasks";
    const tasks = arns.length === 0 ? [] : await patiently(() => world.look.describeTasks(cluster, arns), world);
    result.tasks = tasks.length;
    await judged(tasks.map((task) => ({ clusterArn: cluster, ...task })), { jobs, cluster: place.cluster, event }, world, result);
  } catch (error) {
    result.missing.push({ ...place, ...missingBecauseOf(error, action), ...(REFUSED.includes(error?.name) ? { why: "refused" } : {}) });
  }
  return result;
}

/** Tells of each task at most once, and of none twice however many jobs it belongs to. An error of one task does not hide the others. */
async function judged(tasks, about, world, result) {
  for (const task of tasks) {
    try {
      const outcome = await judgedTask(task, about, world);
      if (outcome !== null) result.told.push(outcome);
    } catch (error) {
      result.errors.push(error);
    }
  }
}

async function judgedTask(task, { jobs, cluster, event }, world) {
  const own = jobs.filter((job) => isOfJob(job, task));
  if (own.length === 0) return null;
  const at = world.now();
  const ageOf = (since) => (since ? (at - Date.parse(since)) / 1000 : 0);
  const found = { task, at: new Date(at).toISOString() };
  if (WAITING.includes(task.lastStatus)) {
    return ageOf(task.createdAt) * 1000 > START_MS ? tell(world, event, own[0], { ...found, id: "waits-for-capacity" }) : null;
  }
  if (task.lastStatus !== "RUNNING") return null;
  const age = ageOf(task.startedAt);
  for (const job of own) {
    // The ledger is read only of jobs that may be over their limit.
    if (age < (job.maxSeconds === "auto" ? LEAST_LIMIT_SECONDS : job.maxSeconds)) continue;
    const [view] = await viewsOf(world.ledgers, job, [cluster], world.how);
    const limit = job.maxSeconds === "auto" ? automatic(view.ledger) : job.maxSeconds;
    if (limit === null || age < limit) continue;
    const id = nameIn(task.taskArn);
    if (view.record.all.told.running.includes(id)) return "duplicate";
    const outcome = await tell(world, event, job, { ...found, id: "running-long", limitSeconds: limit, usualSeconds: usualOf(view.ledger) });
    await update(world.ledgers, view.id, (record) => withRunning(record, id), world.how);
    return outcome;
  }
  return null;
}

const withRunning = (record, id) => (record.all.told.running.includes(id) ? record : withTold(record, null, { running: [...record.all.told.running, id] }));

/** @returns {number|null} seconds; null with too few runs */
function automatic(ledger) {
  const p95 = percentileOf(ledger);
  return p95 === null ? null : Math.max(LEAST_LIMIT_SECONDS, TIMES_USUAL * p95);
}

function tell(world, event, job, found) {
  if (!world.hasTime()) throw Object.assign(new Error("no time is left for another message; this run is to be run again"), { name: "SweepIncomplete" });
  return world.tell(found, { ...event, detail: { ...event.detail, jobs: [job] } });
}

/** Reports, once a day, each call that the notifier may not make, or whose cluster does not exist: nobody would notice the silence. */
async function toldLooks(failed, world) {
  const errors = [];
  const lasting = failed.filter(({ why }) => why === "denied" || why === "absent");
  for (const one of lasting.filter(({ action, cluster }, nth) => lasting.findIndex((other) => other.action === action && other.cluster === cluster) === nth)) {
    try {
      await world.tell({ denied: one });
    } catch (error) {
      errors.push(error);
    }
  }
  return errors;
}
