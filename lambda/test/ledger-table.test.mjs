// Tests how a ledger is stored: several runs write one item at once, in every order, and calls fail.
import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyRecord, merged, recordOf, textOf, withTold } from "../core/ledger.mjs";
import { LedgerBusy, ledgersOf, readRecord, update } from "../memory/ledger.mjs";
import { dynamo } from "./dynamo.mjs";

const ID = "job prod|nightly";
const NOW = Date.parse("2026-11-20T10:00:00Z");
const ended = (nth, ok = true, part = null) => ({ part, startedAt: null, end: { at: new Date(NOW + nth * 1000).toISOString(), task: `t${nth}`, ok, seconds: nth, revision: 1, images: [{ name: "web", image: "web:1", digest: null }], cause: ok ? null : "crashed" } });
const named = (name, more) => Object.assign(new Error(name), { name, ...more });
const howOf = (more) => ({ now: () => NOW, sleep: async () => {}, random: () => 0.5, leftMs: () => 60_000, ...more });
const merging = (...ends) => (record) => ends.reduce(merged, record);

/**
 * Performs the calls of several writers in one order. Every call and every pause waits until `pick` chooses it; a fault loses an answer, before
 * the call is performed or after.
 */
async function executed(writers, pick, faults) {
  const { items, connect } = dynamo();
  const pending = [];
  const trace = [];
  const results = [];
  let left = faults;
  const step = (name) => (label, perform) => new Promise((resolve, reject) => { pending.push({ name, label, perform, resolve, reject }); });
  const turns = async () => { for (let turn = 0; turn < 12; turn += 1) await undefined; };
  for (const [nth, change] of writers.entries()) {
    const ledgers = ledgersOf("t", connect(step(nth)));
    const sleep = (ms) => new Promise((resolve) => { pending.push({ name: nth, label: `sleep ${ms}`, perform: () => {}, resolve, reject: () => {} }); });
    update(ledgers, ID, change, howOf({ sleep })).then((value) => { results[nth] = { value }; }, (error) => { results[nth] = { error }; });
  }
  for (await turns(); pending.length > 0; await turns()) {
    const options = pending.flatMap((op) => [{ op }, ...(left > 0 && !op.label.startsWith("sleep") ? [{ op, fault: "before" }, { op, fault: "after" }] : [])]);
    const { op, fault } = options[pick(options)];
    pending.splice(pending.indexOf(op), 1);
    trace.push(`${op.name} ${op.label}${fault ? ` [lost ${fault}]` : ""}`);
    if (fault) left -= 1;
    try {
      const value = fault === "before" ? null : op.perform();
      if (fault) op.reject(named("TimeoutError"));
      else op.resolve(value);
    } catch (error) {
      op.reject(fault ? named("TimeoutError") : error);
    }
  }
  return { items, results, trace };
}

/** Explores every order of the calls, depth first. `check` gets each result. */
async function everyOrder(writers, faults, check, most = 60_000) {
  let choices = [];
  for (let orders = 1; ; orders += 1) {
    const made = [];
    const result = await executed(writers, (options) => {
      const nth = choices[made.length] ?? 0;
      made.push({ nth, of: options.length });
      return nth;
    }, faults);
    check(result);
    const last = made.findLastIndex(({ nth, of }) => nth + 1 < of);
    if (last < 0 || orders >= most) return { orders, isComplete: last < 0 };
    choices = [...made.slice(0, last).map(({ nth }) => nth), made[last].nth + 1];
  }
}

const textIn = (items) => items.get(ID).ledger.S;

test("two writers at once, in every order, also with a lost answer: both ends are in the ledger, once", async (t) => {
  const expected = textOf(merging(ended(1), ended(2, false, "events-rule/a"))(emptyRecord()));
  for (const faults of [0, 1]) {
    const { orders, isComplete } = await everyOrder([merging(ended(1)), merging(ended(2, false, "events-rule/a"))], faults, ({ items, results, trace }) => {
      assert.ok(results.every(({ error }) => !error), trace.join("\n"));
      assert.equal(textIn(items), expected, trace.join("\n"));
      assert.equal(Number(items.get(ID).writes.N), 2, "each end is written once, though an answer is lost");
    });
    t.diagnostic(`${orders} orders with ${faults} lost answers${isComplete ? ", all" : ""}`);
    assert.ok(isComplete);
  }
});

test("two reports of one end at once write once, in every order, with up to two lost answers", async (t) => {
  for (const faults of [0, 1, 2]) {
    const { orders, isComplete } = await everyOrder([merging(ended(1)), merging(ended(1))], faults, ({ items, results, trace }) => {
      assert.ok(results.every(({ error }) => !error), trace.join("\n"));
      assert.equal(textIn(items), textOf(merging(ended(1))(emptyRecord())));
      assert.equal(Number(items.get(ID).writes.N), 1, trace.join("\n"));
      const written = results.filter(({ value }) => value.isWritten).length;
      assert.ok(written === 1 || (faults > 0 && written === 0 && results.some(({ value }) => value.isUnclear)), trace.join("\n"));
    }, 20_000);
    t.diagnostic(`${orders} orders with ${faults} lost answers${isComplete ? ", all" : ""}`);
    assert.ok(isComplete || faults === 2);
  }
});

test("three writers at once, in any order: no end is lost", async (t) => {
  const ends = [1, 2, 3].map((nth) => ended(nth, nth !== 2));
  const { orders } = await everyOrder(ends.map((end) => merging(end)), 0, ({ items, results, trace }) => {
    assert.ok(results.every(({ error }) => !error), trace.join("\n"));
    assert.equal(textIn(items), textOf(merging(...ends)(emptyRecord())));
  }, 20_000);
  t.diagnostic(`${orders} orders`);
});

test("a hundred ends of one job at once are all recorded", async () => {
  const { items, connect } = dynamo();
  const ledgers = ledgersOf("t", connect(async (_, perform) => { await new Promise(setImmediate); return perform(); }));
  let seed = 1;
  const random = () => { seed = (seed * 16_807) % 2_147_483_647; return seed / 2_147_483_647; };
  const sleep = async (ms) => { for (let turn = 0; turn < ms; turn += 10) await new Promise(setImmediate); };
  await Promise.all(Array.from({ length: 100 }, (_, nth) => update(ledgers, ID, merging(ended(nth)), howOf({ sleep, random }))));
  const all = merging(...Array.from({ length: 100 }, (_, nth) => ended(nth)))(emptyRecord());
  assert.equal(textIn(items), textOf(all));
  // An end that is older than all that are kept needs no write.
  assert.ok(Number(items.get(ID).writes.N) <= 100);
});

/** Creates ledgers whose calls end with these errors, one after another, and then work. */
function failing(errors) {
  const { items, connect } = dynamo();
  const calls = [];
  const step = async (label, perform) => {
    calls.push(label);
    const error = errors.shift();
    if (error) throw error;
    return perform();
  };
  return { items, calls, ledgers: ledgersOf("t", connect(step)) };
}

test("throttling and unclear errors are tried again; a denied call ends at once", async () => {
  for (const name of ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError", "TimeoutError", "TransactionConflictException"]) {
    // The second call is the write.
    const here = failing([null, named(name)]);
    await update(here.ledgers, ID, merging(ended(1)), howOf());
    assert.deepEqual([here.calls.length, Number(here.items.get(ID).writes.N)], [4, 1], name);
  }
  for (const name of ["InternalServerError", "TimeoutError"]) {
    const here = failing([named(name), named(name)]);
    await update(here.ledgers, ID, merging(ended(1)), howOf());
    assert.equal(here.calls.length, 4);
    await assert.rejects(update(failing(Array(9).fill(named(name))).ledgers, ID, merging(ended(1)), howOf()), { name });
  }
  for (const name of ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"]) {
    const here = failing([named(name)]);
    await assert.rejects(update(here.ledgers, ID, merging(ended(1)), howOf()), { name });
    assert.equal(here.calls.length, 1);
  }
});

test("a writer that always loses ends after a bounded number of tries, and within its time", async () => {
  const { connect } = dynamo();
  const ledgers = ledgersOf("t", connect());
  let others = 100;
  const racing = { ...ledgers, async write(...call) { await ledgers.write(ID, textOf(merging(ended(others))(recordOf((await ledgers.read(ID)).text))), (await ledgers.read(ID)).writes, NOW, 9); others += 1; return ledgers.write(...call); } };
  const pauses = [];
  await assert.rejects(update(racing, ID, merging(ended(9_999)), howOf({ sleep: async (ms) => { pauses.push(ms); } })), LedgerBusy);
  assert.equal(pauses.length, 29);
  assert.deepEqual([pauses[0], pauses[1], Math.max(...pauses)], [50, 100, 1_000]);
  let left = 400;
  await assert.rejects(update(racing, ID, merging(ended(9_999)), howOf({ leftMs: () => left, sleep: async (ms) => { left -= ms; } })), LedgerBusy);
  assert.ok(left > 0);
  await assert.rejects(update(ledgers, ID, merging(ended(1)), howOf({ leftMs: () => 0 })), { name: "TimeoutError" });
});

test("an item that another version wrote without a count of writes is taken over; a text that cannot be read is written anew", async () => {
  for (const item of [{ id: { S: ID }, ledger: { S: "{" } }, { id: { S: ID }, ledger: { S: textOf(merging(ended(5))(emptyRecord())) } }, { id: { S: ID } }]) {
    const { items, connect } = dynamo(new Map([[ID, item]]));
    await update(ledgersOf("t", connect()), ID, merging(ended(1)), howOf());
    assert.deepEqual([items.get(ID).writes.N, recordOf(textIn(items)).all.ends.at(-1).task], ["1", "t1"]);
  }
});

test("an item is kept for 400 days after its last write; reading and a change that changes nothing write nothing", async () => {
  const { items, connect } = dynamo();
  const ledgers = ledgersOf("t", connect());
  assert.equal(textOf(await readRecord(ledgers, ID, howOf())), textOf(emptyRecord()));
  assert.equal(items.size, 0);
  const first = await update(ledgers, ID, merging(ended(1)), howOf());
  const second = await update(ledgers, ID, merging(ended(1)), howOf());
  assert.deepEqual([first.isWritten, second.isWritten, items.get(ID).writes.N, items.get(ID).expiresAt.N], [true, false, "1", String(NOW / 1000 + 400 * 86_400)]);
  const told = await update(ledgers, ID, (record) => withTold(record, null, { overdue: "2026-11-20T03:00:00.000Z" }), howOf());
  assert.deepEqual([told.before.all.told.overdue, told.record.all.told.overdue, told.record.all.ends.length], [null, "2026-11-20T03:00:00.000Z", 1]);
});
