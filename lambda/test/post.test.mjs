import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createSocket } from "node:net";
import { test } from "node:test";
import * as discord from "../places/discord.mjs";
import { PostError, post as postTo, unansweredOf, untilTaken } from "../io/post.mjs";
import { secretOf } from "../io/secret.mjs";
import * as slack from "../places/slack.mjs";
import * as teams from "../places/teams.mjs";
import * as webhook from "../places/webhook.mjs";

const URL_PATH = "/services/T000/B000/verysecret";

/** Creates a server of given answers; the last one repeats. Time passes only by sleeping. */
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
const post = (address, payload, tools, place = slack) => postTo(place, { url: address, payload, hidden: secretOf(address ?? "", null).hidden }, tools);

test("statuses are classified by Slack's meaning", () => {
  const verdicts = (...statuses) => statuses.map((status) => slack.classify(status));
  assert.deepEqual(verdicts(200, 204), ["ok", "ok"]);
  assert.deepEqual(verdicts(408, 429, 500, 503), Array(4).fill("retry"));
  assert.deepEqual(verdicts(301, 400, 403, 404, 410), Array(5).fill("permanent"));
});

test("a payload goes out as JSON over a real connection", async (t) => {
  // However long this machine takes: a second attempt would be a second payload.
  t.mock.method(AbortSignal, "timeout", () => new AbortController().signal);
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

test("a time that ends within a millisecond is no error of its own", async () => {
  const { seen, tools } = scripted({ status: 200, body: "ok" });
  await post(`https://hooks.slack.com${URL_PATH}`, {}, { ...tools, budgetMs: 2_779.39990234375 });
  assert.equal(seen.calls.length, 1);
});

test("a redirect is not followed and fails", async () => {
  const { seen, tools } = scripted({ status: 302, headers: { location: "https://elsewhere.example/" } });
  await assert.rejects(post(url, {}, tools), { name: "PostError", status: 302, retryable: false });
  assert.equal(seen.calls.length, 1);
  assert.equal(seen.calls[0].redirect, "manual");
});

test("a permanent answer is not repeated, and its text is in the error", async () => {
  for (const status of [400, 403, 404, 410]) {
    const { seen, tools } = scripted({ status, body: "no_service" });
    await assert.rejects(post(url, {}, tools), { status, message: `Slack answered ${status}: no_service`, retryable: false });
    assert.equal(seen.calls.length, 1);
  }
});

test("the time of Retry-After passes, then the post succeeds", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "3" } }, { status: 200, body: "ok" });
  assert.deepEqual(await post(url, {}, tools), { status: 200, attempts: 2 });
  assert.deepEqual(seen.slept, [3000]);
});

test("a Retry-After beyond the budget fails at once instead of waiting", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "60" } });
  await assert.rejects(post(url, {}, tools), { status: 429, retryable: true });
  assert.deepEqual(seen.slept, []);
});

test("senders wait for a rate limit while there is time, and not all equally long", async () => {
  const { tools, seen } = scripted(...Array(9).fill({ status: 429, headers: { "retry-after": "1" } }), { status: 200 });
  const { attempts } = await post(url, {}, { ...tools, random: () => 0.25, budgetMs: 20_000 });
  assert.equal(attempts, 10);
  assert.ok(seen.slept.every((ms) => ms === 1250));
});

test("fractions of a second count, in the header and in the body, and the longer time decides", async () => {
  for (const [headers, body, waited] of [
    [{ "retry-after": "0.65" }, "", 650],
    [{ "retry-after": "1" }, '{"message": "You are being rate limited.", "retry_after": 0.3, "global": false}', 1000],
    [{}, '{"retry_after":2.125}', 2125],
    [{ "retry-after": "1" }, '{"retry_after": 1.5}', 1500],
    [{}, '{"retry_after": "soon"}', 500],
  ]) {
    const { seen, tools } = scripted({ status: 429, headers, body }, { status: 200 });
    assert.deepEqual(await post("https://discord.com/api/webhooks/1/x", {}, tools, discord), { status: 200, attempts: 2 });
    assert.deepEqual(seen.slept, [waited]);
  }
});

test("the error names the destination", async () => {
  const { tools } = scripted({ status: 404, body: "The workflow does not exist" });
  await assert.rejects(post("https://x.logic.azure.com/workflows/1", {}, tools, teams), { message: "Teams answered 404: The workflow does not exist" });
  const { tools: other } = scripted(Object.assign(new TypeError("fetch failed"), { cause: { code: "ENOTFOUND" } }));
  await assert.rejects(post("https://discord.com/api/webhooks/1/x", {}, other, discord), /^PostError: Discord could not be reached: ENOTFOUND \(after 5 attempts\)$/);
});

test("a connector of Teams that answers 200 with the word of an error has not taken the message", async () => {
  const { tools, seen } = scripted({ status: 200, body: "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId" }, { status: 200, body: "1" });
  assert.deepEqual(await post("https://x.webhook.office.com/webhookb2/1", {}, tools, teams), { status: 200, attempts: 2 });
  assert.equal(seen.calls.length, 2);
});

test("an unreadable Retry-After gives the default wait", async () => {
  const { seen, tools } = scripted({ status: 429, headers: { "retry-after": "Wed, 21 Oct 2026 07:28:00 GMT" } }, { status: 200 });
  await post(url, {}, tools);
  assert.deepEqual(seen.slept, [500]);
});

test("server errors and broken connections are retried with growing waits", async () => {
  const broken = Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
  const { seen, tools } = scripted({ status: 500 }, broken, { status: 503 }, { status: 200 });
  assert.deepEqual(await post(url, {}, tools), { status: 200, attempts: 4, unanswered: 1 });
  assert.deepEqual(seen.slept, [500, 1000, 2000]);
});

const failing = (name, code, more) => Object.assign(new Error("x"), { name, ...(code ? { cause: { code, ...more } } : {}) });

test("a message that may have been taken is sent twice at most; a message that certainly was not, while there is time", async () => {
  for (const [error, before, calls, unanswered] of [
    [failing("TimeoutError"), 0, 1, 1], [failing("TimeoutError"), 1, 1, 2], [failing("AbortError"), 0, 1, 1],
    [failing("TypeError", "ECONNRESET"), 0, 2, 2], [failing("TypeError", "UND_ERR_SOCKET"), 1, 1, 2], [failing("TypeError", "EPIPE"), 0, 2, 2],
    [failing("TypeError", "ECONNREFUSED"), 0, 5, 0], [failing("TypeError", "UND_ERR_CONNECT_TIMEOUT"), 1, 5, 1], [failing("TypeError", "EAI_AGAIN"), 0, 5, 0],
    [failing("TypeError", "ENOTFOUND"), 0, 5, 0], [failing("TypeError", "ETIMEDOUT", { syscall: "connect" }), 0, 5, 0], [failing("TypeError", "ETIMEDOUT", { syscall: "read" }), 0, 2, 2],
  ]) {
    const { seen, tools } = scripted(error);
    await assert.rejects(post(url, {}, { ...tools, unanswered: before }), (failure) => {
      assert.deepEqual([seen.calls.length, failure.unanswered], [calls, unanswered], `${error.name} ${error.cause?.code}`);
      assert.equal(/not sent again/.test(failure.message), unanswered === 2);
      return true;
    });
  }
});

test("the beginning of an endless answer is read, and its connection is freed", async () => {
  let [given, isFreed] = [0, false];
  const body = new ReadableStream({ pull(to) { given += 1; to.enqueue(new Uint8Array(10_000).fill(97)); }, cancel() { isFreed = true; } });
  const { tools } = scripted();
  await assert.rejects(post(url, {}, { ...tools, fetch: async () => new Response(body, { status: 404 }) }), /Slack answered 404: a{200}$/);
  assert.ok(given <= 8 && isFreed, `${given}`);
});

test("a server that never recovers fails after five attempts", async () => {
  const { seen, tools } = scripted({ status: 500, body: "rollup_error" });
  await assert.rejects(post(url, {}, tools), (error) => error instanceof PostError && error.retryable && error.attempts === 5);
  assert.equal(seen.calls.length, 5);
});

test("every destination has longer to answer than a connection takes, and never longer than the time that is left", async () => {
  for (const [place, budgetMs, expected] of [[slack, 20_000, 11_500], [webhook, 20_000, 11_500], [webhook, 1_000, 1_000]]) {
    const given = [];
    await untilTaken(place, async (timeoutMs) => { given.push(timeoutMs); return { status: 200, answer: "" }; }, { budgetMs, now: () => 0 });
    assert.deepEqual(given, [expected]);
  }
});

test("no error repeats a short secret beside its name, nor a key as JSON writes it", async () => {
  const signed = secretOf(JSON.stringify({ url: "https://h.example/in?token=short&x=%C3%A9", secret: 'a "quoted" key \\ of length' }), "webhook");
  for (const body of ["bad token=short", "bad x=é", `bad ${JSON.stringify({ key: signed.key })}`]) {
    const { tools } = scripted({ status: 400, body });
    await assert.rejects(postTo(webhook, { ...signed, payload: {} }, tools), (error) => error.message.includes("<webhook>") && !/short|é|quoted/.test(error.message));
  }
});

test("a silent server is given up within the budget", async (t) => {
  const server = createServer(() => {});
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const given = [];
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  t.mock.method(AbortSignal, "timeout", (ms) => { given.push(ms); return timeout(ms); });
  try {
    // No clock is read: only the time limit that `post` set counts.
    const tools = { budgetMs: 400, now: () => 0 };
    await assert.rejects(post(`http://127.0.0.1:${server.address().port}/`, {}, tools), /could not be reached: no answer in time/);
    assert.deepEqual(given, [400]);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => { server.close(resolve); });
  }
});

test("no error contains a part of the address that could be a key: path, query, decoded or not", async () => {
  const key = "kN7bQ2%2Fz-verysecret%3D";
  const address = `https://prod-1.westeurope.logic.azure.com:443/workflows/0123456789abcdef0123/triggers/manual/paths/invoke?api-version=2016-06-01&sig=${key}`;
  for (const body of [address, `sig=${key}`, key, decodeURIComponent(key), "workflow 0123456789abcdef0123 is off"]) {
    const { tools } = scripted({ status: 400, body });
    await assert.rejects(post(address, {}, tools, teams), (error) => error.message.includes("<webhook>") && !/verysecret|0123456789abcdef/.test(error.message));
  }
});

test("no error contains the URL, even if the server or the network repeats it", async () => {
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

const socketError = (code, syscall) => Object.assign(new Error(`${syscall} ${code}`), { code, syscall });
const several = (...errors) => Object.assign(new TypeError("fetch failed"), { cause: Object.assign(new AggregateError(errors), { code: errors[0].code }) });

test("a connection that was never made has sent nothing", () => {
  const sdk = "@smithy/node-http-handler - the request socket did not establish a connection with the server within the configured timeout of 1000 ms.";
  for (const [error, expected] of [
    [several(socketError("ETIMEDOUT", "connect"), socketError("ENETUNREACH", "connect")), null], [several(socketError("ECONNREFUSED", "connect")), null],
    [several(socketError("ETIMEDOUT", "connect"), socketError("ECONNRESET", "read")), "cut"],
    [Object.assign(new TypeError("fetch failed"), { cause: new AggregateError([]) }), "cut"],
    [socketError("ETIMEDOUT", "connect"), null], [socketError("ETIMEDOUT", "read"), "cut"],
    [Object.assign(new Error(sdk), { name: "TimeoutError" }), null],
    [Object.assign(new Error("the request socket timed out"), { name: "TimeoutError" }), "late"], [Object.assign(new Error("x"), { name: "AbortError" }), "late"],
    [undefined, "cut"], [null, "cut"],
  ]) assert.equal(unansweredOf(error), expected, String(error?.cause?.errors ?? error?.message));
});

test("a real port that refuses is tried again, a connection that hangs up may have taken the message", async () => {
  const server = createSocket((socket) => socket.once("data", () => socket.destroy()));
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  const { port } = server.address();
  const tools = { sleep: async () => {}, random: () => 0 };
  await assert.rejects(post(`http://127.0.0.1:${port}/x`, {}, tools), ({ attempts, unanswered }) => attempts === 2 && unanswered === 2);
  await new Promise((resolve) => { server.close(resolve); });
  for (const host of ["127.0.0.1", "localhost"]) {
    await assert.rejects(post(`http://${host}:${port}/x`, {}, tools), ({ attempts, unanswered }) => attempts === 5 && unanswered === 0, host);
  }
});
