import assert from "node:assert/strict";
import { test } from "node:test";
import { missingBecauseOf, outlineOf } from "../io/aws.mjs";
import { createHandler } from "../handler.mjs";
import { handler } from "../index.mjs";
import { memoryTable } from "./memory-table.mjs";
import { changed, definitionOf, sample } from "./samples.mjs";

const OLD = "https://hooks.slack.com/services/T0/B0/oldsecret";
const NEW = "https://hooks.slack.com/services/T0/B0/newsecret";

/** Creates a handler with services that all work, except those that `changes` replaces. */
function world(changes = {}) {
  const seen = { posts: [], reads: 0, describes: 0, lines: [] };
  const state = { clock: 0, webhook: OLD, answer: () => new Response("ok") };
  const tools = {
    readWebhook: async () => { seen.reads += 1; return state.webhook; },
    describeTaskDefinition: async () => { seen.describes += 1; return definitionOf({ web: true }); },
    readLog: async () => ["last words"],
    tableOf: () => memoryTable(),
    fetch: async (url, { body }) => { seen.posts.push({ url, payload: JSON.parse(body) }); return state.answer(url, JSON.parse(body)); },
    sleep: async (ms) => { await new Promise(setImmediate); state.clock += ms; },
    now: () => state.clock,
    log: (line) => seen.lines.push(line),
    env: { TASKBELL_STACK: "prod", TASKBELL_WEBHOOK_PARAMETER: "/taskbell/prod/slack-webhook-url" },
    ...changes,
  };
  const run = createHandler(tools);
  return { seen, state, tools, run: (event) => run(event, { awsRequestId: "r-1", getRemainingTimeInMillis: () => 20_000 }) };
}
const denied = () => Promise.reject(Object.assign(new Error(`no: ${OLD}`), { name: "AccessDeniedException" }));
const entryOf = ({ seen }) => JSON.parse(seen.lines.at(-1));

test("Lambda finds the handler", () => assert.equal(typeof handler, "function"));

test("an event becomes one post, with log link, and one log line", async () => {
  const here = world();
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.equal(here.seen.posts.length, 1);
  assert.equal(here.seen.posts[0].url, OLD);
  assert.match(JSON.stringify(here.seen.posts[0].payload), /Open the log of web/);
  assert.equal(here.seen.lines.length, 1);
  const { ms, ...entry } = entryOf(here);
  assert.deepEqual(entry, { stack: "prod", requestId: "r-1", eventId: "11111111-2222-4333-8444-000000000002", detailType: "ECS Task State Change", cause: "out-of-memory", severity: "error", drill: false, cluster: "prod", family: "web", revision: "17", service: "web", taskId: "02020202020202020202020202020202", stopCode: "EssentialContainerExited", rings: true, outcome: "sent",
    destinations: [{ name: "webhook", kind: "slack", outcome: "sent", status: 200, attempts: 1, ms: 0 }] });
  assert.deepEqual(Object.keys(ms).sort(), ["log", "post", "secret", "table", "taskDefinition", "total"]);
});

test("the environment shapes the message", async () => {
  const here = world({ env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_LANGUAGE: "ja", TASKBELL_USERNAME: "ECS", TASKBELL_ICON_EMOJI: "bell", TASKBELL_MENTION: "here" } });
  await here.run(sample("02-oom"));
  const { text, username, icon_emoji } = here.seen.posts[0].payload;
  assert.deepEqual([text, username, icon_emoji], ["<!here> 🔴 *prod* の *web* が異常終了しました：メモリ不足", "ECS", ":bell:"]);
});

test("the secret is kept for five minutes, the task definition for good", async () => {
  const here = world();
  await here.run(sample("02-oom"));
  here.state.clock += 299_000;
  await here.run(sample("01-exit-nonzero"));
  assert.deepEqual([here.seen.reads, here.seen.describes], [1, 1]);
  here.state.clock += 2_000;
  await here.run(sample("02-oom"));
  assert.deepEqual([here.seen.reads, here.seen.describes], [2, 1]);
});

test("a replaced webhook is read again and the alert goes to the new one", async () => {
  for (const status of [403, 404, 410]) {
    const here = world();
    await here.run(sample("02-oom"));
    here.state.webhook = NEW;
    here.state.answer = (url) => (url === NEW ? new Response("ok") : new Response("no_service", { status }));
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
    assert.deepEqual(here.seen.posts.map((one) => one.url), [OLD, OLD, NEW]);
  }
});

test("a webhook that stays dead is read again once, and the invocation fails without its address", async () => {
  const here = world();
  here.state.answer = () => new Response("no_service", { status: 404 });
  await assert.rejects(here.run(sample("02-oom")), (error) => error.message === "Slack answered 404: no_service");
  assert.deepEqual([here.seen.reads, here.seen.posts.length], [2, 1]);
  assert.equal(entryOf(here).outcome, "failed");
  assert.ok(!here.seen.lines.join().includes("oldsecret"));
});

test("any final answer except success makes the invocation fail", async () => {
  for (const status of [302, 400, 401, 403, 404, 410, 429, 500]) {
    const here = world();
    here.state.answer = () => new Response("no", { status });
    await assert.rejects(here.run(sample("02-oom")), { status });
  }
});

test("a layout that Slack refuses costs the details, not the alert", async () => {
  const here = world();
  here.state.answer = (_, { blocks, attachments }) => (blocks || attachments ? new Response("invalid_blocks", { status: 400 }) : new Response("ok"));
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent-plain" });
  assert.deepEqual(here.seen.posts[1].payload, { text: "🔴 *web* failed in *prod*: out of memory" });
  assert.equal(entryOf(here).destinations[0].refused, "invalid_blocks");
});

test("a denied look-up is named in the message and the log, and the alert goes out", async () => {
  const here = world({ describeTaskDefinition: denied });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.match(JSON.stringify(here.seen.posts[0].payload), /is not allowed to call `ecs:DescribeTaskDefinition`/);
  assert.deepEqual(entryOf(here).missing, [{ action: "ecs:DescribeTaskDefinition", why: "denied" }]);
});

test("a secret that cannot be read fails the invocation with the parameter and the error only", async () => {
  const here = world({ readWebhook: denied });
  await assert.rejects(here.run(sample("02-oom")), { message: "could not read the webhook from parameter /taskbell/prod/slack-webhook-url: AccessDeniedException" });
  assert.ok(!here.seen.lines.join().includes("oldsecret"));
  await assert.rejects(world({ env: {} }).run(sample("02-oom")), /TASKBELL_WEBHOOK_PARAMETER is not set/);
});

test("an old secret serves while a new one cannot be read", async () => {
  let works = true;
  const here = world({ readWebhook: () => (works ? Promise.resolve(OLD) : denied()) });
  await here.run(sample("02-oom"));
  works = false;
  here.state.clock += 600_000;
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
});

test("a finished job is not posted, and the log says why", async () => {
  const here = world({ describeTaskDefinition: async () => definitionOf({ job: true, envoy: false }) });
  assert.deepEqual(await here.run(sample("09b-sidecar-clean-app-killed-sidecar")), { outcome: "silent" });
  assert.equal(here.seen.posts.length, 0);
  assert.match(entryOf(here).silentBecause, /exited with 0/);
});

test("a finished job needs no secret to stay silent", async () => {
  const here = world({ readWebhook: denied, describeTaskDefinition: async () => definitionOf({ job: true }) });
  assert.deepEqual(await here.run(sample("08-exit-0")), { outcome: "silent" });
});

test("the end of the log of the container that failed is in the message", async () => {
  const asked = [];
  const here = world({ readLog: async (...call) => { asked.push(call); return ["last words"]; } });
  await here.run(sample("02-oom"));
  assert.match(JSON.stringify(here.seen.posts[0].payload), /```last words```/);
  assert.deepEqual(asked, [[{ container: "web", driver: "awslogs", group: "/ecs/web", region: "us-east-1", stream: "app/web/02020202020202020202020202020202" }, 10]]);
  const without = world({ env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_LOG_LINES: "0" }, readLog: async () => assert.fail("asked") });
  await without.run(sample("02-oom"));
  assert.ok(!JSON.stringify(without.seen.posts[0].payload).includes("Last lines"));
});

test("a log stream that is late is read once more; a denied one is named", async () => {
  const absent = () => Promise.reject(Object.assign(new Error("no stream"), { name: "ResourceNotFoundException" }));
  let asked = 0;
  const late = world({ readLog: () => { asked += 1; return asked === 1 ? absent() : Promise.resolve(["late words"]); } });
  await late.run(sample("02-oom"));
  assert.match(JSON.stringify(late.seen.posts[0].payload), /late words/);
  for (const [readLog, said] of [[absent, /`logs:GetLogEvents` found nothing/], [denied, /is not allowed to call `logs:GetLogEvents`/]]) {
    const here = world({ readLog });
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
    assert.match(JSON.stringify(here.seen.posts[0].payload), said);
    assert.equal(entryOf(here).missing[0].action, "logs:GetLogEvents");
  }
});

test("a log that never answers costs its share of the time and not the alert", async (t) => {
  const given = [];
  t.mock.method(globalThis, "setTimeout", (late, ms) => { given.push(ms); setImmediate(late); });
  const here = world({ readLog: () => new Promise(() => {}) });
  // Of 30 s, 6 s are kept for the end and 12 s for the posts: 200 ms are left for the log.
  const left = [30_000];
  const context = { awsRequestId: "r", getRemainingTimeInMillis: () => left.shift() ?? 18_200 };
  assert.deepEqual(await createHandler(here.tools)(sample("02-oom"), context), { outcome: "sent" });
  assert.deepEqual(given, [200]);
  assert.match(JSON.stringify(here.seen.posts[0].payload), /`logs:GetLogEvents` did not answer in time/);
});

const withTable = { env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t" } };

test("a task is announced once, however often and from however many rules its events come", async () => {
  const here = world(withTable);
  const outcomes = [];
  for (const id of ["a", "b", "a"]) outcomes.push((await here.run({ ...sample("02-oom"), id })).outcome);
  assert.deepEqual(outcomes, ["sent", "duplicate", "duplicate"]);
  const once = world(withTable);
  const together = await Promise.all([1, 2, 3, 4].map(() => once.run(sample("02-oom"))));
  assert.deepEqual(together.map(({ outcome }) => outcome).sort(), ["duplicate", "duplicate", "duplicate", "sent"]);
  assert.equal(once.seen.posts.length, 1);
});

test("ten failures an hour apart that are sent again together are ten alerts", async () => {
  const here = world(withTable);
  here.state.clock = Date.parse("2026-12-01T00:00:00Z");
  const outcomes = [];
  for (let hour = 10; hour < 20; hour += 1) {
    const taskArn = `arn:aws:ecs:us-east-1:123456789012:task/prod/${hour}`;
    outcomes.push((await here.run({ ...changed("02-oom", { taskArn }), time: `2026-11-20T${hour}:00:00Z` })).outcome);
  }
  assert.deepEqual(outcomes, Array(10).fill("sent"));
});

test("a message that Slack did not take is not marked as announced", async () => {
  const here = world(withTable);
  here.state.answer = () => new Response("no_service", { status: 404 });
  await assert.rejects(here.run(sample("02-oom")), /no_service/);
  here.state.answer = () => new Response("ok");
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "duplicate" });
});

test("a table that cannot be reached, before or in the middle, does not stop the alert, which names the table", async () => {
  for (const [step, error, said] of [
    ["look", { name: "AccessDeniedException", message: "not authorized to perform: dynamodb:GetItem on x" }, /is not allowed to call `dynamodb:GetItem`, so this alert may come more than once/],
    ["open", { name: "ResourceNotFoundException" }, /found nothing, so this alert may come more than once/],
  ]) {
    const here = world({ ...withTable, tableOf: () => ({ ...memoryTable(), [step]: () => Promise.reject(Object.assign(new Error(error.message), error)) }) });
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
    assert.match(JSON.stringify(here.seen.posts[0].payload), said);
    assert.equal(entryOf(here).tableError, error.name);
  }
});

test("a table that fails after Slack took the message does not fail the invocation", async () => {
  const here = world({ ...withTable, tableOf: () => ({ ...memoryTable(), mark: () => Promise.reject(Object.assign(new Error("x"), { name: "InternalServerError" })) }) });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.equal(entryOf(here).unsettled, "InternalServerError");
});

/** Simulates an answer that never comes: the time limit passes. */
const late = (here) => (_, { signal }) => { here.state.clock += signal.ms; throw Object.assign(new Error("x"), { name: "TimeoutError" }); };

test("a slow Slack gets a message twice at most, however often Lambda runs the event, and the log reports it", async (t) => {
  t.mock.method(AbortSignal, "timeout", (ms) => ({ ms }));
  for (const env of [withTable.env, { TASKBELL_WEBHOOK_PARAMETER: "p" }]) {
    const posts = [];
    const here = world({ env, fetch: (url, request) => { posts.push(request); return late(here)(url, request); } });
    for (const said of [/may have taken the message \(unanswered: 1\)/, /unanswered: 2, not sent again/, /unanswered: 2, not sent again/]) {
      await assert.rejects(here.run(sample("02-oom")), said);
      here.state.clock += 60_000;
    }
    assert.equal(posts.length, 2);
    assert.equal(entryOf(here).destinations[0].unanswered, 2);
    if (!env.TASKBELL_TABLE) continue;
    here.state.clock += 16 * 60_000;
    await assert.rejects(here.run(sample("02-oom")), /unanswered: 1/, "a replay from the queue");
    assert.equal(posts.length, 3);
  }
});

test("a task without an answer does not make each of the others try again", async (t) => {
  t.mock.method(AbortSignal, "timeout", (ms) => ({ ms }));
  const posts = [];
  const here = world({ ...withTable, fetch: (url, request) => { posts.push(request); return posts.length === 1 ? late(here)(url, request) : Promise.resolve(new Response("ok")); } });
  const taskArn = "arn:aws:ecs:us-east-1:123456789012:task/prod/other-";
  await assert.rejects(here.run(sample("02-oom")), /unanswered: 1/);
  const outcomes = [];
  for (const nth of [2, 3, 4, 5]) outcomes.push((await here.run(changed("02-oom", { taskArn: taskArn + nth }))).outcome);
  assert.deepEqual(outcomes, ["sent", "counted", "sent", "counted"]);
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "counted" }, "a later message has told it");
});

test("service events read no task definition, and a drill's need not exist", async () => {
  const missing = () => Promise.reject(Object.assign(new Error("gone"), { name: "ClientException" }));
  const here = world({ describeTaskDefinition: missing });
  await here.run(sample("20-deployment-failed"));
  await here.run({ ...sample("02-oom"), source: "taskbell.drill" });
  assert.ok(!JSON.stringify(here.seen.posts).includes("DescribeTaskDefinition"));
  await here.run(sample("02-oom"));
  assert.match(JSON.stringify(here.seen.posts.at(-1)), /`ecs:DescribeTaskDefinition` failed/);
});

test("nothing of overrides or the webhook is logged", async () => {
  const here = world();
  await here.run(changed("02-oom", { overrides: { containerOverrides: [{ environment: [{ name: "KEY", value: "hunter2" }] }] } }));
  assert.ok(!/hunter2|oldsecret|hooks\.slack/.test(here.seen.lines.join()));
});

test("an odd event, or no context, still gives an alert", async () => {
  for (const event of [null, {}, "text", [], { "detail-type": "ECS Task State Change", detail: 1 }]) {
    const here = world();
    assert.deepEqual(await here.run(event), { outcome: "sent" });
  }
});

test("only names, essential marks and log destinations of a task definition are kept", () => {
  const log = (logDriver, options) => outlineOf({ containerDefinitions: [{ name: "a", environment: [{ name: "K", value: "hunter2" }], logConfiguration: { logDriver, options } }] }).containers[0];
  assert.deepEqual(log("awslogs", { "awslogs-group": "g", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "p" }), { name: "a", essential: true, log: { driver: "awslogs", group: "g", region: "eu-west-1", prefix: "p" } });
  assert.deepEqual(log("awsfirelens", { "awslogs-group": "g" }).log, { driver: "awsfirelens", group: null, region: null, prefix: null });
  assert.equal(log(undefined).log, null);
  assert.equal(outlineOf({ containerDefinitions: [{ name: "a", essential: false }] }).containers[0].essential, false);
  assert.deepEqual(outlineOf(undefined), { containers: [] });
});

test("failed calls are distinguished by the action that a reader can take", () => {
  assert.deepEqual(["AccessDeniedException", "TimeoutError", "AbortError", "ClientException", undefined].map((name) => missingBecauseOf({ name }, "a:B").why), ["denied", "timeout", "timeout", "failed", "failed"]);
  assert.deepEqual(missingBecauseOf({ name: "AccessDeniedException", message: "User: x is not authorized to perform: dynamodb:PutItem on resource: y" }, "dynamodb:GetItem"), { action: "dynamodb:PutItem", why: "denied" });
});

/** Names that every plain object inherits a value for. */
const ODD_NAMES = ["constructor", "toString", "valueOf", "__proto__", "hasOwnProperty"];

test("a destination rings whatever its name: with a table, without one, and with one that fails", async () => {
  const env = { TASKBELL_DESTINATIONS: JSON.stringify(ODD_NAMES.map((name) => ({ name, parameter: `/${name}`, kind: "webhook" }))) };
  const readWebhook = async (parameter) => JSON.stringify({ url: `https://example.com${parameter}`, secret: "a secret that is long" });
  const table = memoryTable();
  const broken = { ...table, look: () => Promise.reject(new Error("x")) };
  for (const [what, changes] of Object.entries({ table: { tableOf: () => table }, none: {}, broken: { tableOf: () => broken } })) {
    const here = world({ readWebhook, env: what === "none" ? env : { ...env, TASKBELL_TABLE: "t" }, ...changes });
    const told = () => here.seen.posts.splice(0).map(({ url, payload }) => [url.slice("https://example.com/".length), payload.occurrence?.count ?? null]);
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" }, what);
    assert.deepEqual(told(), ODD_NAMES.map((name) => [name, what === "table" ? 1 : null]), what);
    if (what !== "table") continue;
    const next = (nth) => changed("02-oom", { taskArn: `arn:aws:ecs:us-east-1:123456789012:task/prod/${nth}` });
    assert.deepEqual(await here.run(next(2)), { outcome: "sent" });
    assert.deepEqual(told(), ODD_NAMES.map((name) => [name, 2]));
    assert.deepEqual(await here.run(next(3)), { outcome: "counted" });
    here.state.answer = () => { throw Object.assign(new Error("x"), { name: "TimeoutError" }); };
    await assert.rejects(here.run(next(4)));
    await assert.rejects(here.run(next(4)));
    assert.deepEqual(told(), [...ODD_NAMES, ...ODD_NAMES].map((name) => [name, 4]));
    await assert.rejects(here.run(next(4)), /unanswered: 2, not sent again/);
    assert.deepEqual(told(), [], "twice is all");
  }
});
