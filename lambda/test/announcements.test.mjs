import assert from "node:assert/strict";
import { test } from "node:test";
import { Busy, abandoned, announced, decide, foresee } from "../announcements.mjs";
import { memoryTable } from "./memory-table.mjs";
import { contract } from "./table-contract.mjs";

contract("in memory", async () => memoryTable());

const MINUTE = 60_000;

/** One table, one clock; each call is an invocation of its own. */
function world() {
  const state = { table: memoryTable(), now: 1_000_000, invocations: 0 };
  const how = () => ({
    windowMs: 15 * MINUTE, holder: `invocation ${state.invocations += 1}`, now: () => state.now, random: () => 0.5,
    sleep: async (ms) => { state.now += ms; }, waitMs: 2_000, holdMs: 30_000,
  });
  const keysOf = (task, failure) => ({ subject: `task ${task}`, failure });
  return {
    state,
    /** The whole of it: decide, and say that Slack took it. */
    async run(task, failure = "f", time = null) {
      const [by, keys] = [{ ...how(), time }, keysOf(task, failure)];
      const decision = await decide(state.table, keys, by);
      if (decision.verdict === "tell") await announced(state.table, keys, decision.occurrence, by);
      return decision;
    },
    /** Decides, and gives back what comes next. */
    async begin(task, failure = "f") {
      const [by, keys] = [how(), keysOf(task, failure)];
      const decision = await decide(state.table, keys, by);
      return { decision, done: () => announced(state.table, keys, decision.occurrence, by), fails: () => abandoned(state.table, keys, by) };
    },
  };
}

test("occurrences 1, 2, 4, 8 and 16 are told, each with how many and since when; the others are counted", async () => {
  const here = world();
  const told = [];
  for (let n = 1; n <= 20; n += 1) {
    here.state.now += 1000;
    const { verdict, occurrence } = await here.run(`t${n}`);
    if (verdict === "tell") told.push([n, occurrence.count, occurrence.since, occurrence.next]);
    else assert.equal(verdict, "counted");
  }
  const since = new Date(1_001_000).toISOString();
  assert.deepEqual(told, [1, 2, 4, 8, 16].map((n) => [n, n, since, 2 * n]));
});

test("a task that comes again is a duplicate, told or counted", async () => {
  const here = world();
  for (const task of ["a", "b", "c"]) await here.run(task);
  for (const task of ["c", "a", "b"]) assert.equal((await here.run(task)).verdict, "duplicate");
});

test("a task that another run tells between two reads is a duplicate, not one that was counted", async () => {
  const here = world();
  const { look } = here.state.table;
  const first = await here.begin("a");
  const old = (await look({ subject: "task a", failure: "f" })).subject;
  await first.done();
  // The subject was read before the other run's mark, the failure after it.
  here.state.table.look = async (keys) => {
    here.state.table.look = look;
    return { subject: old, failure: (await look(keys)).failure };
  };
  assert.equal((await here.run("a")).verdict, "duplicate");
});

test("another failure is told at once, and the same one again in the next window, with those nobody counted", async () => {
  const here = world();
  for (let n = 1; n <= 7; n += 1) await here.run(`t${n}`);
  assert.equal((await here.run("x", "g")).verdict, "tell");
  here.state.now += 15 * MINUTE;
  const { verdict, occurrence } = await here.run("t8");
  assert.deepEqual([verdict, occurrence.count, occurrence.earlier], ["tell", 1, 3]);
  assert.equal((await here.run("t9")).occurrence.earlier, 0, "said once");
});

test("events that are sent again much later are told by their own times", async () => {
  const here = world();
  const start = Date.parse("2026-11-10T00:00:00Z");
  here.state.now = Date.parse("2026-11-24T00:00:00Z");
  const at = (ms) => new Date(start + ms).toISOString();
  await here.run("live");
  for (let hour = 0; hour < 10; hour += 1) {
    const { verdict, occurrence } = await here.run(`h${hour}`, "f", at(hour * 60 * MINUTE));
    assert.deepEqual([verdict, occurrence?.count, occurrence?.since], ["tell", 1, at(hour * 60 * MINUTE)]);
  }
  assert.equal((await here.run("h3", "f", at(180 * MINUTE))).verdict, "duplicate");
  // Within one window of that day, it is a storm all the same.
  const verdicts = [];
  for (let minute = 0; minute < 5; minute += 1) verdicts.push((await here.run(`m${minute}`, "g", at(minute * MINUTE))).verdict);
  assert.deepEqual(verdicts, ["tell", "tell", "counted", "tell", "counted"]);
  assert.equal((await here.run("late", "g", at(15 * MINUTE))).occurrence.count, 1, "the next window of that day");
});

test("events come in any order: one that is a little older belongs to the same window, one that is much older rings", async () => {
  const here = world();
  const ago = (minutes) => new Date(here.state.now - minutes * MINUTE).toISOString();
  here.state.now = Date.parse("2026-11-24T00:00:00Z");
  for (const task of ["a", "b"]) await here.run(task, "f", ago(0));
  assert.equal((await here.run("c", "f", ago(14))).verdict, "counted");
  const old = await here.run("d", "f", ago(15));
  assert.deepEqual([old.verdict, old.occurrence.count, old.occurrence.since], ["tell", 1, ago(15)]);
});

test("a time that is missing, none, or yet to come is now", async () => {
  for (const time of [undefined, null, "", "soon", "2099-01-01T00:00:00Z"]) {
    const here = world();
    assert.equal((await here.run("a", "f", time)).occurrence.since, new Date(1_000_000).toISOString(), time);
  }
});

test("whoever comes while another tells waits, and tells what is due by then or is counted", async () => {
  const here = world();
  const first = await here.begin("a");
  const waiting = [here.run("b"), here.run("c")];
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  await first.done();
  const verdicts = await Promise.all(waiting);
  assert.deepEqual(verdicts.map(({ verdict }) => verdict).sort(), ["counted", "tell"]);
  assert.ok(verdicts.find(({ verdict }) => verdict === "tell").occurrence.count >= 2);
});

test("whoever waits too long is to be run again, and nothing is lost then", async () => {
  const here = world();
  const first = await here.begin("a");
  await assert.rejects(here.run("b"), Busy);
  await first.done();
  const again = await here.run("b");
  assert.deepEqual([again.verdict, again.occurrence.count], ["tell", 2], "counted once");
});

test("a failed attempt is told by the next, its own or another's, and counted once", async () => {
  const here = world();
  await (await here.begin("a")).fails();
  const again = await here.begin("a");
  assert.deepEqual([again.decision.verdict, again.decision.occurrence.count], ["tell", 1]);
  await again.fails();
  const { verdict, occurrence } = await here.run("b");
  assert.deepEqual([verdict, occurrence.count], ["tell", 2], "b tells for both");
  assert.equal((await here.run("a")).verdict, "counted");
});

test("a crash while telling is waited for, then repeated", async () => {
  const here = world();
  await here.begin("a");
  await assert.rejects(here.run("a"), Busy);
  here.state.now += MINUTE;
  const { verdict, occurrence } = await here.run("a");
  assert.deepEqual([verdict, occurrence.count], ["tell", 1]);
});

test("a task left untold until its window is over is told in the next one, and not counted twice", async () => {
  const here = world();
  for (const task of ["a", "b"]) await here.run(task);
  await here.run("c");
  await (await here.begin("d")).fails();
  here.state.now += 15 * MINUTE;
  const { verdict, occurrence } = await here.run("d");
  assert.deepEqual([verdict, occurrence.count, occurrence.earlier], ["tell", 1, 1], "c is the one nobody counted");
});

test("what the table throws is thrown", async () => {
  const here = world();
  here.state.table.join = () => Promise.reject(new Error("broken"));
  await here.run("a");
  await assert.rejects(here.run("b"), /broken/);
});

test("what is foreseen is what is decided, and nothing is written for it", async () => {
  const here = world();
  const seen = [];
  for (let n = 0; n < 60; n += 1) {
    here.state.now += (n % 20) * MINUTE / 10;
    const task = `task ${n % 7 === 0 ? n - 1 : n}`;
    const keys = { subject: `task ${task}`, failure: "f" };
    const before = JSON.stringify(await here.state.table.look(keys));
    const foreseen = foresee(await here.state.table.look(keys), keys, { time: null, now: here.state.now, windowMs: 15 * MINUTE });
    assert.equal(JSON.stringify(await here.state.table.look(keys)), before);
    const { verdict, count } = await here.run(task);
    assert.equal(foreseen.verdict, verdict, `${n}`);
    if (verdict === "counted") assert.equal(foreseen.count, count);
    seen.push(verdict);
  }
  assert.deepEqual([...new Set(seen)].sort(), ["counted", "duplicate", "tell"]);
});
