// Several destinations: each is independent, none stops another, and a retry sends only to destinations without the alert.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { createHandler } from "../handler.mjs";
import { memoryTable } from "./memory-table.mjs";
import { changed, definitionOf, sample } from "./samples.mjs";

const SECRETS = {
  "/own": "https://hooks.slack.com/services/T0/B0/slack-own-hunter2",
  "/teams": "https://prod-1.westeurope.logic.azure.com:443/workflows/teams-flow-hunter2-0123/invoke?api-version=2016-06-01&sig=teams-sig-hunter2%2F0123",
  "/discord": "https://discord.com/api/webhooks/123/discord-hunter2-0123456",
  "/signed": JSON.stringify({ url: "https://incidents.example.com/in/path-hunter2-0123456?k=query-hunter2-0123456&pin=hunter2", secret: 'key-hunter2-"quoted"-0123456' }),
};
const TOPIC = "arn:aws:sns:eu-west-1:123456789012:alerts";
const LISTED = [
  { name: "ops", parameter: "/teams" }, { name: "games", parameter: "/discord" }, { name: "pager", parameter: "/signed", kind: "webhook" }, { name: "mail", topic: TOPIC },
];
const placeOf = (url) => Object.keys(SECRETS).find((name) => SECRETS[name].includes(url.replace(/\?.*/, "")));

/** Creates a handler with services that all work, except those that `changes` replaces. */
function world({ destinations = LISTED, env = {}, ...changes } = {}) {
  const seen = { posts: {}, published: [], reads: {}, lines: [], slept: 0 };
  const state = { clock: Date.parse("2026-11-20T10:00:00Z"), secrets: { ...SECRETS }, answers: {}, table: memoryTable() };
  const tools = {
    readWebhook: async (name) => { seen.reads[name] = (seen.reads[name] ?? 0) + 1; return state.secrets[name]; },
    publish: async (topic, message, timeoutMs) => { seen.published.push({ topic, message, timeoutMs }); if (state.answers.sns) throw state.answers.sns; },
    describeTaskDefinition: async () => definitionOf({ web: true }), readLog: async () => ["last words"], tableOf: () => state.table,
    fetch: async (url, { body, headers, signal }) => {
      const place = placeOf(url);
      (seen.posts[place] ??= []).push({ url, body, headers, payload: JSON.parse(body) });
      return state.answers[place]?.(JSON.parse(body), url, signal) ?? new Response("ok");
    },
    sleep: async (ms) => { await new Promise(setImmediate); state.clock += ms; }, now: () => state.clock, random: () => 0, log: (line) => seen.lines.push(line),
    env: { TASKBELL_STACK: "prod", TASKBELL_WEBHOOK_PARAMETER: "/own", TASKBELL_DESTINATIONS: JSON.stringify(destinations), TASKBELL_TABLE: "t", ...env },
    ...changes,
  };
  const run = createHandler(tools);
  const runWithin = async (timeoutMs, event) => {
    const deadline = state.clock + timeoutMs;
    await run(event, { awsRequestId: "r-1", getRemainingTimeInMillis: () => deadline - state.clock });
  };
  return { seen, state, runWithin, run: (event) => run(event, { awsRequestId: "r-1", getRemainingTimeInMillis: () => 20_000 }) };
}
const entryOf = ({ seen }) => JSON.parse(seen.lines.at(-1));
const told = (here) => Object.fromEntries(entryOf(here).destinations.map((one) => [one.name, one]));
const refusal = (status, body = "no") => () => new Response(body, { status });

test("every event goes to every destination, each in its own format, and to one log line", async () => {
  const here = world();
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.equal(here.seen.posts["/own"][0].payload.text, "🔴 *web* failed in *prod*: out of memory");
  assert.equal(here.seen.posts["/teams"][0].payload.summary, "🔴 web failed in prod: out of memory");
  assert.equal(here.seen.posts["/discord"][0].payload.content, "🔴 **web** failed in **prod**: out of memory");
  assert.equal(here.seen.posts["/signed"][0].payload.version, 1);
  assert.deepEqual(here.seen.published.map(({ topic, message }) => [topic, message.Subject]), [[TOPIC, "web failed in prod: out of memory"]]);
  const { destinations, outcome, ms } = entryOf(here);
  assert.deepEqual(destinations, [["webhook", "slack"], ["ops", "teams"], ["games", "discord"], ["pager", "webhook"], ["mail", "sns"]].map(([name, kind]) => ({ name, kind, outcome: "sent", status: 200, attempts: 1, ms: 0 })));
  assert.deepEqual([outcome, Object.keys(ms).sort()], ["sent", ["log", "post", "secret", "table", "taskDefinition", "total"]]);
});

test("the body of the generic webhook has a signature that its receiver can verify, new for each attempt", async () => {
  const here = world();
  let refusals = 0;
  here.state.answers["/signed"] = () => (refusals++ === 0 ? new Response("", { status: 503 }) : undefined);
  await here.run(sample("02-oom"));
  const [first, second] = here.seen.posts["/signed"];
  for (const { headers, body } of [first, second]) {
    const expected = createHmac("sha256", JSON.parse(SECRETS["/signed"]).secret).update(`${headers["taskbell-timestamp"]}.${body}`).digest("hex");
    assert.equal(headers["taskbell-signature"], `v1=${expected}`);
  }
  assert.ok(Number(second.headers["taskbell-timestamp"]) >= Number(first.headers["taskbell-timestamp"]));
  assert.ok(Object.keys(here.seen.posts).every((place) => place === "/signed" || !("taskbell-signature" in here.seen.posts[place][0].headers)));
});

test("the language applies to every destination, a mention to those that support mentions", async () => {
  const here = world({ env: { TASKBELL_LANGUAGE: "ja", TASKBELL_MENTION: "here" } });
  await here.run(sample("02-oom"));
  for (const place of Object.keys(SECRETS)) assert.match(here.seen.posts[place][0].body, /メモリ不足/);
  assert.match(here.seen.published[0].message.Message, /メモリ不足/);
  assert.deepEqual(Object.keys(SECRETS).filter((place) => /@here|!here/.test(here.seen.posts[place][0].body)), ["/own", "/discord"]);
});

test("a failing destination stops no other; the invocation fails with its name and the reason", async () => {
  const here = world();
  here.state.answers["/teams"] = refusal(404, "WorkflowNotFound");
  here.state.answers.sns = Object.assign(new Error(`not authorized on ${TOPIC}`), { name: "AuthorizationErrorException", $metadata: { httpStatusCode: 403 } });
  await assert.rejects(here.run(sample("02-oom")), { message: "2 of 5 destinations did not take it: ops (teams): Teams answered 404: WorkflowNotFound; mail (sns): SNS answered 403: AuthorizationErrorException" });
  assert.deepEqual(Object.values(told(here)).map(({ name, outcome }) => `${name} ${outcome}`), ["webhook sent", "ops failed", "games sent", "pager sent", "mail failed"]);
  assert.deepEqual(told(here).ops, { name: "ops", kind: "teams", outcome: "failed", status: 404, attempts: 1, ms: 0, error: "Teams answered 404: WorkflowNotFound" });
  assert.equal(entryOf(here).outcome, "failed");
});

test("a retry sends only to destinations without the alert, and then the event is done", async () => {
  const here = world();
  here.state.answers["/teams"] = refusal(500);
  here.state.answers["/discord"] = refusal(404);
  await assert.rejects(here.run(sample("02-oom")), /2 of 5/);
  delete here.state.answers["/teams"];
  await assert.rejects(here.run(sample("02-oom")), /1 of 5 destinations did not take it: games \(discord\)/);
  assert.deepEqual(Object.values(told(here)).map(({ outcome }) => outcome), ["already", "sent", "failed", "already", "already"]);
  delete here.state.answers["/discord"];
  // Even in the next window, in which this task is counted anew.
  here.state.clock += 20 * 60_000;
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.deepEqual(told(here).games, { name: "games", kind: "discord", outcome: "sent", status: 200, attempts: 1, ms: 0 });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "duplicate" });
  const rung = Object.entries(here.seen.posts).map(([place, posts]) => [place, posts.length]);
  assert.deepEqual(Object.fromEntries(rung), { "/own": 1, "/teams": 6, "/discord": 3, "/signed": 1 });
  assert.equal(here.seen.published.length, 1);
});

test("without a table, or with a failing one, a retry sends to every destination again", async () => {
  for (const changes of [{ env: { TASKBELL_TABLE: "" } }, { tableOf: () => ({ ...memoryTable(), mark: () => Promise.reject(Object.assign(new Error("x"), { name: "InternalServerError" })) }) }]) {
    const here = world(changes);
    here.state.answers["/teams"] = refusal(404);
    await assert.rejects(here.run(sample("02-oom")), /1 of 5/);
    assert.equal(entryOf(here).unsettled, changes.tableOf ? "InternalServerError" : undefined);
    delete here.state.answers["/teams"];
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
    assert.equal(here.seen.posts["/own"].length, 2);
  }
});

test("each alert follows its routes; an alert without a destination is only logged", async () => {
  const here = world({
    env: { TASKBELL_WEBHOOK_TAKES: "rest" },
    destinations: [{ name: "ops", parameter: "/teams", patterns: ["out-of-memory"] }, { name: "games", parameter: "/discord", families: ["night*"] }, { name: "pager", parameter: "/signed", kind: "webhook", severities: ["warning"] }],
  });
  const rung = async (event) => { await here.run(event); return Object.keys(told(here)); };
  assert.deepEqual(await rung(sample("02-oom")), ["ops"]);
  assert.deepEqual(await rung(sample("05-spot")), ["pager"]);
  assert.deepEqual(await rung(sample("20-deployment-failed")), ["webhook"]);
  assert.deepEqual(await rung(changed("01-exit-nonzero", { taskDefinitionArn: "arn:aws:ecs:us-east-1:1:task-definition/nightly:1" })), ["games"]);
  const without = world({ env: { TASKBELL_WEBHOOK_TAKES: "nothing" }, destinations: [{ name: "ops", parameter: "/teams", severities: ["info"] }] });
  assert.deepEqual(await without.run(sample("02-oom")), { outcome: "silent" });
  assert.equal(entryOf(without).silentBecause, "no destination takes it");
  assert.deepEqual([without.seen.posts, without.state.table.subjects().length], [{}, 0]);
});

test("each webhook is read and kept separately, and read again after it was revoked", async () => {
  const here = world();
  await here.run(sample("02-oom"));
  await here.run(sample("01-exit-nonzero"));
  assert.deepEqual(here.seen.reads, { "/own": 1, "/teams": 1, "/discord": 1, "/signed": 1 });
  for (const [place, status, next] of [["/teams", 401, "https://prod-2.westeurope.logic.azure.com/workflows/x"], ["/discord", 404, "https://hooks.slack.com/services/T1/B1/moved"], ["/signed", 403, JSON.stringify({ url: "https://incidents.example.com/new", secret: "0123456789abcdef" })]]) {
    here.state.secrets[place] = next;
    here.state.answers[place] = refusal(status);
  }
  const posts = [];
  here.state.answers[undefined] = (payload, url) => { posts.push([url, Object.keys(payload)[0]]); };
  assert.deepEqual(await here.run(changed("02-oom", { taskArn: "arn:aws:ecs:us-east-1:1:task/prod/another", stopCode: "New" })), { outcome: "sent" });
  assert.deepEqual(here.seen.reads, { "/own": 1, "/teams": 2, "/discord": 2, "/signed": 2 });
  assert.deepEqual(posts.sort(), [["https://hooks.slack.com/services/T1/B1/moved", "text"], ["https://incidents.example.com/new", "version"], ["https://prod-2.westeurope.logic.azure.com/workflows/x", "type"]]);
  assert.ok(told(here).ops.reread && told(here).games.kind === "slack");
});

test("an unreadable, invalid or missing webhook costs its own destination alone", async () => {
  for (const [readSigned, said] of [
    [() => Promise.reject(Object.assign(new Error("x"), { name: "ParameterNotFound" })), "could not read the webhook from parameter /signed: ParameterNotFound"],
    [async () => "https://incidents.example.com/hunter2", 'could not read the webhook from parameter /signed: the value does not hold {"url": "https://…", "secret": "…"}'],
    [async () => JSON.stringify({ url: "hunter2", secret: "0123456789abcdef" }), "the webhook parameter does not hold an https URL"],
  ]) {
    const here = world({ readWebhook: (name) => (name === "/signed" ? readSigned() : Promise.resolve(SECRETS[name])) });
    await assert.rejects(here.run(sample("02-oom")), (error) => error.message === `1 of 5 destinations did not take it: pager (webhook): ${said}`);
    assert.equal(here.seen.published.length, 1);
  }
  const here = world({ readWebhook: (name) => (name === "/teams" ? new Promise(() => {}) : Promise.resolve(SECRETS[name])) });
  here.run(sample("02-oom"));
  while (here.seen.published.length === 0) await new Promise(setImmediate);
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.deepEqual(Object.keys(here.seen.posts).sort(), ["/discord", "/own", "/signed"]);
});

test("a parameter that cannot be read for a moment is read again, and parameters of unused destinations are not read", async () => {
  let reads = 0;
  const throttled = () => Promise.reject(Object.assign(new Error("x"), { name: "ThrottlingException" }));
  const here = world({ readWebhook: (name) => (name === "/teams" && reads++ < 2 ? throttled() : Promise.resolve(SECRETS[name])) });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.equal(reads, 3);
  const never = world({ readWebhook: (name) => (name === "/teams" ? throttled() : Promise.resolve(SECRETS[name])) });
  await assert.rejects(never.run(sample("02-oom")), { message: "1 of 5 destinations did not take it: ops: could not read the webhook from parameter /teams: ThrottlingException" });
  const routed = world({ env: { TASKBELL_WEBHOOK_TAKES: "rest" }, destinations: [{ name: "mail", topic: TOPIC }, { name: "ops", parameter: "/teams", families: ["none"] }] });
  assert.deepEqual(await routed.run(sample("02-oom")), { outcome: "sent" });
  assert.deepEqual([routed.seen.reads, routed.seen.published.length], [{}, 1]);
});

test("a parameter without an address is read again once a user has fixed it", async () => {
  for (const wrong of ["changeme", "https://name:hunter2@prod-1.westeurope.logic.azure.com/workflows/x"]) {
    const here = world({ destinations: [{ name: "ops", parameter: "/teams" }] });
    here.state.secrets["/teams"] = wrong;
    await assert.rejects(here.run(sample("02-oom")), (error) => /ops \(\w+\): the webhook parameter (does not hold an https|holds a) URL/.test(error.message) && !/hunter2/.test(error.message));
    here.state.secrets["/teams"] = SECRETS["/teams"].replace("https", "HTTPS");
    here.state.clock += 60_000;
    assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  }
});

test("a new webhook that refuses the layout gets the headline, too", async () => {
  const here = world({ destinations: [{ name: "games", parameter: "/discord" }] });
  here.state.answers["/discord"] = (payload, url) => {
    if (!url.includes("moved")) {
      here.state.secrets["/discord"] = `${SECRETS["/discord"]}?thread_id=moved`;
      return new Response("gone", { status: 404 });
    }
    return payload.embeds ? new Response("bad form", { status: 400 }) : new Response("ok");
  };
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent-plain" });
  assert.deepEqual(told(here).games, { name: "games", kind: "discord", outcome: "sent-plain", status: 200, attempts: 1, ms: 0, reread: true, refused: "bad form" });
});

test("Discord is asked to confirm that it keeps the message", async () => {
  const here = world({ destinations: [{ name: "games", parameter: "/discord" }] });
  await here.run(sample("02-oom"));
  here.state.secrets["/discord"] = `${SECRETS["/discord"]}?thread_id=7#x`;
  here.state.clock += 6 * 60_000;
  await here.run(sample("01-exit-nonzero"));
  assert.deepEqual(here.seen.posts["/discord"].map(({ url }) => url.slice(SECRETS["/discord"].length)), ["?wait=true", "?thread_id=7&wait=true"]);
});

test("a layout that one destination refuses is sent there as the headline, and whole to every other", async () => {
  const here = world();
  here.state.answers["/teams"] = ({ attachments }) => (JSON.stringify(attachments).includes("FactSet") ? new Response("BadCard", { status: 400 }) : undefined);
  here.state.answers["/discord"] = ({ embeds }) => (embeds ? new Response('{"message": "Invalid Form Body", "code": 50035}', { status: 400 }) : undefined);
  here.state.answers["/signed"] = ({ containers }) => (containers ? new Response("too long", { status: 413 }) : undefined);
  here.state.answers.sns = Object.assign(new Error("x"), { name: "InvalidParameterException", $metadata: { httpStatusCode: 400 } });
  await assert.rejects(here.run(sample("02-oom")), /1 of 5 destinations did not take it: mail \(sns\): SNS answered 400: InvalidParameterException/);
  assert.deepEqual(Object.values(told(here)).map(({ outcome }) => outcome), ["sent", "sent-plain", "sent-plain", "sent-plain", "failed"]);
  const { MessageAttributes: attributes, ...plainMessage } = here.seen.published[1].message;
  assert.deepEqual(plainMessage, { Message: "🔴 web failed in prod: out of memory" });
  assert.equal(attributes.cluster.StringValue, "prod", "a filter policy looks for them");
  assert.equal(told(here).games.refused, '{"message": "Invalid Form Body", "code": 50035}');
  delete here.state.answers.sns;
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  const plain = world({ destinations: [{ name: "ops", parameter: "/teams" }] });
  plain.state.answers["/teams"] = ({ attachments }) => (JSON.stringify(attachments).includes("FactSet") ? new Response("BadCard", { status: 400 }) : undefined);
  assert.deepEqual(await plain.run(sample("02-oom")), { outcome: "sent-plain" });
});

test("a destination that is gone does not make the others ring for every task, and gets the missed count once it is back", async () => {
  const here = world({ destinations: [{ name: "games", parameter: "/discord" }] });
  here.state.answers["/discord"] = refusal(404);
  const { taskArn } = sample("02-oom").detail;
  const events = Array.from({ length: 20 }, (_, at) => ({
    ...changed("02-oom", { taskArn: `${taskArn.slice(0, -2)}${String(at).padStart(2, "0")}` }), id: `event-${at}`,
  }));
  const failed = [];
  for (const event of events) await here.run(event).catch(() => failed.push(event));
  for (const event of failed) await assert.rejects(here.run(event), "Lambda's retry");
  assert.equal(here.seen.posts["/own"].length, 5, "occurrences 1, 2, 4, 8 and 16");
  assert.equal(failed.length, 20, "each is due there until one is taken");
  delete here.state.answers["/discord"];
  here.seen.posts["/discord"] = [];
  const outcomes = [];
  for (const event of failed) outcomes.push((await here.run(event)).outcome);
  assert.deepEqual(outcomes, ["sent", ...Array(19).fill("counted")], "replay");
  assert.deepEqual([here.seen.posts["/own"].length, here.seen.posts["/discord"].length], [5, 1]);
  assert.match(here.seen.posts["/discord"][0].payload.content, /20 times/);
});

test("two destinations with one name get nothing: an alert that one took would count as taken by the other", async () => {
  const here = world({ destinations: [{ name: "webhook", parameter: "/teams" }] });
  await assert.rejects(here.run(sample("02-oom")), /two destinations are called webhook/);
});

test("an address that is not https gets nothing", async () => {
  const here = world({ destinations: [{ name: "ops", parameter: "/teams" }] });
  here.state.secrets["/teams"] = "http://discord.com/api/webhooks/123/hunter2";
  await assert.rejects(here.run(sample("02-oom")), /ops .*does not hold an https URL/);
  assert.equal(here.seen.posts["/teams"], undefined);
});

/** Simulates an answer that never comes: the time limit passes. Needs `AbortSignal.timeout` to report the limit. */
const hangs = (here) => (payload, url, { ms }) => { here.state.clock += ms; throw Object.assign(new Error("x"), { name: "TimeoutError" }); };

test("a hanging or rate-limited destination delays the others no longer than the next failure waits for them", async (t) => {
  t.mock.method(AbortSignal, "timeout", (ms) => ({ ms }));
  for (const held of [hangs, () => refusal(429), () => () => new Response("", { status: 429, headers: { "retry-after": "5" } })]) {
    const here = world();
    here.state.answers["/teams"] = held(here);
    const from = here.state.clock;
    await assert.rejects(here.runWithin(30_000, sample("02-oom")), /1 of 5 destinations did not take it: ops/);
    assert.ok(here.state.clock - from <= 12_000, `${here.state.clock - from} ms`);
    // A single destination keeps nobody waiting.
    const alone = world({ env: { TASKBELL_WEBHOOK_PARAMETER: "" }, destinations: [{ name: "ops", parameter: "/teams" }] });
    alone.state.answers["/teams"] = () => new Response("", { status: 429, headers: { "retry-after": "5" } });
    const start = alone.state.clock;
    await assert.rejects(alone.runWithin(30_000, sample("02-oom")), /Teams answered 429/);
    assert.ok(alone.state.clock - start >= 20_000);
  }
});

test("time is left to note delivered messages and to write the log line, whatever hangs", async (t) => {
  t.mock.method(AbortSignal, "timeout", (ms) => ({ ms }));
  for (const place of ["/own", "/teams", "/signed", "sns"]) {
    for (const timeoutMs of [5_000, 9_000, 30_000]) {
      const here = world(place === "sns" ? { publish: async (topic, message, ms) => hangs(here)(message, topic, { ms }) } : {});
      here.state.answers[place] = hangs(here);
      const deadline = here.state.clock + timeoutMs;
      await assert.rejects(here.runWithin(timeoutMs, sample("02-oom")), /1 of 5/);
      assert.ok(deadline - here.state.clock >= 2_000, `${place}, ${timeoutMs}: ${deadline - here.state.clock} ms`);
    }
  }
});

test("a run that waits for another one to announce leaves time for the posts", async () => {
  const here = world();
  const other = world({ tableOf: () => here.state.table });
  other.state.answers["/teams"] = () => new Promise(() => {});
  other.runWithin(30_000, sample("02-oom"));
  while (!other.seen.posts["/teams"]) await new Promise(setImmediate);
  const deadline = here.state.clock + 30_000;
  await assert.rejects(here.runWithin(30_000, sample("02-oom")), { name: "Busy" });
  assert.ok(deadline - here.state.clock >= 14_000, `${deadline - here.state.clock} ms`);
});

test("each destination has attempts and a budget of its own", async () => {
  const here = world();
  here.state.answers["/teams"] = refusal(503);
  let waits = 0;
  here.state.answers["/discord"] = () => (waits++ < 2 ? new Response('{"retry_after": 0.2}', { status: 429, headers: { "retry-after": "1" } }) : undefined);
  await assert.rejects(here.run(sample("02-oom")), /1 of 5/);
  assert.deepEqual([told(here).webhook.attempts, told(here).ops.attempts, told(here).games.attempts], [1, 5, 3]);
});

test("no secret of any destination reaches logs or errors, whatever a server answers", async () => {
  for (const status of [200, 400, 401, 404, 500]) {
    const here = world();
    for (const place of Object.keys(SECRETS)) {
      here.state.answers[place] = (_, url) => new Response(`no hook at ${url} ${decodeURIComponent(url)} ${new URL(url).search} ${SECRETS[place]} ${place === "/signed" ? `${JSON.parse(SECRETS[place]).secret} bad pin=hunter2` : ""}`, { status });
    }
    here.state.answers.sns = Object.assign(new Error(`${Object.values(SECRETS)}`), { name: "InternalErrorException" });
    await assert.rejects(here.run(sample("02-oom")), (error) => !/hunter2/.test(`${error.message}${error.stack}${JSON.stringify(error)}`));
    assert.ok(!/hunter2/.test(here.seen.lines.join()), here.seen.lines.join());
  }
});

test("a single destination of another kind is handled like a single Slack webhook", async () => {
  const here = world({ env: { TASKBELL_WEBHOOK_PARAMETER: "" }, destinations: [{ name: "ops", parameter: "/teams" }] });
  assert.deepEqual(await here.run(sample("02-oom")), { outcome: "sent" });
  assert.deepEqual(entryOf(here).destinations, [{ name: "ops", kind: "teams", outcome: "sent", status: 200, attempts: 1, ms: 0 }]);
  const dead = world({ env: { TASKBELL_WEBHOOK_PARAMETER: "" }, destinations: [{ name: "ops", parameter: "/teams" }] });
  dead.state.answers["/teams"] = refusal(404, "WorkflowNotFound");
  await assert.rejects(dead.run(sample("02-oom")), { message: "Teams answered 404: WorkflowNotFound", status: 404 });
  const { outcome, error, destinations } = entryOf(dead);
  assert.deepEqual([outcome, error], ["failed", "Teams answered 404: WorkflowNotFound"]);
  assert.deepEqual(destinations, [{ name: "ops", kind: "teams", outcome: "failed", status: 404, attempts: 1, ms: 0, error }]);
});

test("the log line has one shape, however many destinations there are and whatever the outcome", async () => {
  const single = { env: { TASKBELL_WEBHOOK_PARAMETER: "" }, destinations: [{ name: "ops", parameter: "/teams" }] };
  const shapeOf = (here) => { const entry = entryOf(here); return [Array.isArray(entry.destinations), ...["status", "attempts", "refused", "unanswered", "reread"].map((field) => field in entry)]; };
  for (const changes of [single, {}]) {
    for (const [event, answer] of [[sample("02-oom"), null], [sample("02-oom"), refusal(404)], [sample("06-scale-in-143"), null]]) {
      const here = world(changes);
      if (answer) here.state.answers["/teams"] = answer;
      await here.run(event).catch(() => {});
      assert.deepEqual(shapeOf(here), [true, false, false, false, false, false]);
    }
  }
});

test("invalid settings fail every alert with an explanation", async () => {
  const here = world({ env: { TASKBELL_DESTINATIONS: "{hunter2" } });
  await assert.rejects(here.run(sample("02-oom")), { message: "TASKBELL_DESTINATIONS is not a list in JSON" });
  assert.deepEqual([entryOf(here).outcome, here.seen.posts], ["failed", {}]);
});

test("a destination that was down and caught up does not raise the count of the others, and keeps its own count", async () => {
  const here = world({ destinations: [{ name: "games", parameter: "/discord" }] });
  const { taskArn } = sample("02-oom").detail;
  const run = (at) => here.run(changed("02-oom", { taskArn: `${taskArn.slice(0, -2)}${String(at).padStart(2, "0")}` }));
  const told = (place, text) => here.seen.posts[place].map(({ payload }) => Number(/(\d+) times/.exec(text(payload))?.[1] ?? 1));
  await run(1);
  here.state.answers["/discord"] = refusal(404);
  for (const at of [2, 3]) await assert.rejects(run(at));
  delete here.state.answers["/discord"];
  here.seen.posts["/discord"] = [];
  for (const at of [3, 2, 4, 5, 6, 7, 8]) await run(at);
  assert.deepEqual(told("/own", ({ text }) => text), [1, 2, 4, 8]);
  assert.deepEqual(told("/discord", ({ content }) => content), [3, 4, 8]);
});
