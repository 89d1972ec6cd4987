import assert from "node:assert/strict";
import { test } from "node:test";
import { Busy, announce, decide, foresee, keysOf, placeOf } from "../memory/announcements.mjs";
import { memoryTable } from "./memory-table.mjs";
import { randomOf } from "./model.mjs";
import { contract } from "./table-contract.mjs";

contract("in memory", async () => memoryTable());

const MINUTE = 60_000;

/** Creates one table and one clock; each call is a run of its own. */
function world(destinations = ["slack"]) {
  const state = { table: memoryTable(), now: 900_000 + 100_000, runs: 0 };
  const how = () => ({
    destinations, holder: `run ${state.runs += 1}`, now: () => state.now, random: () => 0.5,
    sleep: async (ms) => { state.now += ms; }, waitMs: 2_000, holdUntil: state.now + 30_000, markMs: () => 5_000,
  });
  const keysFor = (task, failure, time) => keysOf({ subject: `task ${task}`, failure, time }, { now: state.now, windowMs: 15 * MINUTE });
  const all = (took) => async ({ pending }) => pending.map((name) => ({ name, took, unanswered: 0 }));
  const first = ({ occurrences, pending, ...decision }) => ({ ...decision, pending, occurrence: occurrences?.[pending[0]] });
  return {
    state, keysFor,
    /** Runs the whole flow: decides, and reports that every destination took the message. */
    run: async (task, failure = "f", time = null) => first(await announce(state.table, keysFor(task, failure, time), how(), all(true))),
    /** Decides, and returns the next step. */
    async begin(task, failure = "f") {
      let end = null;
      const ended = new Promise((resolve) => { end = resolve; });
      let over = null;
      const decision = await new Promise((begun, failed) => {
        over = announce(state.table, keysFor(task, failure, null), how(), async (one) => { begun(one); return all(await ended)(one); });
        over.catch(failed);
      });
      return { decision: first(decision), done: async () => { end(true); await over; }, fails: async () => { end(false); await over; } };
    },
  };
}

test("occurrences 1, 2, 4, 8 and 16 are announced with their count and start; the others are only counted", async () => {
  const here = world();
  const told = [];
  for (let n = 1; n <= 20; n += 1) {
    here.state.now += 1000;
    const { verdict, occurrence } = await here.run(`t${n}`);
    if (verdict === "tell") told.push([n, occurrence.count, occurrence.since, occurrence.next]);
    else assert.equal(verdict, "counted");
  }
  const since = new Date(900_000).toISOString();
  assert.deepEqual(told, [1, 2, 4, 8, 16].map((n) => [n, n, since, 2 * n]));
});

test("a task that comes again is a duplicate, whether announced or counted", async () => {
  const here = world();
  for (const task of ["a", "b", "c"]) await here.run(task);
  for (const task of ["c", "a", "b"]) assert.equal((await here.run(task)).verdict, "duplicate");
});

test("a task that another run announces between two reads is a duplicate, not a counted one", async () => {
  const here = world();
  await here.run("a");
  const first = await here.begin("b");
  const { window } = here.state.table;
  let reads = 0;
  here.state.table.window = async (...call) => {
    reads += 1;
    if (reads === 1) await first.done();
    return window(...call);
  };
  const before = here.state.now;
  assert.equal((await here.run("b")).verdict, "duplicate");
  assert.ok(here.state.now - before >= 25, "a write that was refused is followed by a pause");
});

test("another failure is announced at once, and a repeated one again in the next window, with the unreported occurrences", async () => {
  const here = world();
  for (let n = 1; n <= 7; n += 1) await here.run(`t${n}`);
  assert.equal((await here.run("x", "g")).verdict, "tell");
  here.state.now += 15 * MINUTE;
  const { verdict, occurrence } = await here.run("t8");
  assert.deepEqual([verdict, occurrence.count, occurrence.earlier], ["tell", 1, 3]);
  assert.equal((await here.run("t9")).occurrence.earlier, 0, "said once");
});

test("events that are sent again much later count at their own times", async () => {
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
  // Within one window of that day, the failures are a storm all the same.
  const verdicts = [];
  for (let minute = 0; minute < 5; minute += 1) verdicts.push((await here.run(`m${minute}`, "g", at(minute * MINUTE))).verdict);
  assert.deepEqual(verdicts, ["tell", "tell", "counted", "tell", "counted"]);
  assert.equal((await here.run("late", "g", at(15 * MINUTE))).occurrence.count, 1, "the next window of that day");
});

test("events in any order count in the windows of their own times, as if they had come in order", async () => {
  const here = world();
  const start = Date.parse("2026-11-24T00:00:00Z");
  here.state.now = start + 29 * MINUTE;
  const at = (minute) => new Date(start + minute * MINUTE).toISOString();
  const verdicts = [];
  for (const minute of [15, 0, 29, 14, 16, 1]) {
    const { verdict, occurrence, count } = await here.run(`m${minute}`, "f", at(minute));
    verdicts.push(`${verdict} ${occurrence?.count ?? count}`);
    if (occurrence) assert.equal(occurrence.since, at(minute < 15 ? 0 : 15));
  }
  assert.deepEqual(verdicts, ["tell 1", "tell 1", "tell 2", "tell 2", "counted 3", "counted 3"]);
});

for (const [what, live] of [["in random order", 0], ["mixed with live events", 40]]) {
  test(`the 360 failures of an hour, delivered ${what}, give about as many messages as in order`, async (t) => {
    const here = world();
    const random = randomOf(7);
    const start = Date.parse("2026-11-24T00:00:00Z");
    here.state.now = start + 10 * 24 * 60 * MINUTE;
    const events = Array.from({ length: 360 }, (_, nth) => ({ task: `old ${nth}`, time: new Date(start + nth * 10_000).toISOString() }))
      .concat(Array.from({ length: live }, (_, nth) => ({ task: `live ${nth}`, time: null })));
    for (let at = events.length - 1; at > 0; at -= 1) {
      const other = Math.floor(random() * (at + 1));
      [events[at], events[other]] = [events[other], events[at]];
    }
    let messages = 0;
    for (const { task, time } of events) messages += (await here.run(task, "f", time)).verdict === "tell" ? 1 : 0;
    t.diagnostic(`${messages} messages`);
    assert.ok(messages >= 28 && messages <= 36, `${messages}`);
  });
}

test("a missing, invalid or future time counts as now", async () => {
  for (const time of [undefined, null, "", "soon", "2099-01-01T00:00:00Z"]) {
    const here = world();
    assert.equal((await here.run("a", "f", time)).occurrence.since, new Date(900_000).toISOString(), time);
  }
});

test("a run waits while another announces, then announces a due occurrence or counts", async () => {
  const here = world();
  const first = await here.begin("a");
  const waiting = [here.run("b"), here.run("c")];
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  await first.done();
  const verdicts = await Promise.all(waiting);
  assert.deepEqual(verdicts.map(({ verdict }) => verdict).sort(), ["counted", "tell"]);
  assert.ok(verdicts.find(({ verdict }) => verdict === "tell").occurrence.count >= 2);
});

test("a run that waits too long is run again, and nothing is lost", async () => {
  const here = world();
  const first = await here.begin("a");
  await assert.rejects(here.run("b"), Busy);
  await first.done();
  const again = await here.run("b");
  assert.deepEqual([again.verdict, again.occurrence.count], ["tell", 2], "counted once");
});

test("a failed attempt is announced by the next run, for the same task or another, and counted once", async () => {
  const here = world();
  await (await here.begin("a")).fails();
  const again = await here.begin("a");
  assert.deepEqual([again.decision.verdict, again.decision.occurrence.count], ["tell", 1]);
  await again.fails();
  const { verdict, occurrence } = await here.run("b");
  assert.deepEqual([verdict, occurrence.count], ["tell", 2], "b tells for both");
  assert.equal((await here.run("a")).verdict, "counted");
});

test("a crash while announcing is waited for, then repeated", async () => {
  const here = world();
  await here.begin("a");
  await assert.rejects(here.run("a"), Busy);
  here.state.now += MINUTE;
  const { verdict, occurrence } = await here.run("a");
  assert.deepEqual([verdict, occurrence.count], ["tell", 1]);
});

test("a task left unannounced is announced later in the window that counted it, once, and its later events count nowhere else", async () => {
  const here = world();
  await (await here.begin("a")).fails();
  here.state.now += 15 * MINUTE;
  const { verdict, occurrence } = await here.run("a");
  assert.deepEqual([verdict, occurrence.count, occurrence.since], ["tell", 1, new Date(900_000).toISOString()]);
  const next = await here.run("b");
  assert.deepEqual([next.occurrence.count, next.occurrence.earlier], [1, 0]);
});

test("unreported occurrences are reported after a pause of any length, unless older events come in between", async () => {
  const here = world();
  for (let n = 1; n <= 7; n += 1) await here.run(`t${n}`);
  here.state.now += 20 * 15 * MINUTE;
  await here.run("old", "f", new Date(100_000).toISOString());
  assert.equal((await here.run("t8")).occurrence.earlier, 3);
});

test("with a table that throws, every destination gets the message, with the error; decide throws the error", async () => {
  const here = world();
  here.state.table.join = () => Promise.reject(new Error("broken"));
  await here.run("a");
  assert.match((await here.run("b")).trouble.message, /broken/);
  await assert.rejects(decide(here.state.table, here.keysFor("c", "f", null), { destinations: ["slack"], holder: "x", now: () => 0, sleep: async () => {}, waitMs: 1_000, holdUntil: 1 }), /broken/);
});

test("foresee returns the verdict of decide, and writes nothing", async () => {
  const here = world();
  const verdicts = [];
  for (let n = 0; n < 60; n += 1) {
    here.state.now += (n % 20) * MINUTE / 10;
    const task = `${n % 7 === 0 ? n - 1 : n}`;
    const keys = here.keysFor(task, "f", null);
    const seen = async () => {
      const subject = await here.state.table.subject(keys.subject);
      return { subject, window: await here.state.table.window(placeOf(subject, keys).id) };
    };
    const before = JSON.stringify([...here.state.table.items]);
    const foreseen = foresee(await seen(), { destinations: ["slack"] });
    assert.equal(JSON.stringify([...here.state.table.items]), before);
    const { verdict, count } = await here.run(task);
    assert.equal(foreseen.verdict, verdict, `${n}`);
    if (verdict === "counted") assert.equal(foreseen.count, count);
    verdicts.push(verdict);
  }
  assert.deepEqual([...new Set(verdicts)].sort(), ["counted", "duplicate", "tell"]);
});

test("a busy table that answers is no trouble: the run is run again, and no message is sent without a number", async () => {
  const here = world();
  await here.run("a");
  const { table } = here.state;
  let joins = 0;
  // A conflict, then a write that is done when the time is over.
  const busy = {
    ...table,
    async join(...call) {
      here.state.now += (joins += 1) === 1 ? 0 : 1_990;
      return joins === 1 ? "conflict" : table.join(...call);
    },
  };
  const how = { destinations: ["slack"], holder: "x", now: () => here.state.now, sleep: async (ms) => { here.state.now += ms; }, random: () => 0.5, waitMs: 2_000, holdUntil: here.state.now + 30_000, markMs: () => 5_000 };
  await assert.rejects(announce(busy, here.keysFor("b", "f", null), how, () => assert.fail("told")), { name: "Busy" });
  assert.equal(joins, 2);
});

test("a hold ends with its run, however long the run waited for the hold", async () => {
  const here = world();
  const holdUntil = here.state.now + 30_000;
  const how = { destinations: ["slack"], holder: "x", now: () => here.state.now, sleep: async (ms) => { here.state.now += ms; }, random: () => 0.5, waitMs: 9_000, holdUntil, markMs: () => 5_000 };
  let looks = 0;
  const table = { ...here.state.table, open: async (...call) => ((looks += 1) < 5 ? "conflict" : here.state.table.open(...call)) };
  const keys = here.keysFor("a", "f", null);
  await decide(table, keys, how);
  assert.ok(here.state.now + 30_000 > holdUntil);
  assert.equal((await here.state.table.window(placeOf(null, keys).id, 1)).heldUntil, holdUntil);
});
