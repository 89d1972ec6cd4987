import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { jsonOf, normalised, sha256 } from "../core/digest.mjs";
import { incidentOf } from "../core/incident.mjs";
import { everywhere, sample } from "./samples.mjs";

test("the digest is SHA-256, at any length and in any script", () => {
  for (let length = 0; length < 200; length += 1) {
    for (const unit of ["a", "é", "店", "🔥", "\ud83d", "a\u0000"]) {
      const text = unit.repeat(length);
      assert.equal(sha256(text), createHash("sha256").update(text).digest("hex"), `${length} ${JSON.stringify(unit)}`);
    }
  }
  const long = "x".repeat(262_144);
  assert.equal(sha256(long), createHash("sha256").update(long).digest("hex"));
});

test("numbers and ids do not matter, words do", () => {
  for (const [one, other] of [
    ["order 17 failed after 3.5 s", "order 18 failed after 12 s"], ["request 0f8fad5b-d9cd-469f-a165-70867728950e", "request 7c9e6679-7425-40de-944b-e07fc1f90ae7"],
    ["at 2026-11-20T10:00:00Z", "at 2026-12-01 11:30:12.123+09:00"], ["id=deadbeef01 gone", "id=0xDEADBEEF02 gone"], ["a  b\n c", "a b c"], ["注文１２件", "注文３件"],
    ["took 512ms", "took 7ms"], ["job_1001", "job_7"],
  ]) assert.equal(normalised(one), normalised(other));
  for (const [one, other] of [["disk full", "disk failed"], ["E1001", "E1002"], ["s3 failed", "s4 failed"], ["deadbeef", "facade"], ["請求書がない", "請求書が二つある"], ["a b", "ab"]]) {
    assert.notEqual(normalised(one), normalised(other));
  }
});

test("normalising takes time in proportion to the length", () => {
  const before = process.cpuUsage();
  for (const unit of ["a", "1", "1.", "2026-11-20", "0123456789abcdef-", " ", "0x", "fffffff", "-"]) normalised(unit.repeat(20_000));
  assert.ok(process.cpuUsage(before).user < 3_000_000);
});

const alert = (detail) => ({ source: "taskbell.app", "detail-type": "Application Error", id: "e", account: "1", region: "us-east-1", resources: [], detail });
const failure = (detail) => incidentOf(alert(detail)).failure;

test("alerts of an application are one failure if source, level and the whole message are equal", () => {
  const end = (text) => ({ source: "shop", message: "あ".repeat(9_000) + text });
  assert.notEqual(failure(end("一")), failure(end("二")));
  assert.equal(failure({ source: "shop", message: "order 1 failed" }), failure({ source: "shop", message: "order 2 failed" }));
  assert.notEqual(failure({ source: "shop", message: "x" }), failure({ source: "billing", message: "x" }));
  assert.notEqual(failure({ message: "x", level: "warning" }), failure({ message: "x", level: "error" }));
});

test("two messages that differ in a credential only are one failure, and the words around the credential count", () => {
  const said = (message) => failure({ source: "shop", message });
  assert.equal(said("login failed: password=hunter2hunter2"), said("login failed: password=correct-horse-battery"));
  assert.notEqual(said("login failed: password=hunter2hunter2"), said("logout failed: password=hunter2hunter2"));
  assert.equal(said({ why: "refused", password: "hunter2hunter2" }), said({ why: "refused", password: "correct-horse-battery" }));
  assert.notEqual(said({ why: "refused", password: "hunter2hunter2" }), said({ why: "expired", password: "hunter2hunter2" }));
});

test("a message that is no text is compared, and shown, by its JSON", () => {
  assert.notEqual(failure({ message: true }), failure({ message: false }));
  assert.deepEqual([true, 5, null, undefined, " "].map((message) => incidentOf(alert({ message })).cause.values.message), ["true", "5", "Application Error", "Application Error", "Application Error"]);
  assert.equal(failure({ message: { b: 1, a: ["x"] } }), failure({ message: { a: ["x"], b: 1 } }));
  assert.notEqual(failure({ message: { code: "x" } }), failure({ message: { code: "y" } }));
  assert.equal(incidentOf(alert({ message: { b: [true, null], a: "x" } })).cause.values.message, '{"a":"x","b":[true,null]}');
  let deep = "x";
  for (let depth = 0; depth < 5_000; depth += 1) deep = [deep];
  assert.ok(jsonOf(deep).length < 200 && failure({ message: deep }));
});

test("only the real end of a task, or failure of a deployment, is more than its own event", () => {
  const task = sample("02-oom").detail.taskArn;
  const subject = (event) => incidentOf(event).subject;
  assert.equal(subject(sample("02-oom")), `task ${task}`);
  for (const event of [
    { ...sample("02-oom"), source: "taskbell.drill" }, { ...sample("02-oom"), source: "my.app" }, { ...sample("02-oom"), "detail-type": "ECS Service Action" },
    { ...alert({ message: "x", taskArn: task }), resources: [task] }, { ...sample("21-placement-failure"), resources: [task] }, { ...sample("20-deployment-failed"), source: "my.app" },
    { ...sample("20-deployment-failed"), source: "taskbell.drill" },
  ]) assert.equal(subject(event), `event ${event.id}`);
});

test("different sources, severities and kinds of reason are different failures", () => {
  const one = incidentOf(sample("02-oom")).failure;
  for (const source of [" ", "", undefined]) assert.notEqual(one, incidentOf({ ...sample("02-oom"), source }).failure, "no source is not ECS");
  assert.notEqual(one, incidentOf({ ...sample("02-oom"), source: "my.app" }).failure);
  const event = sample("23-steady-state");
  const levels = ["INFO", "WARN", "ERROR"].map((eventType) => incidentOf({ ...event, detail: { ...event.detail, eventType } }).failure);
  assert.equal(new Set(levels).size, 3);
});

test("the key of a window has at most 2,048 bytes for any event", () => {
  let longest = 0;
  for (const name of ["01-exit-nonzero", "20-deployment-failed", "21-placement-failure", "30-application-error", "31b-run-denied", "25-daemon-start-impaired"]) {
    for (const text of ["日".repeat(3_000), "w".repeat(3_000), "é".repeat(3_000), "🔥".repeat(3_000), "\ud83d".repeat(3_000)]) {
      for (const source of [sample(name).source, "taskbell.drill", text]) {
        const event = { ...everywhere(sample(name), (value) => (typeof value === "string" ? text : value)), "detail-type": sample(name)["detail-type"], source };
        const { subject, failure: key } = incidentOf(event);
        longest = Math.max(longest, Buffer.byteLength(`${key} @${Date.parse("9999-12-31")}`), Buffer.byteLength(subject));
      }
    }
  }
  assert.ok(longest <= 2048, `${longest}`);
});
