import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { SlackError, classify, post } from "../slack.mjs";

const URL_PATH = "/services/T000/B000/verysecret";

/** Answers in turn; the last one stays. Time passes only by sleeping. */
function scripted(...answers) {
  const seen = { calls: [], slept: [] };
  let clock = 0;
  return {
    seen,
    tools: {
      budgetMs: 20_000,
      now: () => clock,
      random: () => 0,
      sleep: async (ms) => { seen.slept.push(ms); clock += ms; },
      fetch: async (url, request) => {
        seen.calls.push({ url, ...request });
        const answer = answers[Math.min(seen.calls.length, answers.length) - 1];
        if (answer instanceof Error) throw answer;
        const { status, body = "", headers = {} } = answer;
        return new Response(body, { status, headers });
      },
    },
  };
}
const url = `https://hooks.slack.com${URL_PATH}`;

test("statuses mean what Slack means by them", () => {
  assert.deepEqual([200, 204].map(classify), ["ok", "ok"]);
  assert.deepEqual([429, 500, 503].map(classify), ["retry", "retry", "retry"]);
  assert.deepEqual([301, 400, 403, 404, 410].map(classify), Array(5).fill("permanent"));
});

test("a payload goes out as JSON over a real connection", async () => {
  const received = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => { body += part; });
    request.on("end", () => { received.push({ method: request.method, type: request.headers["content-type"], body }); response.end("ok"); });
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  try {
    assert.deepEqual(await post(`http://127.0.0.1:${server.address().port}${URL_PATH}`, { text: "é" }), { status: 200, attempts: 1 });
    assert.deepEqual(received, [{ method: "POST", type: "application/json; charset=utf-8", body: '{"text":"é"}' }]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  }
});

test("a redirect is not followed and fails", async () => {
  const { seen, tools } = scripted({ status: 302, headers: { location: "https://elsewhere.example/" } });
  await assert.rejects(post(url, {}, tools), { name: "SlackError", status: 302, retryable: false });
  assert.equal(seen.calls.length, 1);
  assert.equal(seen.calls[0].redirect, "manual");
});

test("a permanent answer is not repeated, and its text is told", async () => {
  for (const status of [400, 403, 404, 410]) {
    const { seen, tools } = scripted({ status, body: "no_service" });
    await assert.rejects(post(url, {}, tools), { status, message: `Slack answered ${status}: no_service`, retryable: false });
    assert.equal(seen.calls.length, 1);
  }
});

test("Retry-After is waited for, then the post goes through", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "3" } }, { status: 200, body: "ok" });
  assert.deepEqual(await post(url, {}, tools), { status: 200, attempts: 2 });
  assert.deepEqual(seen.slept, [3000]);
});

test("a Retry-After beyond the budget fails at once instead of waiting", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "60" } });
  await assert.rejects(post(url, {}, tools), { status: 429, retryable: true });
  assert.deepEqual(seen.slept, []);
});

test("rate limits are waited for as long as there is time, and not all at the same moment", async () => {
  const { tools, seen } = scripted(...Array(9).fill({ status: 429, headers: { "retry-after": "1" } }), { status: 200 });
  const { attempts } = await post(url, {}, { ...tools, random: () => 0.25, budgetMs: 20_000 });
  assert.equal(attempts, 10);
  assert.ok(seen.slept.every((ms) => ms === 1250));
});

test("an unreadable Retry-After falls back to our own wait", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" } }, { status: 200 });
  await post(url, {}, tools);
  assert.deepEqual(seen.slept, [500]);
});

test("server errors and broken connections are retried with growing waits", async () => {
  const broken = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
  const { seen, tools } = scripted({ status: 500 }, broken, { status: 503 }, { status: 200 });
  assert.deepEqual(await post(url, {}, tools), { status: 200, attempts: 4 });
  assert.deepEqual(seen.slept, [500, 1000, 2000]);
});

test("a server that never recovers fails after five attempts", async () => {
  const { seen, tools } = scripted({ status: 500, body: "rollup_error" });
  await assert.rejects(post(url, {}, tools), (error) => error instanceof SlackError && error.retryable && error.attempts === 5);
  assert.equal(seen.calls.length, 5);
});

test("a silent server is given up within the budget", async () => {
  const server = createServer(() => {});
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const started = Date.now();
  try {
    await assert.rejects(post(`http://127.0.0.1:${server.address().port}/`, {}, { budgetMs: 400 }), /could not be reached: no answer in time/);
    assert.ok(Date.now() - started < 2000);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  }
});

test("no error holds the URL, even where the server or the network repeats it", async () => {
  const scripts = [
    scripted({ status: 404, body: `no hook at ${url} (${URL_PATH})` }),
    scripted(new TypeError(`Failed to parse URL from ${url}`)),
    scripted({ status: 500, body: url }),
  ];
  for (const { tools } of scripts) {
    await assert.rejects(post(url, {}, tools), (error) => !`${error.message}${error.stack}${JSON.stringify(error)}`.includes("verysecret"));
  }
  for (const wrong of ["verysecret", "ftp://verysecret", "https://", "", undefined]) {
    await assert.rejects(post(wrong, {}, scripts[0].tools), (error) => !error.message.includes("verysecret") && error.retryable === false);
  }
});
