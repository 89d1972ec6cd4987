// Executions of Step Functions: their cause, and the data that no message may show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { messageOf } from "../places/slack-message.mjs";
import * as webhook from "../places/webhook.mjs";
import { HOSTILE, changed, sample } from "./samples.mjs";

const EXECUTION = "51-execution-failed";
const execution = (detail = {}) => incidentOf(changed(EXECUTION, detail));
const reasonOf = (cause, error = null) => execution({ cause, error }).stoppedReason;
const shown = (incident, language = "en") => JSON.stringify([messageOf, webhook.payloadOf].map((payloadOf) => payloadOf({ ...incident, occurrence: null, tail: [] }, { language })));

test("an execution names its state machine, its duration and its page", () => {
  const { kind, state, stateMachine, durationSeconds, links, severity } = execution();
  assert.deepEqual([kind, state, stateMachine, durationSeconds, severity], ["execution", "died", "nightly-etl", 1931, "error"]);
  assert.ok(links.execution.endsWith("#/v2/executions/details/arn:aws:states:us-east-1:123456789012:execution:nightly-etl:2026-11-20-nightly"));
  assert.deepEqual(["51b-execution-timed-out", "51c-execution-aborted"].map((name) => incidentOf(sample(name)).state), ["died", "stopped"]);
});

test("the words of a cause are shown, and never the data that it quotes", () => {
  const task = { Overrides: { ContainerOverrides: [{ Environment: [{ Name: "TOKEN", Value: "hunter2" }] }] }, StoppedReason: "Essential container in task exited", Containers: [{ Name: "app", ExitCode: 1 }, { Name: "proxy", ExitCode: 0 }] };
  for (const [cause, error, expected] of [
    [JSON.stringify(task), "States.TaskFailed", "States.TaskFailed: Essential container in task exited (app: exit code 1)"],
    [JSON.stringify({ Container: { Environment: [{ Value: "hunter2" }] }, StatusReason: "Essential container in task exited" }), "States.TaskFailed", "States.TaskFailed: Essential container in task exited"],
    [JSON.stringify({ errorMessage: "no such order", errorType: "KeyError", stackTrace: ["hunter2"] }), "KeyError", "KeyError: KeyError: no such order"],
    [`${JSON.stringify(task).slice(0, 90)}…`, "States.TaskFailed", "States.TaskFailed"], [JSON.stringify(["hunter2"]), null, null], [JSON.stringify({ a: "hunter2" }), null, null],
    ["An error occurred while executing the state 'X'. The JSONPath '$.a' could not be found in the input '{\"b\": \"hunter2\"}'", "States.Runtime", "States.Runtime: An error occurred while executing the state 'X'. The JSONPath '$.a' could not be found in the […]"],
    ["The choice state's condition did not match the output 'hunter2'", null, "The choice state's condition did not match the […]"], ["bad record {\"password\": \"hunter2\"} found", null, "bad record […]"],
    ["bad list [{\"password\": \"hunter2\"}]", null, "bad list […]"], ["Order 17 has no lines (3 expected)", "OrderError", "OrderError: Order 17 has no lines (3 expected)"],
    [JSON.stringify("quoted {\"a\":\"hunter2\"}"), null, "quoted […]"], [undefined, "States.Timeout", "States.Timeout"], ["", "", null], [7, 8, "8"],
  ]) {
    assert.equal(reasonOf(cause, error), expected, String(cause));
    for (const language of ["en", "ja"]) assert.ok(!shown(execution({ cause, error, input: "hunter2", output: "hunter2" }), language).includes("hunter2"));
  }
  assert.ok(!reasonOf(`password=${"hunter2hunter2"}`, null)?.includes("hunter2"));
});

test("equal errors of one state machine are one failure, and a redriven execution is announced again", () => {
  const keyOf = (detail) => execution(detail).failure;
  assert.equal(keyOf({ cause: "order 17 of 2026-11-20", name: "a", executionArn: "x" }), keyOf({ cause: "order 18 of 2026-11-21", name: "b", executionArn: "y" }));
  const others = [{}, { error: "Other" }, { cause: "another" }, { status: "TIMED_OUT" }, { status: "ABORTED" }, { stateMachineArn: "arn:aws:states:us-east-1:123456789012:stateMachine:other" }].map(keyOf);
  assert.equal(new Set(others).size, others.length);
  assert.notEqual(execution({ stopDate: 1_795_170_731_000 }).subject, execution().subject);
  assert.ok(execution().subject.startsWith("execution arn:aws:states:"));
});

test("any shape of the event gives an incident that rings", () => {
  for (const hostile of [null, [], {}, 7, "x", HOSTILE, true, 1e300]) {
    for (const key of Object.keys(sample(EXECUTION).detail)) {
      const incident = execution({ [key]: hostile });
      assert.ok(incident.rings && shown(incident).length > 100, key);
    }
  }
});
