// Checks the contract that announcements.mjs requires of any table.
import assert from "node:assert/strict";
import { test } from "node:test";

const PLACE = { id: "failure f @1000", failure: "failure f", since: 1000 };
const NEXT = { id: "failure f @9000", failure: "failure f", since: 9000 };
const NAMES = ["slack", "team é"];
const window = (place, fields) => ({ since: place.since, count: 1, told: {}, earlier: 0, holder: "me", heldUntil: 1100, ...fields });
const subject = (place, fields) => ({ failure: "failure f", since: place.since, settled: false, delivered: [], unanswered: {}, ...fields });
const UNSEEN = { subject: null, latest: null, previous: null, previousId: null, names: NAMES };
const EXPIRES = 4_000_000_000_000;
const MS = 10_000;
const note = (fields) => ({ delivered: [], isSettled: false, unanswered: {}, expires: EXPIRES, ...fields });

/** Checks a table. @param {string} name  @param {() => Promise<import("../memory/announcements.mjs").Table>} make  an empty one each time */
export function contract(name, make) {
  const check = (what, work) => test(`${name}: ${what}`, async () => work(await make()));
  const opened = (table, id = "task a", place = PLACE, seen = UNSEEN, fields = {}) => table.open(id, place, seen, window(place, fields), EXPIRES, MS);

  check("nothing exists at first", async (table) => {
    assert.deepEqual([await table.subject("task a", MS), await table.window(PLACE.id, MS), await table.latest("failure f", MS)], [null, null, null]);
    assert.deepEqual(await table.look("task a", PLACE, MS), { subject: null, window: null, latest: null });
  });

  check("a window is opened once, with its subject counted, held by its opener, and named by the failure", async (table) => {
    assert.equal(await opened(table), "done");
    assert.equal(await opened(table, "task b"), "lost");
    assert.deepEqual([await table.subject("task a", MS), await table.window(PLACE.id, MS), await table.latest("failure f", MS)], [subject(PLACE), window(PLACE), 1000]);
    assert.deepEqual(await table.look("task a", PLACE, MS), { subject: subject(PLACE), window: window(PLACE), latest: 1000 });
    assert.equal(await table.subject("task b", MS), null);
  });

  check("the next window is opened by a run that has read the current state of the window before", async (table) => {
    await opened(table);
    const previous = await table.window(PLACE.id, MS);
    const seen = { ...UNSEEN, latest: 1000, previous, previousId: PLACE.id };
    await table.join("task b", PLACE, EXPIRES, MS);
    assert.equal(await opened(table, "task c", NEXT, seen), "lost", "one more came meanwhile");
    const now = { ...seen, previous: { ...previous, count: 2 } };
    assert.equal(await opened(table, "task c", NEXT, { ...now, latest: null }), "lost", "another window was opened meanwhile");
    await table.raise(PLACE.id, "slack", 1, MS);
    assert.equal(await opened(table, "task c", NEXT, now), "lost", "it was told meanwhile");
    assert.equal(await opened(table, "task c", NEXT, { ...now, previous: { ...now.previous, told: { slack: 1 } } }, { earlier: 1 }), "done");
    assert.deepEqual([await table.window(NEXT.id, MS), await table.latest("failure f", MS)], [window(NEXT, { earlier: 1 }), 9000]);
    const old = { id: "failure f @500", failure: "failure f", since: 500 };
    assert.equal(await opened(table, "task d", old, { ...UNSEEN, latest: 9000 }), "done");
    assert.equal(await table.latest("failure f", MS), 9000, "an older window is not the latest");
  });

  check("each subject is counted once", async (table) => {
    await opened(table);
    const joined = await Promise.all([1, 2, 3].map(() => table.join("task b", PLACE, EXPIRES, MS)));
    assert.equal(joined.filter((outcome) => outcome === "done").length, 1);
    assert.equal((await table.window(PLACE.id, MS)).count, 2);
    assert.equal(await table.join("task a", PLACE, EXPIRES, MS), "lost", "the opener is counted");
    assert.equal(await table.join("task c", NEXT, EXPIRES, MS), "lost", "no such window");
    assert.deepEqual(await table.subject("task b", MS), subject(PLACE));
  });

  check("one run at a time holds a window, while its numbers are unchanged since the run read them", async (table) => {
    await opened(table);
    const take = async (holder, seen, until = 2000) => (await table.take(PLACE.id, seen, NAMES, { holder, heldUntil: until }, MS)).outcome;
    const held = await table.window(PLACE.id, MS);
    assert.equal(await take("you", { ...held, holder: null }), "lost", "held");
    assert.equal(await table.release(PLACE.id, "somebody else", MS), "lost");
    assert.equal(await take("you", held, 1500), "done", "of a holder whose time is over");
    assert.equal(await take("us", held), "lost", "the holder is another one");
    assert.equal(await table.release(PLACE.id, "you", MS), "done");
    const free = await table.window(PLACE.id, MS);
    assert.deepEqual(free, window(PLACE, { holder: null, heldUntil: 0 }));
    await table.raise(PLACE.id, "team é", 1, MS);
    assert.equal(await take("you", free), "lost", "one of the destinations was told");
    await table.join("task b", PLACE, EXPIRES, MS);
    const { outcome, window: taken } = await table.take(PLACE.id, { ...free, told: { "team é": 1 } }, NAMES, { holder: "you", heldUntil: 2000 }, MS);
    assert.deepEqual([outcome, taken], ["done", window(PLACE, { count: 2, told: { "team é": 1 }, holder: "you", heldUntil: 2000 })]);
  });

  check("reported counts are marked together with the subject, or not at all", async (table) => {
    await opened(table);
    await table.join("task b", PLACE, EXPIRES, MS);
    const told = { holder: "me", names: NAMES, count: 2 };
    const silent = { "team é": { times: 1, at: 5000, count: 2, told: 1 } };
    assert.equal(await table.mark("task a", PLACE.id, { ...told, holder: "you" }, note({ isSettled: true, delivered: NAMES }), MS), "lost");
    assert.deepEqual(await table.subject("task a", MS), subject(PLACE));
    assert.equal(await table.mark("task a", PLACE.id, told, note({ delivered: ["slack"], unanswered: silent }), MS), "done");
    assert.deepEqual(await table.window(PLACE.id, MS), window(PLACE, { count: 2, told: { slack: 2, "team é": 2 }, holder: null, heldUntil: 0 }));
    assert.deepEqual(await table.subject("task a", MS), subject(PLACE, { delivered: ["slack"], unanswered: silent }));
    assert.equal(await table.note("task a", note({ delivered: ["team é"], isSettled: true, place: PLACE }), MS), "done");
    const { delivered, settled } = await table.subject("task a", MS);
    assert.deepEqual([delivered.sort(), settled], [NAMES, true]);
    assert.equal(await table.raise(PLACE.id, "slack", 2, MS), "lost", "it is raised only where it is lower");
    assert.equal(await table.raise(PLACE.id, "slack", 4, MS), "done");
    assert.equal(await table.raise(NEXT.id, "slack", 4, MS), "lost", "no such window");
  });

  check("posts without an answer add up, and are counted anew once the earlier ones have expired", async (table) => {
    await opened(table);
    const noted = async (fields, outcome = "done") => {
      assert.equal(await table.note("task a", note({ unanswered: { slack: { times: 1, isAnew: false, at: 5000, count: 4, told: 2, ...fields } } }), MS), outcome);
      return (await table.subject("task a", MS)).unanswered.slack;
    };
    assert.deepEqual(await noted({ count: null, told: 0 }), { times: 1, at: 5000, count: 0, told: 0 }, "without a table that could be used");
    assert.deepEqual(await noted({ at: 5500 }), { times: 2, at: 5500, count: 4, told: 2 });
    assert.deepEqual(await noted({ at: 5500 }, "lost"), { times: 2, at: 5500, count: 4, told: 2 }, "the same one is not added twice");
    assert.deepEqual(await noted({ at: 6000, count: null, told: 0 }), { times: 3, at: 6000, count: 4, told: 2 }, "what is known of the count stays");
    assert.deepEqual(await noted({ isAnew: true, at: 7000, count: 8, told: 4 }), { times: 1, at: 7000, count: 8, told: 4 });
  });

  check("a subject is settled if unchanged, and if its count is not certain, together with an unchanged window", async (table) => {
    await opened(table);
    const settle = (seen, as = null) => table.settle("task a", seen, NAMES, EXPIRES, MS, as);
    const seen = await table.subject("task a", MS);
    await table.note("task a", note({ unanswered: { slack: { times: 1, at: 5000, count: 1, told: 0 } } }), MS);
    assert.equal(await settle(seen), "lost", "a post was not answered meanwhile");
    assert.equal(await settle({ ...await table.subject("task a", MS), since: 9000 }), "lost", "counted elsewhere");
    assert.equal(await settle(await table.subject("task a", MS), { id: PLACE.id, count: 0 }), "lost", "the window was seen as it was before");
    assert.equal(await settle(await table.subject("task a", MS), { id: PLACE.id, count: 1 }), "done");
    assert.equal(await settle(await table.subject("task a", MS), { id: PLACE.id, count: 1 }), "lost", "settled before");
    assert.equal(await settle(await table.subject("task a", MS)), "lost", "settled before");
  });

  check("a subject that was never counted is noted as settled only", async (table) => {
    assert.equal(await table.note("task x", note({ delivered: ["slack"], place: PLACE }), MS), "lost");
    assert.equal(await table.note("task x", note({ delivered: ["slack"], isSettled: true, place: PLACE }), MS), "done");
    assert.deepEqual(await table.subject("task x", MS), subject(PLACE, { delivered: ["slack"], settled: true }));
  });
}
