// Why it ended: the one table of causes, and the rules that choose a row of it.
// Pure: no I/O, no clock, no Node API, no Intl.

/**
 * @typedef {"error"|"warning"|"info"} Severity
 * @typedef {{id: string, words: Record<"en"|"ja", [string, string]>, values: Record<string, string|null>}} Cause
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
  "runtime-failed": { severity: "error", en: ["container runtime failed", "The container runtime could not do what ECS asked of it."], ja: ["コンテナランタイムの障害", "コンテナランタイムが ECS の要求を実行できませんでした。"] },
  "elb-health-check-failed": { severity: "error", en: ["load balancer health check failed", "ECS stopped the task because it failed the load balancer's health checks."], ja: ["ELB ヘルスチェック失敗", "ロードバランサーのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "container-health-check-failed": { severity: "error", en: ["container health check failed", "ECS stopped the task because it failed its container health checks."], ja: ["コンテナのヘルスチェック失敗", "コンテナのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "spot-interruption": { severity: "warning", en: ["Spot interruption", "AWS took back the Spot capacity the task ran on."], ja: ["Spot の中断", "タスクが動いていた Spot キャパシティを AWS が回収しました。"] },
  "host-lost": { severity: "warning", en: ["host lost", "The instance the task ran on was stopped or terminated."], ja: ["ホスト喪失", "タスクが動いていたインスタンスが停止または終了しました。"] },
  infrastructure: { severity: "warning", en: ["unhealthy infrastructure", "AWS stopped the task because the infrastructure under it was not healthy."], ja: ["基盤の異常", "基盤インフラに異常があったため、AWS がタスクを停止しました。"] },
  maintenance: { severity: "warning", en: ["infrastructure maintenance", "AWS stopped the task for maintenance of the infrastructure under it."], ja: ["基盤の保守", "基盤インフラの保守のため、AWS がタスクを停止しました。"] },
  "placement-failed": { severity: "error", en: ["no capacity to run on", "ECS found nowhere to place the task."], ja: ["配置できない", "タスクを配置できる場所がありませんでした。"] },
  "run-rejected": { severity: "error", en: ["the task was not run", "ECS did not run the task that {name} asked for."], ja: ["タスクを実行できない", "{name} が求めたタスクを、ECS は実行しませんでした。"] },
  "deployment-failed": { severity: "error", en: ["deployment failed", "The deployment failed."], ja: ["デプロイ失敗", "デプロイに失敗しました。"] },
  "deployment-rolled-back": { severity: "warning", en: ["deployment is rolling back", "ECS is rolling the service back to its previous deployment."], ja: ["デプロイをロールバック中", "ECS がサービスを以前のデプロイに戻しています。"] },
  "start-impaired": { severity: "warning", en: ["tasks keep failing to start", "The service is unable to start tasks consistently."], ja: ["タスクが起動し続けられない", "サービスがタスクを安定して起動できません。"] },
  "daemon-start-impaired": { severity: "warning", en: ["its task keeps failing to start", "ECS could not start the daemon's task on a container instance."], ja: ["タスクを起動できない", "コンテナインスタンスでデーモンのタスクを起動できませんでした。"] },
  "constraint-violated": { severity: "error", en: ["placement constraint violated", "A task of the service no longer meets its placement constraints."], ja: ["配置制約に違反", "サービスのタスクが配置制約を満たさなくなりました。"] },
  "configuration-failed": { severity: "error", en: ["configuration error", "ECS cannot place the service's tasks because of an error in their configuration."], ja: ["設定エラー", "設定に誤りがあるため、サービスのタスクを配置できません。"] },
  "scheduler-throttled": { severity: "warning", en: ["scheduler throttled", "ECS throttles the service's scheduler, so its tasks start and stop late."], ja: ["スケジューラーの抑制", "ECS API の制限により、サービスのタスクの起動や停止が遅れています。"] },
  "stopped-by-user": { severity: "info", en: ["stopped by a user", "Somebody, or a tool, stopped the task."], ja: ["ユーザーによる停止", "ユーザーまたはツールがタスクを停止しました。"] },
  "stopped-by-scheduler": { severity: "info", en: ["stopped by the service scheduler", "ECS stopped the task to scale, deploy or rebalance the service."], ja: ["スケジューラーによる停止", "スケーリング、デプロイ、または再配置のため、ECS がタスクを停止しました。"] },
  "application-error": { severity: "error", en: ["{message}", "{message}"], ja: ["{message}", "{message}"] },
  "service-event": { severity: "info", en: ["{name}", "ECS reported {name}."], ja: ["{name}", "ECS から {name} が通知されました。"] },
  unknown: { severity: "error", en: ["{name}", "The cause is not known to taskbell; what ECS reported stands below."], ja: ["{name}", "taskbell の知らない原因です。ECS の報告を以下に示します。"] },
};

// Exit codes above 128 are 128 + the signal, by the shell's convention.
const SIGNALS = { 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM" };
// What a container reports that ECS stopped because another one had ended.
const STOPPED_BY_ECS = [137, 143];
const OUT_OF_MEMORY = /out\s?of\s?memory/i;

/** The first row that matches, tested on what ECS (never a user) wrote about the task and its containers. */
const WRITTEN_REASONS = [
  [/executable file not found|exec: .*no such file or directory/i, "command-not-found"],
  [/exec: .*permission denied|exec format error/i, "not-executable"],
  [/logging driver|logger args/i, "logger-init-failed"],
  [/unable to (pull|retrieve) secret|registry auth|fetching secret data/i, "secrets-init-failed"],
  [/^Cannot\s?Pull|toomanyrequests|pull rate limit/i, "image-pull-failed"],
  [/failed ELB health checks/i, "elb-health-check-failed"],
  [/failed container health checks/i, "container-health-check-failed"],
  [/^Task stopped by user$/i, "stopped-by-user"],
  [/spot task was interrupted/i, "spot-interruption"],
  [/^Host EC2 .*(terminated|stopped)/i, "host-lost"],
  [/performing maintenance/i, "maintenance"],
  [/^(Scaling activity|Availability-zone rebalancing) initiated by/i, "stopped-by-scheduler"],
  [/capacity is unavailable|EMPTY CAPACITY PROVIDER|NO ACTIVE INSTANCES|RESOURCE:|^TaskFailedToStart: (AGENT|ATTRIBUTE)/i, "placement-failed"],
  [/^(ContainerRuntime\w*|Docker(Timeout|State)|CannotStopContainer|CannotInspectContainer|Internal)Error/i, "runtime-failed"],
  [/^(Task ?failed ?to ?start|ResourceInitializationError|Cannot\w+Error|ContainerNetworkingError|TaskStoppedBeforePullBeginError|HostConfigError|InvalidVolumeError)/i, "start-failed"],
  [/^(Timeout waiting for|Unexpected EC2 error|Unable to attach network interface|The selected task definition is not compatible)/i, "start-failed"],
];
const STOP_CODES = { SpotInterruption: "spot-interruption", TerminationNotice: "host-lost", InfrastructureHealth: "infrastructure", TaskFailedToStart: "start-failed" };
const SERVICE_EVENTS = {
  SERVICE_DEPLOYMENT_FAILED: "deployment-failed",
  SERVICE_TASK_PLACEMENT_FAILURE: "placement-failed", SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED: "constraint-violated",
  SERVICE_TASK_START_IMPAIRED: "start-impaired", DAEMON_TASK_START_IMPAIRED: "daemon-start-impaired",
  SERVICE_TASK_CONFIGURATION_FAILURE: "configuration-failed", ECS_OPERATION_THROTTLED: "scheduler-throttled",
};

export const signalOf = (exitCode) => own(SIGNALS, exitCode);
export const ranOutOfMemory = ({ reason }) => OUT_OF_MEMORY.test(reason ?? "");
export const wasStoppedByEcs = ({ exitCode }) => STOPPED_BY_ECS.includes(exitCode);

/** @returns {Cause} */
export const cause = (id, values = {}) => ({ id, words: { en: CAUSES[id].en, ja: CAUSES[id].ja }, values });

/** @returns {string} the row for a deployment or service event */
export function serviceCauseId(eventName, reason) {
  if (/rolling back/i.test(reason ?? "")) return "deployment-rolled-back";
  return own(SERVICE_EVENTS, eventName) ?? (eventName ? "service-event" : "unknown");
}

/** Why a task ended: memory first, then what ECS wrote, then its stop code, then exit codes. @returns {Cause} */
export function taskCause(task, containers) {
  const byUser = task.stopCode === "UserInitiated";
  const starved = containers.find(ranOutOfMemory);
  // The reason of a user's stop is free text: it proves nothing.
  if (starved || (!byUser && OUT_OF_MEMORY.test(task.stoppedReason ?? ""))) {
    return cause("out-of-memory", { container: starved?.name ?? null, code: digits(starved?.exitCode) });
  }
  if (byUser) return cause("stopped-by-user");
  // The rows go from the particular to the general, so the first row that any of the reasons matches is the best.
  const reasons = [{ reason: task.stoppedReason, name: null }, ...containers];
  for (const [pattern, id] of WRITTEN_REASONS) {
    const found = reasons.find(({ reason }) => pattern.test(reason ?? ""));
    if (found) return cause(id, { container: found.name ?? containers.find((one) => one.reason === found.reason)?.name ?? null });
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
/** The container that most likely ended the task; events do not say which one was first. */
export function suspectOf(containers) {
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

export const own = (table, key) => (key !== null && Object.hasOwn(table, key) ? table[key] : null);
const digits = (value) => (typeof value === "number" ? String(value) : null);
