// Checks the notifier under AWS's runtime interface client, as Lambda runs it: 40 checks of the runtime, every suite of the notifier,
// and planted faults, which show that this runtime behaves like Lambda's.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Lambda, World, deployed, entriesOf, fault, never, planted, root, sample, status } from "../runtime.mjs";

const SECRET = "hunter2";
const ENV = { TASKBELL_STACK: "batch", TASKBELL_WEBHOOK_PARAMETER: "/taskbell/batch/slack-webhook-url", TASKBELL_TABLE: "taskbell-batch-announcements", TASKBELL_STORM_MINUTES: "15", TASKBELL_LOG_LINES: "10" };
const OOM = "02-oom";
let code;
before(() => { code = deployed(); });
after(() => code.remove());

/** Runs a check with a fresh function and a fresh world. */
async function fresh(check, settings = {}) {
  const world = await new World().start();
  const lambda = await new Lambda({ task: code.task, world, ...settings, env: { ...ENV, ...settings.env } }).open();
  try {
    await check({ lambda, world });
  } finally {
    lambda.close();
    world.stop();
  }
}

let checks = 0;
function check(name, run, settings) {
  checks += 1;
  test(`runtime: ${name}`, () => fresh(async (here) => {
    await run(here);
    assert.ok(!JSON.stringify(here.lambda.stray).includes(SECRET), "a line shows the webhook");
  }, settings));
}

/** Runs an event and checks that it was announced. */
async function sent(lambda, event = sample(OOM), more) {
  const run = await lambda.invoke(event, more);
  assert.deepEqual([run.end, run.payload], ["answered", { outcome: "sent" }], JSON.stringify(run));
  return run;
}

/** Returns another failure than those before: of another task in another cluster. */
let made = 0;
function another() {
  const event = sample(OOM);
  made += 1;
  const id = String(made).padStart(32, "0");
  const text = JSON.stringify(event).replaceAll("02020202020202020202020202020202", id).replaceAll(/(cluster|task)\/prod\b/g, `$1/prod-${made}`);
  return { ...JSON.parse(text), id: `11111111-2222-4333-8444-${String(made).padStart(12, "0")}` };
}

async function failed(lambda, event, pattern, more) {
  const run = await lambda.invoke(event, more);
  assert.equal(run.end, "failed", JSON.stringify(run));
  assert.match(run.payload.errorMessage, pattern);
  assert.ok(!JSON.stringify(run).includes(SECRET), JSON.stringify(run));
  return run;
}

// Start

check("the archive that setup uploads answers under the handler index.handler", async ({ lambda, world }) => {
  await sent(lambda);
  assert.match(world.posts()[0].text, /out of memory/);
});
check("the start makes no request", async ({ lambda, world }) => {
  await lambda.start();
  await pause(300);
  assert.deepEqual(world.asked, []);
});
check("the start writes no line", async ({ lambda }) => {
  await lambda.start();
  assert.deepEqual(lambda.stray, []);
});
check("the function runs on the Node.js of the configuration", async ({ lambda }) => {
  assert.equal((await lambda.invoke({})).payload, `v${process.versions.node}`);
  assert.match(process.versions.node, /^24\./);
}, { task: planted("export const handler = async () => process.version;").task });
check("the function starts without the SDK, and fails by name when it needs the SDK", async ({ lambda }) => {
  await failed(lambda, sample(OOM), /could not read the webhook/);
}, { env: { TASKBELL_TABLE: "" }, task: join(root, "lambda") });
check("an exported name that does not exist ends the start", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.deepEqual([run.end, run.payload.errorType], ["exited", "Runtime.HandlerNotFound"]);
}, { handler: "index.handle" });
check("a module that does not exist ends the start", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.deepEqual([run.end, run.payload.errorType], ["exited", "Runtime.ImportModuleError"]);
}, { handler: "main.handler" });
check("missing settings fail the run, not the start", async ({ lambda }) => {
  await failed(lambda, sample(OOM), /TASKBELL_WEBHOOK_PARAMETER is not set/);
}, { env: { TASKBELL_WEBHOOK_PARAMETER: "" } });

// Log and context

check("a run writes one entry, in one line of JSON", async ({ lambda }) => {
  const run = await sent(lambda);
  assert.deepEqual([run.lines.length, entriesOf(run).length], [1, 1], run.lines.join("\n"));
});
check("the entry and its line name the request", async ({ lambda }) => {
  const run = await sent(lambda);
  assert.deepEqual([entriesOf(run)[0].requestId, JSON.parse(run.lines[0]).requestId], [run.id, run.id]);
});
check("each run has its own request", async ({ lambda }) => {
  const runs = [await sent(lambda, another()), await sent(lambda, another())];
  assert.deepEqual(runs.map((run) => entriesOf(run)[0].requestId), runs.map(({ id }) => id));
});
check("a failed run writes its entry, too, without the webhook", async ({ lambda, world }) => {
  world.answers.slack = status(404, `no_service ${world.webhook}`);
  const run = await failed(lambda, sample(OOM), /Slack answered 404/);
  assert.equal(entriesOf(run)[0].outcome, "failed");
});
check("context fields of mobile clients change nothing", async ({ lambda }) => {
  await sent(lambda, sample(OOM), { headers: { "lambda-runtime-client-context": '{"client":{"app_title":"x"}}', "lambda-runtime-cognito-identity": '{"cognitoIdentityId":"x"}' } });
});
check("a missing trace changes nothing", ({ lambda }) => sent(lambda, sample(OOM), { headers: { "lambda-runtime-trace-id": "" } }));

// Answers

check("a silent event is answered, and posted nowhere", async ({ lambda, world }) => {
  const run = await lambda.invoke(sample("08-exit-0"));
  assert.deepEqual([run.end, run.payload], ["answered", { outcome: "silent" }]);
  assert.equal(world.count("slack"), 0);
});
check("an error reaches Lambda with its type", async ({ lambda, world }) => {
  world.answers.slack = status(403, "invalid_token");
  const { payload } = await failed(lambda, sample(OOM), /Slack answered 403/);
  assert.deepEqual([payload.errorType, payload.trace.length > 0], ["PostError", true], JSON.stringify(payload));
});
check("an environment goes on after a failed run", async ({ lambda, world }) => {
  world.answers.slack = status(404, "no_service");
  const first = await failed(lambda, another(), /404/);
  delete world.answers.slack;
  assert.deepEqual([(await sent(lambda, another())).pid, lambda.starts], [first.pid, 1]);
});
check("nothing is asked after the answer", async ({ lambda, world }) => {
  await sent(lambda);
  const asked = world.asked.length;
  await lambda.thaw(1_000);
  assert.equal(world.asked.length, asked);
  assert.deepEqual(lambda.stray, []);
});

// Second run

check("a second run keeps webhook and task definition", async ({ lambda, world }) => {
  await sent(lambda, another());
  await sent(lambda, another());
  assert.deepEqual([world.count("GetParameter"), world.count("DescribeTaskDefinition"), world.count("slack")], [1, 1, 2]);
});
check("a webhook that was replaced is read again", async ({ lambda, world }) => {
  await sent(lambda, another());
  world.replaceWebhook();
  world.answers.slack = (response) => status(world.asked.at(-1).path === new URL(world.webhook).pathname ? 200 : 404, "x")(response);
  await sent(lambda, another());
  assert.deepEqual([world.count("GetParameter"), world.count("slack")], [2, 3]);
});
check("thirty runs open no more connections than three", async ({ lambda }) => {
  for (let run = 0; run < 3; run += 1) await sent(lambda, another());
  const few = lambda.openFiles();
  for (let run = 0; run < 27; run += 1) await sent(lambda, another());
  assert.ok(lambda.openFiles() <= few + 2, `${few}, then ${lambda.openFiles()}`);
  assert.equal(lambda.starts, 1);
});

// Frozen between two runs

check("a run after a freeze works", async ({ lambda }) => {
  await sent(lambda, another());
  await pause(3_000);
  await sent(lambda, another());
});
check("connections that the services closed during the freeze cost no alert", async ({ lambda, world }) => {
  await sent(lambda, another());
  world.hangUp();
  await pause(1_000);
  const run = await sent(lambda, another());
  assert.equal(entriesOf(run)[0].missing, undefined, JSON.stringify(entriesOf(run)[0]));
  assert.equal(world.count("slack"), 2);
});
check("connections that are closed at each freeze cost no alert", async ({ lambda, world }) => {
  for (let run = 0; run < 5; run += 1) {
    await sent(lambda, another());
    world.hangUp();
  }
  assert.deepEqual([world.count("slack"), lambda.starts], [5, 1]);
});
check("a freeze longer than the time of a call does not end the next run's calls", async ({ lambda }) => {
  await sent(lambda, another());
  await pause(4_000);
  const run = await sent(lambda, another());
  assert.ok(run.ms < 3_000, `${run.ms} ms`);
});
check("a post without an answer is left behind by the freeze, and the next run works", async ({ lambda, world }) => {
  world.answers.slack = never;
  await failed(lambda, another(), /may have taken/);
  delete world.answers.slack;
  world.hangUp();
  await sent(lambda, another());
});

// Time

for (const [operation, missing] of [["DescribeTaskDefinition", "ecs:DescribeTaskDefinition"], ["GetLogEvents", "logs:GetLogEvents"], ["GetItem", "dynamodb:GetItem"]]) {
  check(`${operation} that never answers costs no alert`, async ({ lambda, world }) => {
    world.answers[operation] = never;
    const run = await sent(lambda);
    assert.deepEqual(entriesOf(run)[0].missing, [{ action: missing, why: "timeout" }]);
  });
}
check("a parameter that never answers fails the run by name, within its time", async ({ lambda, world }) => {
  world.answers.GetParameter = never;
  await failed(lambda, sample(OOM), /could not read the webhook from parameter \/taskbell\/batch\/slack-webhook-url/);
});
check("Slack that never answers fails the run, within its time", async ({ lambda, world }) => {
  world.answers.slack = never;
  const run = await failed(lambda, sample(OOM), /Slack could not be reached/);
  assert.ok(run.ms < 30_000);
});
check("a function with little time left ends by itself", async ({ lambda, world }) => {
  await sent(lambda, another());
  world.answers.slack = never;
  await failed(lambda, another(), /Slack could not be reached/, { timeoutMs: 5_000 });
});
check("Slack that answers 429 is asked again in the same run", async ({ lambda, world }) => {
  let times = 0;
  world.answers.slack = (response) => { times += 1; status(times === 1 ? 429 : 200, "x", { "retry-after": "1" })(response); };
  await sent(lambda);
  assert.equal(times, 2);
});
check("an environment that Lambda killed is followed by another", async ({ lambda, world }) => {
  await sent(lambda, another());
  world.answers.slack = never;
  // With more time, the notifier would end by itself.
  const run = await lambda.invoke(another(), { timeoutMs: 1 });
  assert.equal(run.end, "timed out");
  delete world.answers.slack;
  await sent(lambda, another());
  assert.deepEqual([lambda.starts, world.count("GetParameter")], [2, 2]);
});

// Events

check("documents that are no events are reported, and the environment goes on", async ({ lambda }) => {
  for (const event of [null, 42, "text", [], {}, { detail: null }, { "detail-type": "ECS Task State Change", detail: [] }]) {
    await sent(lambda, JSON.stringify(event));
  }
  assert.equal(lambda.starts, 1);
});
check("an event of 256 KB becomes one message", async ({ lambda, world }) => {
  const event = another();
  event.detail.stoppedReason = "out of memory ".repeat(18_000);
  await sent(lambda, event);
  assert.ok(world.posts()[0].text.length < 40_000);
});
check("an event of 6 MB, the most that an invocation takes, ends without a crash", async ({ lambda }) => {
  const event = another();
  event.detail.containers[0].reason = "x".repeat(6 * 1024 * 1024 - 10_000);
  await sent(lambda, event);
  assert.equal(lambda.starts, 1);
});
check("half characters and control characters are posted as valid text", async ({ lambda, world }) => {
  const event = another();
  event.detail.containers[0].reason = "\ud83d \u0000 \u001b[31m \udc00 ‮ end";
  await sent(lambda, event);
  assert.equal(world.count("slack"), 1);
});
check("keys that every object has change nothing", async ({ lambda }) => {
  const text = JSON.stringify(another()).replace('"detail":{', '"detail":{"__proto__":{"lastStatus":"RUNNING"},"constructor":1,"toString":2,');
  await sent(lambda, text);
});
check("permissions that are missing are named in the message", async ({ lambda, world }) => {
  world.answers.DescribeTaskDefinition = fault("AccessDeniedException");
  await sent(lambda);
  assert.match(JSON.stringify(world.posts()[0]), /ecs:DescribeTaskDefinition/);
});
check("an answer without an end does not keep the run", async ({ lambda, world }) => {
  world.answers.slack = (response) => { response.writeHead(200); const timer = setInterval(() => response.write("x".repeat(10_000)), 5); response.on("close", () => clearInterval(timer)); };
  const run = await sent(lambda);
  assert.ok(run.ms < 10_000, `${run.ms} ms`);
});

test("there are at least 40 checks of the runtime", () => assert.ok(checks >= 40, `${checks} checks`));

// The notifier's own suites, each in an environment of its own

const suites = readdirSync(join(root, "lambda/test")).filter((name) => name.endsWith(".test.mjs"));
for (const name of suites) {
  test(`suite: ${name} passes under AWS's runtime client`, async () => {
    const lambda = await new Lambda({ task: root, handler: "dev/judges/suite.handler", env: { TASKBELL_RUNS: "500", TASKBELL_SCHEDULES: "5000" } }).open();
    try {
      const { end, payload, lines } = await lambda.invoke({ file: join(root, "lambda/test", name) }, { timeoutMs: 900_000 });
      assert.equal(end, "answered", `${JSON.stringify(payload)}\n${lines.slice(-5).join("\n")}`);
      assert.deepEqual([payload.failed, payload.passed > 0, payload.runtime], [[], true, "AWS_Lambda_nodejs24.x"]);
    } finally {
      lambda.close();
    }
  });
}

// Planted faults: functions that only fail in Lambda

async function plant(source, run) {
  const { task, remove } = planted(source);
  const world = await new World().start();
  const lambda = await new Lambda({ task, world }).open();
  try {
    await run({ lambda, world });
  } finally {
    lambda.close();
    world.stop();
    remove();
  }
}

test("the runtime finds an unhandled rejection", () => plant("export const handler = async () => { Promise.reject(new Error('left behind')); await new Promise((done) => setTimeout(done, 500)); return 'fine'; };", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.equal(run.end, "exited", JSON.stringify(run));
  assert.ok(run.lines.includes("Error: left behind"), run.lines.join("\n"));
}));
test("the runtime finds an exception that a timer throws", () => plant("export const handler = async () => { setTimeout(() => { throw new Error('late'); }, 10); await new Promise((done) => setTimeout(done, 500)); return 'fine'; };", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.notEqual(run.end, "answered", JSON.stringify(run));
}));
test("the runtime finds a thrown value that is no error", () => plant("export const handler = async () => { throw { toString() { return 'odd'; } }; };", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.equal(run.end, "failed", JSON.stringify(run));
}));
test("the runtime finds work that is left over after the answer", () => plant("export const handler = async () => { setTimeout(() => fetch(process.env.AWS_ENDPOINT_URL, { method: 'POST' }), 200); return 'fine'; };", async ({ lambda, world }) => {
  await lambda.invoke({});
  await pause(600);
  assert.equal(world.asked.length, 0, "a frozen function does nothing");
  await lambda.thaw(600);
  assert.equal(world.asked.length, 1);
}));
test("the runtime finds a line that is written after the answer", () => plant("export const handler = async () => { setTimeout(() => console.log('late'), 200); return 'fine'; };", async ({ lambda }) => {
  await lambda.invoke({});
  await lambda.thaw(600);
  assert.equal(lambda.stray.length, 1);
}));
test("the runtime finds a function that takes too long", () => plant("export const handler = () => new Promise((done) => setTimeout(done, 60_000));", async ({ lambda }) => {
  assert.equal((await lambda.invoke({}, { timeoutMs: 300 })).end, "timed out");
}));
test("the runtime finds a promise that nothing will ever settle", () => plant("export const handler = () => new Promise(() => {});", async ({ lambda }) => {
  assert.notEqual((await lambda.invoke({}, { timeoutMs: 1_000 })).end, "answered");
}));
test("the runtime finds a process that ends itself", () => plant("export const handler = async () => process.exit(3);", async ({ lambda }) => {
  assert.equal((await lambda.invoke({})).end, "exited");
}));
test("the runtime finds a handler with a callback, which Node.js 24 no longer runs", () => plant("export const handler = (event, context, callback) => callback(null, 'fine');", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.notEqual(run.end, "answered", JSON.stringify(run));
}));
test("the runtime finds an error while the module loads", () => plant("throw new Error('at the start');", async ({ lambda }) => {
  const run = await lambda.invoke({});
  assert.deepEqual([run.end, run.payload.errorMessage], ["exited", "at the start"], JSON.stringify(run));
}));
