// Runs a function as Lambda does: AWS's runtime interface client in a process of its own, which is stopped between two invocations,
// killed when its time is over, and started again after it has ended. Beside it, a server that answers for AWS and for Slack.

import { execFileSync, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { dynamo } from "../../lambda/test/dynamo.mjs";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const CLIENT = join(root, ".local/judges/node_modules/aws-lambda-ric/index.mjs");
const NODE = join(root, ".local/bin/node");
const MEMORY_MB = 256;
/** How long the output of a finished invocation may take through the pipe. */
const DRAIN_MS = 60;

/** Unpacks the archive that `setup` uploads. Returns the function's folder; the SDK's clients are beside it. */
export function deployed() {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-runtime-"));
  const [zip, task] = [join(folder, "notifier.zip"), join(folder, "task")];
  execFileSync(process.env.TASKBELL_BINARY ?? join(root, "target/debug/taskbell"), ["export", "notifier", "--to", zip], { stdio: ["ignore", "ignore", "inherit"] });
  execFileSync(join(root, ".local/venv/bin/python"), ["-m", "zipfile", "-e", zip, task]);
  symlinkSync(join(root, ".local/node/node_modules"), join(folder, "node_modules"));
  return { task, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Writes a function of a few lines into a folder. */
export function planted(code) {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-planted-"));
  writeFileSync(join(folder, "index.mjs"), code);
  return { task: folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A server that answers for AWS, with a table in memory, and for Slack, and keeps what was asked. */
export class World {
  /** @type {{name: string, path: string, body: string, at: number}[]} */
  asked = [];
  /** Answers instead of the usual ones: by the operation's name, or "slack". */
  answers = {};
  /** How often the webhook was replaced. */
  replaced = 0;

  async start() {
    this.server = createServer((request, response) => {
      const parts = [];
      request.on("data", (part) => parts.push(part)).on("end", () => {
        const name = (request.headers["x-amz-target"] ?? "").split(".")[1] ?? "slack";
        const body = Buffer.concat(parts).toString();
        this.asked.push({ name, path: request.url, body, at: Date.now() });
        if (this.answers[name]) return this.answers[name](response, body);
        if (name === "slack") return response.end("ok");
        response.setHeader("content-type", "application/x-amz-json-1.1");
        if (/^DynamoDB_/.test(request.headers["x-amz-target"])) return this.fromTable(name, body, response);
        return response.end(JSON.stringify(this.usual(name)));
      });
    });
    this.server.keepAliveTimeout = 600_000;
    await new Promise((ready) => { this.server.listen(0, "127.0.0.1", ready); });
    this.port = this.server.address().port;
    return this;
  }

  get webhook() { return `http://127.0.0.1:${this.port}/services/T00000000/B0000000${this.replaced}/hunter2hunter2hunter2`; }

  replaceWebhook() { this.replaced += 1; }

  async fromTable(name, body, response) {
    this.table ??= await dynamo().connect()();
    try {
      const answer = await this.table.client.send({ name: `${name}Command`, input: JSON.parse(body) }, this.table.options());
      response.end(JSON.stringify(answer));
    } catch (error) {
      response.writeHead(400).end(JSON.stringify({ __type: error.name, message: error.message, CancellationReasons: error.CancellationReasons }));
    }
  }

  usual(name) {
    if (name === "GetParameter") return { Parameter: { Value: this.webhook } };
    if (name === "DescribeTaskDefinition") return { taskDefinition: { containerDefinitions: [{ name: "web", essential: true, logConfiguration: { logDriver: "awslogs", options: { "awslogs-group": "/ecs/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "ecs" } } }] } };
    if (name === "GetLogEvents") return { events: [{ message: "last words" }] };
    return {};
  }

  count(name) { return this.asked.filter((one) => one.name === name).length; }

  posts() { return this.asked.filter(({ name }) => name === "slack").map(({ body }) => JSON.parse(body)); }

  /** Closes every connection, as servers do after some minutes. */
  hangUp() { this.server.closeAllConnections(); }

  stop() {
    this.hangUp();
    this.server.close();
  }
}

/** Answers for the World. */
export const never = () => {};
export const status = (code, body = "", headers = {}) => (response) => { response.writeHead(code, headers); response.end(body); };
export const fault = (type) => (response) => { response.writeHead(400, { "content-type": "application/x-amz-json-1.1" }); response.end(JSON.stringify({ __type: type, message: "refused" })); };

/**
 * @typedef {object} Run
 * @property {"answered"|"failed"|"exited"|"timed out"} end
 * @property {any} payload  the answer, or the error as Lambda reports it
 * @property {string[]} lines  that the function wrote meanwhile
 * @property {number} pid
 * @property {number} ms
 * @property {string} id
 */

/** Lambda with a single execution environment, kept for invocations one after another. */
export class Lambda {
  starts = 0;
  /** The text that was written while no invocation ran. */
  stray = [];
  initError = null;

  /** @param {{task: string, handler?: string, env?: Record<string, string>, world?: World}} settings */
  constructor({ task, handler = "index.handler", env = {}, world }) {
    Object.assign(this, { task, handler, world, env });
  }

  async open() {
    this.server = createServer((request, response) => this.serve(request, response));
    this.server.keepAliveTimeout = 600_000;
    await new Promise((ready) => { this.server.listen(0, "127.0.0.1", ready); });
    return this;
  }

  serve(request, response) {
    // invocation/next, invocation/ID/response, invocation/ID/error, or init/error
    const [, , , first, second, what] = request.url.split("/");
    const call = first === "init" ? "init" : second;
    const parts = [];
    request.on("data", (part) => parts.push(part)).on("end", () => {
      const body = Buffer.concat(parts).toString();
      if (call === "next") {
        this.waiting = response;
        this.onIdle?.();
        return;
      }
      response.writeHead(202, { "content-type": "application/json" });
      response.end("{}");
      if (call === "init") {
        this.initError = JSON.parse(body);
        return;
      }
      this.told?.({ end: what === "response" ? "answered" : "failed", of: call, payload: body === "" ? null : JSON.parse(body) });
    });
  }

  /** Starts an environment and waits until it asks for an event, or has ended. */
  async start() {
    this.starts += 1;
    this.initError = null;
    this.waiting = null;
    this.code = undefined;
    const port = this.server.address().port;
    const own = {
      PATH: process.env.PATH, LANG: "en_US.UTF-8", TZ: ":UTC", AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`, _HANDLER: this.handler, LAMBDA_TASK_ROOT: this.task,
      AWS_LAMBDA_FUNCTION_NAME: "taskbell-batch", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(MEMORY_MB), AWS_LAMBDA_FUNCTION_VERSION: "$LATEST", AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
      AWS_LAMBDA_LOG_GROUP_NAME: "/aws/lambda/taskbell-batch", AWS_LAMBDA_LOG_STREAM_NAME: "2026/11/24/[$LATEST]x", AWS_LAMBDA_LOG_FORMAT: "JSON", AWS_LAMBDA_LOG_LEVEL: "INFO",
      AWS_REGION: "us-east-1", AWS_DEFAULT_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_SESSION_TOKEN: "test", AWS_EXECUTION_ENV: "AWS_Lambda_nodejs24.x",
      ...(this.world ? { AWS_ENDPOINT_URL: `http://127.0.0.1:${this.world.port}` } : {}),
    };
    const child = spawn(NODE, ["--expose-gc", `--max-semi-space-size=${Math.floor(MEMORY_MB * 0.05)}`, `--max-old-space-size=${Math.floor(MEMORY_MB * 0.9)}`, CLIENT, this.handler], { cwd: this.task, env: { ...own, ...this.env }, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (part) => {
        const lines = (rest + part).split("\n");
        rest = lines.pop();
        (this.lines ?? this.stray).push(...lines);
      });
    }
    child.on("exit", (code, signal) => {
      if (this.child !== child) return;
      this.code = code ?? signal;
      this.onIdle?.();
      this.told?.({ end: "exited", payload: null });
    });
    await this.idle(() => this.waiting || this.code !== undefined);
  }

  async idle(until) {
    while (!until()) await new Promise((resolve) => { this.onIdle = resolve; });
  }

  get isAlive() { return this.child !== undefined && this.code === undefined; }

  /** Runs an event. @returns {Promise<Run>} */
  async invoke(event, { timeoutMs = 30_000, headers = {} } = {}) {
    if (!this.isAlive) await this.start();
    if (!this.isAlive) return { end: "exited", payload: this.initError, lines: this.stray.splice(0), pid: 0, ms: 0, id: "" };
    const { child } = this;
    const id = randomUUID();
    const from = Date.now();
    this.lines = [];
    process.kill(child.pid, "SIGCONT");
    const answer = new Promise((resolve) => { this.told = resolve; });
    const next = this.waiting;
    this.waiting = null;
    next.writeHead(200, {
      "content-type": "application/json", "lambda-runtime-aws-request-id": id, "lambda-runtime-deadline-ms": String(from + timeoutMs),
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch", "lambda-runtime-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", ...headers,
    });
    next.end(typeof event === "string" ? event : JSON.stringify(event));
    const timer = new AbortController();
    const late = pause(timeoutMs, { end: "timed out", payload: null }, { signal: timer.signal }).catch(() => null);
    const told = await Promise.race([answer, late]);
    this.told = null;
    const ms = Date.now() - from;
    if (told.end === "timed out") {
      this.child = undefined;
      child.kill("SIGKILL");
    } else {
      // The runtime asks for the next event at once, unless it has ended.
      await this.idle(() => this.waiting || this.code !== undefined);
    }
    timer.abort();
    await pause(DRAIN_MS);
    this.freeze();
    const lines = this.lines;
    this.lines = null;
    return { ...told, lines, pid: child.pid, ms, id };
  }

  /** Stops the process, as Lambda does until the next event. */
  freeze() {
    if (this.isAlive) process.kill(this.child.pid, "SIGSTOP");
  }

  /** Lets the process run for a while without an event, so that work that was left over shows. */
  async thaw(ms) {
    process.kill(this.child.pid, "SIGCONT");
    await pause(ms);
    this.freeze();
  }

  /** Returns how many files and connections the process has open. */
  openFiles() {
    return execFileSync("ls", [`/proc/${this.child.pid}/fd`], { encoding: "utf8" }).trim().split("\n").length;
  }

  close() {
    const { child } = this;
    this.child = undefined;
    child?.kill("SIGKILL");
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Reads the notifier's entries from the lines of a run. */
export function entriesOf({ lines }) {
  const entries = [];
  for (const line of lines) {
    try {
      const { message } = JSON.parse(line);
      const entry = typeof message === "string" ? JSON.parse(message) : message;
      if (entry && typeof entry === "object" && "outcome" in entry) entries.push(entry);
    } catch {
      // Not a line of the notifier.
    }
  }
  return entries;
}

export const sample = (name) => JSON.parse(readFileSync(join(root, `patterns/events/${name}.json`), "utf8"));
