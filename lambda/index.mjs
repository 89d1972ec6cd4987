// The notifier: an EventBridge event in, a message out, in Slack and wherever else it is to ring. All I/O is called from here.
// What it may not do: swallow a failed post. The invocation fails, so that Lambda retries it, the queue of
// undelivered events keeps it, and the Errors metric counts it.

import { randomUUID } from "node:crypto";
import { Busy, abandoned, announced, decide, noted } from "./announcements.mjs";
import { describeTaskDefinition, missingBecauseOf, prepare, publish, readLog, readWebhook } from "./aws.mjs";
import { linesWithoutCredentials, withoutCredentials } from "./credentials.mjs";
import { deliverTo, failureOf, toldOf } from "./delivery.mjs";
import { destinationsOf, patternsOf, routesOf } from "./destinations.mjs";
import { incidentOf } from "./incident.mjs";
import { redacted } from "./secret.mjs";
import { nameOf, senderTo } from "./sender.mjs";
import { tableOf } from "./table.mjs";

/** Kept back from Lambda's timeout, so that what was taken is still marked as announced, and the log line written. */
const RESERVE_MS = 2_000;
/** Kept back for the posts from everything that comes before. */
const FOR_POSTS_MS = 12_000;
const LOG_MS = 6_000;
/** The log driver may be some seconds behind. */
const LOG_PAUSE_MS = 2_000;
const WINDOW_MINUTES = 15;
const LOG_LINES = 10;
const DEFINITIONS_KEPT = 50;

/**
 * @typedef {object} Tools
 * @property {(parameterName: string) => Promise<string>} readWebhook
 * @property {(topicArn: string, message: object, timeoutMs: number) => Promise<void>} [publish]
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
 * A handler with its own cache of the webhooks and of task definitions, which never change once registered.
 * @param {Tools} tools
 */
export function createHandler(tools) {
  const { describeTaskDefinition, readLog, tableOf, prepare, sleep, now, random, log, env } = tools;
  const { destinations, misconfigured } = destinationsIn(env);
  const senders = new Map(destinations.map((destination) => [destination, senderTo(destination, tools)]));
  const everySender = [...senders.values()];
  const definitions = new Map();
  const logLines = numberOf(env.TASKBELL_LOG_LINES, LOG_LINES);
  const shownLines = env.TASKBELL_REDACTION === "off" ? (lines) => lines : linesWithoutCredentials;
  const table = env.TASKBELL_TABLE ? tableOf(env.TASKBELL_TABLE) : null;
  const alone = destinations.length === 1;

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
      waitMs: Math.max(0, left() - FOR_POSTS_MS), holdMs: left() + 2 * RESERVE_MS,
    };
    try {
      const keys = { subject, failure };
      const decision = await decide(table, keys, how);
      if (decision.verdict !== "tell") return decision;
      return {
        ...decision,
        announced: () => announced(table, keys, decision.occurrence, how).catch(nameOf),
        noted: (names) => noted(table, keys, names, decision.occurrence, how).catch(nameOf),
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
    const deadline = now() + Math.min(LOG_MS, left() - FOR_POSTS_MS);
    for (let first = true; ; first = false) {
      try {
        return { tail: shownLines(await within(deadline - now(), readLog(place, logLines))) };
      } catch (error) {
        const missing = missingBecauseOf(error, "logs:GetLogEvents");
        if (missing.why !== "absent" || !first || now() + LOG_PAUSE_MS >= deadline) return { missing };
        await sleep(LOG_PAUSE_MS);
      }
    }
  }

  /** Without patterns in any route, nothing is asked of the event. */
  function routed(event, incident) {
    const patterns = destinations.some((one) => one.patterns) ? patternsOf(event) : [];
    return routesOf({ ...incident, patterns }, destinations).map((one) => senders.get(one));
  }

  /** Where one place hangs, the others ring all the same: whoever waits to tell the next failure waits longer than this. */
  function leftOfPosts(left) {
    const from = now();
    return () => Math.min(left(), FOR_POSTS_MS - (now() - from));
  }

  function withoutSecrets(text) {
    const hidden = everySender.flatMap((sender) => sender.hidden()).sort((one, other) => other.length - one.length);
    return withoutCredentials(redacted(text, hidden));
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
        if (name) entry.ms[name] = now() - from;
      }
    };
    let settlement = null;
    const end = (outcome) => { entry.outcome = outcome; return { outcome }; };
    try {
      // While the rest is found out, where it is certain which will be needed; what became of it is looked at only when there is
      // something to send.
      const secretRead = alone ? timed("secret", everySender[0].read()) : null;
      prepare?.(...(table ? ["dynamodb"] : []), ...(logLines > 0 ? ["logs"] : []), ...(destinations.some(({ topic }) => topic) ? ["sns"] : []));
      const known = await timed("taskDefinition", lookUp(event));
      const incident = incidentOf(event, known);
      Object.assign(entry, summaryOf(incident));
      if (!incident.rings) return end("silent");
      if (misconfigured) throw misconfigured;
      const chosen = routed(event, incident);
      if (chosen.length === 0) {
        entry.silentBecause = "no destination takes it";
        return end("silent");
      }
      const { verdict, count, occurrence, missing, tableError, delivered = [], ...decided } = await timed("table", decideOn(incident, `${entry.requestId} ${randomUUID()}`, left));
      settlement = decided;
      Object.assign(entry, { occurrence: occurrence?.count ?? count, tableError });
      if (verdict !== "tell") return end(verdict);
      const log = await timed("log", tailOf(incident, left));
      incident.missing.push(...[missing, log.missing].filter(Boolean));
      if (incident.missing.length > 0) entry.missing = incident.missing;
      await secretRead;
      const shown = { ...incident, occurrence: occurrence ?? null, tail: log.tail ?? [] };
      const results = await timed(alone ? chosen[0].kind() : "post", deliverTo(chosen, delivered, (sender) => sender.send(shown, optionsOf(env), chosen.length === 1 ? left : leftOfPosts(left))));
      Object.assign(entry, alone ? results[0].taken : { destinations: results.map(toldOf) });
      const failure = failureOf(results, alone);
      if (failure) {
        entry.unsettled = await decided.noted?.(results.filter(({ taken }) => taken).map(({ name }) => name));
        throw failure;
      }
      settlement = null;
      entry.unsettled = await decided.announced?.();
      return end(results.some(({ outcome }) => outcome === "sent-plain") ? "sent-plain" : "sent");
    } catch (error) {
      await settlement?.abandoned?.();
      Object.assign(entry, { outcome: error instanceof Busy ? "busy" : "failed", error: error.message, status: error.status, attempts: error.attempts });
      const message = withoutSecrets(error.message);
      throw message === error.message ? error : new Error(message);
    } finally {
      entry.ms.total = now() - startedAt;
      log(JSON.stringify(entry, (_, value) => (typeof value === "string" ? withoutSecrets(value) : value)));
    }
  };
}

/** What is wrong with the settings is told when there is something to send, and not instead of every log line. */
function destinationsIn(env) {
  try {
    const destinations = destinationsOf(env);
    return { destinations, misconfigured: destinations.length === 0 ? new Error("TASKBELL_WEBHOOK_PARAMETER is not set") : null };
  } catch (error) {
    return { destinations: [], misconfigured: error };
  }
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

export const handler = createHandler({
  readWebhook,
  publish,
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
