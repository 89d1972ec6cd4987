// Event -> incident: what died, why, and whether it is worth an alert.
// Pure: no I/O, no clock, no Node API, no Intl. It never throws, whatever the event holds, and it copies
// only the fields it names: overrides, which may carry secrets, are never read.

/**
 * @typedef {{name: string, essential: boolean, log: {group: string, region: string|null, prefix: string|null}|null}} ContainerOutline
 * @typedef {{containers: ContainerOutline[]}} TaskDefinitionOutline
 * @typedef {{action: string, why: "denied"|"timeout"|"failed"}} Missing  Something the notifier could not look up.
 * @typedef {{taskDefinition?: TaskDefinitionOutline|null, missing?: Missing[]}} Context
 * @typedef {"error"|"warning"|"info"} Severity
 * @typedef {{id: string, words: Record<"en"|"ja", [string, string]>, values: Record<string, string|null>}} Cause
 * @typedef {{name: string, exitCode: number|null, signal: string|null, reason: string|null,
 *   essential: boolean|null, failed: boolean}} Container
 * @typedef {object} Incident
 * @property {"task"|"service"|"other"} kind
 * @property {"died"|"stopped"|"stopping"|"changed"} state
 * @property {boolean} drill
 * @property {boolean} rings
 * @property {string|null} silentBecause
 * @property {Severity} severity
 * @property {Cause} cause
 * @property {Container[]} containers
 * @property {number|null} durationSeconds
 * @property {{task: string|null, service: string|null, log: string|null}} links
 * @property {Missing[]} missing
 */

/**
 * The one table of causes: severity, then [words for the headline, sentence] in each language.
 * In a sentence {container} becomes "Container `web`", or "A container" when it is not known.
 * @type {Record<string, {severity: Severity, en: [string, string], ja: [string, string]}>}
 */
export const CAUSES = {
  "out-of-memory": { severity: "error", en: ["out of memory", "{container} was killed because it ran out of memory."], ja: ["メモリ不足", "{container} はメモリ不足のため強制終了されました。"] },
  "killed-by-signal": { severity: "error", en: ["killed by {signal}", "{container} was ended by {signal} (exit code {code})."], ja: ["{signal} で終了", "{container} は {signal} で終了しました（終了コード {code}）。"] },
  "command-not-found": { severity: "error", en: ["command not found", "{container} could not run: its command was not found."], ja: ["コマンドが見つからない", "{container} のコマンドが見つからず、実行できませんでした。"] },
  "not-executable": { severity: "error", en: ["command not executable", "{container} could not run: its command is not executable."], ja: ["コマンドを実行できない", "{container} のコマンドに実行権限がないか、実行できない形式です。"] },
  "application-exit": { severity: "error", en: ["exit code {code}", "{container} exited with code {code}."], ja: ["終了コード {code}", "{container} は終了コード {code} で終了しました。"] },
  "exit-zero": { severity: "warning", en: ["exited by itself", "{container} exited with code 0, and the task ended with it."], ja: ["自ら終了", "{container} が終了コード 0 で終了し、タスクも終了しました。"] },
  "image-pull-failed": { severity: "error", en: ["image could not be pulled", "The container image could not be pulled."], ja: ["イメージを取得できない", "コンテナイメージを取得できませんでした。"] },
  "secrets-init-failed": { severity: "error", en: ["secrets could not be read", "The task could not read its secrets or registry credentials."], ja: ["シークレットを取得できない", "シークレットまたはレジストリの認証情報を取得できませんでした。"] },
  "logger-init-failed": { severity: "error", en: ["logging could not be set up", "The container's log driver could not be initialised."], ja: ["ログドライバーを初期化できない", "コンテナのログドライバーを初期化できませんでした。"] },
  "start-failed": { severity: "error", en: ["could not start", "The task could not start."], ja: ["起動できない", "タスクを起動できませんでした。"] },
  "elb-health-check-failed": { severity: "error", en: ["load balancer health check failed", "ECS stopped the task because it failed the load balancer's health checks."], ja: ["ELB ヘルスチェック失敗", "ロードバランサーのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "container-health-check-failed": { severity: "error", en: ["container health check failed", "ECS stopped the task because it failed its container health checks."], ja: ["コンテナのヘルスチェック失敗", "コンテナのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "spot-interruption": { severity: "warning", en: ["Spot interruption", "AWS took back the Spot capacity the task ran on."], ja: ["Spot の中断", "タスクが動いていた Spot キャパシティを AWS が回収しました。"] },
  "host-lost": { severity: "warning", en: ["host lost", "The instance the task ran on was stopped or terminated."], ja: ["ホスト喪失", "タスクが動いていたインスタンスが停止または終了しました。"] },
  infrastructure: { severity: "warning", en: ["infrastructure maintenance", "AWS stopped the task because of its underlying infrastructure."], ja: ["基盤の保守", "基盤インフラの都合により、AWS がタスクを停止しました。"] },
  "placement-failed": { severity: "error", en: ["no capacity to run on", "ECS found nowhere to place the task."], ja: ["配置できない", "タスクを配置できる場所がありませんでした。"] },
  "deployment-failed": { severity: "error", en: ["deployment failed", "The deployment failed."], ja: ["デプロイ失敗", "デプロイに失敗しました。"] },
  "deployment-rolled-back": { severity: "warning", en: ["deployment is rolling back", "ECS is rolling the service back to its previous deployment."], ja: ["デプロイをロールバック中", "ECS がサービスを以前のデプロイに戻しています。"] },
  "start-impaired": { severity: "warning", en: ["tasks keep failing to start", "The service is unable to start tasks consistently."], ja: ["タスクが起動し続けられない", "サービスがタスクを安定して起動できません。"] },
  "stopped-by-user": { severity: "info", en: ["stopped by a user", "Somebody, or a tool, stopped the task."], ja: ["ユーザーによる停止", "ユーザーまたはツールがタスクを停止しました。"] },
  "stopped-by-scheduler": { severity: "info", en: ["stopped by the service scheduler", "ECS stopped the task to scale, deploy or rebalance the service."], ja: ["スケジューラーによる停止", "スケーリング、デプロイ、または再配置のため、ECS がタスクを停止しました。"] },
  "service-event": { severity: "info", en: ["{name}", "ECS reported {name}."], ja: ["{name}", "ECS から {name} が通知されました。"] },
  unknown: { severity: "error", en: ["{name}", "The cause is not known to taskbell; what ECS reported stands below."], ja: ["{name}", "taskbell の知らない原因です。ECS の報告を以下に示します。"] },
};

// Exit codes above 128 are 128 + the signal, by the shell's convention.
const SIGNALS = { 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM" };
// What a container reports that ECS stopped because another one had ended.
const STOPPED_BY_ECS = [137, 143];
const OUT_OF_MEMORY = /out\s?of\s?memory/i;
// Partitions without a known public console get no links.
const CONSOLES = { aws: "console.aws.amazon.com", "aws-cn": "console.amazonaws.cn", "aws-us-gov": "console.amazonaws-us-gov.com", "aws-eusc": "console.amazonaws-eusc.eu" };

/** The first row that matches, tested on what ECS (never a user) wrote about the task and its containers. */
const WRITTEN_REASONS = [
  [/executable file not found|exec: .*no such file or directory/i, "command-not-found"],
  [/exec: .*permission denied|exec format error/i, "not-executable"],
  [/logging driver|logger args/i, "logger-init-failed"],
  [/unable to (pull|retrieve) secret|registry auth|fetching secret data/i, "secrets-init-failed"],
  [/^Cannot\s?Pull|toomanyrequests|pull rate limit/i, "image-pull-failed"],
  [/failed ELB health checks/i, "elb-health-check-failed"],
  [/failed container health checks/i, "container-health-check-failed"],
  [/spot task was interrupted/i, "spot-interruption"],
  [/^Host EC2 .*(terminated|stopped)/i, "host-lost"],
  [/performing maintenance/i, "infrastructure"],
  [/^(Scaling activity|Availability-zone rebalancing) initiated by/i, "stopped-by-scheduler"],
  [/capacity is unavailable|EMPTY CAPACITY PROVIDER|NO ACTIVE INSTANCES|RESOURCE:|^TaskFailedToStart: (AGENT|ATTRIBUTE)/i, "placement-failed"],
  [/^(Task failed to start|ResourceInitializationError|Cannot(Start|Create|Inspect)\w*Error|ContainerRuntime\w*Error|DockerTimeoutError|ContainerNetworkingError|InternalError)/i, "start-failed"],
];
const STOP_CODES = { SpotInterruption: "spot-interruption", TerminationNotice: "host-lost", InfrastructureHealth: "infrastructure", TaskFailedToStart: "start-failed" };
const SERVICE_EVENTS = { SERVICE_DEPLOYMENT_FAILED: "deployment-failed", SERVICE_TASK_PLACEMENT_FAILURE: "placement-failed", SERVICE_TASK_START_IMPAIRED: "start-impaired" };
const SEVERITIES = { ERROR: "error", WARN: "warning", INFO: "info" };

/**
 * What an event means. Unknown shapes give an incident too, and it rings: a lost alert is worse than an odd one.
 * @param {unknown} event  as EventBridge delivers it
 * @param {Context} [context]  what the shell looked up
 * @returns {Incident}
 */
export function incidentOf(event, context) {
  const envelope = record(event);
  const detail = record(envelope.detail);
  const known = record(context);
  const common = commonOf(envelope, detail, known);
  if (common.detailType === "ECS Task State Change") return taskIncident(detail, record(known.taskDefinition), common);
  return serviceIncident(detail, common);
}

function commonOf(envelope, detail, known) {
  const resource = text(list(envelope.resources)[0]);
  const taskArn = text(detail.taskArn) ?? (resource?.includes(":task/") ? resource : null);
  const serviceArn = resource?.includes(":service/") ? resource : null;
  const arn = (taskArn ?? serviceArn ?? text(detail.clusterArn) ?? resource ?? "").split(":");
  const path = (taskArn ?? serviceArn ?? "").split("/");
  return {
    drill: envelope.source === "taskbell.drill",
    eventId: text(envelope.id), detailType: text(envelope["detail-type"]), resource, taskArn,
    partition: text(arn[1]) ?? "aws",
    region: text(envelope.region) ?? text(arn[3]),
    account: text(envelope.account) ?? text(arn[4]),
    // The short, older forms of these ARNs do not name the cluster.
    cluster: last(text(detail.clusterArn), "/") ?? (path.length > 2 ? text(path[1]) : null),
    taskId: last(taskArn, "/"),
    service: serviceArn ? last(serviceArn, "/") : null,
    missing: list(known.missing).map(record).filter((missing) => text(missing.action)),
  };
}

function taskIncident(detail, taskDefinition, common) {
  const task = {
    group: text(detail.group), startedBy: text(detail.startedBy),
    stopCode: text(detail.stopCode), stoppedReason: text(detail.stoppedReason),
    startedAt: time(detail.startedAt), stoppedAt: time(detail.stoppedAt),
    lastStatus: text(detail.lastStatus), desiredStatus: text(detail.desiredStatus),
  };
  const outlines = list(taskDefinition.containers).map(record);
  const found = list(detail.containers).map((container) => containerOf(record(container), outlines));
  const cause = causeOf(task, found);
  // Scaling or a user's stop blames no container, but its log is still the one to open.
  const suspect = suspectOf(found);
  const definition = splitDefinition(text(detail.taskDefinitionArn), task.group);
  const service = task.group?.startsWith("service:") ? task.group.slice("service:".length) : null;
  const silentBecause = common.drill ? null : quietEnd(task, found, outlines.length > 0);
  return {
    kind: "task", ...common, ...task, ...definition, service, cause, severity: CAUSES[cause.id].severity,
    state: stateOf(task, cause.id), rings: silentBecause === null, silentBecause,
    launchType: text(detail.launchType), capacityProvider: text(detail.capacityProviderName),
    containers: found.map(({ runtimeId, log, ...container }) => ({ ...container, failed: container.name === cause.values.container })),
    durationSeconds: durationOf(task.startedAt, time(detail.executionStoppedAt) ?? task.stoppedAt),
    links: { task: taskLink(common), service: serviceLink({ ...common, service }), log: logLink(suspect, common) },
    logOf: suspect?.name ?? null,
  };
}

/** Deployment and service events, and every detail-type taskbell does not know. */
function serviceIncident(detail, common) {
  const eventName = text(detail.eventName);
  const reason = text(detail.reason) ?? text(detail.stoppedReason) ?? text(detail.status);
  const id = /rolling back/i.test(reason ?? "") ? "deployment-rolled-back"
    : own(SERVICE_EVENTS, eventName) ?? (eventName ? "service-event" : "unknown");
  const isService = common.detailType === "ECS Deployment State Change" || common.service !== null || eventName !== null;
  return {
    kind: isService ? "service" : "other", ...common, state: "changed", rings: true, silentBecause: null,
    severity: id === "service-event" ? own(SEVERITIES, text(detail.eventType)) ?? "warning" : CAUSES[id].severity,
    cause: cause(id, { name: eventName ?? common.detailType ?? "event" }),
    eventName, stoppedReason: reason, deploymentId: text(detail.deploymentId),
    stoppedAt: time(detail.updatedAt) ?? time(detail.createdAt), startedAt: null, durationSeconds: null,
    stopCode: null, startedBy: null, family: null, revision: null, group: null, launchType: null, capacityProvider: null,
    containers: [], links: { task: null, service: serviceLink(common), log: null }, logOf: null,
  };
}

function containerOf(container, outlines) {
  const name = text(container.name) ?? "?";
  const outline = outlines.find((one) => one.name === name);
  const exitCode = integer(container.exitCode);
  return {
    name, exitCode, signal: own(SIGNALS, exitCode), reason: text(container.reason),
    // A container the task definition does not list was injected by AWS; it is never essential.
    essential: outlines.length === 0 ? null : outline ? outline.essential !== false : false,
    runtimeId: text(container.runtimeId), log: outline?.log ? record(outline.log) : null,
  };
}

/** Memory first, then what ECS wrote, then exit codes, then the stop code. @returns {Cause} */
function causeOf(task, containers) {
  const byUser = task.stopCode === "UserInitiated";
  if (stateOf(task, null) === "changed") return cause("service-event", { name: task.lastStatus });
  const starved = containers.find((one) => OUT_OF_MEMORY.test(one.reason ?? ""));
  // The reason of a user's stop is free text: it proves nothing.
  if (starved || (!byUser && OUT_OF_MEMORY.test(task.stoppedReason ?? ""))) {
    return cause("out-of-memory", { container: starved?.name ?? null, code: digits(starved?.exitCode) });
  }
  if (byUser) return cause("stopped-by-user");
  for (const source of [{ reason: task.stoppedReason, name: null }, ...containers]) {
    const row = WRITTEN_REASONS.find(([pattern]) => pattern.test(source.reason ?? ""));
    if (row) return cause(row[1], { container: source.name ?? containers.find((one) => one.reason === source.reason)?.name ?? null });
  }
  const stopped = own(STOP_CODES, task.stopCode);
  if (stopped) return cause(stopped);
  const suspect = suspectOf(containers);
  const endedByItself = task.stopCode === null || task.stopCode === "EssentialContainerExited";
  // An exit code is the cause only where the task ended by itself; an unknown stop code is shown as it is.
  if (!endedByItself || !suspect || suspect.exitCode === null) return unknownCause(task);
  // Where several containers exited with 0, nothing tells which was first: blame none.
  const alike = suspect.exitCode === 0 && containers.filter((one) => rankOf(one) === rankOf(suspect)).length > 1;
  return cause(exitCause(suspect), { container: alike ? null : suspect.name, code: digits(suspect.exitCode), signal: suspect.signal });
}

function exitCause({ exitCode, signal }) {
  if (exitCode === 0) return "exit-zero";
  if (exitCode === 126) return "not-executable";
  if (exitCode === 127) return "command-not-found";
  return signal ? "killed-by-signal" : "application-exit";
}

const unknownCause = (task) => cause("unknown", { name: task.stopCode ?? task.stoppedReason ?? task.lastStatus ?? "unknown" });
const cause = (id, values = {}) => ({ id, words: { en: CAUSES[id].en, ja: CAUSES[id].ja }, values });

/** The container that most likely ended the task; events do not say which one was first. */
function suspectOf(containers) {
  const ranked = containers.map((one) => ({ one, rank: rankOf(one) })).filter(({ rank }) => rank < 10);
  return ranked.reduce((best, next) => (best && best.rank <= next.rank ? best : next), null)?.one ?? null;
}

function rankOf({ exitCode, reason, essential }) {
  const spare = essential === false;
  if (OUT_OF_MEMORY.test(reason ?? "")) return 0;
  if (exitCode === null) return reason ? 3 : 10;
  if (exitCode === 137) return spare ? 8 : 4;
  // SIGTERM comes from ECS once something else has ended, so an exit 0 beside it was probably first.
  if (exitCode === 0) return spare ? 9 : 6;
  if (exitCode === 143) return spare ? 8 : 7;
  return spare ? 5 : essential ? 1 : 2;
}

/** A stand-alone task that finished its work: one essential container done, the others stopped by ECS. */
function quietEnd(task, containers, definitionKnown) {
  const standAlone = !task.group?.startsWith("service:") && !task.startedBy?.startsWith("ecs-svc/");
  const endedByItself = task.stopCode === null || task.stopCode === "EssentialContainerExited";
  if (!standAlone || !definitionKnown || !endedByItself) return null;
  const finished = containers.find((one) => one.essential && one.exitCode === 0);
  const failed = containers.some((one) => OUT_OF_MEMORY.test(one.reason ?? "")
    || (one.exitCode === null ? one.essential !== false : one.exitCode !== 0 && !STOPPED_BY_ECS.includes(one.exitCode)));
  return finished && !failed ? `stand-alone task finished: essential container ${finished.name} exited 0 and no other failed` : null;
}

function stateOf({ lastStatus, desiredStatus, stopCode }, causeId) {
  if (lastStatus !== null && lastStatus !== "STOPPED") return desiredStatus === "STOPPED" || stopCode ? "stopping" : "changed";
  return ["exit-zero", "stopped-by-user", "stopped-by-scheduler"].includes(causeId) ? "stopped" : "died";
}

/** "arn:…:task-definition/web:17" -> web and 17. A task's own group names the family too. */
function splitDefinition(arn, group) {
  const [family, revision] = (last(arn, "/") ?? "").split(":");
  return { family: text(family) ?? (group?.startsWith("family:") ? text(group.slice("family:".length)) : null), revision: text(revision) };
}

/** Clocks of a crash loop can run backwards by seconds: that is "under a second", never a minus. */
function durationOf(startedAt, endedAt) {
  if (startedAt === null || endedAt === null) return null;
  return Math.max(0, Math.floor((Date.parse(endedAt) - Date.parse(startedAt)) / 1000));
}

/** @returns {string|null} https://<region>.<console> where the partition has one */
function consoleOf(partition, region) {
  const host = own(CONSOLES, partition);
  return host && /^[a-z0-9-]{1,40}$/.test(region ?? "") ? `https://${region}.${host}` : null;
}

function taskLink({ partition, region, cluster, taskId }) {
  const host = consoleOf(partition, region);
  if (!host || !cluster || !taskId) return null;
  return `${host}/ecs/v2/clusters/${encoded(cluster)}/tasks/${encoded(taskId)}?region=${region}`;
}

function serviceLink({ partition, region, cluster, service }) {
  const host = consoleOf(partition, region);
  if (!host || !cluster || !service) return null;
  return `${host}/ecs/v2/clusters/${encoded(cluster)}/services/${encoded(service)}?region=${region}`;
}

/** The awslogs stream of a container: prefix/name/task, or without a prefix the runtime id. */
function logLink(container, { partition, region, taskId }) {
  const group = text(container?.log?.group);
  const home = text(container?.log?.region) ?? region;
  const host = consoleOf(partition, home);
  if (!group || !host) return null;
  const prefix = text(container.log.prefix);
  const stream = prefix && taskId ? `${prefix}/${container.name}/${taskId}` : prefix ? null : container.runtimeId;
  const base = `${host}/cloudwatch/home?region=${home}#logsV2:log-groups/log-group/${twice(group)}`;
  return stream ? `${base}/log-events/${twice(stream)}` : base;
}

// Half a surrogate pair makes encodeURIComponent throw.
const encoded = (value) => encodeURIComponent(value.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd"));
/** The CloudWatch console wants names encoded twice, with $ in place of %. */
const twice = (value) => encodeURIComponent(encoded(value)).replaceAll("%", "$");

const record = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const list = (value) => (Array.isArray(value) ? value : []);
const own = (table, key) => (key !== null && Object.hasOwn(table, key) ? table[key] : null);
const text = (value) => (typeof value === "number" ? String(value) : typeof value === "string" && value.trim() !== "" ? value.slice(0, 8000) : null);
const last = (value, separator) => text((value ?? "").split(separator).pop());
const digits = (value) => (typeof value === "number" ? String(value) : null);
/** Numbers may arrive as strings. */
const integer = (value) => (Number.isInteger(value) ? value : typeof value === "string" && /^-?\d{1,10}$/.test(value) ? Number(value) : null);
const time = (value) => {
  const milliseconds = typeof value === "string" ? Date.parse(value) : NaN;
  return Number.isNaN(milliseconds) ? null : new Date(milliseconds).toISOString();
};
