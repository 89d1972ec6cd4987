// Checks one deadline of a job when Scheduler asks: silence after a success; silence after a failure, which has rung; otherwise one alert.
//
// The alert goes first, the note that it was told second: a crash in between repeats the alert, or finds it announced; nothing loses it. A run
// that cannot read the ledger, or cannot post, fails, so that Lambda runs it again. If no check comes for a deadline, as when a clock change skips
// the time of the check, the next check decides it.

import { cronOf } from "../core/cron.mjs";
import { ELSEWHERE, durationsOf, emptyRecord, endOf, merged, usualOf } from "../core/ledger.mjs";
import { deadlineAt, endsOf, nextDeadline, verdictOf, verdictOfEvery, windowsOf } from "../core/overdue.mjs";
import { checkedOf, homeOf, nameIn, note, viewsOf } from "./ledgers.mjs";
import { reasonOf, tasksOf } from "./reason.mjs";
import { offsetsOf } from "./zone.mjs";

const MINUTE_MS = 60_000;

/**
 * @typedef {object} World
 * @property {import("../memory/ledger.mjs").Ledgers} ledgers
 * @property {import("../memory/ledger.mjs").How} how
 * @property {import("./reason.mjs").Look} look
 * @property {(event: object) => Promise<import("../core/incident.mjs").Incident>} judge  reads a task's end, with its task definition
 * @property {(found: object) => Promise<string>} tell  posts, and returns the outcome
 * @property {(ms: number, work: Promise<any>) => Promise<any>} within
 */

/**
 * Checks a deadline by a cron, or that a job ends well at least every so often.
 * @param {any} event
 * @param {World} world
 * @returns {Promise<{verdict: string, outcome: string}>}
 */
export async function checkDeadline(event, world) {
  const { clusterArns, job: { name, startedBy = null }, by } = event.detail;
  const time = Date.parse(event.time);
  if (Number.isNaN(time)) throw new Error("the event of a deadline has no time");
  const one = { event, time, clusterArns, job: { name, startedBy }, world };
  const views = await viewsOf(world.ledgers, one.job, clusterArns.map(nameIn), world.how);
  return typeof by === "string" ? checkCron(one, views) : checkEvery(one, views);
}

/** Names an expectation in the ledger. */
const keyOf = (words, { startedBy }) => [...words, ...(startedBy === null ? [] : [startedBy])].join(" ");

async function checkCron(one, views) {
  const { event: { detail: { by, timezone = "UTC", graceSeconds = 0 } }, job } = one;
  // Scheduler's precision is a minute.
  const time = Math.floor(one.time / MINUTE_MS) * MINUTE_MS;
  const deadline = { cron: cronOf(by), offset: offsetsOf(timezone), graceMs: graceSeconds * 1000 };
  const at = deadlineAt(deadline, time);
  if (at === null) throw new Error(`${by} has no time before ${one.event.time}`);
  const key = keyOf(["by", by, timezone], job);
  const checked = checkedOf(views, key);
  const windows = windowsOf(deadline, at, checked);
  if (windows.length === 0) return { verdict: "checked", outcome: "silent" };
  const verdicts = (ledgers) => windows.map((window) => ({ window, verdict: verdictOf(window, ledgers, checked) }));
  const { decided, ...known } = await decidedOf(one, views, verdicts);
  const missed = decided.filter(({ verdict }) => verdict === "missed").map(({ window }) => window);
  const latest = decided.at(-1);
  const failed = decided.filter(({ verdict }) => verdict === "failed").map(({ window }) => window);
  const about = { window: missed.at(-1), earlier: missed.slice(0, -1), next: nextDeadline(deadline, at) };
  const outcome = missed.length === 0 ? "silent" : await tellMissed(one, views, about, known);
  const trouble = [...missed, ...failed].sort((first, second) => first.deadline - second.deadline).at(-1) ?? null;
  await noted(one, views, { checked: { [key]: at }, trouble: trouble?.deadline ?? null }, known);
  return { verdict: missed.length > 0 ? "missed" : latest.verdict, outcome };
}

async function checkEvery(one, views) {
  const { event: { detail: { everySeconds, graceSeconds = 0 } }, time, job } = one;
  const every = { everyMs: everySeconds * 1000, graceMs: graceSeconds * 1000 };
  const [sinceKey, toldKey] = [keyOf(["every", everySeconds, "since"], job), keyOf(["every", everySeconds], job)];
  const since = checkedOf(views, sinceKey);
  const told = checkedOf(views, toldKey);
  const { decided: { verdict, deadline }, ...known } = await decidedOf(one, views, (of) => {
    const decision = verdictOfEvery(every, time, of, since);
    return decision.verdict === "missed" && told === decision.deadline ? { ...decision, verdict: "told" } : decision;
  });
  if (verdict === "pending") {
    await note(one.world.ledgers, job, views, { checked: { [sinceKey]: time }, overdue: null }, one.world.how);
    return { verdict, outcome: "silent" };
  }
  if (verdict !== "missed") return { verdict, outcome: "silent" };
  const window = { from: time - every.everyMs - every.graceMs, deadline, to: time };
  const outcome = await tellMissed(one, views, { window, earlier: [], next: null }, known);
  await noted(one, views, { checked: { [toldKey]: deadline }, trouble: deadline }, known);
  return { verdict, outcome };
}

/** Decides from the ledgers; before an alert, also from the tasks that ECS shows as stopped: their events may be late, or lost. */
async function decidedOf(one, views, decide) {
  const ledgers = views.map(({ ledger }) => ledger);
  const decided = decide(ledgers);
  if (![decided].flat().some(({ verdict }) => verdict === "missed")) return { decided, ledgers, stopped: [], missing: [] };
  const { tasks, missing } = await tasksOf(one.world.look, one.job, one.clusterArns, "STOPPED", one.world.within);
  const ends = (await Promise.all(tasks.map((task) => endOfTask(one, task)))).filter(Boolean);
  const good = ends.filter(({ ended }) => ended.end.ok);
  const more = good.map(({ ended }) => merged(emptyRecord(), { ...ended, part: null }).all);
  const bad = ends.filter(({ ended: { end } }) => !end.ok).map(({ task }) => task);
  return { decided: decide([...ledgers, ...more]), ledgers: [...ledgers, ...more], stopped: bad, missing };
}

async function endOfTask({ event, world }, task) {
  const { id, account, region } = event;
  const report = { id, source: "aws.ecs", "detail-type": "ECS Task State Change", time: task.stoppedAt, account, region, detail: task };
  const ended = endOf(report, await world.judge(report));
  return ended && { ended, task };
}

async function tellMissed(one, views, { window, earlier, next }, { ledgers, stopped, missing }) {
  const { job, clusterArns, time, world } = one;
  const now = Math.max(time, world.how.now());
  const within = (end) => end.at > window.from && end.at <= window.to;
  const { found, missing: more } = await reasonOf(world.look, {
    job, views, clusterArns, from: window.from, to: window.deadline, now, within: world.within,
    stopped: stopped.filter((task) => within({ at: Date.parse(task.stoppedAt) })),
  });
  const success = endsOf(ledgers).find(({ ok }) => ok) ?? null;
  const home = homeOf(views);
  const isLate = success !== null && success.at > window.to;
  const cluster = home.ledger.ends.length > 0 ? home.cluster : clusterArns.length === 1 ? nameIn(clusterArns[0]) : null;
  return world.tell({
    ...found, ...(isLate ? { reason: "late" } : {}), at: isoOf(now), deadline: isoOf(window.deadline),
    missed: earlier.map(({ deadline }) => isoOf(deadline)), next: next === null ? null : isoOf(next),
    lastSuccess: success && { at: isoOf(success.at), seconds: success.seconds }, usualSeconds: usualOf(home.ledger) ?? durationsOf(home.ledger)[0] ?? null,
    cluster: cluster === ELSEWHERE ? null : cluster, missing: uniqueOf([...missing, ...more]),
  });
}

/** Notes the check; and the deadline as told, if the job has not ended well since, as far as this run knows: a recovery will answer it. */
async function noted({ job, world }, views, { checked, trouble }, { ledgers }) {
  const isOver = trouble !== null && endsOf(ledgers).some(({ at, ok }) => ok && at > trouble);
  await note(world.ledgers, job, views, { checked, overdue: isOver ? null : trouble }, world.how);
}

/** Names each call once, however many clusters refused it. */
const uniqueOf = (missing) => missing.filter(({ action }, nth) => missing.findIndex((one) => one.action === action) === nth);
const isoOf = (moment) => new Date(moment).toISOString();
