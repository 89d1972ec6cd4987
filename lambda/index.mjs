// The notifier: an EventBridge event in, a Slack message out. All I/O is called from here.
// What it may not do: swallow a failed post. The invocation fails, so that Lambda retries it, the queue of
// undelivered events keeps it, and the Errors metric counts it.

import { describeTaskDefinition, failureOf, readWebhook } from "./aws.mjs";
import { incidentOf } from "./incident.mjs";
import { messageOf } from "./slack-message.mjs";
import { SlackError, post } from "./slack.mjs";

const SECRET_MS = 5 * 60_000;
/** Kept back from Lambda's timeout, so that the log line is still written. */
const RESERVE_MS = 500;
const DEFINITIONS_KEPT = 50;
/** What Slack answers when a webhook was revoked or replaced: the parameter may hold a new one by now. */
const REVOKED = [403, 404, 410];

/**
 * @typedef {object} Tools
 * @property {(parameterName: string) => Promise<string>} readWebhook
 * @property {(arn: string) => Promise<import("./incident.mjs").TaskDefinitionOutline>} describeTaskDefinition
 * @property {typeof fetch} fetch
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} now  milliseconds
 * @property {(line: string) => void} log
 * @property {Record<string, string|undefined>} env
 */

/**
 * A handler with its own cache of the secret and of task definitions, which never change once registered.
 * @param {Tools} tools
 */
export function createHandler({ readWebhook, describeTaskDefinition, fetch, sleep, now, log, env }) {
  let secret = null;
  const definitions = new Map();

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
      const why = failureOf(error);
      // A drill names a task definition that need not exist; only a missing permission is worth a word then.
      if (event.source === "taskbell.drill" && why === "failed") return {};
      return { missing: [{ action: "ecs:DescribeTaskDefinition", why }] };
    }
  }

  async function send(url, payload, remaining) {
    const tools = () => ({ fetch, sleep, now, budgetMs: remaining() });
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
    try {
      // Both at once; the outcome of the secret is looked at only when there is something to send.
      const secretRead = timed("secret", webhook(false)).then((url) => ({ url }), (error) => ({ error }));
      const known = await timed("taskDefinition", lookUp(event));
      const incident = incidentOf(event, known);
      Object.assign(entry, summaryOf(incident));
      const { url, error } = await secretRead;
      if (!incident.rings) {
        entry.outcome = "silent";
        return { outcome: entry.outcome };
      }
      if (error) throw error;
      const payload = messageOf(incident, optionsOf(env));
      const { status, attempts, reread, refused } = await timed("slack", send(url, payload, left));
      Object.assign(entry, { outcome: refused ? "sent-plain" : "sent", status, attempts, reread, refused });
      return { outcome: entry.outcome };
    } catch (error) {
      Object.assign(entry, { outcome: "failed", error: error.message, status: error.status, attempts: error.attempts });
      throw error instanceof SlackError || !secret ? error : new Error(error.message.replaceAll(secret.url, "<webhook>"));
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
function summaryOf({ cause, severity, drill, cluster, family, revision, service, taskId, stopCode, rings, silentBecause, missing }) {
  return {
    cause: cause.id, severity, drill, cluster, family, revision, service, taskId, stopCode, rings,
    ...(silentBecause ? { silentBecause } : {}),
    ...(missing.length > 0 ? { missing } : {}),
  };
}

/** The kind of an AWS error. Its message may quote identities and is not ours to repeat. */
const nameOf = (error) => String(error?.name ?? "Error") + (error?.code ? ` (${error.code})` : "");

export const handler = createHandler({
  readWebhook,
  describeTaskDefinition,
  fetch: (...request) => globalThis.fetch(...request),
  sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }),
  now: Date.now,
  log: console.log,
  env: process.env,
});
