// Handles one invocation: an EventBridge event in, a message out, to Slack and to every other destination. Decides the order; all I/O starts
// here. A failed post is never swallowed: the invocation fails, so that Lambda runs the event again, the queue of
// undelivered events keeps the event, and the Errors metric counts the failure.

import { randomUUID } from "node:crypto";
import { linesWithoutCredentials, withoutCredentials } from "./core/credentials.mjs";
import { destinationsOf, routesOf } from "./core/destinations.mjs";
import { incidentOf } from "./core/incident.mjs";
import { patternsOf } from "./core/patterns.mjs";
import { own } from "./core/records.mjs";
import { memoryOf, patternsOfRecovery, recoveredIncident } from "./core/recovery.mjs";
import { UNANSWERED_MS } from "./core/unanswered.mjs";
import { WATCHED } from "./core/watched.mjs";
import { missingBecauseOf, within } from "./io/aws.mjs";
import { deliverTo, failureOf, toldOf } from "./io/delivery.mjs";
import { redacted } from "./io/secret.mjs";
import { nameOf, senderTo } from "./io/sender.mjs";
import { Busy, announce, keysOf } from "./memory/announcements.mjs";
import { update } from "./memory/ledger.mjs";
import { hasGlobs, withClusters } from "./watch/clusters.mjs";
import { checkDeadline } from "./watch/deadline.mjs";
import { summarise } from "./watch/summary.mjs";
import { sweep } from "./watch/sweep.mjs";

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
/** The longest time for a ledger before the post of a failure, and its share of the time that is left before the posts. */
const LEDGER_MS = 3_000;
const LEDGER_SHARE = 0.5;
/** The work for each question of Scheduler. */
const ANSWERS = { Deadline: checkDeadline, Sweep: sweep, Summary: summarise };
/** The time that one more message needs besides its posts. */
const FOR_ONE_MORE_MS = 1_000;
const LOG_LINES = 10;
const DEFINITIONS_KEPT = 50;

/**
 * @typedef {object} Tools
 * @property {(parameterName: string) => Promise<string>} readWebhook
 * @property {(topicArn: string, message: object, timeoutMs: number) => Promise<void>} [publish]
 * @property {(arn: string) => Promise<import("./core/incident.mjs").TaskDefinitionOutline>} describeTaskDefinition
 * @property {(log: import("./core/incident.mjs").LogPlace, lines: number) => Promise<string[]>} readLog
 * @property {import("./watch/reason.mjs").Look} [look]  the calls that look at tasks and schedules
 * @property {(tableName: string) => import("./memory/announcements.mjs").Table} tableOf
 * @property {(tableName: string) => import("./memory/ledger.mjs").Ledgers} [ledgersOf]
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
  const { describeTaskDefinition, readLog, tableOf, ledgersOf, sleep, now, random, log, env, within: bounded = within } = tools;
  const { destinations, misconfigured } = destinationsIn(env);
  const senders = new Map(destinations.map((destination) => [destination, senderTo(destination, tools)]));
  const everySender = [...senders.values()];
  const definitions = new Map();
  const logLines = numberOf(env.TASKBELL_LOG_LINES, LOG_LINES);
  const shownLines = env.TASKBELL_REDACTION === "off" ? (lines) => lines : linesWithoutCredentials;
  const table = env.TASKBELL_TABLE ? tableOf(env.TASKBELL_TABLE) : null;
  const ledgers = env.TASKBELL_TABLE && env.TASKBELL_LEDGER !== "off" ? ledgersOf?.(env.TASKBELL_TABLE) ?? null : null;
  const windowMs = numberOf(env.TASKBELL_STORM_MINUTES, WINDOW_MINUTES) * 60_000;
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
  async function announced({ subject, failure, time }, names, phases, begin, deliver) {
    if (!table || !subject) {
      const decision = { verdict: "tell", pending: names, delivered: [], unanswered: {}, occurrences: {} };
      await deliver(decision);
      return decision;
    }
    const { left, forPosts, remaining, holder } = phases;
    return announce(table, keysOf({ subject, failure, time }, { now: now(), windowMs }), {
      destinations: names, begin, holder, now, sleep, random,
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
    const matched = destinations.some((one) => one.patterns) ? patternsOf(event) : [];
    const patterns = incident.state === "recovered" ? patternsOfRecovery(incident, matched) : matched;
    const chosen = routesOf({ ...incident, patterns }, destinations);
    // No pattern matches a question of Scheduler: if every route asks for patterns, the other parts of the routes decide.
    const others = chosen.length > 0 || !isQuestion(event) ? [] : destinations.filter((one) => routesOf({ ...incident, patterns }, [{ ...one, patterns: null }]).length > 0);
    return [...chosen, ...others].map((one) => senders.get(one));
  }

  /** Judges an event. */
  function judged(event, known) {
    const incident = incidentOf(event, known);
    const silentBecause = !incident.rings ? null
      : incident.state === "recovered" && env.TASKBELL_RECOVERY === "off" ? "recoveries are not announced"
        : isAskedFor(event, incident) ? null : "no pattern of the stack matches it";
    return silentBecause === null ? incident : { ...incident, rings: false, silentBecause };
  }

  /**
   * Says whether a pattern of the stack matches the end of a task. The rule for successes also delivers ends of which one container
   * succeeded and another one failed: the setting names the patterns of a stack that would not announce them.
   */
  function isAskedFor(event, { kind, source, state }) {
    if (!env.TASKBELL_PATTERNS || kind !== "task" || source !== "aws.ecs" || state === "recovered") return true;
    const asked = env.TASKBELL_PATTERNS.split(",");
    return patternsOf(event).some((name) => asked.includes(name));
  }

  /** Changes the ledger of an event within `ms`. */
  function ledgerWith(memory, change, ms) {
    const deadline = now() + ms;
    return update(ledgers, memory.id, change, { now, sleep, random, leftMs: () => deadline - now(), parse: memory.parse, print: memory.print });
  }

  /** Records a failure, and compares it with earlier runs. Never fails: the alert goes out without a ledger, too. @returns {Promise<boolean>} */
  async function recorded(memory, incident, isTold, { entry, timed }, ms) {
    try {
      const { record } = await timed("ledger", ledgerWith(memory, (before) => memory.changed(before, isTold), ms));
      incident.job = memory.jobOf(record);
      delete entry.ledgerError;
      return true;
    } catch (error) {
      entry.ledgerError = nameOf(error);
      return false;
    }
  }

  /**
   * Records a success, and announces it if it ends a trouble that was told. A success that could not be recorded fails the run, so that Lambda
   * runs the event again: otherwise the job would be reported as overdue.
   */
  async function endedWell(event, success, memory, run) {
    const { entry, timed, left, forPosts, remaining } = run;
    const { record } = await timed("ledger", ledgerWith(memory, (before) => memory.changed(before, false), left() - forPosts));
    const recovery = env.TASKBELL_RECOVERY === "off" ? null : memory.recoveryOf(record, windowMs);
    if (recovery?.isHeld && memory.withHeld) await ledgerWith(memory, (before) => memory.withHeld(before, recovery), left() - forPosts);
    if (recovery === null || recovery.isHeld) {
      entry.silentBecause = recovery === null ? success.silentBecause : "a recovery was announced a short time ago";
      return "silent";
    }
    const incident = recoveredIncident(success, recovery);
    delete entry.silentBecause;
    Object.assign(entry, summaryOf(incident));
    const outcome = await told(incident, chosenFor(event, incident, run), run);
    // Without this note, the next success finds that the recovery was announced, and notes that.
    await ledgerWith(memory, (before) => memory.withRecovery(before, recovery), remaining() - FOR_LOG_LINE_MS)
      .catch((error) => { entry.ledgerError = nameOf(error); });
    return outcome;
  }

  /** Answers a question of Scheduler about the jobs: looks, and announces what is wrong. */
  async function answered(event, run) {
    const { entry, timed, remaining, left, forPosts } = run;
    if (!ledgers) {
      entry.silentBecause = "the stack keeps no ledger";
      return "silent";
    }
    const { clusterArns, job, jobs } = event.detail ?? {};
    if (!Array.isArray(clusterArns) || !(job?.name || Array.isArray(jobs))) throw new Error("the event of Scheduler names no cluster or no job");
    entry.alerts = [];
    const tell = async (found, { detail } = event) => {
      // With the clusters as they were asked for: an announcement stays the same when another cluster is created.
      const asked = { ...event, detail: { ...detail, clusterArns } };
      const known = found.task?.taskDefinitionArn ? await lookUp({ "detail-type": "ECS Task State Change", detail: found.task }) : {};
      const incident = incidentOf(asked, { ...known, found });
      Object.assign(entry, summaryOf(incident));
      // Each announcement of a run holds its window by a name of its own.
      const outcome = await told(incident, chosenFor(asked, incident, run), { ...run, holder: `${entry.requestId} ${randomUUID()}` });
      entry.alerts.push({ cause: entry.cause, reason: incident.reason, family: entry.family, taskId: entry.taskId, outcome });
      return outcome;
    };
    const judge = async (report) => incidentOf(report, await lookUp(report));
    const how = { now, sleep, random, leftMs: () => remaining() - FOR_LOG_LINE_MS, notesElsewhere: hasGlobs(event) };
    const world = { ledgers, how, look: tools.look, judge, tell, within: bounded, now, hasTime: () => left() > forPosts + FOR_ONE_MORE_MS, note: (facts) => Object.assign(entry, facts) };
    const work = withClusters(event, world).then((question) => ANSWERS[event["detail-type"]](question, world));
    const { outcome, ...facts } = await timed("watch", work);
    Object.assign(entry, facts);
    return outcome;
  }

  /** Chooses the destinations of an incident, and begins to read their webhooks. */
  function chosenFor(event, incident, { readWebhooks }) {
    const chosen = misconfigured ? [] : routed(event, incident);
    if (!alone && chosen.length > 0) readWebhooks(chosen);
    return chosen;
  }

  /** Announces an incident, and posts only after `recording`, which runs beside the decision. @returns {Promise<string>} the outcome */
  async function told(incident, chosen, run) {
    const { entry, timed, left, recording = null } = run;
    if (misconfigured) throw misconfigured;
    if (chosen.length === 0) {
      entry.silentBecause = "no destination takes it";
      return "silent";
    }
    let results = [];
    let reading = null;
    const readTail = () => { reading ??= timed("log", tailOf(incident, run)); };
    const from = now();
    const id = `${entry.requestId} ${incident.subject}`;
    const decided = await announced(incident, chosen.map(({ name }) => name), run, readTail, async (decision) => {
      entry.ms.table = now() - from;
      readTail();
      const { pending, occurrences, count, trouble } = decision;
      Object.assign(entry, { occurrence: count, tableError: trouble && nameOf(trouble) });
      // The message compares the failure with earlier runs of the job.
      const [log] = await Promise.all([reading, recording]);
      incident.missing.push(...[trouble && missingBecauseOf(trouble, "dynamodb:GetItem"), log.missing].filter(Boolean));
      if (incident.missing.length > 0) entry.missing = incident.missing;
      const before = withRemembered(decision, id);
      const leftNow = chosen.length === 1 ? left : leftOfPosts(run);
      const send = (sender, unanswered) => sender.send({ ...incident, occurrence: own(occurrences, sender.name) ?? null, tail: log.tail ?? [] }, optionsOf(env), leftNow, unanswered);
      results = await timed("post", deliverTo(chosen, before, send, now));
      remember(id, results);
      entry.destinations = results.map(toldOf);
      return results.filter(({ name }) => pending.includes(name))
        .map(({ name, taken, error }) => ({ name, took: taken !== undefined, unanswered: taken?.unanswered ?? error?.unanswered ?? own(before.unanswered, name) ?? 0 }));
    });
    entry.ms.table ??= now() - from;
    if (decided.verdict !== "tell") {
      entry.occurrence = decided.count;
      return decided.verdict;
    }
    entry.unsettled = decided.unsettled && nameOf(decided.unsettled);
    const failure = failureOf(results, alone);
    if (failure) throw failure;
    return results.some(({ outcome }) => outcome === "sent-plain") ? "sent-plain" : "sent";
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
    const forPosts = Math.min(FOR_POSTS_MS, POSTS_SHARE * (whole - reserve));
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
    const run = { entry, timed, readWebhooks, remaining, left, forPosts, holder: `${context?.awsRequestId} ${randomUUID()}` };
    try {
      // With one destination it is certain which webhook will be needed, so that the read runs in parallel with the rest.
      if (alone) readWebhooks(everySender);
      if (isQuestion(event)) return end(await answered(event, run));
      const known = await timed("taskDefinition", lookUp(event));
      const incident = judged(event, known);
      const memory = ledgers && memoryOf(event, incident, { ofServices: env.TASKBELL_SERVICE_RECOVERY === "on" });
      if (memory?.isGood && incident.rings) Object.assign(incident, { rings: false, silentBecause: "the service works" });
      Object.assign(entry, summaryOf(incident));
      if (memory?.isGood) return end(await endedWell(event, incident, memory, run));
      if (!incident.rings) return end("silent");
      const chosen = chosenFor(event, incident, run);
      const recording = memory && recorded(memory, incident, chosen.length > 0, run, Math.min(LEDGER_MS, LEDGER_SHARE * (left() - forPosts)));
      try {
        return end(await told(incident, chosen, { ...run, recording }));
      } finally {
        // The post came first; now there is time for another try.
        if (await recording === false) await recorded(memory, incident, chosen.length > 0, run, Math.min(LEDGER_MS, remaining() - FOR_LOG_LINE_MS));
      }
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

/** Says whether Scheduler asks. In a drill, a question brings its answer, and nothing is looked at. */
const isQuestion = (event) => event?.source === "taskbell.watch" && WATCHED.includes(event["detail-type"]);

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
