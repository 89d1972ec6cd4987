import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { classify, payloadOf, plainPayloadOf, refuses } from "../places/sns.mjs";
import { OPTIONS, REPEATED, hostileIncidents, stringsOf } from "./hostile.mjs";
import { definitionOf, names, sample } from "./samples.mjs";

/** Asserts the limits of SNS for a message. */
function assertSnsTakes({ Subject, Message, MessageAttributes = {} }) {
  if (Subject !== undefined) assert.match(Subject, /^[A-Za-z0-9][\x20-\x7e]{0,98}$/);
  assert.ok(Message.trim() !== "");
  let bytes = Buffer.byteLength(Message);
  for (const [key, { DataType, StringValue }] of Object.entries(MessageAttributes)) {
    assert.ok(["severity", "cause", "cluster", "family"].includes(key) && DataType === "String" && StringValue.trim() !== "");
    bytes += Buffer.byteLength(key + DataType + StringValue);
  }
  assert.ok(bytes <= 256 * 1024, `${bytes} bytes`);
  for (const text of stringsOf({ Message, MessageAttributes })) assert.ok(text.isWellFormed() && !/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text));
}

test("every sample makes a message that SNS takes, in both languages", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) assertSnsTakes(payloadOf({ ...incidentOf(sample(name)), ...REPEATED, tail: ["a", "", "b"] }, { language }));
  }
});

test("hostile text breaks no limit", () => {
  for (const incident of hostileIncidents()) {
    for (const options of OPTIONS.slice(0, 2)) {
      const payload = payloadOf(incident, options);
      assertSnsTakes(payload);
      assertSnsTakes(plainPayloadOf(payload));
    }
  }
});

test("the subject is ASCII in every language, and begins with the name of the task", () => {
  const subjectOf = (event, language) => payloadOf(incidentOf(event), { language, mention: "here" }).Subject;
  assert.equal(subjectOf(sample("02-oom"), "ja"), "web failed in prod: out of memory");
  assert.equal(subjectOf({ ...sample("02-oom"), source: "taskbell.drill" }), "DRILL, not a real incident - web failed in prod: out of memory");
  const application = (message, source = "shop") => ({ source: "taskbell.app", "detail-type": "Application Error", detail: { message, source } });
  assert.equal(subjectOf(application("請求書\nがない…")), "shop: ??? ???...");
  assert.equal(subjectOf(application("店", "店")), "taskbell alert");
});

test("the message has everything, as a mail shows it", () => {
  const { Message } = payloadOf({ ...incidentOf(sample("02-oom"), { taskDefinition: definitionOf({ web: true }) }), tail: ["  last `words`", "<end>"] }, {});
  const blocks = Message.split("\n\n");
  assert.deepEqual(blocks.slice(0, 4), [
    "🔴 web failed in prod: out of memory", "Container web was killed because it ran out of memory.",
    "▸ web · exit code 137 SIGKILL · essential\n      OutOfMemoryError: Container killed due to memory usage",
    "Last lines of the log of web\nlast `words`\n<end>",
  ]);
  assert.match(blocks[4], /^Open the log of web:\nhttps:\/\/\S+\nOpen the task in ECS \(for about an hour\):\nhttps:\/\/\S+\nOpen the service in ECS:\nhttps:\/\/\S+$/);
  assert.deepEqual(blocks.slice(5), ["Stopped at 2026-11-20 10:32:11 UTC · Ran for 31 min 20 s · Task definition web:17", "Launch type: FARGATE", "taskbell · 123456789012 · us-east-1 · task 02020202020202020202020202020202"]);
});

test("filter policies find severity, cause, cluster and family, and no empty value", () => {
  const attributesOf = (name) => Object.fromEntries(Object.entries(payloadOf(incidentOf(sample(name)), {}).MessageAttributes).map(([key, { StringValue }]) => [key, StringValue]));
  assert.deepEqual(attributesOf("02-oom"), { severity: "error", cause: "out-of-memory", cluster: "prod", family: "web" });
  assert.deepEqual(attributesOf("30-application-error"), { severity: "error", cause: "application-error" });
});

test("errors are classified by the meaning that SNS gives them", () => {
  assert.equal(classify(200, ""), "ok");
  const verdicts = (...errors) => errors.map((name) => classify(400, name));
  assert.deepEqual(verdicts("AuthorizationErrorException", "NotFoundException", "InvalidParameterException", "InvalidParameterValueException", "KMSAccessDeniedException", "ValidationException"), Array(6).fill("permanent"));
  assert.deepEqual(verdicts("ThrottledException", "InternalErrorException", "KMSThrottlingException", "TimeoutError"), Array(4).fill("retry"));
  assert.deepEqual(["InvalidParameterException", "NotFoundException"].map((answer) => refuses({ answer })), [true, false]);
});
