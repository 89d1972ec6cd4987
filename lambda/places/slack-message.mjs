// Builds the payload for Slack from an incident, in the order in which a reader needs it: the headline, the cause, the end of the log, links
// and one line of facts as blocks of the message, and the facts that are rarely needed under a coloured bar. Slack folds attachments, and
// sections that do not ask to be expanded: all that matters is in expanded sections.
// Pure: no I/O, no clock, no Node API, no Intl. Whatever the incident holds, the payload keeps Slack's limits:
// one block over its limit and Slack refuses the whole message. The other destinations translate this payload (parts.mjs).

import { crashOf } from "../core/blame.mjs";
import { tellsNothing } from "../core/reasons.mjs";
import { own } from "../core/records.mjs";
import { beginningOf, clean, filled, piecesOf } from "../core/text.mjs";

/**
 * @typedef {import("../core/incident.mjs").Incident & {occurrence?: import("../memory/announcements.mjs").Occurrence|null, tail?: string[]}} Incident
 *   occurrence: of a failure that keeps coming; tail: the last lines of its log, oldest first
 * @typedef {{language?: string, username?: string, iconEmoji?: string, mention?: string}} Options
 * @typedef {{text: string, blocks: object[], attachments: {color: string, blocks?: object[], text?: string, mrkdwn_in?: string[], fallback?: string}[], username?: string, icon_emoji?: string}} Payload
 *   text: the headline, which Slack shows in notifications only; blocks: the headline first; attachments: the rarely needed facts last
 */

// Lengths of the escaped parts. Slack takes 3,000 a section, 2,000 a field and about 13,200 for all blocks together, those of attachments
// included; all links and their labels share one section. The end of a log has the space that the other blocks leave, and a least length.
const LIMIT = { line: 80, name: 150, field: 150, sentence: 300, reason: 400, containers: 1800, fence: 1200, tail: 2200, leastTail: 400, url: 1000, links: 2900, folded: 4000, all: 12_000 };
const CONTAINERS_SHOWN = 10;
/** The most characters that are read beyond a limit: enough to notice that the limit is passed, and not to cut the part that is kept. */
const BEYOND = 2;
/** The length of the mark in place of the middle that was left out, with its line breaks. */
const LONGEST_MARK = 40;

const COLORS = { error: "#cf222e", warning: "#d4880f", info: "#6e7781", drill: "#3b82c4", recovered: "#2da44e" };
const SIGNS = { error: "🔴", warning: "🟠", info: "⚪", drill: "🧪", recovered: "🟢" };
/** Changed images that are shown by name, and the length of a tag. */
const IMAGES_SHOWN = 3;
const TAG_LENGTH = 60;
const DIGEST_LENGTH = 12;
/** The length of an image's name that is read. */
const IMAGE_LENGTH = 400;

// Bold text and code need a space, ASCII punctuation or an end of the line directly outside of their marks (mrkdwn.mjs): in Japanese, too,
// a space follows each of them. No space can come before a full-width colon: names directly before the colon are plain (`plainNames`).
const WORDS = {
  en: {
    plainNames: [],
    died: (what, where) => `${what} failed${where && ` in ${where}`}`,
    "failed-to-start": (what, where) => `${what} failed to start${where && ` in ${where}`}`,
    "not-run": (what, where) => `${what} did not run${where && ` in ${where}`}`,
    stopped: (what, where) => `${what} stopped${where && ` in ${where}`}`,
    stopping: (what, where) => `${what} is stopping${where && ` in ${where}`}`,
    changed: (what, where) => `${what}${where && ` in ${where}`}`,
    recovered: (what, where) => `${what} works again${where && ` in ${where}`}`,
    overdue: (what, where) => `${what} is overdue${where && ` in ${where}`}`,
    "ended-late": (what, where) => `${what} ended late${where && ` in ${where}`}`,
    running: (what, where) => `${what} is still running${where && ` in ${where}`}`,
    waiting: (what, where) => `${what} has not started${where && ` in ${where}`}`,
    weekly: "Summary of the jobs", afterName: ": ", in: (where) => ` in ${where}`,
    missedToo: (count, since) => (count === 1 ? `The deadline at ${since} was missed, too.` : `${count} earlier deadlines, since ${since}, were missed, too.`),
    lines: {
      open: ({ failures, cause, since }) => `failed ${failures === 1 ? "once" : `${failures} times`} since ${since}${cause && `, last with: ${cause}`}`, overdue: ({ since }) => `overdue since ${since}`,
      flaky: ({ failures, cause }) => `works again, failed ${failures === 1 ? "once" : `${failures} times`} in 7 days${cause && `: ${cause}`}`,
      slower: ({ duration, before }) => `slower: ${duration}, before ${before}`, new: () => "no run seen yet",
    },
    facts: { deadline: "Due by", lastSuccess: "Last success", usual: "Usual duration", runningSince: "Running since", createdAt: "Created at", nextDeadline: "Next deadline", expected: "Expected by", every: "Expected every", schedule: "Schedule", limit: "Limit", queue: "Job queue", jobDefinition: "Job definition", attempts: "Attempts", arrayIndex: "Array index", timeout: "Timeout", stateMachine: "State machine", execution: "Execution", redrives: "Redrives" },
    beforeTrouble: " ", afterTrouble: (trouble, duration) => `after ${[trouble, duration].filter(Boolean).join(", ")}`, late: (duration) => `${duration} late`,
    failures: (count, isMore) => (isMore ? `${count} or more failures` : count === 1 ? "1 failure" : `${count} failures`), anOverdueRun: "an overdue run", aFailedDeployment: "a failed deployment", anImpairment: "an impairment",
    failedSince: (failures, since) => `${failures} since ${since}.`, dueAt: (time) => `The run was due by ${time}.`,
    endedWellSince: (time) => `The job has ended well since, at ${time}.`,
    firstFailure: (changes, runs) => `First failure${changes && ` since ${changes}`}${runs && `${changes && ","} after ${runs}`}.`,
    failuresInARow: (count, isMore, since, runs) => `Failure ${count}${isMore ? " or later" : ""} in a row since ${since}${runs && `, after ${runs}`}.`,
    goodRuns: (count, areMore) => (areMore ? `${count} or more good runs` : count === 1 ? "1 good run" : `${count} good runs`),
    changedSince: (changes) => `Changed since the last success: ${changes}.`, unchanged: "Nothing changed: same revision and image as the last success.",
    noSuccess: "No success is on record.", noSuccessBy: (time) => `There was no success by ${time}.`, image: (container) => (container ? `image of ${container}` : "image"), betweenChanges: ", ",
    absent: { container: "A container", caller: "an unknown caller", other: "unknown" }, container: "Container ", aTask: "A task", aService: "A service",
    drillHeadline: "DRILL, not a real incident", colon: ": ", with: (name) => ` (${name})`,
    drill: "This is a drill. No task failed; the event was sent on purpose to test this alert.",
    times: (count) => `${count} times`, since: (count, since, next) => `*${count} times* since ${since}. Next alert at the ${ordinal(next)}.`,
    earlier: (count) => `Earlier, ${count === 1 ? "1 more occurrence was" : `${count} more occurrences were`} not reported.`, linesLeftOut: (count) => `[… ${count} lines left out …]`,
    lastLines: (container) => `Last lines of the log of ${container}`,
    otherDriver: (container, driver) => `${container} logs through ${driver}: there is no log stream to link to.`,
    source: "Source", level: "Level", levels: { error: "error", warning: "warning", info: "info" },
    cluster: "Cluster", daemon: "Daemon", definition: "Task definition", service: "Service", standAlone: "none, a stand-alone task", group: "Group", ran: "Ran for",
    never: "never started", launch: "Launch type", startedBy: "Started by", stopCode: "Stop code", stoppedAt: "Stopped at",
    at: "Time", job: "Job", deployment: "Deployment ID", event: "Event", resource: "Resource", reason: "Stopped reason", plainReason: "Reason",
    exit: (code) => `exit code ${code}`, noExit: "no exit code", essential: "essential", more: (count) => `and ${count} more`,
    openTask: (isGone) => `Open the task in ECS${isGone ? " (for about an hour)" : ""}`, openService: "Open the service in ECS", openCluster: "Open the cluster's tasks in ECS", openJob: "Open the job in AWS Batch", openExecution: "Open the execution in Step Functions", openLog: (container) => `Open the log of ${container}`, task: "task",
    underASecond: "under a second", units: [[86400, " d"], [3600, " h"], [60, " min"], [1, " s"]], betweenSentences: " ",
    why: { denied: (action) => `The notifier's role is not allowed to call \`${action}\``, timeout: (action) => `\`${action}\` did not answer in time`,
      failed: (action) => `\`${action}\` failed`, absent: (action) => `\`${action}\` found nothing` },
    so: (why, lost) => (lost ? `${why}, so ${lost}.` : `${why}.`),
    lost: { ecs: "log links and essential marks are missing", logs: "the end of the log is missing", dynamodb: "this alert may come more than once" },
    lostLooks: { "ecs:ListClusters": "the clusters are not known", "ecs:ListTasks": "runs in progress are not known", "ecs:DescribeTasks": "runs in progress are not known", "scheduler:GetSchedule": "the state of the schedule is not known", "events:DescribeRule": "the state of the schedule is not known", "dynamodb:Scan": "only expected jobs are listed" },
  },
  ja: {
    plainNames: ["changed"],
    died: (what, where) => `${where && `${where} の `}${what} が異常終了しました`,
    "failed-to-start": (what, where) => `${where && `${where} の `}${what} が起動に失敗しました`,
    "not-run": (what, where) => `${where && `${where} の `}${what} が実行されませんでした`,
    stopped: (what, where) => `${where && `${where} の `}${what} が停止しました`,
    stopping: (what, where) => `${where && `${where} の `}${what} が停止処理中です`,
    changed: (what, where) => `${where && `${where} の${WIDE.test(what.at(0)) ? "" : " "}`}${what}`,
    recovered: (what, where) => `${where && `${where} の `}${what} が復旧しました`,
    overdue: (what, where) => `${where && `${where} の `}${what} が期限を過ぎています`,
    "ended-late": (what, where) => `${where && `${where} の `}${what} の完了が遅れました`,
    running: (what, where) => `${where && `${where} の `}${what} が実行中のままです`,
    waiting: (what, where) => `${where && `${where} の `}${what} が起動していません`,
    weekly: "定期サマリー", afterName: "：", in: (where) => `（${where}）`,
    missedToo: (count, since) => (count === 1 ? `${since} の期限にも間に合いませんでした。` : `${since} 以降の ${count} 回の期限にも間に合いませんでした。`),
    lines: {
      open: ({ failures, cause, since }) => `${since} から ${failures} 回失敗${cause && `（直近：${cause}）`}`, overdue: ({ since }) => `${since} から期限超過`,
      flaky: ({ failures, cause }) => `復旧済み。直近 7 日間に ${failures} 回失敗${cause && `（${cause}）`}`,
      slower: ({ duration, before }) => `実行時間の増加：${before} → ${duration}`, new: () => "まだ実行がありません",
    },
    facts: { deadline: "期限", lastSuccess: "最後の成功", usual: "通常の実行時間", runningSince: "実行開始", createdAt: "作成日時", nextDeadline: "次の期限", expected: "期限の設定", every: "成功の間隔", schedule: "スケジュール", limit: "上限", queue: "ジョブキュー", jobDefinition: "ジョブ定義", attempts: "試行回数", arrayIndex: "配列インデックス", timeout: "タイムアウト", stateMachine: "ステートマシン", execution: "実行", redrives: "リドライブ回数" },
    beforeTrouble: "", afterTrouble: (trouble, duration, isLate) => `（${[trouble, duration && !isLate ? `復旧まで ${duration}` : duration].filter(Boolean).join("、")}）`, late: (duration) => `${duration}遅れ`,
    failures: (count, isMore) => `失敗 ${count} 回${isMore ? "以上" : ""}`, anOverdueRun: "期限超過", aFailedDeployment: "デプロイ失敗", anImpairment: "サービスの障害",
    failedSince: (failures, since) => `${failures}（最初の失敗：${since}）。`, dueAt: (time) => `実行の期限は ${time} でした。`,
    endedWellSince: (time) => `ジョブはその後 ${time} に正常終了しています。`,
    firstFailure: (changes, runs) => `${changes && `${changes} の変更後、`}最初の失敗です${runs && `（それまで ${runs}）`}。`,
    failuresInARow: (count, isMore, since, runs) => `${since} から ${count} 回${isMore ? "以上" : ""}連続で失敗しています${runs && `（それまで ${runs}）`}。`,
    goodRuns: (count, areMore) => (areMore ? `${count} 回以上連続で成功` : count === 1 ? "1 回成功" : `${count} 回連続で成功`),
    changedSince: (changes) => `最後の成功時からの変更：${changes}。`, unchanged: "リビジョンとイメージは最後の成功時と同じです。",
    noSuccess: "成功の記録はありません。", noSuccessBy: (time) => `期限の ${time} までに成功していません。`, image: (container) => (container ? `${container} のイメージ` : "イメージ"), betweenChanges: "、",
    absent: { container: "コンテナ", caller: "不明な呼び出し元", other: "不明" }, container: "コンテナ ", aTask: "タスク", aService: "サービス",
    drillHeadline: "【訓練】実際の障害ではありません", colon: "：", with: (name) => `（${name}）`,
    drill: "これは訓練です。異常終了したタスクはありません。通知経路を確認するために送信されたテスト用のイベントです。",
    times: (count) => `${count} 回発生`, since: (count, since, next) => `${since} から *${count} 回* 発生しています。次は ${next} 回目に通知します。`,
    earlier: (count) => `これより前に同じ障害が ${count} 回発生しましたが、通知していません。`, linesLeftOut: (count) => `[… ${count} 行を省略 …]`,
    lastLines: (container) => `${container} のログの末尾`,
    otherDriver: (container, driver) => `${container} のログドライバーが ${driver} であるため、ログへのリンクはありません。`,
    source: "発生元", level: "レベル", levels: { error: "エラー", warning: "警告", info: "情報" },
    cluster: "クラスター", daemon: "デーモン", definition: "タスク定義", service: "サービス", standAlone: "なし（スタンドアロンタスク）", group: "グループ", ran: "実行時間",
    never: "未起動", launch: "起動タイプ", startedBy: "起動元", stopCode: "停止コード", stoppedAt: "停止日時",
    at: "日時", job: "ジョブ", deployment: "デプロイ ID", event: "イベント", resource: "リソース", reason: "停止理由", plainReason: "理由",
    exit: (code) => `終了コード ${code}`, noExit: "終了コードなし", essential: "必須コンテナ", more: (count) => `ほか ${count} 件`,
    openTask: (isGone) => `ECS でタスクを開く${isGone ? "（約 1 時間有効）" : ""}`, openService: "ECS でサービスを開く", openCluster: "ECS でクラスターのタスクを開く", openJob: "AWS Batch でジョブを開く", openExecution: "Step Functions で実行を開く", openLog: (container) => `${container} のログを開く`, task: "タスク",
    underASecond: "1 秒未満", units: [[86400, " 日"], [3600, " 時間"], [60, " 分"], [1, " 秒"]], betweenSentences: "",
    why: { denied: (action) => `通知関数のロールに \`${action}\` の権限がありません`, timeout: (action) => `\`${action}\` から時間内に応答がありませんでした`,
      failed: (action) => `\`${action}\` の呼び出しに失敗しました`, absent: (action) => `\`${action}\` の対象が見つかりませんでした` },
    so: (why, lost) => (lost ? `${why}。そのため、${lost}。` : `${why}。`),
    lost: { ecs: "ログへのリンクと「必須コンテナ」の表示を省略しました", logs: "ログの末尾を省略しました", dynamodb: "このアラートは重複して届くことがあります" },
    lostLooks: { "ecs:ListClusters": "クラスターを確認できません", "ecs:ListTasks": "実行中のタスクを確認できません", "ecs:DescribeTasks": "実行中のタスクを確認できません", "scheduler:GetSchedule": "スケジュールの状態を確認できません", "events:DescribeRule": "スケジュールの状態を確認できません", "dynamodb:Scan": "期限などを設定したジョブだけを表示しています" },
  },
};

/**
 * Builds the payload for an incoming webhook.
 * @param {Incident} incident
 * @param {Options} [options]
 * @returns {Payload}
 */
export function messageOf(incident, options) {
  const { username, iconEmoji, mention } = options ?? {};
  const key = keyOf(options);
  const words = WORDS[key];
  // A drill tests the way to the channel, and mentions nobody. Neither does good news, or a summary.
  const mentioned = incident.drill || incident.state === "recovered" || incident.isQuiet ? "" : mentionOf(mention);
  const icon = iconOf(iconEmoji);
  const color = COLORS[lookOf(incident)] ?? COLORS.error;
  const headline = mentioned + headlineOf(incident, words, key);
  const rare = rareOf(incident, words);
  return {
    text: headline, blocks: blocksOf(incident, words, key, { headline, left: LIMIT.all - lengthOf(rare) }),
    attachments: [...foldedOf(incident, color, words), { color, blocks: rare }],
    ...(filled(username) ? { username: cut(username.trim(), 80) } : {}),
    ...(icon ? { icon_emoji: icon } : {}),
  };
}

/**
 * Returns the sentence about the cause, in the markup of Slack.
 * @param {Incident} incident
 * @param {Options} [options]
 */
export function sentenceOf(incident, options) {
  const key = keyOf(options);
  return causeOf(incident, WORDS[key], key);
}

const keyOf = (options) => (/^ja\b/i.test(String(options?.language ?? "")) ? "ja" : "en");

/** Returns the key of the colour and of the sign. */
export const lookOf = ({ drill, state, severity }) => (drill ? "drill" : state === "recovered" ? "recovered" : severity);

/** Reasons why a job is overdue that mean that no task of it ran. */
const NOT_RUN = ["no-run", "rejected", "disabled", "ended", "no-target", "not-due"];

/** Returns the key of the verb. If ECS could not be asked, or the job runs elsewhere, nobody knows whether a run is in progress. */
function verbOf({ state, cluster, cause: { id }, reason, missing }) {
  const isKnown = filled(cluster) && !missing.some(({ action }) => action.startsWith("ecs:"));
  return id === "run-rejected" || (state === "overdue" && NOT_RUN.includes(reason) && isKnown) ? "not-run" : state;
}

/** Builds the headline: "🔴 *web* failed in *prod*: exit code 1 (app) · 4 times" */
function headlineOf(incident, words, key) {
  const { family, cluster, cause, occurrence } = incident;
  const isPlain = words.plainNames.includes(verbOf(incident));
  const what = subjectOf(incident, words, isPlain);
  const where = filled(cluster) ? nameOf(cluster, isPlain) : "";
  const container = cause.values.container;
  const by = filled(container) && container !== family ? words.with(plain(container, LIMIT.name)) : "";
  // "failed to start: could not start" would repeat itself.
  const isRecovery = incident.state === "recovered";
  const why = isRecovery ? afterTroubleOf(incident, words) : incident.state === "failed-to-start" && cause.id === "start-failed" ? "" : sentence(cause.words[key][0], cause, words, key);
  const often = occurrence?.count > 1 ? ` · ${words.times(occurrence.count)}` : "";
  const subject = what || where ? words[verbOf(incident)](what || where, what && where) : "";
  const told = [subject, why].filter(Boolean).join(isRecovery ? words.beforeTrouble : words.colon) + by + often;
  return incident.drill ? `${SIGNS.drill} *${words.drillHeadline}* · ${told}` : `${SIGNS[lookOf(incident)] ?? SIGNS.error} ${told}`;
}

/** Names the trouble that ended, and its duration: "after 3 failures, 1 h 12 min". A drill ends no trouble. */
function afterTroubleOf({ recovery }, words) {
  if (!recovery) return "";
  const { of, failures, isMore, overdue, seconds } = recovery;
  const trouble = of === "deployment" ? words.aFailedDeployment : of === "service" ? words.anImpairment
    : failures > 0 ? words.failures(failures, isMore) : overdue !== null ? words.anOverdueRun : "";
  const lasted = seconds === null ? "" : durationOf(seconds, words);
  const isLate = of === "job" && failures === 0 && overdue !== null;
  return trouble || lasted ? words.afterTrouble(trouble, lasted && isLate ? words.late(lasted) : lasted, isLate) : "";
}

const nameOf = (value, isPlain) => (isPlain ? plain(value, LIMIT.name) : bold(value));

function subjectOf({ kind, family, service, daemon, jobName, stateMachine, source, taskId }, words, isPlain) {
  const name = family ?? service ?? daemon ?? (kind === "summary" ? words.weekly : kind === "application" ? jobName ?? source : jobName ?? stateMachine);
  if (filled(name)) return nameOf(name, isPlain);
  if (filled(taskId)) return `${words.task} ${isPlain ? plain(taskId, LIMIT.name) : code(taskId)}`;
  return { task: words.aTask, service: words.aService, deployment: words.aService }[kind] ?? "";
}

/** Causes whose sentence says no more than the headline. */
const SAID = ["application-error", "deployment-failed", "job-succeeded", "service-event"];

/** Says whether the headline has all that the sentence about the cause would say: the end of a job's trouble, too, and the number of problems. */
const isCauseSaid = ({ cause: { id, values }, recovery }) => SAID.includes(id) || (id === "recovered" && recovery?.of === "job") || (id === "summary" && values.problems !== "0");

/** Builds the blocks of the message, in the order of need. */
function blocksOf(incident, words, key, { headline, left }) {
  const before = [
    headline, incident.drill ? `🧪 *${words.drill}*` : "", isCauseSaid(incident) ? "" : causeOf(incident, words, key), missedOf(incident, words),
    summaryOf(incident, words, key), containersOf(incident, words, key), reasonOf(incident, words), historyOf(incident, words), repeatedOf(incident, words),
  ].filter(Boolean).map(section);
  const links = linksOf(incident, words);
  const notes = [lineOf(incident, words), ...gapsOf(incident, words)].filter(Boolean).map(mrkdwn);
  const after = [...(links ? [section(links)] : []), ...(notes.length > 0 ? [{ type: "context", elements: notes }] : [])];
  const tail = tailOf(incident, Math.max(LIMIT.leastTail, Math.min(LIMIT.tail, left - lengthOf([...before, ...after]))));
  return [...before, ...(tail ? [section(`*${words.lastLines(code(incident.log?.container ?? "?"))}*\n${tail}`)] : []), ...after];
}

/** Builds the blocks below the coloured bar: facts that are rarely needed, and where the task ran. */
function rareOf(incident, words) {
  const fields = fieldsOf(incident, words);
  return [...(fields.length > 0 ? [{ type: "section", fields }] : []), { type: "context", elements: [mrkdwn(footOf(incident, words))] }];
}

/** Returns the length of all texts of blocks. */
const lengthOf = (blocks) => blocks.flatMap(({ text, fields = [], elements = [] }) => [...(text ? [text] : []), ...fields, ...elements]).reduce((sum, { text }) => sum + text.length, 0);

const causeOf = ({ cause }, words, key) => `*${unstarred(sentence(cause.words[key][1], cause, words, key))}*`;

const missedOf = ({ missed = [] }, words) => (missed.length > 0 ? words.missedToo(missed.length, localTime(missed[0])) : "");

/** Writes the reason of ECS, unless it says no more than the headline and the sentence about the cause. */
function reasonOf({ kind, stoppedReason, cause }, words) {
  return filled(stoppedReason) && !tellsNothing(stoppedReason, cause.id) ? `*${kind === "task" ? words.reason : words.plainReason}*\n${fence(stoppedReason)}` : "";
}

/** Says how the failure or the recovery compares with earlier runs. */
function historyOf(incident, words) {
  return incident.recovery ? episodeOf(incident.recovery, words) : incident.job ? comparedOf(incident, words) : "";
}

/** Says how often the failure came, if more than once. */
function repeatedOf({ occurrence }, words) {
  if (!occurrence) return "";
  const { count, since, earlier, next } = occurrence;
  return [count > 1 ? words.since(count, localTime(since), next) : "", earlier > 0 ? words.earlier(earlier) : ""].filter(Boolean).join(words.betweenSentences);
}

/** Says in one line how often the job failed in a row, and how it differs from its last success. */
function comparedOf({ family, job }, words) {
  const { since, failures, isMore, lastSuccess, goodRuns, areMoreGoodRuns, changes, endedWellAt, overdue } = job;
  if (endedWellAt !== null) return words.endedWellSince(localTime(endedWellAt));
  const runs = goodRuns > 0 ? words.goodRuns(goodRuns, areMoreGoodRuns) : "";
  const changed = changes === null ? "" : changesOf(changes, family, words);
  const isFirst = failures === 1 && !isMore;
  const parts = [
    isFirst ? (lastSuccess === null ? "" : words.firstFailure(changed, runs)) : words.failuresInARow(failures, isMore, localTime(since), runs),
    !isFirst && changed ? words.changedSince(changed) : "",
    changes !== null && !changed ? words.unchanged : "",
    lastSuccess === null && !isFirst ? words.noSuccess : "",
    overdue ? words.noSuccessBy(localTime(overdue)) : "",
  ];
  return parts.filter(Boolean).join(words.betweenSentences);
}

/** Writes what changed: "web:17 → web:18, image v41 → v42". Empty if nothing changed. */
function changesOf({ revision, images }, family, words) {
  const name = filled(family) ? `${plain(family, LIMIT.name)}:` : "";
  const shown = images.slice(0, IMAGES_SHOWN).map(({ container, from, to }) => `${words.image(container === null ? "" : plain(container, TAG_LENGTH))} ${imageChangeOf(from, to)}`);
  const more = images.length > IMAGES_SHOWN ? [words.more(images.length - IMAGES_SHOWN)] : [];
  return [...(revision ? [`${name}${revision.from} → ${name}${revision.to}`] : []), ...shown, ...more].join(words.betweenChanges);
}

/** Writes tags; with the last part of the repository if that changed, too; and short digests if the tag stayed. */
function imageChangeOf(from, to) {
  const [one, other] = [from, to].map(({ image }) => /^(?:(.*)\/)?([^/]*?)(?::([^/:@]+))?(?:@.*)?$/.exec(image.slice(0, IMAGE_LENGTH)) ?? ["", "", image, undefined]);
  const isSameRepository = `${one[1]}/${one[2]}` === `${other[1]}/${other[2]}`;
  const labelOf = ([, , name, tag]) => (isSameRepository && tag ? tag : `${name}${tag ? `:${tag}` : ""}`);
  const [before, after] = [labelOf(one), labelOf(other)].map((label) => plain(label, TAG_LENGTH));
  if (before !== after) return `${before} → ${after}`;
  const [old, fresh] = [from, to].map(({ digest }) => plain((digest ?? "?").replace(/^sha256:/, "").slice(0, DIGEST_LENGTH), DIGEST_LENGTH));
  return `${before} (${old} → ${fresh})`;
}

/** Says in one line how the trouble began. */
function episodeOf({ of, since, failures, isMore, overdue }, words) {
  if (of !== "job") return "";
  const failed = failures > 0 && since !== null ? words.failedSince(words.failures(failures, isMore), localTime(since)) : "";
  return [failed, overdue !== null ? words.dueAt(localTime(overdue)) : ""].filter(Boolean).join(words.betweenSentences);
}

/** Signs of the lines of a summary. */
const LINE_SIGNS = { open: "🔴", overdue: "🔴", flaky: "🟠", slower: "🟠", new: "⚪" };

/** Writes one line for each job that needs attention. */
function summaryOf({ lines = [], linesLeft = 0, cluster: only }, words, key) {
  if (lines.length === 0) return "";
  const lineOf = ({ job, cluster, kind, since, failures, words: why, seconds, beforeSeconds }) => {
    const where = filled(cluster) && cluster !== only ? words.in(plain(cluster, LIMIT.line)) : "";
    // Words of a cause that need values, such as an exit code, are left out.
    const cause = why && !why[key].includes("{") ? why[key] : "";
    const told = own(words.lines, kind)?.({ failures, cause, since: since ? localTime(since) : "?", duration: durationOf(seconds ?? 0, words), before: durationOf(beforeSeconds ?? 0, words) }) ?? "";
    // A full-width character may not follow code directly.
    const name = WIDE.test((where || words.afterName).at(0)) ? plain(job, LIMIT.line) : code(job, LIMIT.line);
    return `${own(LINE_SIGNS, kind) ?? "•"} ${name}${where}${words.afterName}${told}`;
  };
  return [...lines.map(lineOf), ...(linesLeft > 0 ? [`_${words.more(linesLeft)}_`] : [])].join("\n");
}

/** Folds the stack trace of an application: Slack folds the text of an attachment, not the text of a block. */
function foldedOf({ applicationDetail }, color, words) {
  if (!filled(applicationDetail)) return [];
  const text = bothEnds(applicationDetail, LIMIT.folded, words);
  return text === "" ? [] : [{ color, text: fenced(text), mrkdwn_in: ["text"], fallback: bothEnds(applicationDetail, LIMIT.sentence, words) }];
}

/** Keeps the beginning and, with the larger share, the end, where an exception names itself: whole lines, except for a line longer than its share. */
function bothEnds(value, limit, words) {
  const pieces = fencePieces(clean(value, true).trim());
  const length = (from, to) => pieces.slice(from, to).reduce((sum, piece) => sum + piece.length, 0);
  if (length(0) <= limit) return pieces.join("");
  const share = Math.floor(limit / 4);
  let head = 0;
  for (let left = share; pieces[head].length <= left; head += 1) left -= pieces[head].length;
  let tail = pieces.length;
  for (let left = limit - share - LONGEST_MARK; pieces[tail - 1].length <= left; tail -= 1) left -= pieces[tail - 1].length;
  const headEnd = pieces[head] === "\n" ? head : pieces.lastIndexOf("\n", head - 1);
  const tailStart = pieces[tail - 1] === "\n" ? tail : pieces.indexOf("\n", tail) + 1;
  const [from, to] = [headEnd > 0 ? headEnd : head, tailStart > 0 ? tailStart : tail];
  const breaks = pieces.slice(from, to).filter((piece) => piece === "\n").length;
  const mark = breaks > 1 && headEnd > 0 && tailStart > 0 ? words.linesLeftOut(breaks - 1) : "[…]";
  return `${pieces.slice(0, from).join("")}\n${mark}\n${pieces.slice(to).join("")}`;
}

/** Keeps the last whole lines that fit; of a single line that is too long, its end. */
function tailOf({ tail }, limit) {
  const lines = (tail ?? []).map((line) => clean(line, true).trimEnd()).join("\n").trim();
  if (lines === "") return "";
  const pieces = fencePieces(lines.slice(-limit - BEYOND));
  let length = 0;
  let first = pieces.length;
  while (first > 0 && length + pieces[first - 1].length <= limit) length += pieces[--first].length;
  if (first === 0) return fenced(pieces.join(""));
  const lineBreak = pieces.indexOf("\n", first - 1);
  return fenced(`…${lineBreak === -1 ? "" : "\n"}${pieces.slice(lineBreak === -1 ? first : lineBreak + 1).join("")}`);
}

/** Writes one line for each container, the container that failed first; reasons below the line. Whole lines only. */
function containersOf(incident, words, key) {
  const { containers, stoppedReason } = incident;
  if (containers.length === 0 || isSaid(incident)) return "";
  const ordered = [...containers].sort((one, other) => Number(other.failed) - Number(one.failed));
  const lines = [];
  let length = 0;
  for (const container of ordered.slice(0, CONTAINERS_SHOWN)) {
    const line = containerLine(container, stoppedReason, words, key);
    if (length + line.length > LIMIT.containers) break;
    lines.push(line);
    length += line.length + 1;
  }
  const left = containers.length - lines.length;
  return [...lines, ...(left > 0 ? [`_${words.more(left)}_`] : [])].join("\n");
}

/** Causes whose sentence has the exit code in words of its own. */
const CODE_SAID = ["exit-zero", "crashed"];

/** Says whether the headline and the sentence about the cause have everything that the only container's line would have. */
function isSaid({ family, containers: [one, ...others], cause: { id, values, words }, stoppedReason }) {
  if (others.length > 0 || (filled(one.reason) && one.reason !== stoppedReason)) return false;
  const isCodeSaid = (CODE_SAID.includes(id) || words.en[1].includes("{code}")) && values.code === String(one.exitCode);
  return one.exitCode === null ? one.name === (values.container ?? family) : values.container === one.name && isCodeSaid;
}

/** Writes one container. A reason that the task has, too, is shown once, as the task's. */
function containerLine({ name, exitCode, signal, reason, essential, failed }, stoppedReason, words, key) {
  const how = crashOf(exitCode, key) ?? signal;
  const exit = exitCode === null ? words.noExit : words.exit(exitCode) + (how ? ` ${how}` : "");
  const line = [code(name), failed ? `*${exit}*` : exit, ...(essential ? [words.essential] : [])].join(" · ");
  return `${failed ? "▸" : "•"} ${line}${filled(reason) && reason !== stoppedReason ? `\n      ${code(reason, LIMIT.reason)}` : ""}`;
}

/** Facts about a job's runs that are rarely needed; its other facts are in the line of facts. */
const RARE = ["nextDeadline", "expected", "every", "schedule"];

/** Says whether the sentence about the cause has this fact. */
const isFactSaid = ({ cause: { words } }, key) => words.en[1].includes(`{${key}}`);

/** Writes the facts that the notifier looked up for a job. */
function factsOf(incident, words, isRare) {
  return (incident.facts ?? []).filter(({ key }) => RARE.includes(key) === isRare && !isFactSaid(incident, key))
    .map(({ key, kind, value }) => [own(words.facts, key) ?? key, kind === "time" ? localTime(value) : kind === "seconds" ? (key === "every" ? intervalOf : durationOf)(value, words) : plain(value, LIMIT.field)]);
}

/** Writes the facts that a reader needs most, in one line: when, for how long, and which revision. */
function lineOf(incident, words) {
  if (incident.kind === "summary") return "";
  const { kind, family, revision, jobName, stoppedAt, durationSeconds } = incident;
  // A task that is stopping has the time of its event.
  const at = stoppedAt ?? (kind === "task" ? incident.time : null);
  const definition = filled(revision) && filled(family) ? plain(`${family}:${revision}`, LIMIT.field) : null;
  const ran = (["task", "execution"].includes(kind) || jobName) && durationSeconds !== null ? durationOf(durationSeconds, words) : null;
  const neverRan = kind === "task" && durationSeconds === null && incident.startedAt === null && incident.state !== "changed" && stoppedAt !== null;
  return [
    ...factsOf(incident, words, false), [kind === "task" && stoppedAt !== null ? words.stoppedAt : words.at, at === null ? null : localTime(at)],
    [words.ran, ran], [null, neverRan ? words.never : null], [words.definition, definition],
  ].filter(([, value]) => filled(value)).map(([label, value]) => (label === null ? value : `${label} ${value}`)).join(" · ");
}

/** Names of deployments and of daemons that ECS gives as the starter of a task: they say only that ECS started it. */
const STARTED_BY_ECS = /^ecs-(?:svc|daemon)\//;

/** Writes the facts that are rarely needed: none that the headline or the line of facts has. */
function fieldsOf(incident, words) {
  if (incident.kind === "summary") return [];
  const { kind, family, service, group, startedBy, stopCode, jobName, source } = incident;
  const isRefused = incident.cause.id === "run-rejected";
  // A stop code or an event without words of its own is in the headline.
  const { name: said } = incident.cause.values;
  const schedule = (incident.facts ?? []).find(({ key }) => key === "schedule")?.value;
  const launch = [incident.launchType, incident.capacityProvider].filter(filled);
  const ownGroup = service !== null || group === `family:${family}`;
  const pairs = [
    [words.source, kind === "application" && jobName && source !== "taskbell.app" ? source : null],
    [words.level, kind === "application" && !incident.succeeded ? words.levels[incident.severity] : null],
    [words.service, service === null ? (kind === "task" ? words.standAlone : null) : service === family || family === null ? null : service],
    [words.daemon, incident.daemon === (family ?? service ?? incident.daemon) ? null : incident.daemon],
    [words.group, ownGroup ? null : group],
    [words.launch, [...new Set(launch)].join(" · ")],
    [words.startedBy, isRefused || startedBy === schedule || STARTED_BY_ECS.test(startedBy ?? "") ? null : startedBy],
    [words.stopCode, stopCode === "EssentialContainerExited" || (stopCode === "TaskFailedToStart" && incident.state === "failed-to-start") || stopCode === said ? null : stopCode],
    [words.event, isRefused || incident.eventName === said ? null : incident.eventName],
    [words.deployment, incident.deploymentId],
    [words.resource, kind === "other" ? incident.resource : null],
  ].filter(([, value]) => filled(value)).map(([label, value]) => [label, plain(value, LIMIT.field)]);
  // Slack takes ten fields at most.
  return [...factsOf(incident, words, true), ...pairs].slice(0, 10).map(([label, value]) => mrkdwn(`*${label}*\n${value}`));
}

/** States of a task that still exists, and reasons that name such a task; ECS shows a stopped task for about an hour. */
const PRESENT = ["stopping", "changed", "running", "waiting"];

/** Writes the links. A link that would be too long is left out whole: half a link leads nowhere. */
function linksOf({ kind, links, log, state, reason }, words) {
  // An event of a service names a task only if the task failed.
  const isGone = kind === "service" || (!PRESENT.includes(state) && !PRESENT.includes(reason));
  const whole = [
    [links.log, words.openLog(plain((log?.container ?? "").replaceAll("|", "¦"), LIMIT.name))],
    [links.task, words.openTask(isGone)],
    [links.job, words.openJob],
    [links.execution, words.openExecution],
    [links.service, words.openService],
    [links.cluster, words.openCluster],
  ].filter(([url]) => filled(url) && escaped(url, Infinity).length <= LIMIT.url).map(([url, label]) => `<${escaped(url, Infinity)}|${label}>`);
  return whole.reduce((line, link) => (line === "" ? link : line.length + BETWEEN.length + link.length <= LIMIT.links ? line + BETWEEN + link : line), "");
}

const BETWEEN = "   ·   ";

/** Writes where the task ran. */
function footOf({ account, region, taskId, drill }, words) {
  return ["taskbell", account, region, filled(taskId) ? `${words.task} ${taskId}` : null, drill ? words.drillHeadline : null].filter(filled).map((part) => plain(part, LIMIT.name)).join(" · ");
}

/** Explains what the message lacks: a log without a link, and look-ups that failed. */
function gapsOf({ missing, log }, words) {
  const driver = log && !log.group && log.driver !== "awslogs" ? [words.otherDriver(code(log.container), code(log.driver))] : [];
  const gaps = missing.slice(0, 3).map(({ action, why }) => {
    const [service] = action.split(":");
    return words.so((own(words.why, why) ?? words.why.failed)(escaped(action, LIMIT.name)), own(words.lostLooks, action) ?? own(words.lost, service));
  });
  return [...driver, ...gaps];
}

/** Writes "4th", "22nd". */
function ordinal(number) {
  const isTeen = number % 100 >= 11 && number % 100 <= 13;
  return `${number}${(isTeen ? null : { 1: "st", 2: "nd", 3: "rd" }[number % 10]) ?? "th"}`;
}

/** @returns {string} "31 min 21 s": the two largest units that are not zero */
function durationOf(seconds, words) {
  if (seconds < 1) return words.underASecond;
  const parts = [];
  let left = seconds;
  for (const [size, unit] of words.units) {
    if (left >= size) parts.push(`${Math.floor(left / size)}${unit}`);
    left %= size;
  }
  return parts.slice(0, 2).join(" ");
}

/** @returns {string} "26 h": an interval as its user would give it, in the largest unit that divides it */
function intervalOf(seconds, words) {
  const whole = words.units.find(([size]) => seconds >= size && seconds % size === 0);
  return whole ? `${seconds / whole[0]}${whole[1]}` : durationOf(seconds, words);
}

/** Writes a date that Slack shows in the reader's own time zone; the fallback is UTC. */
function localTime(iso) {
  const seconds = Math.floor(Date.parse(iso) / 1000);
  const fallback = `${iso.slice(0, 19).replace("T", " ")} UTC`;
  return `<!date^${seconds}^{date_num} {time_secs}|${fallback}>`;
}

/** The names of values that are durations in seconds. */
const DURATIONS = ["age", "limit", "late"];

/** Fills a template of the cause table. Only the values are escaped: the words are written here and in the cause table. */
function sentence(template, { values }, words, key) {
  const crash = crashOf(filled(values.code) ? Number(values.code) : null, key);
  const valueOf = (name) => {
    if (filled(values[name]) && name === "every") return intervalOf(Number(values[name]), words);
    if (filled(values[name]) && DURATIONS.includes(name)) return durationOf(Number(values[name]), words);
    if (!filled(values[name])) return own(words.absent, name) ?? words.absent.other;
    if (name === "container") return words.container + code(values.container);
    return plain(name === "signal" ? crash ?? values.signal : values[name], LIMIT.sentence);
  };
  // The Japanese templates have spaces around values in Latin letters, and a value in Japanese needs none.
  return template.replace(/( ?)\{(\w+)\}( ?)/g, (_, before, name, after) => {
    const value = valueOf(name).trim();
    return (key === "ja" && WIDE.test(value.at(0)) ? "" : before) + value + (key === "ja" && WIDE.test(value.at(-1)) ? "" : after);
  });
}

/** Japanese characters, with full-width punctuation. */
const WIDE = /^[\u3001-\u30ff\u3400-\u9fff\uff00-\uff60]/;

/** Writes the mentions: here, channel, U…, W… or S…; several with commas or spaces. Anything else is left out, so no text can ping by accident. */
function mentionOf(mention) {
  return String(mention ?? "").split(/[\s,]+/).slice(0, 10).map((one) => {
    const name = one.replace(/^@/, "");
    if (/^(here|channel|everyone)$/i.test(name)) return `<!${name.toLowerCase()}> `;
    if (/^[UW][A-Z0-9]{2,20}$/.test(name)) return `<@${name}> `;
    return /^S[A-Z0-9]{2,20}$/.test(name) ? `<!subteam^${name}> ` : "";
  }).join("");
}

function iconOf(iconEmoji) {
  const name = String(iconEmoji ?? "").trim().replace(/^:|:$/g, "");
  return /^[^\s:<>&]{1,100}(::skin-tone-[2-6])?$/.test(name) ? `:${name}:` : null;
}

// verbatim: Slack must not turn "#general" or "@here" in an error message into a link.
const mrkdwn = (text) => ({ type: "mrkdwn", text, verbatim: true });
// expand: without this field Slack may fold a section, by its height.
const section = (text) => ({ type: "section", text: mrkdwn(text), expand: true });

const plain = (value, limit) => unmarked(escaped(value, limit));
const bold = (value) => `*${unstarred(plain(value, LIMIT.name))}*`;
const code = (value, limit = LIMIT.name) => `\`${escaped(value, limit)}\``;
const fence = (value, limit = LIMIT.fence) => fenced(beginningOf(fencePieces(clean(String(value), true).slice(0, limit + BEYOND)), limit));

/**
 * Writes a block of code from escaped text. Slack ends the block at three backticks in a row: the third one is replaced. All other backticks
 * stay, so that a copied line is the line of the log; at an edge, a line break separates them from the marks.
 */
function fenced(text) {
  const inner = text.replaceAll("```", "``ˋ");
  return `\`\`\`${inner.startsWith("`") ? "\n" : ""}${inner}${inner.endsWith("`") ? "\n" : ""}\`\`\``;
}

const STAND_INS = { "*": "∗", _: "ˍ", "~": "∼" };

/** Replaces asterisks: an asterisk in foreign text would end the bold text around it. */
const unstarred = (value) => value.replaceAll("*", STAND_INS["*"]);

/** Replaces marks at the edge of a word: in foreign text they could begin or end bold, italic or struck text. The replacement looks alike. */
const unmarked = (value) => value.replace(/(?<![A-Za-z0-9])[*_~]|[*_~](?![A-Za-z0-9])/g, (mark) => STAND_INS[mark]);

/**
 * Escapes & < > and backticks, and cuts by whole characters, so that no entity and no surrogate pair is split.
 * @param {string} value
 * @param {number} limit  of the result, in UTF-16 units
 */
const escaped = (value, limit) => beginningOf(piecesOf(clean(String(value), false).slice(0, limit + BEYOND), ESCAPES), limit);

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
// A backtick of foreign text could close code, or open it.
const ESCAPES = { ...ENTITIES, "`": "ˋ" };
const fencePieces = (value) => piecesOf(value, ENTITIES);

const cut = (value, limit) => [...clean(value, false)].slice(0, limit).join("");
