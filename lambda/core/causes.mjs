// Explains why a task ended: the one table of causes, and the rules that choose a row of it.
// Pure: no I/O, no clock, no Node API, no Intl.

import { crashOf, dependencyOf, failedByItself, isGuardDuty, isOfStop, ranOutOfMemory, rankOf, suspectOf } from "./blame.mjs";
import { plainReason, readReason, stopOf, tellsFailedExit, tellsOutOfMemory } from "./reasons.mjs";
import { own } from "./records.mjs";

/**
 * @typedef {"error"|"warning"|"info"} Severity
 * @typedef {{id: string, words: Record<"en"|"ja", [string, string]>, values: Record<string, string|null>}} Cause
 */

/**
 * The one table of causes: severity, then [words for the headline, sentence] in each language.
 * In a sentence {container} becomes "Container `web`", or "A container" if the container is not known.
 * @type {Record<string, {severity: Severity, en: [string, string], ja: [string, string]}>}
 */
export const CAUSES = {
  "out-of-memory": { severity: "error", en: ["out of memory", "{container} was killed because it ran out of memory."], ja: ["メモリ不足", "{container} はメモリ不足のため強制終了されました。"] },
  "killed-by-signal": { severity: "error", en: ["killed by {signal}", "{container} was killed by {signal} (exit code {code})."], ja: ["{signal} で強制終了", "{container} は {signal} で強制終了されました（終了コード {code}）。"] },
  "command-not-found": { severity: "error", en: ["command not found", "{container} could not run: its command was not found."], ja: ["コマンド未検出", "{container} のコマンドが見つからず、実行できませんでした。"] },
  "not-executable": { severity: "error", en: ["command not executable", "{container} could not run: its command is not executable."], ja: ["コマンド実行不可", "{container} のコマンドに実行権限がないか、実行できない形式です。"] },
  "application-exit": { severity: "error", en: ["exit code {code}", "{container} exited with code {code}."], ja: ["終了コード {code}", "{container} は終了コード {code} で終了しました。"] },
  crashed: { severity: "error", en: ["crashed with {signal}", "{container} crashed with {signal}."], ja: ["{signal} によるクラッシュ", "{container} が {signal} でクラッシュしました。"] },
  "no-exit-code": { severity: "error", en: ["no exit code", "{container} ended without an exit code; ECS does not say why."], ja: ["終了コードなし", "{container} は終了コードを残さずに終了しました。ECS は理由を報告していません。"] },
  "exit-zero": { severity: "warning", en: ["exited with code 0", "{container} exited with code 0, and the task ended with it."], ja: ["終了コード 0 で終了", "{container} が終了コード 0 で終了し、タスクも終了しました。"] },
  "image-pull-failed": { severity: "error", en: ["image could not be pulled", "The container image could not be pulled."], ja: ["イメージのプル失敗", "コンテナイメージをプルできませんでした。"] },
  "secrets-init-failed": { severity: "error", en: ["could not read secrets or authenticate to the registry", "The task could not read its secrets or authenticate to the image registry."], ja: ["シークレットの取得またはレジストリ認証の失敗", "シークレットの取得、またはコンテナレジストリでの認証に失敗しました。"] },
  "logger-init-failed": { severity: "error", en: ["logging could not be set up", "The container's log driver could not be initialised."], ja: ["ログドライバーの初期化失敗", "コンテナのログドライバーを初期化できませんでした。"] },
  "start-failed": { severity: "error", en: ["could not start", "ECS could not start the task's containers."], ja: ["起動失敗", "ECS がタスクのコンテナを起動できませんでした。"] },
  "runtime-failed": { severity: "error", en: ["container runtime failed", "The container runtime could not carry out a request from ECS."], ja: ["コンテナランタイムの障害", "コンテナランタイムが ECS の要求を実行できませんでした。"] },
  "elb-health-check-failed": { severity: "error", en: ["load balancer health check failed", "ECS stopped the task because it failed the load balancer's health checks."], ja: ["ロードバランサーのヘルスチェック失敗", "ロードバランサーのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "container-health-check-failed": { severity: "error", en: ["container health check failed", "ECS stopped the task because it failed its container health checks."], ja: ["コンテナのヘルスチェック失敗", "コンテナのヘルスチェックに失敗したため、ECS がタスクを停止しました。"] },
  "spot-interruption": { severity: "warning", en: ["Spot interruption", "AWS took back the Spot capacity that the task ran on."], ja: ["スポット中断", "スポットの中断によりタスクが停止しました。"] },
  "host-lost": { severity: "warning", en: ["host stopped or terminated", "The instance that the task ran on was stopped or terminated."], ja: ["ホストの停止", "タスクが動いていたインスタンスが停止または終了しました。"] },
  infrastructure: { severity: "warning", en: ["unhealthy infrastructure", "AWS stopped the task because the infrastructure under it was not healthy."], ja: ["基盤の異常", "基盤となるインフラストラクチャに異常があるため、AWS がタスクを停止しました。"] },
  maintenance: { severity: "warning", en: ["infrastructure maintenance", "AWS stopped the task for maintenance of the infrastructure under it."], ja: ["基盤のメンテナンス", "基盤となるインフラストラクチャのメンテナンスのため、AWS がタスクを停止しました。"] },
  draining: { severity: "warning", en: ["container instance draining", "ECS stopped the task because its container instance is being drained."], ja: ["コンテナインスタンスのドレイン", "コンテナインスタンスのドレインのため、ECS がタスクを停止しました。"] },
  "placement-failed": { severity: "error", en: ["no capacity to run on", "ECS found no capacity to place the task on."], ja: ["タスクの配置失敗", "タスクを配置できるキャパシティがありませんでした。"] },
  "run-rejected": { severity: "error", en: ["ECS refused to start it", "ECS refused the {call} call of {caller}, so no task started."], ja: ["タスクの起動が拒否されました", "{caller} による {call} を ECS が拒否したため、タスクは起動していません。"] },
  "deployment-failed": { severity: "error", en: ["deployment failed", "The deployment failed."], ja: ["デプロイ失敗", "デプロイに失敗しました。"] },
  "deployment-rolled-back": { severity: "warning", en: ["deployment is rolling back", "ECS is rolling the service back to its previous deployment."], ja: ["デプロイをロールバック中", "ECS がサービスを以前のデプロイに戻しています。"] },
  "daemon-rolled-back": { severity: "warning", en: ["deployment failed and is being rolled back", "The daemon's deployment failed, and ECS is rolling it back."], ja: ["デプロイの失敗とロールバック", "デーモンのデプロイに失敗し、ECS がロールバックしています。"] },
  "daemon-rollback-failed": { severity: "error", en: ["deployment and its rollback failed", "The daemon's deployment failed, and ECS could not roll it back."], ja: ["デプロイとロールバックの失敗", "デーモンのデプロイに失敗し、ロールバックもできませんでした。"] },
  "start-impaired": { severity: "warning", en: ["tasks keep failing to start", "ECS repeatedly fails to start the service's tasks."], ja: ["タスクの起動失敗が継続", "サービスのタスクが起動に繰り返し失敗しています。"] },
  "daemon-start-impaired": { severity: "warning", en: ["daemon task failed to start", "ECS could not start the daemon's task on a container instance."], ja: ["デーモンのタスクの起動失敗", "コンテナインスタンスでデーモンのタスクを起動できませんでした。"] },
  "constraint-violated": { severity: "error", en: ["placement constraint violated", "A task of the daemon service no longer meets its placement constraints."], ja: ["配置制約の違反", "デーモンサービスのタスクが配置制約を満たさなくなりました。"] },
  "configuration-failed": { severity: "error", en: ["configuration error", "ECS cannot place the service's tasks because of an error in their configuration."], ja: ["設定エラー", "設定に誤りがあるため、サービスのタスクを配置できません。"] },
  "scheduler-throttled": { severity: "warning", en: ["scheduler throttled", "ECS throttles the service's scheduler, so its tasks start and stop late."], ja: ["スケジューラーのスロットリング", "ECS がサービスのスケジューラーをスロットリングしているため、タスクの起動や停止が遅れています。"] },
  "stopped-by-user": { severity: "info", en: ["user request", "A user or a tool stopped the task."], ja: ["ユーザーの操作", "ユーザーまたはツールがタスクを停止しました。"] },
  "stopped-by-scheduler": { severity: "info", en: ["scaling, deployment or rebalancing", "ECS stopped the task to scale, deploy or rebalance the service."], ja: ["スケーリング、デプロイ、または再調整", "スケーリング、デプロイ、またはアベイラビリティーゾーンの再調整のため、ECS がタスクを停止しました。"] },
  "batch-timed-out": { severity: "error", en: ["timed out", "The job ran longer than its timeout, so AWS Batch stopped it."], ja: ["タイムアウト", "ジョブの実行時間がタイムアウトを超えたため、AWS Batch がジョブを停止しました。"] },
  "batch-terminated": { severity: "warning", en: ["terminated", "A user or a tool terminated the job."], ja: ["ユーザーの操作による終了", "ユーザーまたはツールがジョブを終了させました。"] },
  "batch-child-failed": { severity: "error", en: ["a child job failed", "A child of the array job failed."], ja: ["子ジョブの失敗", "配列ジョブの子ジョブが失敗しました。"] },
  "batch-dependency-failed": { severity: "warning", en: ["a job that it depends on failed", "The job did not run, because a job that it depends on failed."], ja: ["依存するジョブの失敗", "依存するジョブが失敗したため、ジョブは実行されませんでした。"] },
  "batch-queue-blocked": { severity: "error", en: ["the queue is blocked", "The job at the head of the queue cannot start, so AWS Batch starts no other job of the queue."], ja: ["キューのブロック", "キューの先頭のジョブを開始できないため、AWS Batch はキューのほかのジョブも開始できません。"] },
  "batch-failed": { severity: "error", en: ["the job failed", "AWS Batch reports that the job failed."], ja: ["ジョブの失敗", "AWS Batch からジョブの失敗が報告されました。"] },
  "execution-failed": { severity: "error", en: ["{name}", "The execution of the state machine failed with {name}."], ja: ["{name}", "ステートマシンの実行が {name} で失敗しました。"] },
  "execution-timed-out": { severity: "error", en: ["timed out", "The execution of the state machine ran longer than its timeout."], ja: ["タイムアウト", "ステートマシンの実行時間がタイムアウトを超えました。"] },
  "execution-aborted": { severity: "warning", en: ["aborted", "A user or a tool aborted the execution of the state machine."], ja: ["中止", "ユーザーまたはツールがステートマシンの実行を中止しました。"] },
  "application-error": { severity: "error", en: ["{message}", "{message}"], ja: ["{message}", "{message}"] },
  "job-succeeded": { severity: "info", en: ["ended well", "The job ended well."], ja: ["正常終了", "ジョブが正常に終了しました。"] },
  recovered: { severity: "info", en: ["works again", "The job ended well."], ja: ["復旧", "ジョブが正常に終了しました。"] },
  overdue: { severity: "error", en: ["no run ended by the deadline", "No run ended before the deadline, neither well nor with a failure."], ja: ["期限までに終了した実行なし", "期限までに終了した実行がありません（成功も失敗もありません）。"] },
  "running-long": { severity: "warning", en: ["for {age}, longer than {limit}", "The task has been running for {age}, longer than its limit of {limit}. taskbell does not stop it."], ja: ["{age} 経過（上限 {limit}）", "タスクの実行時間が {age} になり、上限の {limit} を超えました。taskbell はタスクを停止しません。"] },
  "waits-for-capacity": { severity: "warning", en: ["{status} for {age}", "The task has not started for {age}: its status is {status}, and it may wait for capacity."], ja: ["{status} のまま {age} 経過", "タスクが作成から {age} 経っても起動していません。状態は {status} で、キャパシティを待っている可能性があります。"] },
  summary: { severity: "info", en: ["problems in {problems} of {jobs} jobs", "Jobs with a problem: {problems} of {jobs}."], ja: ["問題のあるジョブ {problems} 件（全 {jobs} 件）", "{jobs} 件のジョブのうち、{problems} 件に問題があります。"] },
  "watch-denied": { severity: "warning", en: ["jobs are not watched", "The notifier cannot watch the running tasks of the jobs, because its call {action} was refused or found no cluster."], ja: ["ジョブを監視できません", "通知関数の {action} の呼び出しが拒否されたか、クラスターが見つからないため、実行中のタスクを監視できません。"] },
  "service-event": { severity: "info", en: ["{name}", "ECS reported {name}."], ja: ["{name}", "ECS から {name} が報告されました。"] },
  unknown: { severity: "error", en: ["{name}", "taskbell could not determine the cause; see the report from ECS below."], ja: ["{name}", "原因を判別できませんでした。ECS からの報告は次のとおりです。"] },
};

/** Stop codes of tasks that ECS did not stop by plan: the words of the reason belong to the failure itself. */
const OWN_ENDS = ["TaskFailedToStart", "EssentialContainerExited"];
/** Planned stops, which are silent for a service: a stop code that means a loss outranks the words of the reason. */
const PLANNED = ["stopped-by-scheduler", "stopped-by-user", "maintenance", "draining"];
const STOP_CODES = { SpotInterruption: "spot-interruption", TerminationNotice: "host-lost", InfrastructureHealth: "infrastructure" };
const SERVICE_EVENTS = {
  SERVICE_DEPLOYMENT_FAILED: "deployment-failed", DAEMON_DEPLOYMENT_ROLLBACK_FAILED: "daemon-rollback-failed", DAEMON_DEPLOYMENT_ROLLBACK_IN_PROGRESS: "daemon-rolled-back",
  SERVICE_TASK_PLACEMENT_FAILURE: "placement-failed", SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED: "constraint-violated",
  SERVICE_TASK_START_IMPAIRED: "start-impaired", DAEMON_TASK_START_IMPAIRED: "daemon-start-impaired",
  SERVICE_TASK_CONFIGURATION_FAILURE: "configuration-failed", ECS_OPERATION_THROTTLED: "scheduler-throttled",
};

/** Sentences for an event that reports the status of a task; "service-event" has those for events of a service. */
const STATUS_WORDS = { en: ["{name}", "The status of the task became {name}."], ja: ["{name}", "タスクの状態が {name} になりました。"] };

/** Words for a task that still runs: ECS sends the warning before a Spot interruption while the task is stopping. */
const STOPPING_WORDS = {
  "spot-interruption": {
    en: ["Spot interruption", "AWS is taking back the Spot capacity that the task runs on."], ja: ["スポット中断", "スポットの中断により、タスクはまもなく停止します。"],
  },
};

/** Sentences for causes that concern one container, if the container is known. */
const NAMED = {
  "image-pull-failed": { en: "{container} could not start: its image could not be pulled.", ja: "{container} のイメージをプルできませんでした。" },
  "logger-init-failed": { en: "{container} could not start: its log driver could not be initialised.", ja: "{container} のログドライバーを初期化できませんでした。" },
  "start-failed": { en: "{container} could not be started by ECS.", ja: "ECS が {container} を起動できませんでした。" },
  "runtime-failed": { en: "{container} failed: the container runtime could not carry out a request from ECS.", ja: "{container} について、コンテナランタイムが ECS の要求を実行できませんでした。" },
};

/** @returns {Cause} */
export function cause(id, values = {}) {
  const { en, ja } = CAUSES[id];
  const named = values.container ? own(NAMED, id) : null;
  return { id, words: { en: named ? [en[0], named.en] : en, ja: named ? [ja[0], named.ja] : ja }, values };
}
/** @returns {Cause} */
export const statusCause = (status) => ({ ...cause("service-event", { name: status }), words: STATUS_WORDS });
/** @returns {Cause} a report of another service than ECS */
export const reportCause = (service, status) => ({
  ...cause("service-event", { name: status }), words: { en: ["{name}", `${service} reported {name}.`], ja: ["{name}", `${service} から {name} が報告されました。`] },
});
/** @returns {Cause} */
export const whileStopping = (why) => ({ ...why, words: own(STOPPING_WORDS, why.id) ?? why.words });

/** @returns {string} the row for a deployment or service event */
export function serviceCauseId(eventName, reason) {
  if (/rolling back/i.test(reason ?? "")) return "deployment-rolled-back";
  return own(SERVICE_EVENTS, eventName) ?? (eventName ? "service-event" : "unknown");
}

/** Says whether a reason is that of AWS Batch for a job that ran longer than its timeout. AWS Batch stops the job's task with these words. */
export const timedOut = (reason) => /^job attempt duration exceeded timeout/i.test(reason ?? "");

/** Says whether ECS starts such a task again, for a service or a managed daemon. */
export const isOfService = ({ group, startedBy, daemon }) => /^(?:service|daemon):/.test(group ?? "") || /^ecs-(?:svc|daemon)\//.test(startedBy ?? "") || Boolean(daemon);

/**
 * Decides why a task ended: memory first, then the words of ECS about a stop, then the stop code, then the container to blame.
 * @returns {{cause: Cause, suspect: object|null, reason: string|null, endedByItself: boolean}} reason: the text that decided
 */
export function judge(task, containers) {
  const decided = (why, reason, suspect = null) => ({ cause: why, suspect, reason, endedByItself: false });
  const starved = containers.find((one) => ranOutOfMemory(one) && !isGuardDuty(one));
  if (starved) return decided(memoryCause(starved), starved.reason, starved);
  // The reason of a stop by a user is free text: such a text proves nothing, except that AWS Batch ends jobs by such a stop.
  if (task.stopCode === "UserInitiated") return timedOut(task.stoppedReason) ? decided(cause("batch-timed-out"), null) : decided(cause("stopped-by-user"), null);
  // A planned stop stays planned whatever else its reason says: neither the pattern nor the notifier lets such a stop through.
  const lost = own(STOP_CODES, task.stopCode);
  const stop = OWN_ENDS.includes(task.stopCode) ? null : stopOf(task.stoppedReason);
  // A stop by a user is the cause only if no container had failed before.
  const failedBefore = stop === "stopped-by-user" && containers.some((one) => failedByItself(one) && !isGuardDuty(one));
  if (stop && !(lost && PLANNED.includes(stop)) && !failedBefore) return decided(cause(stop), task.stoppedReason);
  if (tellsOutOfMemory(task.stoppedReason)) {
    const same = containers.find(({ reason }) => reason === task.stoppedReason) ?? null;
    return decided(memoryCause(same), task.stoppedReason, same);
  }
  return lost ? decided(cause(lost), task.stoppedReason) : blamed(task, containers);
}

const memoryCause = (container) => cause("out-of-memory", { container: container?.name ?? null, code: digits(container?.exitCode) });

/** Finds the cause of an end that no stop explains. */
function blamed(task, containers) {
  const said = readReason(task.stoppedReason);
  const byItself = task.stopCode === null || task.stopCode === "EssentialContainerExited";
  const failedToStart = task.stopCode === "TaskFailedToStart" || (task.stopCode === null && said !== null);
  const how = { neverRan: failedToStart, standAlone: !isOfService(task) };
  const dependency = dependencyOf(task, containers);
  const suspect = dependency?.container ?? suspectOf(containers, how);
  const told = suspect && !isOfStop(suspect) ? readReason(suspect.reason) : null;
  const by = (id, reason, container = suspect) => ({ cause: cause(id, { container: container?.name ?? null }), suspect, reason, endedByItself: false });
  // A container's own reason comes before the task's, unless the task's reason is more particular.
  if (told && (!said || told.rank <= said.rank)) return by(told.id, suspect.reason);
  if (dependency) {
    const failed = failedByItself(suspect) || (suspect.exitCode && tellsFailedExit(dependency.reason));
    return failed ? ofExit(suspect, containers, how, dependency.reason) : by("start-failed", dependency.reason);
  }
  const named = suspect?.reason ? suspect : null;
  const general = /^task ?failed ?to ?start\W*$/i.test(plainReason(task.stoppedReason));
  if (said && !general) return by(said.id, task.stoppedReason, named && named.reason === task.stoppedReason ? named : null);
  // An exit code is the cause if the task ended by itself, or failed to start because of this exit; an unknown stop code is shown unchanged.
  if (suspect && suspect.exitCode !== null && ((byItself && !said) || (failedToStart && (failedByItself(suspect) || suspect.exitCode === 137)))) return ofExit(suspect, containers, how, null, byItself);
  if (failedToStart) return by("start-failed", named?.reason ?? task.stoppedReason, named);
  if (byItself && suspect && !suspect.reason) return { ...by("no-exit-code", null, alike(suspect, containers, how) ? null : suspect), endedByItself: true };
  return { ...unknownCause(task, named), suspect, reason: named?.reason ?? task.stoppedReason };
}

/** Says whether several containers ended alike, so that no rank shows which one ended first. */
const alike = (suspect, containers, how) => containers.filter((one) => rankOf(one, how) === rankOf(suspect, how)).length > 1;

/** Takes the exit code of the suspect as the cause. If several containers exited with 0, none is blamed. */
function ofExit(suspect, containers, how, reason, endedByItself = false) {
  const none = suspect.exitCode === 0 && alike(suspect, containers, how);
  const values = { container: none ? null : suspect.name, code: digits(suspect.exitCode), signal: suspect.signal };
  return { cause: cause(exitCause(suspect), values), suspect, reason, endedByItself };
}

function exitCause({ exitCode, signal }) {
  if (exitCode === 0) return "exit-zero";
  if (exitCode === 126) return "not-executable";
  if (exitCode === 127) return "command-not-found";
  return crashOf(exitCode) ? "crashed" : signal ? "killed-by-signal" : "application-exit";
}

const unknownCause = (task, container) => ({
  cause: cause("unknown", { name: task.stopCode ?? task.stoppedReason ?? task.lastStatus, ...(container ? { container: container.name } : {}) }), endedByItself: false,
});

const digits = (value) => (typeof value === "number" ? String(value) : null);
