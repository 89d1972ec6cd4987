// Tests the notifier with a ledger: successes are recorded in silence, failures are compared with the last success, and a recovery is announced
// once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../handler.mjs";
import { endOf, merged, recordOf, textOf, withTold } from "../core/ledger.mjs";
import { incidentOf } from "../core/incident.mjs";
import { ledgersOf } from "../memory/ledger.mjs";
import { tableOf } from "../memory/table.mjs";
import { dynamo } from "./dynamo.mjs";
import { randomOf } from "./model.mjs";
import { changed, definitionOf, sample } from "./samples.mjs";

const DAY = Date.parse("2026-11-20T00:00:00Z");
const ID = "job prod|nightly";
const iso = (minutes) => new Date(DAY + minutes * 60_000).toISOString();

/** Makes the end of a task, so many minutes after midnight. */
function endAt(minutes, exitCode = 0, { task = `t${minutes}`, revision = 17, tag = "v41", digest = null, startedBy = "chronos-schedule/nightly", ...more } = {}) {
  const event = changed("08-exit-0", {
    taskArn: `arn:aws:ecs:us-east-1:123456789012:task/prod/${task}`, taskDefinitionArn: `arn:aws:ecs:us-east-1:123456789012:task-definition/nightly:${revision}`,
    startedAt: iso(minutes - 5), executionStoppedAt: iso(minutes), stoppedAt: iso(minutes), startedBy, group: "family:nightly",
    containers: [{ name: "job", exitCode, image: `x/job:${tag}`, ...(digest ? { imageDigest: digest } : {}) }], ...more,
  });
  return { ...event, id: `event-${task}`, time: iso(minutes) };
}

/** Creates a notifier with a table in memory. `fault` gets each call of the table, and may throw. */
function world({ env = {}, fault = () => {}, ...changes } = {}) {
  const { items, connect } = dynamo();
  const seen = { posts: [], lines: [], calls: [] };
  const state = { clock: DAY + 24 * 3600_000, answer: () => new Response("ok"), fault };
  const step = async (label, perform, kind) => {
    seen.calls.push(label);
    state.fault(label, kind);
    return perform();
  };
  const tools = {
    readWebhook: async (name) => (name === "p" ? "https://hooks.slack.com/services/T/B/x" : name.startsWith("plain") ? `https://example.com/${name}` : JSON.stringify({ url: `https://example.com/${name}`, secret: "a secret that is long" })),
    describeTaskDefinition: async () => definitionOf({ job: true }), readLog: async () => ["last words"],
    tableOf: (name) => tableOf(name, connect(step)), ledgersOf: (name) => ledgersOf(name, connect(step)),
    fetch: async (url, { body }) => { seen.posts.push({ url, payload: JSON.parse(body) }); return state.answer(url); },
    sleep: async (ms) => { await new Promise(setImmediate); state.clock += ms; }, now: () => state.clock, random: () => 0.5, log: (line) => seen.lines.push(JSON.parse(line)),
    env: { TASKBELL_STACK: "prod", TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t", ...env }, ...changes,
  };
  const handler = createHandler(tools);
  const run = async (event) => {
    const startedAt = state.clock;
    return (await handler(event, { awsRequestId: `r-${seen.lines.length}`, getRemainingTimeInMillis: () => 30_000 - (state.clock - startedAt) })).outcome;
  };
  const record = (id = ID) => recordOf(items.get(id)?.ledger.S);
  return { run, items, seen, state, record, texts: () => seen.posts.splice(0).map(({ payload }) => payload.text) };
}
const historyOf = ({ payload }) => payload.blocks.slice(1).map(({ text }) => text?.text).filter(Boolean);

test("a success is recorded in silence: without a post, and without a webhook", async () => {
  const here = world({ readWebhook: async () => { throw new Error("asked"); } });
  assert.equal(await here.run(endAt(10)), "silent");
  const { all, parts } = here.record();
  assert.deepEqual([all.lastSuccess.at, all.lastSuccess.images, all.lastStart, parts["chronos-schedule/nightly"].ends.length], [iso(10), [{ name: "job", image: "x/job:v41", digest: null }], iso(5), 1]);
  assert.deepEqual([here.seen.posts.length, here.seen.lines[0].silentBecause], [0, "stand-alone task finished: every container exited with 0"]);
});

test("a success costs one read and one write; each further rule that matches it one read", async (t) => {
  const here = world();
  for (let minutes = 0; minutes < 40; minutes += 1) await here.run(endAt(minutes));
  here.seen.calls.length = 0;
  await here.run(endAt(100));
  assert.deepEqual(here.seen.calls, [`read ${ID}`, `update ${ID}`]);
  await here.run(endAt(100));
  assert.deepEqual(here.seen.calls.slice(2), [`read ${ID}`]);
  const bytes = Object.entries(here.items.get(ID)).reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(Object.values(value)[0]), 0);
  t.diagnostic(`an item of 30 ends, with one schedule: ${bytes} bytes, ${Math.ceil(bytes / 1024)} write units, ${2 * Math.ceil(bytes / 4096)} read units for two strongly consistent reads`);
  assert.ok(bytes < 10 * 1024, `${bytes} bytes`);
  await here.run(endAt(110, 1));
  here.seen.calls.length = 0;
  await here.run(endAt(130));
  // A transaction is one call, and each commit a step of DynamoDB.
  const calls = here.seen.calls.filter((call) => !call.startsWith("commit "));
  t.diagnostic(`a recovery: ${calls.length} calls`);
  assert.equal(calls.length, 7, calls.join("\n"));
  here.seen.calls.length = 0;
  await here.run(endAt(200, 1));
  assert.deepEqual(here.seen.calls.filter((call) => call.endsWith(ID)), [`read ${ID}`, `update ${ID}`]);
});

test("without a ledger, without a table, and for tasks of services nothing is recorded", async () => {
  for (const env of [{ TASKBELL_LEDGER: "off" }, { TASKBELL_TABLE: "" }]) {
    const here = world({ env });
    assert.equal(await here.run(endAt(10)), "silent");
    assert.equal(await here.run(endAt(20, 1)), "sent");
    assert.ok(!here.items.has(ID));
    assert.equal(historyOf(here.seen.posts[0]).some((text) => /good run/.test(text)), false);
  }
  const here = world();
  await here.run(sample("02-oom"));
  assert.deepEqual([...here.items.keys()].filter((id) => id.startsWith("job ")), []);
});

test("a failure is compared with the last success, in the message of every destination", async () => {
  const env = { TASKBELL_DESTINATIONS: JSON.stringify([{ name: "json", parameter: "json", kind: "webhook" }, { name: "teams", parameter: "plain1", kind: "teams" }, { name: "discord", parameter: "plain2", kind: "discord" }, { name: "mail", topic: "arn:aws:sns:us-east-1:1:t" }]) };
  const here = world({ env, publish: async (_, message) => { here.seen.posts.push({ url: "sns", payload: message }); } });
  for (const minutes of [10, 20, 30]) await here.run(endAt(minutes));
  assert.equal(await here.run(endAt(40, 1, { revision: 18, tag: "v42" })), "sent");
  assert.equal(here.seen.posts.length, 5);
  for (const { url, payload } of here.seen.posts) {
    if (payload.version !== 1) assert.match(JSON.stringify(payload), /nightly:17 → nightly:18, image v41 → v42, after 3 good runs/, url);
  }
  assert.deepEqual(here.seen.posts.find(({ payload }) => payload.version === 1).payload.job, {
    since: iso(40), failures: 1, lastSuccess: { at: iso(30), revision: 17 }, goodRuns: 3, endedWellAt: null, overdue: null,
    changes: { revision: { from: 17, to: 18 }, images: [{ container: null, from: { image: "x/job:v41", digest: null }, to: { image: "x/job:v42", digest: null } }] },
  });
});

test("by digest: the same tag with another image is a change, another tag of the same image is none", async () => {
  const [one, other] = ["a", "b"].map((letter) => `sha256:${letter.repeat(64)}`);
  for (const [before, after, said] of [
    [{ tag: "latest", digest: one }, { tag: "latest", digest: other }, "First failure since image latest (aaaaaaaaaaaa → bbbbbbbbbbbb), after 1 good run."],
    [{ tag: "v1", digest: one }, { tag: "v2", digest: one }, "First failure after 1 good run. Nothing changed: same revision and image as the last success."],
    [{ tag: "v1", digest: one }, { tag: "v1", digest: null }, "First failure after 1 good run. Nothing changed: same revision and image as the last success."],
    [{ tag: "v1", digest: null }, { tag: "v2", digest: one }, "First failure since image v1 → v2, after 1 good run."],
  ]) {
    const here = world();
    await here.run(endAt(10, 0, before));
    await here.run(endAt(20, 1, after));
    assert.equal(historyOf(here.seen.posts[0])[1], said);
  }
});

test("several containers are named, three at most; another repository is written out", async () => {
  const here = world();
  const containers = (of) => ["a", "b", "c", "d", "e"].map((name) => ({ name, exitCode: 0, image: of(name) }));
  await here.run(endAt(10, 0, { containers: containers((name) => `r/${name}:1`) }));
  await here.run(endAt(20, 1, { containers: containers((name) => (name === "a" ? "r/a:1" : name === "b" ? "q/other:1" : `r/${name}:2`)).map((one) => ({ ...one, exitCode: 1 })) }));
  assert.equal(historyOf(here.seen.posts[0])[2], "First failure since image of b b:1 → other:1, image of c 1 → 2, image of d 1 → 2, and 1 more, after 1 good run.");
});

test("further failures are counted from the first one on; a first run has nothing to compare with", async () => {
  const here = world({ env: { TASKBELL_STORM_MINUTES: "1" } });
  await here.run(endAt(10, 1));
  assert.equal(historyOf(here.seen.posts[0]).some((text) => /ailure/.test(text)), false);
  await here.run(endAt(20, 1));
  assert.match(historyOf(here.seen.posts[1])[1], /^Failure 2 in a row since <!date\^\d+\^.*00:10:00 UTC>\. No success is on record\.$/);
  await here.run(endAt(30));
  await here.run(endAt(40, 1));
  await here.run(endAt(50, 1, { revision: 18 }));
  assert.match(historyOf(here.seen.posts.at(-1))[1], /^Failure 2 in a row since .*00:40:00 UTC>, after 1 good run\. Changed since the last success: nightly:17 → nightly:18\.$/);
});

test("the first success after a told failure is one green message, also for events that come twice", async () => {
  const here = world();
  await here.run(endAt(10));
  await here.run(endAt(20, 1));
  await here.run(endAt(60, 1));
  await here.run(endAt(80, 1));
  here.texts();
  assert.equal(await here.run(endAt(92)), "sent");
  assert.equal(await here.run(endAt(92)), "silent");
  assert.equal(await here.run(endAt(120)), "silent");
  assert.deepEqual(here.texts(), ["🟢 *nightly* works again in *prod* after 3 failures, 1 h 12 min"]);
  assert.ok(here.seen.lines.every(({ tableError, missing, ledgerError }) => !tableError && !missing && !ledgerError));
  const { all, parts } = here.record();
  assert.deepEqual([all.told.recovered, parts["chronos-schedule/nightly"].told.recovered, all.told.failure], [iso(92), iso(92), iso(80)]);
});

test("a recovery is green, mentions nobody, shows no details of the task, and is an info for routes", async () => {
  const env = { TASKBELL_MENTION: "here", TASKBELL_DESTINATIONS: JSON.stringify([{ name: "errors", parameter: "errors", kind: "webhook", severities: ["error"] }, { name: "tasks", parameter: "tasks", kind: "webhook", patterns: ["out-of-memory"], families: ["night*"] }]) };
  const here = world({ env });
  await here.run(endAt(20, 1));
  here.texts();
  await here.run(endAt(30));
  assert.deepEqual(here.seen.posts.map(({ url }) => url), ["https://hooks.slack.com/services/T/B/x", "https://example.com/tasks"]);
  const [{ payload: slack }, { payload: json }] = here.seen.posts;
  assert.deepEqual([slack.text, slack.attachments.at(-1).color], ["🟢 *nightly* works again in *prod* after 1 failure, 10 min", "#2da44e"]);
  assert.ok(!/exit code|last words/.test(JSON.stringify(slack)));
  assert.deepEqual([json.severity, json.state, json.cause.id, json.recovery], ["info", "recovered", "recovered", { of: "job", since: iso(20), at: iso(30), seconds: 600, failures: 1, overdue: null }]);
});

test("a recovery that no destination takes, or that is switched off, is silent", async () => {
  for (const env of [{ TASKBELL_RECOVERY: "off" }, { TASKBELL_WEBHOOK_TAKES: "nothing", TASKBELL_DESTINATIONS: JSON.stringify([{ name: "errors", parameter: "errors", kind: "webhook", severities: ["error"] }]) }]) {
    const here = world({ env });
    assert.equal(await here.run(endAt(20, 1)), "sent");
    assert.equal(await here.run(endAt(30)), "silent");
    assert.equal(here.seen.posts.length, 1);
    assert.equal(here.record().all.lastSuccess.at, iso(30));
  }
});

test("at most one recovery of a job in a storm window; the next success after it announces a failure that came since", async () => {
  const here = world();
  await here.run(endAt(20, 1));
  await here.run(endAt(22));
  await here.run(endAt(24, 1));
  here.texts();
  assert.equal(await here.run(endAt(30)), "silent");
  assert.equal(here.seen.lines.at(-1).silentBecause, "a recovery was announced a short time ago");
  assert.equal(await here.run(endAt(36)), "silent");
  assert.equal(await here.run(endAt(37)), "sent");
  assert.deepEqual(here.texts(), ["🟢 *nightly* works again in *prod* after 1 failure, 6 min"]);
});

test("an overdue run that was told ends with the next success, which is told as late", async () => {
  const here = world();
  await here.run(endAt(10));
  here.items.set(ID, { ...here.items.get(ID), ledger: { S: textOf(withTold(here.record(), null, { overdue: iso(180) })) } });
  assert.equal(await here.run(endAt(222)), "sent");
  assert.deepEqual(here.texts(), ["🟢 *nightly* works again in *prod* after an overdue run, 42 min late"]);
  assert.equal(await here.run(endAt(300)), "silent");
});

test("an overdue run of a schedule that had not started a task yet ends with the first task of that schedule", async () => {
  for (const [noted, startedBy, outcome] of [["chronos-schedule/nightly", "events-rule/nightly", "sent"], ["chronos-schedule/other", "events-rule/nightly", "silent"], [`chronos-schedule/${"x".repeat(19)}`, `events-rule/${"x".repeat(24)}`, "sent"]]) {
    const here = world();
    here.items.set(ID, { id: { S: ID }, ledger: { S: textOf(withTold(here.record(), noted, { overdue: iso(180) })) }, writes: { N: "1" } });
    assert.equal(await here.run(endAt(200, 0, { startedBy })), outcome, noted);
  }
});

test("a success that is older than the failure ends nothing; a failure that is older than a success is told as past, and needs no recovery", async () => {
  const here = world();
  await here.run(endAt(60, 1));
  assert.equal(await here.run(endAt(50)), "silent");
  assert.equal(await here.run(endAt(70)), "sent");
  here.seen.posts.length = 0;
  assert.equal(await here.run(endAt(40, 1)), "sent");
  assert.match(historyOf(here.seen.posts[0])[1], /^The job has ended well since, at <.*01:10:00 UTC>\.$/);
  assert.equal(await here.run(endAt(200)), "silent");
});

test("a schedule that works does not end the failure of another schedule of the same family; a run by hand does", async () => {
  const here = world();
  const [a, b, hand] = ["chronos-schedule/a", "events-rule/b", "jane"].map((startedBy) => ({ startedBy }));
  await here.run(endAt(10, 1, a));
  assert.equal(await here.run(endAt(40, 0, b)), "silent");
  assert.equal(await here.run(endAt(70, 0, a)), "sent");
  await here.run(endAt(100, 1, b));
  assert.equal(await here.run(endAt(130, 0, hand)), "sent");
  assert.equal(await here.run(endAt(160, 0, b)), "silent", "the run by hand has ended it");
  await here.run(endAt(200, 1, hand));
  assert.equal(await here.run(endAt(230, 0, b)), "sent", "a failure by hand belongs to the whole job");
});

test("a job of another machine fails and works again under its own name", async () => {
  const here = world();
  const at = (minutes, type, detail) => ({ ...sample("32-job-succeeded"), "detail-type": type, id: `e${minutes}`, time: iso(minutes), detail: { job: "backup", at: iso(minutes), ...detail } });
  assert.equal(await here.run(at(10, "Job Succeeded", { seconds: 60 })), "silent");
  assert.equal(await here.run(at(20, "Application Error", { message: "disk full", level: "error", seconds: 61 })), "sent");
  assert.equal(await here.run(at(30, "Job Succeeded", { seconds: 62 })), "sent");
  assert.deepEqual(here.texts(), ["🔴 *backup*: disk full", "🟢 *backup* works again after 1 failure, 10 min"]);
  assert.deepEqual(here.record("job -|backup").all.ends.map(({ ok, seconds }) => [ok, seconds]), [[true, 62], [false, 61], [true, 60]]);
});

test("a ledger that fails never costs the alert of a failure, and is tried again after the post", async () => {
  const error = (name) => Object.assign(new Error(name), { name });
  for (const name of ["AccessDeniedException", "ResourceNotFoundException", "InternalServerError"]) {
    const here = world({ fault: (label) => { if (label.endsWith(ID)) throw error(name); } });
    assert.equal(await here.run(endAt(20, 1)), "sent", name);
    assert.deepEqual([here.seen.posts.length, here.seen.lines[0].ledgerError], [1, name]);
  }
  let posts = 0;
  const late = world({ fault: (label) => { if (label.endsWith(ID) && late.seen.posts.length === 0) throw error("AccessDeniedException"); posts += 1; } });
  assert.equal(await late.run(endAt(20, 1)), "sent");
  assert.deepEqual([late.record().all.told.failure, late.seen.lines[0].ledgerError], [iso(20), undefined]);
});

test("a ledger that does not answer delays the post of a failure for three seconds at most", async () => {
  const here = world();
  let asked = 0;
  here.state.fault = (label) => { if (label.endsWith(ID)) { asked = asked || here.state.clock; here.state.clock += 1_000; throw Object.assign(new Error("x"), { name: "TimeoutError" }); } };
  here.state.answer = () => { here.state.posted ??= here.state.clock; return new Response("ok"); };
  assert.equal(await here.run(endAt(20, 1)), "sent");
  assert.ok(here.state.posted - asked <= 3_500, `${here.state.posted - asked} ms`);
});

test("a success that cannot be recorded fails the run, so that Lambda runs it again", async () => {
  const here = world({ fault: (label) => { if (label.endsWith(ID)) throw Object.assign(new Error("no"), { name: "AccessDeniedException" }); } });
  await assert.rejects(here.run(endAt(10)), { name: "AccessDeniedException" });
  assert.equal(here.seen.lines[0].outcome, "failed");
  here.state.fault = () => {};
  assert.equal(await here.run(endAt(10)), "silent");
  assert.equal(here.record().all.lastSuccess.at, iso(10));
});

test("a recovery that a destination did not take is sent again, and a note that failed repeats no message", async () => {
  const here = world();
  await here.run(endAt(20, 1));
  here.texts();
  here.state.answer = () => new Response("no_service", { status: 404 });
  await assert.rejects(here.run(endAt(30)), /no_service/);
  here.texts();
  here.state.answer = () => new Response("ok");
  let writes = 0;
  here.state.fault = (label, kind) => { if (label.endsWith(ID) && kind === "write") { writes += 1; throw Object.assign(new Error("no"), { name: "ValidationException" }); } };
  assert.equal(await here.run(endAt(30)), "sent");
  here.state.fault = () => {};
  assert.equal(await here.run(endAt(30)), "duplicate");
  assert.deepEqual([here.texts().length, writes, here.record().all.told.recovered], [1, 1, iso(30)]);
  assert.equal(await here.run(endAt(60)), "silent");
});

test("a drill of a recovery is sent, and touches no ledger", async () => {
  for (const [env, outcome] of [[{}, "sent"], [{ TASKBELL_RECOVERY: "off" }, "silent"]]) {
    const here = world({ env });
    assert.equal(await here.run({ ...endAt(10), source: "taskbell.drill" }), outcome);
    assert.ok(!here.seen.calls.some((call) => call.includes("job ")));
    if (outcome === "sent") assert.deepEqual(here.texts(), ["🧪 *DRILL, not a real incident* · *nightly* works again in *prod*"]);
  }
});

const service = (name, minutes, detail = {}) => ({ ...changed(name, { ...(name.startsWith("2") && sample(name).detail.updatedAt ? { updatedAt: iso(minutes) } : { createdAt: iso(minutes) }), ...detail }), id: `${name}-${minutes}`, time: iso(minutes) });

test("a service works again: a completed deployment after a failed one, a steady state after an impairment", async () => {
  const here = world({ env: { TASKBELL_SERVICE_RECOVERY: "on" } });
  const outcomes = [];
  for (const [name, minutes] of [["23b-deployment-completed", 5], ["23-steady-state", 6], ["20-deployment-failed", 10], ["23-steady-state", 12], ["23b-deployment-completed", 35], ["23b-deployment-completed", 35], ["22-start-impaired", 60], ["23b-deployment-completed", 62], ["23-steady-state", 72], ["23-steady-state", 90]]) {
    outcomes.push(await here.run(service(name, minutes, name === "20-deployment-failed" ? { deploymentId: `ecs-svc/${minutes}` } : {})));
  }
  assert.deepEqual(outcomes, ["silent", "silent", "sent", "silent", "sent", "silent", "sent", "silent", "sent", "silent"]);
  assert.deepEqual(here.texts(), [
    "🔴 *web* in *prod*: deployment failed", "🟢 *web* works again in *prod* after a failed deployment, 25 min",
    "🟠 *web* in *prod*: tasks keep failing to start", "🟢 *web* works again in *prod* after an impairment, 12 min",
  ]);
  assert.equal(JSON.parse(here.items.get("service prod|web").ledger.S).impaired.recovered, iso(72));
});

test("a recovery that comes just after another one of the service closes the older trouble in silence", async () => {
  const here = world({ env: { TASKBELL_SERVICE_RECOVERY: "on" } });
  const outcomes = [];
  for (const [name, minutes] of [["20-deployment-failed", 10], ["22-start-impaired", 11], ["23b-deployment-completed", 35], ["23-steady-state", 36], ["23-steady-state", 4320], ["23b-deployment-completed", 4330]]) {
    outcomes.push(await here.run(service(name, minutes)));
  }
  assert.deepEqual(outcomes, ["sent", "sent", "sent", "silent", "silent", "silent"]);
  assert.equal(here.texts().at(-1), "🟢 *web* works again in *prod* after a failed deployment, 25 min");
  assert.deepEqual(JSON.parse(here.items.get("service prod|web").ledger.S).impaired, { told: iso(11), recovered: iso(11) });
});

test("a held recovery of a service from a new trouble is not lost: the next good report of either kind tells it once, with its own duration", async () => {
  for (const next of ["23-steady-state", "23b-deployment-completed"]) {
    const here = world({ env: { TASKBELL_SERVICE_RECOVERY: "on", TASKBELL_STORM_MINUTES: "15" } });
    for (const [name, minutes] of [["22-start-impaired", 10], ["23-steady-state", 20], ["20-deployment-failed", 24], ["23b-deployment-completed", 30], ["23b-deployment-completed", 32]]) await here.run(service(name, minutes));
    assert.equal(here.texts().length, 3, "the recovery of the deployment is held");
    assert.equal(await here.run(service(next, 4320)), "sent");
    assert.deepEqual(here.texts(), ["🟢 *web* works again in *prod* after a failed deployment, 6 min"]);
    for (const minutes of [4400, 4500]) assert.equal(await here.run(service(next, minutes)), "silent");
    assert.deepEqual(JSON.parse(here.items.get("service prod|web").ledger.S).deployment, { told: iso(24), recovered: iso(4320) });
  }
});

test("after a held recovery, the next good report tells of both troubles; a new trouble needs its own good report", async () => {
  const here = world({ env: { TASKBELL_SERVICE_RECOVERY: "on" } });
  for (const [name, minutes] of [["22-start-impaired", 10], ["23-steady-state", 20], ["20-deployment-failed", 24], ["23b-deployment-completed", 30], ["22-start-impaired", 40], ["23-steady-state", 60], ["23b-deployment-completed", 90]]) await here.run(service(name, minutes));
  assert.deepEqual(here.texts().slice(3), ["🟠 *web* in *prod*: tasks keep failing to start", "🟢 *web* works again in *prod* after an impairment, 20 min"]);
  const again = world({ env: { TASKBELL_SERVICE_RECOVERY: "on" } });
  for (const [name, minutes, id] of [["22-start-impaired", 10], ["23-steady-state", 20], ["20-deployment-failed", 24, "a"], ["23b-deployment-completed", 30], ["20-deployment-failed", 50, "b"], ["23-steady-state", 60], ["23b-deployment-completed", 70]]) await again.run(service(name, minutes, id ? { deploymentId: `ecs-svc/${id}` } : {}));
  assert.deepEqual(again.texts().slice(3), ["🔴 *web* in *prod*: deployment failed", "🟢 *web* works again in *prod* after a failed deployment, 20 min"]);
});

test("a note of a held recovery that cannot be written fails the run, so that Lambda runs it again", async () => {
  const here = world({ env: { TASKBELL_SERVICE_RECOVERY: "on" } });
  for (const [name, minutes] of [["22-start-impaired", 10], ["23-steady-state", 20], ["20-deployment-failed", 24]]) await here.run(service(name, minutes));
  here.state.fault = (label, kind) => { if (label.endsWith("service prod|web") && kind === "write") throw Object.assign(new Error("no"), { name: "AccessDeniedException" }); };
  await assert.rejects(here.run(service("23b-deployment-completed", 30)), { name: "AccessDeniedException" });
  here.state.fault = () => {};
  assert.equal(await here.run(service("23b-deployment-completed", 30)), "silent");
  assert.equal(JSON.parse(here.items.get("service prod|web").ledger.S).deployment.good, iso(30));
});

test("without the setting, events of services are as before: nothing is recorded, and a steady state that a rule delivers is announced", async () => {
  const here = world();
  assert.equal(await here.run(service("20-deployment-failed", 10)), "sent");
  assert.equal(await here.run(service("23b-deployment-completed", 30)), "sent");
  assert.ok(![...here.items.keys()].some((id) => id.startsWith("service ")));
});

test("ends that only the rule for successes delivers are silent, if no pattern of the stack asks for them", async () => {
  const containers = [{ name: "job", exitCode: 3 }, { name: "side", exitCode: 0 }];
  for (const [patterns, outcome] of [["out-of-memory,spot-interrupted", "silent"], ["nonzero-exit", "sent"], [undefined, "sent"]]) {
    const here = world({ env: { TASKBELL_PATTERNS: patterns } });
    assert.equal(await here.run(endAt(10, 0, { containers })), outcome, patterns);
    assert.equal(here.items.has(ID), outcome === "sent");
    assert.equal(await here.run(endAt(20)), outcome === "sent" ? "sent" : "silent");
    assert.equal(here.record().all.lastSuccess.at, iso(20));
  }
});

test("no value of the environment is in a message or a log line with a ledger", async () => {
  const here = world();
  const overrides = { containerOverrides: [{ name: "job", environment: [{ name: "KEY", value: "hunter2" }] }] };
  for (const [minutes, exitCode] of [[10, 0], [20, 1], [30, 0]]) await here.run(endAt(minutes, exitCode, { overrides }));
  assert.ok(!/hunter2/.test(JSON.stringify([here.seen, [...here.items]])));
});

test("for any order of ten ends, each failure is told, and once all are in, no trouble is left open", async () => {
  const orders = [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [5, 0, 9, 1, 8, 2, 7, 3, 6, 4], [4, 3, 2, 1, 0, 9, 8, 7, 6, 5], [1, 0, 3, 2, 5, 4, 7, 6, 9, 8]];
  const ledgers = new Set();
  for (const order of orders) {
    const here = world({ env: { TASKBELL_STORM_MINUTES: "1" } });
    for (const nth of order) await here.run(endAt(60 * (nth + 1), nth % 3 === 1 ? 1 : 0));
    const texts = here.texts();
    assert.equal(texts.filter((text) => text.startsWith("🔴")).length, 3);
    const { all } = here.record();
    assert.ok((all.told.failure ?? "") <= (all.told.recovered ?? ""), JSON.stringify(all.told));
    ledgers.add(JSON.stringify({ ...all, told: null }));
    const ends = order.map((nth) => { const event = endAt(60 * (nth + 1), nth % 3 === 1 ? 1 : 0); return endOf(event, incidentOf(event)); });
    assert.deepEqual(all.ends, ends.reduce(merged, recordOf(null)).all.ends);
  }
  assert.equal(ledgers.size, 1);
});

test("for random histories, delivered late, doubled and reordered, recoveries keep their distance, and a last success leaves no trouble open", async (t) => {
  const random = randomOf(5);
  let [greens, reds] = [0, 0];
  for (let round = 0; round < 120; round += 1) {
    const schedules = round % 2 === 0 ? ["chronos-schedule/nightly"] : ["chronos-schedule/a", "events-rule/b", "jane"];
    const runs = Array.from({ length: 12 }, (_, nth) => ({ minutes: 20 * nth + Math.floor(19 * random()), exitCode: random() < 0.4 ? 1 : 0, startedBy: schedules[Math.floor(random() * schedules.length)] }));
    const deliveries = [...runs, ...runs.filter(() => random() < 0.3)].map((run) => ({ run, at: run.minutes + (random() < 0.3 ? 60 * random() : 0) })).sort((one, other) => one.at - other.at);
    const here = world();
    const times = [];
    for (const { run: { minutes, exitCode, startedBy } } of [...deliveries, ...schedules.map((startedBy, nth) => ({ run: { minutes: 400 + 30 * nth, exitCode: 0, startedBy } }))]) {
      const outcome = await here.run(endAt(minutes, exitCode, { startedBy }));
      if (outcome === "sent" && exitCode === 0) times.push(minutes);
    }
    const texts = here.texts();
    const troubles = runs.filter(({ exitCode }) => exitCode === 1).length;
    assert.ok(times.length <= troubles, `${times.length} recoveries of ${troubles} failures`);
    for (const [nth, minutes] of times.entries()) assert.ok(nth === 0 || minutes < times[nth - 1] || minutes - times[nth - 1] >= 15, `recoveries at ${times}`);
    const { all, parts } = here.record();
    for (const { told } of [all, ...Object.values(parts)]) assert.ok((told.failure ?? "") <= (told.recovered ?? ""), JSON.stringify(told));
    if (troubles === 0) assert.equal(times.length, 0);
    greens += texts.filter((text) => text.startsWith("🟢")).length;
    reds += texts.filter((text) => text.startsWith("🔴")).length;
  }
  t.diagnostic(`${reds} failures and ${greens} recoveries announced`);
  assert.ok(greens > 200 && greens < reds, `${greens} of ${reds}`);
});
