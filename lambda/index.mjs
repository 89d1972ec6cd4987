// The notifier: an EventBridge event in, a Slack message out. All I/O is called from here.
// What it may not do: swallow a failed post. The invocation fails, so that Lambda retries it, the queue of
// undelivered events keeps it, and the Errors metric counts it.

import { randomUUID } from "node:crypto";
import { Busy, abandoned, announced, decide } from "./announcements.mjs";
import { describeTaskDefinition, missingBecauseOf, prepare, readLog, readWebhook } from "./aws.mjs";
import { incidentOf } from "./incident.mjs";
import { messageOf } from "./slack-message.mjs";
import { post } from "./slack.mjs";
import { tableOf } from "./table.mjs";

const SECRET_MS = 5 * 60_000;
/** Kept back from Lambda's timeout, so that what Slack took is still marked as announced, and the log line written. */
const RESERVE_MS = 2_000;
/** Kept back for Slack from everything that comes before. */
const FOR_SLACK_MS = 12_000;
const LOG_MS = 6_000;
/** The log driver may be some seconds behind. */
const LOG_PAUSE_MS = 2_000;
const WINDOW_MINUTES = 15;
const LOG_LINES = 10;
const DEFINITIONS_KEPT = 50;
/** What Slack answers when a webhook was revoked or replaced: the parameter may hold a new one by now. */
const REVOKED = [403, 404, 410];

/**
 * @typedef {object} Tools
 * @property {(parameterName: string) => Promise<string>} readWebhook
 * @property {(arn: string) => Promise<import("./incident.mjs").TaskDefinitionOutline>} describeTaskDefinition
 * @property {(log: import("./incident.mjs").LogPlace, lines: number) => Promise<string[]>} readLog
 * @property {(tableName: string) => import("./announcements.mjs").Table} tableOf
 * @property {(...services: string[]) => void} [prepare]
 * @property {typeof fetch} fetch
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} now  milliseconds
 * @property {() => number} [random]  from 0 up to 1
 * @property {(line: string) => void} log
 * @property {Record<string, string|undefined>} env
 */

/**
 * A handler with its own cache of the secret and of task definitions, which never change once registered.
 * @param {Tools} tools
 */
export function createHandler({ readWebhook, describeTaskDefinition, readLog, tableOf, prepare, fetch, sleep, now, random, log, env }) {
  let secret = null;
  const definitions = new Map();
  const logLines = numberOf(env.TASKBELL_LOG_LINES, LOG_LINES);
  const table = env.TASKBELL_TABLE ? tableOf(env.TASKBELL_TABLE) : null;

  async function webhook(fresh) {
    if (secret && !fresh && now() - secret.readAt < SECRET_MS) return secret.url;
    const name = env.TASKBELL_WEBHOOK_PARAMETER;
    if (!name) throw new Error("TASKBELL_WEBHOOK_PARAMETER is not set");
    try {
      secret = { url: await readWebhook(name), readAt: now() };
    } catch (error) {
      // An old webhook most likely still works; no webhook certainly does not.
      if (!secret) throw new Error(`could not read the webhook from parameter ${name}: ${nameOf(error)}`);
    }
    return secret.url;
  }

  /** Never fails: an alert without log links is still an alert. */
  async function lookUp(event) {
    const arn = event?.detail?.taskDefinitionArn;
    if (event?.["detail-type"] !== "ECS Task State Change" || typeof arn !== "string") return {};
    try {
      if (!definitions.has(arn)) {
        const taskDefinition = await describeTaskDefinition(arn);
        if (definitions.size >= DEFINITIONS_KEPT) definitions.delete(definitions.keys().next().value);
        definitions.set(arn, taskDefinition);
      }
      return { taskDefinition: definitions.get(arn) };
    } catch (error) {
      const missing = missingBecauseOf(error, "ecs:DescribeTaskDefinition");
      // A drill names a task definition that need not exist; only a missing permission is worth a word then.
      if (event.source === "taskbell.drill" && missing.why !== "denied") return {};
      return { missing: [missing] };
    }
  }

  /** Without a table, or where it cannot be reached, everything is told: twice is better than never. */
  async function decideOn({ subject, failure, time }, holder, left) {
    if (!table || !subject) return { verdict: "tell" };
    const how = {
      time, holder, now, sleep, random, windowMs: numberOf(env.TASKBELL_STORM_MINUTES, WINDOW_MINUTES) * 60_000,
      waitMs: Math.max(0, left() - FOR_SLACK_MS), holdMs: left() + 2 * RESERVE_MS,
    };
    try {
      const keys = { subject, failure };
      const decision = await decide(table, keys, how);
      if (decision.verdict !== "tell") return decision;
      return {
        ...decision,
        announced: () => announced(table, keys, decision.occurrence, how).catch(nameOf),
        abandoned: () => abandoned(table, keys, how).catch(nameOf),
      };
    } catch (error) {
      if (error instanceof Busy) throw error;
      return { verdict: "tell", missing: missingBecauseOf(error, "dynamodb:GetItem"), tableError: nameOf(error) };
    }
  }

  /** The end of the log of the container that failed. Never fails, and never takes longer than its share. */
  async function tailOf({ log: place }, left) {
    if (!place?.group || !place.stream || logLines === 0) return {};
    const deadline = now() + Math.min(LOG_MS, left() - FOR_SLACK_MS);
    for (let first = true; ; first = false) {
      try {
        return { tail: await within(deadline - now(), readLog(place, logLines)) };
      } catch (error) {
        const missing = missingBecauseOf(error, "logs:GetLogEvents");
        if (missing.why !== "absent" || !first || now() + LOG_PAUSE_MS >= deadline) return { missing };
        await sleep(LOG_PAUSE_MS);
      }
    }
  }

  async function send(url, payload, remaining) {
    const tools = () => ({ fetch, sleep, now, random, budgetMs: remaining() });
    try {
      return await post(url, payload, tools());
    } catch (error) {
      if (REVOKED.includes(error.status)) {
        const current = await webhook(true);
        if (current !== url) return { ...(await post(current, payload, tools())), reread: true };
      }
      // A layout Slack refuses must not cost the alert: its one line goes out alone.
      if (error.status === 400 && /invalid|block|attachment/.test(error.answer) && payload.attachments) {
        const { attachments, ...plain } = payload;
        return { ...(await post(url, plain, tools())), refused: error.answer };
      }
      throw error;
    }
  }

  return async function handler(event, context) {
    const startedAt = now();
    const left = () => (context?.getRemainingTimeInMillis?.() ?? 10_000) - RESERVE_MS;
    const entry = { stack: env.TASKBELL_STACK, requestId: context?.awsRequestId, eventId: event?.id, detailType: event?.["detail-type"], ms: {} };
    const timed = async (name, work) => {
      const from = now();
      try {
        return await work;
      } finally {
        entry.ms[name] = now() - from;
      }
    };
    let settlement = null;
    const end = (outcome) => { entry.outcome = outcome; return { outcome }; };
    try {
      // Both at once; the outcome of the secret is looked at only when there is something to send.
      const secretRead = timed("secret", webhook(false)).then((url) => ({ url }), (error) => ({ error }));
      prepare?.(...(table ? ["dynamodb"] : []), ...(logLines > 0 ? ["logs"] : []));
      const known = await timed("taskDefinition", lookUp(event));
      const incident = incidentOf(event, known);
      Object.assign(entry, summaryOf(incident));
      if (!incident.rings) return end("silent");
      const { verdict, count, occurrence, missing, tableError, ...decided } = await timed("table", decideOn(incident, `${entry.requestId} ${randomUUID()}`, left));
      settlement = decided;
      Object.assign(entry, { occurrence: occurrence?.count ?? count, tableError });
      if (verdict !== "tell") return end(verdict);
      const log = await timed("log", tailOf(incident, left));
      incident.missing.push(...[missing, log.missing].filter(Boolean));
      if (incident.missing.length > 0) entry.missing = incident.missing;
      const { url, error } = await secretRead;
      if (error) throw error;
      const payload = messageOf({ ...incident, occurrence: occurrence ?? null, tail: log.tail ?? [] }, optionsOf(env));
      const { status, attempts, reread, refused } = await timed("slack", send(url, payload, left));
      settlement = null;
      Object.assign(entry, { status, attempts, reread, refused, unsettled: await decided.announced?.() });
      return end(refused ? "sent-plain" : "sent");
    } catch (error) {
      await settlement?.abandoned?.();
      Object.assign(entry, { outcome: error instanceof Busy ? "busy" : "failed", error: error.message, status: error.status, attempts: error.attempts });
      throw secret && error.message.includes(secret.url) ? new Error(error.message.replaceAll(secret.url, "<webhook>")) : error;
    } finally {
      entry.ms.total = now() - startedAt;
      const line = JSON.stringify(entry);
      log(secret ? line.replaceAll(secret.url, "<webhook>") : line);
    }
  };
}

function optionsOf(env) {
  return { language: env.TASKBELL_LANGUAGE, username: env.TASKBELL_USERNAME, iconEmoji: env.TASKBELL_ICON_EMOJI, mention: env.TASKBELL_MENTION };
}

/** What the log keeps of an incident: names and verdicts, no free text that could hold a secret. */
function summaryOf({ cause, severity, drill, cluster, family, revision, service, taskId, stopCode, rings, silentBecause }) {
  return {
    cause: cause.id, severity, drill, cluster, family, revision, service, taskId, stopCode, rings,
    ...(silentBecause ? { silentBecause } : {}),
  };
}

/** A number of the environment; anything else is the default. */
const numberOf = (value, otherwise) => (/^\d{1,5}$/.test(value ?? "") ? Number(value) : otherwise);

/** @throws {Error} named TimeoutError after ms */
function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("too late"), { name: "TimeoutError" })), Math.max(0, ms));
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** The kind of an AWS error. Its message may quote identities and is not ours to repeat. */
const nameOf = (error) => String(error?.name ?? "Error") + (error?.code ? ` (${error.code})` : "");

export const handler = createHandler({
  readWebhook,
  describeTaskDefinition,
  readLog,
  tableOf,
  prepare,
  fetch: (...request) => globalThis.fetch(...request),
  sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }),
  now: Date.now,
  log: console.log,
  env: process.env,
});
