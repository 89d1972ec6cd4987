// Builds the message for programs: the facts of the incident, as JSON. Pure: no I/O, no clock, no Node API, no Intl.
// docs/destinations.md describes every field; the fields described there stay unchanged as long as `version` does.

import { plainOf, spansOf } from "./mrkdwn.mjs";
import { partsOf } from "./parts.mjs";
import { sentenceOf } from "./slack-message.mjs";
import { beginningOf, clean, endOf, piecesOf } from "../core/text.mjs";

export { classify } from "./answers.mjs";

export const name = "The webhook";

const LIMIT = { name: 300, reason: 1_000, detail: 8_000, tail: 8_000, url: 4_000 };
const MOST_CONTAINERS = 20;

/**
 * Builds the payload.
 * @param {import("./slack-message.mjs").Incident} incident
 * @param {import("./slack-message.mjs").Options} [options]
 * @returns {object} the body of the request
 */
export function payloadOf(incident, options) {
  const { headline } = partsOf(incident, options);
  return {
    version: 1, text: plainOf(headline), severity: incident.severity, drill: incident.drill, kind: incident.kind, state: incident.state,
    cause: { id: incident.cause.id, text: plainOf(spansOf(sentenceOf(incident, options))), container: short(incident.cause.values.container) },
    ...named(incident, ["account", "region", "cluster", "service", "family", "revision", "group", "daemon", "taskId", "taskArn"]),
    ...named(incident, ["launchType", "capacityProvider", "startedBy", "stopCode", "eventName", "deploymentId", "source", "jobName"]),
    stoppedReason: long(incident.stoppedReason), startedAt: incident.startedAt, stoppedAt: incident.stoppedAt, durationSeconds: incident.durationSeconds,
    containers: incident.containers.slice(0, MOST_CONTAINERS).map(containerOf),
    log: incident.log && { container: short(incident.log.container), group: short(incident.log.group), stream: short(incident.log.stream), region: short(incident.log.region) },
    tail: tailOf(incident),
    detail: within(endOf, incident.applicationDetail, LIMIT.detail),
    links: { task: linkOf(incident.links.task), service: linkOf(incident.links.service), log: linkOf(incident.links.log), ...linksOf(incident) },
    occurrence: occurrenceOf(incident),
    job: jobOf(incident), recovery: recoveryOf(incident), watch: watchOf(incident),
    missing: incident.missing.slice(0, 10).map(({ action, why }) => ({ action: short(action), why: short(why) })),
    event: { id: short(incident.eventId), type: short(incident.detailType), time: incident.time },
    ...batchOf(incident), ...executionOf(incident),
  };
}

/** Builds the headline and the cause alone, for a receiver that did not take the rest. */
export const plainPayloadOf = ({ version, text, severity, drill, cause, event }) => ({ version, text, severity, drill, cause: { id: cause.id }, event: { id: event.id } });

/** Says whether the receiver refused the body. */
export const refuses = ({ status }) => status === 400 || status === 413 || status === 422;

const named = (incident, names) => Object.fromEntries(names.map((key) => [key, short(incident[key])]));

const containerOf = ({ name: own, exitCode, signal, reason, essential, failed }) => ({ name: short(own), exitCode, signal, reason: long(reason), essential, failed });

/** Keeps the last lines, oldest first; of a single line that is too long, its end. */
function tailOf({ tail }) {
  const lines = [];
  let left = LIMIT.tail;
  for (const line of [...(tail ?? [])].reverse()) {
    if (left <= 0) break;
    const shown = endOf(piecesOf(clean(String(line), true).trimEnd()), left);
    lines.unshift(shown);
    left -= shown.length + 1;
  }
  return lines;
}

const occurrenceOf = ({ occurrence }) => (occurrence ? { count: occurrence.count, since: occurrence.since, earlier: occurrence.earlier, next: occurrence.next } : null);

/** Returns the comparison of a failure with the job's earlier runs. */
function jobOf({ job }) {
  if (!job) return null;
  const { since, failures, lastSuccess, goodRuns, changes, endedWellAt, overdue } = job;
  const imageOf = ({ image, digest }) => ({ image: short(image), digest: short(digest) });
  return {
    since, failures, lastSuccess: lastSuccess && { at: lastSuccess.at, revision: lastSuccess.revision }, goodRuns, endedWellAt, overdue: overdue ?? null,
    changes: changes && {
      revision: changes.revision && { from: changes.revision.from, to: changes.revision.to },
      images: changes.images.map(({ container, from, to }) => ({ container: short(container), from: imageOf(from), to: imageOf(to) })),
    },
  };
}

const recoveryOf = ({ recovery }) => (recovery ? { of: recovery.of, since: recovery.since, at: recovery.at, seconds: recovery.seconds, failures: recovery.failures, overdue: recovery.overdue } : null);

/** Returns the fields that only jobs of AWS Batch have. */
function batchOf({ batch }) {
  if (!batch) return {};
  const { id, queue, definition, attempts, mostAttempts, timeoutSeconds, index } = batch;
  return { batch: { jobId: short(id), queue: short(queue), definition: short(definition), attempts, mostAttempts, timeoutSeconds, index } };
}

/** Returns the fields that only executions of Step Functions have. */
function executionOf({ execution }) {
  if (!execution) return {};
  const { name: own, stateMachine, status, error, redrives } = execution;
  return { execution: { name: short(own), stateMachine: short(stateMachine), status: short(status), error: short(error), redrives } };
}

const linksOf = ({ links, batch, execution }) => ({ ...(links.cluster ? { cluster: linkOf(links.cluster) } : {}), ...(batch ? { job: linkOf(links.job) } : {}), ...(execution ? { execution: linkOf(links.execution) } : {}) });

/** Returns the answer to a question of Scheduler: about a deadline, a running task, or the week. */
function watchOf({ facts, reason, missed, lines, batch, execution }) {
  if (!facts || batch || execution) return null;
  return {
    reason: short(reason ?? null), ...Object.fromEntries(facts.map(({ key, value }) => [key, typeof value === "string" ? short(value) : value])), missed: missed ?? [],
    lines: (lines ?? []).map(({ job, cluster, kind, since, failures, seconds, beforeSeconds }) => ({ job: short(job), cluster: short(cluster), kind: short(kind), since, failures, seconds, beforeSeconds })),
  };
}

/** Leaves out a link that is too long: half a link leads nowhere. */
const linkOf = (url) => (typeof url === "string" && url.length <= LIMIT.url ? url : null);
const within = (cut, value, limit) => (typeof value === "string" ? cut(piecesOf(clean(value, true)), limit) : null);
const short = (value) => within(beginningOf, value, LIMIT.name);
const long = (value) => within(beginningOf, value, LIMIT.reason);
