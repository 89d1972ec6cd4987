// Measures the time from the invocation to Slack's answer: for the notifier, and for a plain function of a few lines that does only the
// POST. Lambda runs the init of a function on a whole processor, and the invocation on the share of one that belongs to its memory: each run
// has a process of its own, which is moved into a control group with this share after its init. Both functions receive the same event, and an
// AWS and a Slack that answer after 50 ms. The runs alternate, so that other work of the machine affects both.
// Usage: .local/bin/node bench/cold-start.mjs [RUNS [MB...]]   (the SDK clients come from .local/node; Lambda's runtime contains them)
// Ends with exit code 1 where a bound is broken. Without control groups, every run has a whole processor, and no bound is judged.
import { fork } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { dynamo } from "../lambda/test/dynamo.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const runs = Number(process.argv[2] ?? 9);
const sizes = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [128, 256, 512, 1024, 1769];
/** The memory that taskbell chooses (src/desired.rs), and the bounds with it. */
const CHOSEN = 512;
const BOUNDS = { cold: 900, ratio: 2.5, warm: 250 };
const LATENCY = 50;
/** A function with 1,769 MB has one whole processor (AWS Lambda, "Configure Lambda function memory"). */
const WHOLE = 1769;
/** The price of a gigabyte-second on arm64 and of a request, in us-east-1, in dollars (AWS Lambda pricing). */
const PRICE = { gbSecond: 0.0000133334, request: 0.0000002 };

const PLAIN = `
export const handler = async (event) => {
  const { detail } = event;
  const text = detail.stoppedReason + ": " + detail.containers.map((one) => one.name + " " + one.exitCode).join(", ");
  const answer = await fetch(process.env.WEBHOOK, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text }) });
  if (!answer.ok) throw new Error(String(answer.status));
};
`;

/** The script of a run: tells when its init is over, waits until it has its share, and tells the milliseconds of a first and a second event. */
const RUNNER = `
import { performance } from "node:perf_hooks";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const { cache } = createRequire(import.meta.url);
const event = JSON.parse(readFileSync(process.argv[3], "utf8"));
console.log = () => {};
const started = performance.now();
const { handler } = await import(process.argv[2]);
const init = performance.now() - started;
const again = structuredClone(event);
again.id = "another";
again.detail.taskArn += "0";
again.detail.clusterArn += "-2";
let answered = 0;
const post = globalThis.fetch;
globalThis.fetch = (...request) => post(...request).finally(() => { answered = performance.now(); });
const timed = async (one) => {
  const from = performance.now();
  await handler(one, { awsRequestId: one.id, getRemainingTimeInMillis: () => 30_000 });
  return answered - from;
};
process.once("message", async () => {
  const known = new Set(Object.keys(cache));
  const cold = await timed(event);
  const imported = Object.keys(cache).filter((path) => !known.has(path));
  process.send({ init, cold, warm: await timed(again), imported }, () => process.exit(0));
});
process.send("ready");
`;

const folder = mkdtempSync(join(tmpdir(), "taskbell-cold-start-"));
cpSync(join(root, "lambda"), join(folder, "notifier"), { recursive: true });
symlinkSync(join(root, ".local/node/node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "plain.mjs"), PLAIN);
writeFileSync(join(folder, "runner.mjs"), RUNNER);

/** The tables of the runs, by name: each run finds its own, empty. */
const tables = new Map();

/** Answers for DynamoDB. */
async function fromTable(command, input) {
  const { TableName: name } = input.TransactItems ? Object.values(input.TransactItems[0])[0] : input;
  if (!tables.has(name)) tables.set(name, await dynamo().connect()());
  const { sdk, client, options } = tables.get(name);
  return JSON.stringify(await client.send(new sdk[`${command}Command`](input), options()));
}

const server = createServer((request, response) => {
  const target = request.headers["x-amz-target"] ?? "";
  const answer = (body) => setTimeout(() => response.end(body), LATENCY);
  let body = "";
  request.on("data", (part) => { body += part; }).on("end", async () => {
    if (!target) return answer("ok");
    response.setHeader("content-type", "application/x-amz-json-1.1");
    if (target.endsWith("GetParameter")) return answer(JSON.stringify({ Parameter: { Value: `http://127.0.0.1:${server.address().port}/services/T/B/x` } }));
    if (target.endsWith("DescribeTaskDefinition")) return answer(JSON.stringify({ taskDefinition: { containerDefinitions: [{ name: "web", essential: true, logConfiguration: { logDriver: "awslogs", options: { "awslogs-group": "/ecs/web", "awslogs-stream-prefix": "ecs" } } }] } }));
    if (target.endsWith("GetLogEvents")) return answer(JSON.stringify({ events: [{ message: "last words" }] }));
    return answer(await fromTable(target.split(".")[1], JSON.parse(body)));
  });
});
await new Promise((ready) => { server.listen(0, "127.0.0.1", ready); });
const endpoint = `http://127.0.0.1:${server.address().port}`;

/** Makes a control group with a share of one processor; null where this is not possible. */
function groupOf(share) {
  const period = 20_000;
  const quota = Math.max(1_000, Math.round(period * share));
  for (const [parent, write] of [
    ["/sys/fs/cgroup/cpu", (at) => { writeFileSync(join(at, "cpu.cfs_period_us"), `${period}`); writeFileSync(join(at, "cpu.cfs_quota_us"), `${quota}`); }],
    ["/sys/fs/cgroup", (at) => writeFileSync(join(at, "cpu.max"), `${quota} ${period}`)],
  ]) {
    const at = join(parent, `taskbell-bench-${process.pid}-${quota}`);
    try {
      mkdirSync(at);
      write(at);
      return { join: (pid) => writeFileSync(join(at, "cgroup.procs"), `${pid}`), remove: () => rmdirSync(at) };
    } catch {
      if (existsSync(at)) rmdirSync(at);
    }
  }
  return null;
}

let run = 0;

/** Runs a module in another process, without blocking this process, which answers for AWS. */
function once(module, group) {
  const env = {
    PATH: process.env.PATH, AWS_ENDPOINT_URL: endpoint, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x",
    NODE_NO_WARNINGS: "1", WEBHOOK: `${endpoint}/services/T/B/x`, TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: `t${(run += 1)}`, TASKBELL_STACK: "bench",
  };
  return new Promise((resolve, reject) => {
    const child = fork(join(folder, "runner.mjs"), [join(folder, module), join(root, "patterns/events/02-oom.json")], { env });
    let told = null;
    child.on("message", (message) => {
      if (message !== "ready") told = message;
      else {
        group?.join(child.pid);
        child.send("go");
      }
    });
    child.on("exit", (code) => (told ? resolve(told) : reject(new Error(`a run of ${module} ended with exit code ${code}`))));
  });
}

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
const PLAIN_FUNCTION = "plain.mjs";
const NOTIFIER = "notifier/index.mjs";
const broken = [];
try {
  console.log(`from the invocation to Slack's answer, ${LATENCY} ms a call, Node.js ${process.versions.node}, median of ${runs}:`);
  for (const size of sizes) {
    const group = groupOf(size / WHOLE);
    const all = { [PLAIN_FUNCTION]: [], [NOTIFIER]: [] };
    for (let round = 0; round < runs; round += 1) for (const module of Object.keys(all)) all[module].push(await once(module, group));
    group?.remove();
    const of = (module, what) => median(all[module].map((one) => one[what]));
    const [cold, plain, warm] = [of(NOTIFIER, "cold"), of(PLAIN_FUNCTION, "cold"), of(NOTIFIER, "warm")];
    const imported = new Set(all[NOTIFIER].flatMap((one) => one.imported));
    const cost = (ms) => 1_000_000 * ((size / 1024) * (ms / 1000) * PRICE.gbSecond + PRICE.request);
    const share = group ? `${(size / WHOLE).toFixed(2)} processors` : "a whole processor: no control groups here";
    console.log(`  ${size} MB (${share}): notifier ${cold.toFixed(0)} ms cold, ${warm.toFixed(0)} ms warm; plain function ${plain.toFixed(0)} ms cold; ratio ${(cold / plain).toFixed(1)}; init ${of(NOTIFIER, "init").toFixed(0)} ms; $${cost(of(NOTIFIER, "init") + cold).toFixed(2)} for a million cold alerts`);
    if (!group || size !== CHOSEN) continue;
    if (cold > BOUNDS.cold) broken.push(`a cold alert takes ${cold.toFixed(0)} ms, more than ${BOUNDS.cold} ms`);
    if (cold > BOUNDS.ratio * plain) broken.push(`a cold alert takes ${(cold / plain).toFixed(1)} times as long as the plain function, more than ${BOUNDS.ratio} times`);
    if (warm > BOUNDS.warm) broken.push(`a warm alert takes ${warm.toFixed(0)} ms, more than ${BOUNDS.warm} ms`);
    if (imported.size > 0) broken.push(`an invocation imported ${[...imported].join(", ")}`);
  }
} finally {
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
for (const one of broken) console.error(`bound broken: ${one}`);
process.exitCode = broken.length > 0 ? 1 : 0;
