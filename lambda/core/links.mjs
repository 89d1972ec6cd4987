// Builds links into the consoles of AWS.
// Pure: no I/O, no clock, no Node API, no Intl.

import { text } from "./fields.mjs";
import { own } from "./records.mjs";

// Partitions without a known public console get no links.
const CONSOLES = { aws: "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com", "aws-eusc": "console.amazonaws-eusc.eu" };

/** @returns {string|null} https://<region>.<console>, if the partition has a console */
function consoleOf(partition, region) {
  const host = own(CONSOLES, partition);
  return host && /^[a-z0-9-]{1,40}$/.test(region ?? "") ? `https://${region}.${host}` : null;
}

export function taskLink({ partition, region, cluster, taskId }) {
  const host = consoleOf(partition, region);
  if (!host || !cluster || !taskId) return null;
  return `${host}/ecs/v2/clusters/${encoded(cluster)}/tasks/${encoded(taskId)}?region=${region}`;
}

export function serviceLink({ partition, region, cluster, service }) {
  const host = consoleOf(partition, region);
  if (!host || !cluster || !service) return null;
  return `${host}/ecs/v2/clusters/${encoded(cluster)}/services/${encoded(service)}?region=${region}`;
}

/** The page of a cluster's tasks, where the running and the recently stopped ones are. */
export function clusterLink({ partition, region, cluster }) {
  const host = consoleOf(partition, region);
  return host && cluster ? `${host}/ecs/v2/clusters/${encoded(cluster)}/tasks?region=${region}` : null;
}

/** The page of a job of AWS Batch, which AWS Batch shows for some days after the job's end. */
export function batchJobLink({ partition, region }, jobId) {
  const host = consoleOf(partition, region);
  return host && jobId ? `${host}/batch/home?region=${region}#jobs/detail/${withColons(jobId)}` : null;
}

/** The page of an execution of Step Functions. */
export function executionLink({ partition, region }, executionArn) {
  const host = consoleOf(partition, region);
  return host && executionArn ? `${host}/states/home?region=${region}#/v2/executions/details/${withColons(executionArn)}` : null;
}

/** Finds the awslogs stream of a container: prefix/name/task, or without a prefix the runtime id. */
export function logPlace(container, { region, taskId }) {
  if (!container?.log) return null;
  const { driver, group, region: home, prefix } = container.log;
  const stream = text(prefix) && taskId ? `${text(prefix)}/${container.name}/${taskId}` : text(prefix) ? null : container.runtimeId;
  return { container: container.name, driver: text(driver) ?? "awslogs", group: text(group), region: text(home) ?? region, stream: text(group) ? stream : null };
}

export function logLink(log, { partition }) {
  const host = log?.group ? consoleOf(partition, log.region) : null;
  if (!host) return null;
  const base = `${host}/cloudwatch/home?region=${log.region}#logsV2:log-groups/log-group/${twice(log.group)}`;
  return log.stream ? `${base}/log-events/${twice(log.stream)}` : base;
}

const encoded = encodeURIComponent;
/** Keeps colons, which these consoles expect in ARNs and in the ids of an array job's children. */
const withColons = (value) => encoded(value).replaceAll("%3A", ":");
/** Encodes twice, with $ in place of %, as the CloudWatch console expects names. */
const twice = (value) => encoded(encoded(value)).replaceAll("%", "$");
