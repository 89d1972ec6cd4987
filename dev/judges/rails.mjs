// Runs the Ruby of the documentation in a Rails app: the code is taken out of the pages, the app's errors go through a gateway that
// checks each signature as AWS does, to a local AWS with a stack, and the messages arrive at a stand-in for Slack.

import { execFileSync, spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const RUBY = join(root, ".local/ruby/ruby");
const KEYS = { AccessKeyId: "AKIDOFTHETASK", SecretAccessKey: "hunter2hunter2", Token: "token-of-the-task" };
const WAITS = 600;

/** Says why nothing can run; false if everything is there. */
export const missing = existsSync(RUBY) ? false : "Ruby is not installed: dev/judges/install-ruby prints the reason";

/** Returns the Ruby of a page, block by block. */
export function rubyOf(page) {
  return readFileSync(join(root, `docs/${page}.md`), "utf8").split("```ruby\n").slice(1).map((rest) => rest.split("```\n")[0]);
}

/** Runs Ruby. Rejects nothing: returns the exit code, and what was printed. */
export function ruby(parameters, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(RUBY, parameters, { env: { PATH: process.env.PATH, LANG: "C.UTF-8", ...env } });
    const [out, err] = [[], []];
    child.stdout.on("data", (part) => out.push(part));
    child.stderr.on("data", (part) => err.push(part));
    child.on("close", (code) => resolve({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() }));
  });
}

const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Returns what is wrong with the signature of a request, by AWS's rules; null if nothing is. */
export function wrongSignature({ method, url, headers }, body, keys = KEYS) {
  const [, scope, signed, signature] = /^AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? "") ?? [];
  if (!scope) return "the header Authorization has no signature";
  const [id, date, region, service, end] = scope.split("/");
  if (id !== keys.AccessKeyId || service !== "events" || end !== "aws4_request") return `the scope is ${scope}`;
  if (headers["x-amz-security-token"] !== keys.Token) return "the session token is missing";
  const names = signed.split(";");
  const unsigned = ["host", "x-amz-date", "x-amz-security-token", "x-amz-target"].filter((name) => !names.includes(name));
  if (unsigned.length > 0) return `${unsigned} is not signed`;
  const time = headers["x-amz-date"];
  const age = Math.abs(Date.now() - Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z")));
  if (!(age < 300_000) || !time.startsWith(date)) return `the time is ${time}`;
  const lines = names.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, " ")}\n`).join("");
  const canonical = [method, url, "", lines, signed, sha256(body)].join("\n");
  const key = [date, region, service, "aws4_request"].reduce(hmac, `AWS4${keys.SecretAccessKey}`);
  const expected = hmac(key, ["AWS4-HMAC-SHA256", time, `${date}/${region}/${service}/aws4_request`, sha256(canonical)].join("\n")).toString("hex");
  return signature === expected ? null : "the signature does not match";
}

/** A local AWS with a stack for applications, a stand-in for Slack, and the gateway between the app and this AWS. */
export class Account {
  /** The entries that EventBridge accepted, in order. */
  accepted = [];
  /** Keys that the app gets in place of the right ones. */
  served = KEYS;
  /** The answer of EventBridge in place of the right one. */
  answer = null;

  async start() {
    [this.aws, this.endpoint] = await this.#begin(join(root, "dev/local-aws"), ["ministack", "--", "sh", "-c", "echo $AWS_ENDPOINT_URL; cat >/dev/null"]);
    [this.slack, this.port] = await this.#begin(join(root, ".local/bin/node"), [join(root, "dev/slack-stand-in.mjs")]);
    const env = {
      PATH: process.env.PATH, AWS_ENDPOINT_URL: this.endpoint, AWS_REGION: "us-east-1", AWS_ACCESS_KEY_ID: "test", AWS_SECRET_ACCESS_KEY: "test", AWS_EC2_METADATA_DISABLED: "true",
      TASKBELL_SLACK_WEBHOOK_URL: `http://127.0.0.1:${this.port}/services/T00000000/B00000000/judge`,
    };
    const binary = process.env.TASKBELL_BINARY ?? join(root, "target/debug/taskbell");
    execFileSync(binary, ["setup", "--stack", "alerts", "--pattern", "application-error", "--allow-any-webhook-host", "--yes"], { env, stdio: ["ignore", "ignore", "inherit"] });
    this.gateway = createServer((request, response) => this.#serve(request, response));
    await new Promise((ready) => { this.gateway.listen(0, "127.0.0.1", ready); });
    this.url = `http://127.0.0.1:${this.gateway.address().port}`;
    return this;
  }

  /** Starts a program, and returns its process and the first line that it prints. */
  #begin(program, parameters) {
    return new Promise((resolve, reject) => {
      const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "inherit"] });
      let line = "";
      child.on("error", reject).on("exit", (code) => reject(new Error(`${program} ended with ${code}`)));
      child.stdout.on("data", (part) => {
        line += part;
        if (line.includes("\n")) resolve([child, line.split("\n")[0]]);
      });
    });
  }

  async #serve(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const answer = (status, text) => response.writeHead(status, { "content-type": "application/x-amz-json-1.1" }).end(text);
    if (request.url === "/credentials") return answer(200, JSON.stringify(this.served));
    const wrong = wrongSignature(request, body);
    if (wrong) return answer(403, JSON.stringify({ __type: "InvalidSignatureException", message: wrong }));
    if (this.answer) return answer(200, JSON.stringify(this.answer));
    const { "content-type": type, "x-amz-target": target, authorization } = request.headers;
    const told = await fetch(this.endpoint, { method: "POST", headers: { "content-type": type, "x-amz-target": target, authorization }, body });
    const text = await told.text();
    if (told.ok && JSON.parse(text).FailedEntryCount === 0) this.accepted.push(...JSON.parse(body).Entries);
    return answer(told.status, text);
  }

  /** The environment of a task of ECS. */
  get env() {
    return { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL: this.url, AWS_CONTAINER_CREDENTIALS_FULL_URI: `${this.url}/credentials`, NO_PROXY: "127.0.0.1" };
  }

  async messages() {
    return (await fetch(`http://127.0.0.1:${this.port}/messages`)).json();
  }

  /** Waits for the message whose headline has this text. */
  async message(text) {
    for (let wait = 0; wait < WAITS; wait += 1) {
      const found = (await this.messages()).find((message) => message.text.includes(text));
      if (found) return found;
      await pause(200);
    }
    throw new Error(`no message about ${text}: ${JSON.stringify(await this.messages())}`);
  }

  async stop() {
    this.gateway?.close();
    this.slack?.removeAllListeners("exit").kill();
    if (!this.aws) return;
    const ended = new Promise((resolve) => { this.aws.removeAllListeners("exit").on("exit", resolve); });
    this.aws.stdin.end();
    await ended;
  }
}

const APP = `
require "logger"
require "action_controller/railtie"
module Shop
  class Application < Rails::Application
    config.root = ARGV.shift
    config.load_defaults Rails::VERSION::STRING.to_f
    config.eager_load = false
    config.secret_key_base = "0" * 64
    config.logger = Logger.new($stderr)
    config.hosts.clear
  end
end
Rails.application.initialize!
Rails.application.routes.draw { %w[broken declined].each { |name| get name, to: "orders##{name}" } }
ARGV.each { |path| puts Rack::MockRequest.new(Rails.application).get(path).status }
`;
const ORDERS = `
class OrdersController < ApplicationController
  def broken = raise(ArgumentError, "no price for \#{params[:order]}")

  def declined = raise(ApplicationController::Declined, "card declined")
end
`;

/** Runs requests in a Rails app with these files, in production. Returns the statuses of the answers, and the app's log. */
export async function requests(files, paths, env) {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-rails-"));
  try {
    for (const [name, text] of Object.entries({ "app.rb": APP, "app/controllers/orders_controller.rb": ORDERS, ...files })) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    const { code, out, err } = await ruby([join(folder, "app.rb"), folder, ...paths], { RAILS_ENV: "production", ...env });
    if (code !== 0) throw new Error(err);
    return { statuses: out.trim().split("\n").map(Number), log: err };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
