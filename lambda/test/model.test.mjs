import assert from "node:assert/strict";
import { test } from "node:test";
import { announce, keysOf } from "../announcements.mjs";
import { tableOf } from "../table.mjs";
import { atRandom, execute, exhaustive, told } from "./model.mjs";

/** So many schedules at random; more of them by TASKBELL_SCHEDULES. */
const SCHEDULES = Number(process.env.TASKBELL_SCHEDULES ?? 100_000);

/** One run, as the handler does it. `changed` puts a fault into the table. */
const flowWith = (changed = (table) => table) => async ({ connect, subject, time, windowMs, left, post, ...how }) => {
  const keys = keysOf({ subject, failure: "f", time }, { now: how.now(), windowMs });
  const table = changed(tableOf("t", connect), keys);
  let hasFailed = false;
  const decision = await announce(table, keys, { ...how, waitMs: 1_000, holdMs: left() + 2_000, markMs: () => left() - 300 }, async ({ pending, unanswered, occurrences, count }) => {
    const results = await Promise.all(pending.map(async (name) => {
      const before = unanswered[name] ?? 0;
      const word = before >= 2 ? "withheld" : await post(name, occurrences[name]?.count ?? count ?? 0);
      return { name, took: word === "ok", unanswered: before + (word === "late" ? 1 : 0) };
    }));
    hasFailed = results.some(({ took }) => !took);
    return results;
  });
  return !hasFailed && decision.verdict !== undefined;
};
const flow = flowWith();

/** What is in the table after so many tasks. */
const prepared = new Map();
async function after(count, destinations) {
  const key = `${count} ${destinations}`;
  let before = undefined;
  for (let nth = 0; nth < count && !prepared.has(key); nth += 1) before = await execute({ events: [`s${nth}`], destinations, before }, () => 0, flow);
  if (!prepared.has(key)) prepared.set(key, before);
  return prepared.get(key);
}
const ONE = ["slack"];
const TWO = ["slack", "pager"];
for (const destinations of [ONE, TWO]) for (let count = 0; count <= 4; count += 1) await after(count, destinations);
const before = (count, destinations) => prepared.get(`${count} ${destinations}`);

let total = 0;
const nothing = (result) => { total += result.schedules; assert.ok(result.found === null, told(result)); };

for (const [what, scenario, interruptions] of [
  ["two tasks open a window", { events: ["x", "y"], destinations: ONE }, 3],
  ["the same event comes twice, as the first", { events: ["x", "x"], destinations: ONE }, 3],
  ["the same event comes twice, as the fourth", { events: ["x", "x"], destinations: ONE, before: before(3, ONE) }, 3],
  ["two tasks come as the second and the third", { events: ["x", "y"], destinations: ONE, before: before(1, ONE) }, 3],
  ["two tasks go to two destinations", { events: ["x", "y"], destinations: TWO }, 2],
  ["one destination does not take it at first", { events: ["x", "y"], destinations: TWO, answer: (name, nth) => (name === "pager" && nth <= 3 ? "fail" : "ok") }, 2],
  ["one crash, or one answer that is lost", { events: ["x", "y"], destinations: ONE, before: before(1, ONE), faults: 1 }, 2],
  ["the first post is not answered, and lost", { events: ["x", "y"], destinations: ONE, answer: (_, nth) => (nth === 1 ? "late-lost" : "ok") }, 2],
]) {
  test(`every schedule with at most ${interruptions} interruptions: ${what}`, async (t) => {
    const result = await exhaustive(scenario, flow, interruptions, 6_000);
    t.diagnostic(`${result.schedules} schedules${result.isComplete ? ", all" : ""}`);
    nothing(result);
  });
}

/** Two to four deliveries of one failure, to one or two destinations, with crashes, lost answers and posts that fail. */
function scenarioOf(random) {
  const destinations = random() < 0.6 ? ONE : TWO;
  const words = ["fail", "late", "late-lost"];
  const luck = random() < 0.5 ? 1 : 0.8;
  return {
    destinations, before: before(Math.floor(random() * 5), destinations), faults: Math.floor(random() * 3), events: Array.from({ length: 2 + Math.floor(random() * 3) }, () => "wxyz"[Math.floor(random() * 4)]),
    answer: () => (random() < luck ? "ok" : words[Math.floor(random() * words.length)]),
  };
}

test("schedules at random, of two to four runs, with crashes and lost answers, find nothing", async (t) => {
  const result = await atRandom(scenarioOf, flow, SCHEDULES, 1);
  t.diagnostic(`${result.schedules} schedules at random, ${total + result.schedules} in all`);
  nothing(result);
});

/** Faults that this code, or an earlier version of it, could have: each by a small change of the table. */
const FAULTS = [
  ["subject and window are read at once", { events: ["x", "x"], destinations: ONE, before: before(3, ONE) }, (table, { failure, since }) => {
    let early = null;
    return { ...table, subject: (id, ms) => { early = table.window(`${failure} @${since}`, ms); return table.subject(id, ms); }, window: (id, ms) => early ?? table.window(id, ms) };
  }, /is untold/],
  ["a conflict is taken for a lost race when a message is marked", { events: ["x", "y"], destinations: ONE }, (table) => ({
    ...table, mark: async (...call) => (await table.mark(...call)) === "done" ? "done" : "lost",
  }), /still holds/],
  ["a window is taken as it was seen before, whatever was told since", { events: ["x", "y"], destinations: ONE, before: before(1, ONE) }, (table) => {
    let stale = null;
    return {
      ...table, window: async (id, ms) => (stale ? { ...await table.window(id, ms), ...stale } : table.window(id, ms)),
      async take(id, seen, names, by, ms) {
        const { outcome } = await table.take(id, seen, [names[0]].filter(() => false).concat("nobody"), by, ms);
        if (outcome === "done") stale = { told: seen.told };
        return { outcome };
      },
    };
  }, /a message has told it|told twice/],
  ["what one destination took counts for all", { events: ["x", "y"], destinations: TWO, answer: (name, nth) => (name === "pager" && nth <= 1 ? "fail" : "ok") }, (table) => ({
    ...table, mark: (id, windowId, told, ...rest) => table.mark(id, windowId, { ...told, names: TWO }, ...rest),
  }), /pager: .* is untold/],
];
for (const [what, scenario, changed, said] of FAULTS) {
  test(`the fault is found: ${what}`, async (t) => {
    const result = await exhaustive(scenario, flowWith(changed), 3, 20_000);
    assert.ok(result.found, `${result.schedules} schedules`);
    t.diagnostic(`found in schedule ${result.schedules}: ${result.found.problems}`);
    assert.match(result.found.problems.join(), said);
  });
}
