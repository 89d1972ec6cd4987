// What announcements.mjs needs of a table, whichever it is.
import assert from "node:assert/strict";
import { test } from "node:test";

const KEYS = { subject: "task a", failure: "failure f" };
const OTHER = { subject: "task b", failure: "failure f" };
const fresh = (since, fields) => ({ since, count: 1, told: 0, earlier: 0, holder: "me", heldUntil: since + 100, ...fields });
const EXPIRES = 4_000_000_000_000;

/** @param {string} name  @param {() => Promise<import("../announcements.mjs").Table>} make  an empty one each time */
export function contract(name, make) {
  const check = (what, work) => test(`${name}: ${what}`, async () => work(await make()));

  check("nothing is there at first", async (table) => {
    assert.deepEqual(await table.look(KEYS), { subject: null, failure: null });
  });

  check("a window is opened once, with its subject counted and its opener holding it", async (table) => {
    assert.equal(await table.open(KEYS, null, fresh(1000), EXPIRES), true);
    assert.equal(await table.open(OTHER, null, fresh(2000), EXPIRES), false);
    assert.deepEqual(await table.look(KEYS), { subject: { failure: "failure f", since: 1000, settled: false, delivered: [] }, failure: fresh(1000) });
    assert.equal((await table.look(OTHER)).subject, null);
  });

  check("a window that is over is opened anew, by who saw it as it is", async (table) => {
    await table.open(KEYS, null, fresh(1000), EXPIRES);
    const { failure } = await table.look(KEYS);
    await table.join(OTHER, failure, EXPIRES);
    assert.equal(await table.open({ ...OTHER, subject: "task c" }, failure, fresh(9000), EXPIRES), false, "one more came meanwhile");
    const seen = (await table.look(KEYS)).failure;
    assert.equal(await table.open({ ...OTHER, subject: "task c" }, seen, fresh(9000, { earlier: 2 }), EXPIRES), true);
    assert.deepEqual((await table.look(KEYS)).failure, fresh(9000, { earlier: 2 }));
  });

  check("each subject is counted once in a window, and again in the next while it is not settled", async (table) => {
    await table.open(KEYS, null, fresh(1000), EXPIRES);
    const { failure } = await table.look(KEYS);
    const joined = await Promise.all([1, 2, 3].map(() => table.join(OTHER, failure, EXPIRES)));
    assert.equal(joined.filter(Boolean).length, 1);
    assert.equal((await table.look(OTHER)).failure.count, 2);
    assert.equal(await table.join(KEYS, failure, EXPIRES), false, "the opener is counted");
    assert.equal(await table.join(OTHER, { ...failure, since: 1 }, EXPIRES), false, "another window");
    await table.open({ subject: "task c", failure: "failure f" }, (await table.look(KEYS)).failure, fresh(9000), EXPIRES);
    assert.equal(await table.join(OTHER, fresh(9000), EXPIRES), true);
    assert.equal(await table.settle(OTHER, 9000, EXPIRES), true);
    assert.equal(await table.settle(OTHER, 9000, EXPIRES), false, "settled before");
    assert.equal(await table.join(OTHER, fresh(9000), EXPIRES), false, "settled");
    assert.equal(await table.open(OTHER, (await table.look(KEYS)).failure, fresh(20_000), EXPIRES), false, "settled");
  });

  check("one at a time tells, until it is told, given up, or certainly dead", async (table) => {
    await table.open(KEYS, null, fresh(1000), EXPIRES);
    const { failure } = await table.look(KEYS);
    await table.join(OTHER, failure, EXPIRES);
    const by = (holder, now) => ({ holder, heldUntil: now + 100, now });
    assert.equal(await table.take(OTHER, failure, by("you", 1050)), false, "held");
    await table.release(KEYS, "somebody else");
    assert.equal(await table.take(OTHER, failure, by("you", 1050)), false, "still held");
    await table.release(KEYS, "me");
    assert.equal(await table.take(OTHER, failure, by("you", 1050)), true);
    assert.equal((await table.look(OTHER)).failure.holder, "you");
    assert.equal(await table.take(OTHER, failure, by("me", 1149)), false);
    assert.equal(await table.take(OTHER, failure, by("me", 1151)), true, "the holder is over its time");
    await table.told(OTHER, { holder: "you", count: 7, since: 1000 }, EXPIRES);
    const late = await table.look(OTHER);
    assert.deepEqual([late.failure.told, late.failure.holder, late.subject.settled], [0, "me", true], "who lost its hold settles its subject only");
    assert.equal(await table.take(OTHER, failure, by("us", 9999)), false, "a settled subject is not told");
    await table.told(KEYS, { holder: "me", count: 2, since: 1000 }, EXPIRES);
    const end = await table.look(KEYS);
    assert.deepEqual([end.failure.told, end.failure.holder, end.failure.count, end.subject.settled], [2, null, 2, true]);
  });

  /** Whoever tells the third. */
  const BY = { holder: "me", count: 3, since: 1000 };

  check("what was delivered is noted by name, adds up, and outlives every other write", async (table) => {
    const delivered = async () => (await table.look(KEYS)).subject.delivered.sort();
    await assert.rejects(table.note(KEYS, ["ops"], BY, EXPIRES), undefined, "of a subject that is not known");
    await table.open(KEYS, null, fresh(1000), EXPIRES);
    await table.note(KEYS, ["ops", "webhook"], BY, EXPIRES);
    await table.note(KEYS, ["ops", "team é"], { ...BY, holder: "somebody else", count: 9 }, EXPIRES);
    const all = ["ops", "team é", "webhook"];
    assert.deepEqual(await delivered(), all);
    const { failure: told } = await table.look(KEYS);
    assert.deepEqual([told.told, told.holder], [3, "me"], "told to those that took it, by whoever holds it");
    await table.release(KEYS, "me");
    assert.equal(await table.open(KEYS, (await table.look(KEYS)).failure, fresh(9000), EXPIRES), true, "the next window");
    assert.deepEqual(await delivered(), all);
    assert.equal(await table.join({ ...KEYS, failure: "failure g" }, fresh(9000), EXPIRES), false);
    await table.open(OTHER, (await table.look(KEYS)).failure, fresh(20_000), EXPIRES);
    assert.equal(await table.join(KEYS, fresh(20_000), EXPIRES), true, "counted in another");
    assert.deepEqual(await delivered(), all);
    await table.told(KEYS, { holder: "me", count: 1, since: 20_000 }, EXPIRES);
    assert.deepEqual([await delivered(), (await table.look(KEYS)).subject.settled], [all, true]);
    assert.deepEqual((await table.look(OTHER)).subject.delivered, []);
  });
}
