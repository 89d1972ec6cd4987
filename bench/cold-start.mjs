// Measures the time from the start of the process to Slack's answer: for the notifier, and for a plain function of a few lines
// that does only the POST. Each run has its own process; both functions receive the same event, and an AWS and a Slack that
// answer at once.
// Usage: .local/bin/node bench/cold-start.mjs [RUNS]   (the SDK clients come from .local/node; Lambda's runtime contains them)
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const runs = Number(process.argv[2] ?? 15);

const PLAIN = `
export const handler = async (event) => {
  const { detail } = event;
  const text = detail.stoppedReason + ": " + detail.containers.map((one) => one.name + " " + one.exitCode).join(", ");
  const answer = await fetch(process.env.WEBHOOK, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text }) });
  if (!answer.ok) throw new Error(String(answer.status));
};
`;

/** The script of a run. Prints the milliseconds from the start of the process until Slack's answer. */
const RUNNER = `
import { performance } from "node:perf_hooks";
import { readFileSync } from "node:fs";
const event = JSON.parse(readFileSync(process.argv[3], "utf8"));
console.log = () => {};
const { handler } = await import(process.argv[2]);
await handler(event, { awsRequestId: "r", getRemainingTimeInMillis: () => 30_000 });
process.stdout.write(String(performance.now()));
process.exit(0);
`;

const folder = mkdtempSync(join(tmpdir(), "taskbell-cold-start-"));
cpSync(join(root, "lambda"), join(folder, "notifier"), { recursive: true });
symlinkSync(join(root, ".local/node/node_modules"), join(folder, "node_modules"));
writeFileSync(join(folder, "plain.mjs"), PLAIN);
writeFileSync(join(folder, "runner.mjs"), RUNNER);

const server = createServer((request, response) => {
  const target = request.headers["x-amz-target"] ?? "";
  request.resume().on("end", () => {
    if (!target) return response.end("ok");
    response.setHeader("content-type", "application/x-amz-json-1.1");
    if (target.endsWith("GetParameter")) return response.end(JSON.stringify({ Parameter: { Value: `http://127.0.0.1:${server.address().port}/services/T/B/x` } }));
    if (target.endsWith("DescribeTaskDefinition")) return response.end(JSON.stringify({ taskDefinition: { containerDefinitions: [{ name: "web", essential: true, logConfiguration: { logDriver: "awslogs", options: { "awslogs-group": "/ecs/web", "awslogs-stream-prefix": "ecs" } } }] } }));
    if (target.endsWith("GetLogEvents")) return response.end(JSON.stringify({ events: [{ message: "last words" }] }));
    return response.end("{}");
  });
});
await new Promise((ready) => { server.listen(0, "127.0.0.1", ready); });
const endpoint = `http://127.0.0.1:${server.address().port}`;

/** Runs a module in another process, without blocking this process, which answers for AWS. */
function once(module) {
  const env = {
    PATH: process.env.PATH, AWS_ENDPOINT_URL: endpoint, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x",
    NODE_NO_WARNINGS: "1", WEBHOOK: `${endpoint}/services/T/B/x`, TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t", TASKBELL_STACK: "bench",
  };
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [join(folder, "runner.mjs"), join(folder, module), join(root, "patterns/events/02-oom.json")], { env }, (error, out, err) => (error ? reject(new Error(err)) : resolve(Number(out))));
  });
}

const median = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
try {
  const times = { "plain.mjs": [], "notifier/index.mjs": [] };
  // Alternate, so that other work of the machine affects both.
  for (let run = 0; run < runs; run += 1) for (const module of Object.keys(times)) times[module].push(await once(module));
  const [plain, notifier] = Object.values(times).map(median);
  console.log(`cold start until Slack's answer, median of ${runs}: notifier ${notifier.toFixed(0)} ms, plain function ${plain.toFixed(0)} ms, ratio ${(notifier / plain).toFixed(1)}`);
} finally {
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
