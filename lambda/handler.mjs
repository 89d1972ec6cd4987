// Handles one invocation: an EventBridge event in, a message out, to Slack and to every other destination. Decides the order; all I/O starts
// here. A failed post is never swallowed: the invocation fails, so that Lambda runs the event again, the queue of
// undelivered events keeps the event, and the Errors metric counts the failure.

import { randomUUID } from "node:crypto";
import { linesWithoutCredentials, withoutCredentials } from "./core/credentials.mjs";
import { destinationsOf, routesOf } from "./core/destinations.mjs";
import { incidentOf } from "./core/incident.mjs";
import { patternsOf } from "./core/patterns.mjs";
import { own } from "./core/records.mjs";
import { UNANSWERED_MS } from "./core/unanswered.mjs";
import { missingBecauseOf, within } from "./io/aws.mjs";
import { deliverTo, failureOf, toldOf } from "./io/delivery.mjs";
import { redacted } from "./io/secret.mjs";
import { nameOf, senderTo } from "./io/sender.mjs";
import { Busy, announce, keysOf } from "./memory/announcements.mjs";

/** Time kept back from Lambda's timeout for marking delivered messages as announced: two calls that end by their time-out, and a pause. */
const RESERVE_MS = 6_000;
/** Part of this reserve for the log line. */
const FOR_LOG_LINE_MS = 300;
/** Time kept back for the posts: the longest wait for an answer, and the steps before it. */
const FOR_POSTS_MS = 12_000;
/** Shares of a run with less time than both need: at most this share for the reserve, and this share of the rest for the posts. */
const RESERVE_SHARE = 0.4;
const POSTS_SHARE = 0.8;
/** Tolerated clock skew: this long after its time is over, a run has certainly ended by any clock. */
const CLOCKS_MS = 2_000;
/** The number of events kept in memory: Lambda runs a failed event again within minutes, and with the same id. */
const REMEMBERED = 100;
const LOG_MS = 6_000;
/** The pause before a second look at a log: the log driver may be some seconds behind. */
const LOG_PAUSE_MS = 2_000;
const WINDOW_MINUTES = 15;
const LOG_LINES = 10;
const DEFINITIONS_KEPT = 50;

/**
 * @typedef {object} Tools
 * @property {(parameterName: string) => Promise<string>} readWebhook
 * @property {(topicArn: string, message: object, timeoutMs: number) => Promise<void>} [publish]
 * @property {(arn: string) => Promise<import("./core/incident.mjs").TaskDefinitionOutline>} describeTaskDefinition
 * @property {(log: import("./core/incident.mjs").LogPlace, lines: number) => Promise<string[]>} readLog
 * @property {(tableName: string) => import("./memory/announcements.mjs").Table} tableOf
 * @property {(...services: string[]) => void} [prepare]
 * @property {typeof fetch} fetch
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} now  milliseconds
 * @property {() => number} [random]  from 0 up to 1
 * @property {typeof within} [within]
 * @property {(line: string) => void} log
 * @property {Record<string, string|undefined>} env
 */

/**
 * Creates a handler with its own cache of the webhooks and of task definitions, which never change once registered.
 * @param {Tools} tools
 */
export function createHandler(tools) {
  const { describeTaskDefinition, readLog, tableOf, prepare, sleep, now, random, log, env, within: bounded = within } = tools;
  const { destinations, misconfigured } = destinationsIn(env);
  const senders = new Map(destinations.map((destination) => [destination, senderTo(destination, tools)]));
  const everySender = [...senders.values()];
  const definitions = new Map();
  const logLines = numberOf(env.TASKBELL_LOG_LINES, LOG_LINES);
  const shownLines = env.TASKBELL_REDACTION === "off" ? (lines) => lines : linesWithoutCredentials;
  const table = env.TASKBELL_TABLE ? tableOf(env.TASKBELL_TABLE) : null;
  const alone = destinations.length === 1;
  /** Posts without an answer, by event: without a table, the only memory of them, as long as this execution environment lives. */
  const unansweredOf = new Map();

  /** Looks up the task definition. Never fails: an alert without log links is still an alert. */
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
      // A drill names a task definition that need not exist; in a drill only a missing permission is worth a word.
      if (event.source === "taskbell.drill" && missing.why !== "denied") return {};
      return { missing: [missing] };
    }
  }

  /** Decides and delivers. Without a table, every event is delivered. */
  async function announced({ subject, failure, time }, names, phases, deliver) {
    if (!table || !subject) {
      const decision = { verdict: "tell", pending: names, delivered: [], unanswered: {}, occurrences: {} };
      await deliver(decision);
      return decision;
    }
    const { left, forPosts, remaining, holder } = phases;
    const windowMs = numberOf(env.TASKBELL_STORM_MINUTES, WINDOW_MINUTES) * 60_000;
    return announce(table, keysOf({ subject, failure, time }, { now: now(), windowMs }), {
      destinations: names, holder, now, sleep, random,
      waitMs: Math.max(0, left() - forPosts), holdUntil: now() + remaining() + CLOCKS_MS, markMs: () => remaining() - FOR_LOG_LINE_MS,
    }, deliver);
  }

  /** Adds the posts without an answer that this execution environment remembers of an earlier run of the event. */
  function withRemembered(decision, id) {
    const record = unansweredOf.get(id);
    if (!record || now() - record.at >= UNANSWERED_MS) return decision;
    const most = (name) => Math.max(own(decision.unanswered, name) ?? 0, own(record.counts, name) ?? 0);
    return { ...decision, unanswered: Object.fromEntries(decision.pending.map((name) => [name, most(name)])) };
  }

  /** Remembers the posts of this run that got no answer, for the next run of the event. */
  function remember(id, results) {
    const unanswered = results.filter(({ error }) => error?.unanswered > 0).map(({ name, error }) => [name, error.unanswered]);
    if (unanswered.length === 0) return;
    unansweredOf.delete(id);
    if (unansweredOf.size >= REMEMBERED) unansweredOf.delete(unansweredOf.keys().next().value);
    unansweredOf.set(id, { at: now(), counts: Object.fromEntries(unanswered) });
  }

  /** Reads the end of the log of the container that failed. Never fails, and never takes longer than its share of the time. */
  async function tailOf({ log: place }, { left, forPosts }) {
    if (!place?.group || !place.stream || logLines === 0) return {};
    const deadline = now() + Math.min(LOG_MS, left() - forPosts);
    for (let first = true; ; first = false) {
      try {
        return { tail: shownLines(await bounded(deadline - now(), readLog(place, logLines))) };
      } catch (error) {
        const missing = missingBecauseOf(error, "logs:GetLogEvents");
        if (missing.why !== "absent" || !first || now() + LOG_PAUSE_MS >= deadline) return { missing };
        await sleep(LOG_PAUSE_MS);
      }
    }
  }

  /** Chooses the senders. If no route has patterns, the event is not matched against patterns. */
  function routed(event, incident) {
    const patterns = destinations.some((one) => one.patterns) ? patternsOf(event) : [];
    return routesOf({ ...incident, patterns }, destinations).map((one) => senders.get(one));
  }

  /** Limits the posts to several destinations to `forPosts`, even if more time is left: a stuck one must not outlast the wait of another run of the same failure. */
  function leftOfPosts({ left, forPosts }) {
    const from = now();
    return () => Math.min(left(), forPosts - (now() - from));
  }

  function withoutSecrets(text) {
    const hidden = everySender.flatMap((sender) => sender.hidden()).sort((one, other) => other.length - one.length);
    return withoutCredentials(redacted(text, hidden));
  }

  return async function handler(event, context) {
    const startedAt = now();
    const remaining = () => context?.getRemainingTimeInMillis?.() ?? 10_000 - (now() - startedAt);
    const whole = remaining();
    const reserve = Math.min(RESERVE_MS, RESERVE_SHARE * whole);
    const left = () => remaining() - reserve;
    const phases = { remaining, left, forPosts: Math.min(FOR_POSTS_MS, POSTS_SHARE * (whole - reserve)), holder: `${context?.awsRequestId} ${randomUUID()}` };
    const entry = { stack: env.TASKBELL_STACK, requestId: context?.awsRequestId, eventId: event?.id, detailType: event?.["detail-type"], ms: {}, destinations: [] };
    const timed = async (name, work) => {
      const from = now();
      try {
        return await work;
      } finally {
        entry.ms[name] = now() - from;
      }
    };
    const end = (outcome) => { entry.outcome = outcome; return { outcome }; };
    /** Begins to read the webhooks. Never fails: each sender waits for its own webhook when there is something to send. */
    const readWebhooks = (of) => { timed("secret", Promise.all(of.map((sender) => sender.read(left)))); };
    try {
      // With one destination it is certain which webhook will be needed, so that the read runs in parallel with the rest.
      if (alone) readWebhooks(everySender);
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
      // Runs while the table answers.
      if (!alone) readWebhooks(chosen);
      let results = [];
      const from = now();
      const id = `${entry.requestId} ${incident.subject}`;
      const decided = await announced(incident, chosen.map(({ name }) => name), phases, async (decision) => {
        entry.ms.table = now() - from;
        const { pending, occurrences, count, trouble } = decision;
        Object.assign(entry, { occurrence: count, tableError: trouble && nameOf(trouble) });
        const log = await timed("log", tailOf(incident, phases));
        incident.missing.push(...[trouble && missingBecauseOf(trouble, "dynamodb:GetItem"), log.missing].filter(Boolean));
        if (incident.missing.length > 0) entry.missing = incident.missing;
        const told = withRemembered(decision, id);
        const leftNow = chosen.length === 1 ? left : leftOfPosts(phases);
        const send = (sender, unanswered) => sender.send({ ...incident, occurrence: own(occurrences, sender.name) ?? null, tail: log.tail ?? [] }, optionsOf(env), leftNow, unanswered);
        results = await timed("post", deliverTo(chosen, told, send, now));
        remember(id, results);
        entry.destinations = results.map(toldOf);
        return results.filter(({ name }) => pending.includes(name))
          .map(({ name, taken, error }) => ({ name, took: taken !== undefined, unanswered: taken?.unanswered ?? error?.unanswered ?? own(told.unanswered, name) ?? 0 }));
      });
      entry.ms.table ??= now() - from;
      if (decided.verdict !== "tell") {
        entry.occurrence = decided.count;
        return end(decided.verdict);
      }
      entry.unsettled = decided.unsettled && nameOf(decided.unsettled);
      const failure = failureOf(results, alone);
      if (failure) throw failure;
      return end(results.some(({ outcome }) => outcome === "sent-plain") ? "sent-plain" : "sent");
    } catch (error) {
      Object.assign(entry, { outcome: error instanceof Busy ? "busy" : "failed", error: error.message });
      const message = withoutSecrets(error.message);
      throw message === error.message ? error : new Error(message);
    } finally {
      entry.ms.total = now() - startedAt;
      log(JSON.stringify(entry, (_, value) => (typeof value === "string" ? withoutSecrets(value) : value)));
    }
  };
}

/** Reads the destinations. Wrong settings are reported when there is something to send, and not with every log line. */
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

/** Returns the part of an incident that the log line keeps: names and verdicts, no free text that could hold a secret. */
function summaryOf({ cause, severity, drill, cluster, family, revision, service, taskId, stopCode, rings, silentBecause }) {
  return {
    cause: cause.id, severity, drill, cluster, family, revision, service, taskId, stopCode, rings,
    ...(silentBecause ? { silentBecause } : {}),
  };
}

/** Reads a number of the environment; anything else gives the default. */
const numberOf = (value, otherwise) => (/^\d{1,5}$/.test(value ?? "") ? Number(value) : otherwise);
