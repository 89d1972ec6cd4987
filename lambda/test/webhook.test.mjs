import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { redacted, secretOf, signatureOf } from "../io/secret.mjs";
import { classify, payloadOf, plainPayloadOf, refuses } from "../places/webhook.mjs";
import { OPTIONS, REPEATED, hostileIncidents, stringsOf } from "./hostile.mjs";
import { definitionOf, names, sample } from "./samples.mjs";

const shown = (name, more) => ({ ...incidentOf(sample(name), { taskDefinition: definitionOf({ web: true }) }), occurrence: null, tail: [], ...more });

/** Asserts equal fields for any incident, and a body of bounded length. */
function assertWhole(payload) {
  // Only jobs of AWS Batch and executions of Step Functions have one field more.
  const own = { batch: ["batch"], execution: ["execution"] }[payload.kind] ?? [];
  assert.deepEqual(Object.keys(payload), [...Object.keys(payloadOf(shown("02-oom"), {})), ...own]);
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  assert.ok(bytes <= 256 * 1024, `${bytes} bytes`);
  assert.ok(payload.version === 1 && payload.text.trim() !== "" && ["error", "warning", "info"].includes(payload.severity) && typeof payload.drill === "boolean" && payload.cause.id !== "");
  for (const text of stringsOf(payload)) assert.ok(text.isWellFormed() && !/[\u0000-\u0008\u001b]/.test(text));
}

test("every sample has all fields, in both languages, and nothing is undefined", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) {
      const payload = payloadOf({ ...incidentOf(sample(name)), ...REPEATED, tail: ["a"] }, { language });
      assertWhole(payload);
      assert.deepEqual(JSON.parse(JSON.stringify(payload)), payload);
    }
  }
});

test("hostile text breaks no limit", () => {
  for (const incident of hostileIncidents()) for (const options of OPTIONS.slice(0, 2)) assertWhole(payloadOf(incident, options));
});

test("facts are sent unchanged, and words in the chosen language", () => {
  const payload = payloadOf(shown("02-oom", { ...REPEATED, tail: ["  `one` <two>", "\u001b[31mthree\u001b[0m"] }), { language: "ja", mention: "here" });
  assert.equal(payload.text, "🔴 prod の web が異常終了しました：メモリ不足 · 4 回発生");
  assert.deepEqual(payload.cause, { id: "out-of-memory", text: "コンテナ web はメモリ不足のため強制終了されました。", container: "web" });
  assert.deepEqual([payload.cluster, payload.family, payload.revision, payload.service, payload.taskId, payload.account, payload.region, payload.stopCode], ["prod", "web", "17", "web", "02020202020202020202020202020202", "123456789012", "us-east-1", "EssentialContainerExited"]);
  assert.deepEqual(payload.containers, [{ name: "web", exitCode: 137, signal: "SIGKILL", reason: "OutOfMemoryError: Container killed due to memory usage", essential: true, failed: true }]);
  assert.deepEqual(payload.tail, ["  `one` <two>", "three"]);
  assert.deepEqual(payload.occurrence, { count: 4, since: "2026-11-20T10:00:00Z", earlier: 2, next: 8 });
  assert.match(payload.links.log, /^https:/);
  assert.deepEqual(payloadOf(shown("02-oom"), {}).occurrence, null);
});

test("a drill is marked as one, and has the cause's sentence", () => {
  const { text, drill, cause } = payloadOf({ ...incidentOf({ ...sample("02-oom"), source: "taskbell.drill" }) }, {});
  assert.ok(drill && text.startsWith("🧪 DRILL"));
  assert.equal(cause.text, "Container web was killed because it ran out of memory.");
});

test("the last lines of a long tail stay; half a link is left out", () => {
  const lines = Array.from({ length: 1_000 }, (_, at) => `line ${at} of the log`);
  const { tail } = payloadOf(shown("02-oom", { tail: lines }), {});
  assert.equal(tail.at(-1), "line 999 of the log");
  assert.ok(tail.join("\n").length > 7_900 && tail.join("\n").length <= 8_000);
  const invisible = "\u001b[2K\u001b[1G".repeat(2_000);
  assert.deepEqual(payloadOf(shown("02-oom", { tail: ["the cause", `${invisible}bye`] }), {}).tail, ["the cause", "bye"]);
  assert.equal(payloadOf(shown("02-oom", { links: { task: `https://x/${"a".repeat(5_000)}`, service: null, log: null } }), {}).links.task, null);
});

test("nothing of overrides is sent", () => {
  const event = sample("01-exit-nonzero");
  event.detail.overrides = { containerOverrides: [{ name: "web", environment: [{ name: "KEY", value: "hunter2" }] }] };
  assert.ok(!JSON.stringify(payloadOf(incidentOf(event), {})).includes("hunter2"));
});

test("the plain payload has the headline and the cause", () => {
  assert.deepEqual(plainPayloadOf(payloadOf(shown("02-oom"), {})), { version: 1, text: "🔴 web failed in prod: out of memory", severity: "error", drill: false, cause: { id: "out-of-memory" }, event: { id: "11111111-2222-4333-8444-000000000002" } });
});

test("answers: 2xx is taken, 408, 429 and 5xx may improve", () => {
  assert.deepEqual([200, 204, 408, 429, 503, 301, 400, 401, 422].map((status) => classify(status)), ["ok", "ok", "retry", "retry", "retry", ...Array(4).fill("permanent")]);
  assert.deepEqual([400, 413, 422, 404].map((status) => refuses({ status })), [true, true, true, false]);
});

test("the signature is the HMAC of time, dot and body", () => {
  const headers = signatureOf("0123456789abcdef", '{"a":"é"}', 1795170731);
  assert.equal(headers["taskbell-timestamp"], "1795170731");
  assert.equal(headers["taskbell-signature"], `v1=${createHmac("sha256", "0123456789abcdef").update('1795170731.{"a":"é"}').digest("hex")}`);
});

test("a parameter with a wrong value is reported without its value", () => {
  const url = "https://hooks.example.com/taskbell";
  assert.deepEqual(secretOf(JSON.stringify({ url, secret: "0123456789abcdef" }), "webhook").key, "0123456789abcdef");
  for (const [value, said] of [[url, /does not hold/], ["{", /does not hold/], ["null", /does not hold/], ['{"url":"hunter2"}', /does not hold/], [JSON.stringify({ url, secret: "hunter2" }), /less than 16/]]) {
    assert.throws(() => secretOf(value, "webhook"), (error) => said.test(error.message) && !error.message.includes("hunter2"));
  }
  assert.deepEqual([secretOf(url, null).key, secretOf(url, "teams").url], [null, url]);
});

test("the longest secret is replaced first, so that no end of it is left", () => {
  const { hidden } = secretOf(JSON.stringify({ url: "https://hooks.example.com/a/0123456789abcdefgh?token=zyxwvutsrqponmlkj%2F1", secret: "a secret with \"quotes\"" }), "webhook");
  for (const text of ["https://hooks.example.com/a/0123456789abcdefgh?token=zyxwvutsrqponmlkj%2F1", "/a/0123456789abcdefgh", "zyxwvutsrqponmlkj/1", "a secret with \"quotes\""]) {
    assert.equal(redacted(`<${text}>`, hidden), "<<webhook>>");
  }
});
