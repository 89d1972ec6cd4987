// Tests how table.mjs reads the answers of DynamoDB.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tableOf } from "../memory/table.mjs";

const PLACE = { id: "failure f @1000", failure: "failure f", since: 1000 };
const NOTE = { delivered: ["slack"], isSettled: true, unanswered: {}, expires: 1, place: PLACE };
const SEEN = { failure: "failure f", since: 1000, settled: false, delivered: [], unanswered: {} };
const WINDOW = { since: 1000, count: 1, told: {}, earlier: 0, holder: "me", heldUntil: 5 };
const UNSEEN = { subject: null, latest: null, previous: null, previousId: null, names: ["slack"] };
const WRITES = {
  open: (table) => table.open("task a", PLACE, UNSEEN, WINDOW, 1, 1), join: (table) => table.join("task a", PLACE, 1, 1),
  take: async (table) => (await table.take(PLACE.id, WINDOW, ["slack"], { holder: "you", heldUntil: 9 }, 1)).outcome,
  settle: (table) => table.settle("task a", SEEN, ["slack"], 1, 1, null), settled: (table) => table.settle("task a", SEEN, ["slack"], 1, 1, { id: PLACE.id, count: 1 }), note: (table) => table.note("task a", NOTE, 1),
  mark: (table) => table.mark("task a", PLACE.id, { holder: "me", names: ["slack"], count: 1 }, NOTE, 1),
  raise: (table) => table.raise(PLACE.id, "slack", 1, 1), release: (table) => table.release(PLACE.id, "me", 1),
};
const error = (name, more) => Object.assign(new Error(name), { name, ...more });
const cancelled = (...codes) => error("TransactionCanceledException", { CancellationReasons: codes.map((Code) => ({ Code })) });
/** Creates a table whose every call ends with the error. */
const failing = (what) => tableOf("t", async () => ({ sdk: new Proxy({}, { get: () => class {} }), client: { send: () => Promise.reject(what) }, options: () => ({}) }));

test("for every write, a failed condition is lost, another write or too many are a conflict, and of both the condition decides", async () => {
  for (const [what, expected] of [
    [error("ConditionalCheckFailedException"), "lost"], [cancelled("ConditionalCheckFailed", "None"), "lost"], [cancelled("TransactionConflict", "ConditionalCheckFailed"), "lost"],
    [cancelled("None", "TransactionConflict"), "conflict"], [cancelled("ThrottlingError", undefined), "conflict"], [cancelled("ProvisionedThroughputExceeded"), "conflict"],
    [error("TransactionConflictException"), "conflict"], [error("TransactionInProgressException"), "conflict"], [error("ThrottlingException"), "conflict"],
    [error("ProvisionedThroughputExceededException"), "conflict"], [error("RequestLimitExceeded"), "conflict"],
  ]) {
    for (const [name, write] of Object.entries(WRITES)) assert.equal(await write(failing(what)), expected, `${name}: ${what.name}`);
  }
});

test("other errors are thrown, with a mark if the call may have been performed", async () => {
  for (const [what, isUnclear] of [
    [error("TimeoutError"), true], [error("AbortError"), true], [error("InternalServerError", { $metadata: { httpStatusCode: 500 } }), true], [error("Error", { code: "ECONNRESET" }), true],
    [error("Odd", { $metadata: { httpStatusCode: 503 } }), true], [error("AccessDeniedException", { $metadata: { httpStatusCode: 400 } }), false],
    [error("ResourceNotFoundException", { $metadata: { httpStatusCode: 400 } }), false], [cancelled("ValidationError", "None"), false], [cancelled("ConditionalCheckFailed", "ValidationError"), false],
  ]) {
    for (const [name, write] of Object.entries({ ...WRITES, subject: (table) => table.subject("x", 1), window: (table) => table.window("x", 1), latest: (table) => table.latest("x", 1) })) {
      await assert.rejects(write(failing(what)), (thrown) => thrown === what && thrown.isUnclear === isUnclear, `${name}: ${what.name}`);
    }
  }
});
