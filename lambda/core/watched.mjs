// Turns a question of EventBridge Scheduler, and the answer that the notifier found, into the parts of an incident: a job that is overdue, runs
// too long or waits for capacity, and the summary of a week. Pure: no I/O, no clock, no Node API, no Intl.

import { CAUSES, cause } from "./causes.mjs";
import { withoutCredentials } from "./credentials.mjs";
import { own } from "./records.mjs";

/** The detail-types of Scheduler's questions; those of drills come through the bus. */
export const WATCHED = ["Deadline", "Sweep", "Summary"];

/** Words for the reasons why a job is overdue: [headline, sentence]. {age}, {every} and {late} are durations. */
const OVERDUE_WORDS = {
  "no-run": { en: ["no run ended by the deadline", "No run ended before the deadline, neither well nor with a failure."], ja: ["期限までに終了した実行なし", "期限までに終了した実行がありません（成功も失敗もありません）。"] },
  "no-success": { en: ["no success for {age}", "No run ended well for {age}, and at least one is expected every {every}."], ja: ["成功なし（{age}）", "{age} にわたって、成功した実行がありません。{every} に 1 回以上の成功が必要です。"] },
  late: { en: ["{late} after the deadline", "The job ended well, but {late} after the deadline."], ja: ["期限から {late} 後", "ジョブは正常に終了しましたが、期限から {late} 遅れました。"] },
  running: { en: ["a run is still in progress", "A run is still in progress, and has been running for {age}."], ja: ["まだ実行中", "実行がまだ終わっていません（実行時間 {age}）。"] },
  waiting: { en: ["a run has not started yet", "A run has not started yet: its task has been {status} for {age}."], ja: ["タスクが未起動", "タスクがまだ起動していません（{status} のまま {age}）。"] },
  unreported: { en: ["a run failed", "A run failed, and no alert about it was sent: its event may be lost."], ja: ["実行の失敗", "実行が失敗しましたが、そのアラートは送信されていません（イベントが失われた可能性があります）。"] },
  rejected: { en: ["ECS refused to start it", "ECS refused the last RunTask call for it, so no task started."], ja: ["タスクの起動が拒否されました", "直近の RunTask を ECS が拒否したため、タスクは起動していません。"] },
  disabled: { en: ["its schedule is disabled", "The schedule {schedule} is disabled."], ja: ["スケジュールが無効", "スケジュール {schedule} が無効になっています。"] },
  ended: { en: ["its schedule has ended", "The schedule {schedule} has reached its end date."], ja: ["スケジュールの終了", "スケジュール {schedule} は終了日を過ぎています。"] },
  "no-target": { en: ["its schedule starts no task", "The schedule {schedule} no longer starts an ECS task."], ja: ["スケジュールの対象が ECS タスクではありません", "スケジュール {schedule} は ECS タスクを起動しなくなっています。"] },
  "not-due": { en: ["its schedule had no time", "The schedule {schedule} had no time before the deadline; a clock change skips times, too."], ja: ["スケジュールの実行時刻なし", "スケジュール {schedule} には期限までの実行時刻がありませんでした（時刻の切り替えで飛ばされた場合を含みます）。"] },
};

/** Words for the end of the sentence if no schedule was found: a task does not tell the group of the schedule that started it, so this is no reason. */
const NOT_FOUND = { en: " Nothing named {schedule} was found; of Scheduler's groups, only the default one is looked at.", ja: "{schedule} という名前のスケジュールやルールは見つかりませんでした（Scheduler のグループは、デフォルトグループだけを確認しています）。" };

/** Words for a summary without a problem. */
const ALL_WELL = { en: ["all {jobs} jobs are well", "No job failed, is overdue or became slower."], ja: ["{jobs} 件のジョブはすべて正常", "失敗、期限超過、実行時間の増加があるジョブはありません。"] };

/**
 * @typedef {object} Overdue  the answer about a deadline
 * @property {string} deadline  ISO 8601, as all times here
 * @property {string[]} [missed]  earlier deadlines, missed as well, for which no check came
 * @property {string|null} [next]  the next deadline
 * @property {{at: string, seconds: number|null}|null} [lastSuccess]
 * @property {string|null} [reason]  a key of OVERDUE_WORDS
 * @property {string|null} [schedule]
 * @property {boolean} [isNotFound]  the schedule was looked for, and not found
 * @property {string|null} [refusal]  the words of ECS about a RunTask that it refused, or about a task that failed
 * @property {string|null} [taskArn]  of the run that is in progress
 * @property {string|null} [since]  the beginning of this run
 * @property {string|null} [cluster]  the name of the cluster in which the job ran
 * @typedef {object} Running  the answer of a sweep about one task
 * @property {"running-long"|"waits-for-capacity"} id
 * @property {object} task  in the form of ECS's events
 * @property {string} at  the time of the look
 * @property {number} [limitSeconds]
 * @property {number|null} [usualSeconds]
 * @typedef {{job: string, cluster: string|null, kind: "open"|"overdue"|"flaky"|"slower"|"new", since?: string, failures?: number, cause?: string|null, seconds?: number, beforeSeconds?: number}} Line
 * @typedef {{jobs: number, problems: number, lines: Line[], more: number}} Summary
 */

/**
 * Returns the parts of an incident that the question and its answer give.
 * @param {string} type  the detail-type
 * @param {any} detail
 * @param {any} found  Overdue, Running or Summary; of a drill or a sample, the `found` of the event
 * @param {string|null} time  of the event
 */
export function watched(type, detail, found, time) {
  if (found.denied) return deniedLook(record(found.denied), time);
  const job = record(detail.job);
  if (type === "Deadline") return overdue(detail, job, found, time);
  return type === "Sweep" ? running(record(list(detail.jobs)[0]), found, time) : summary(found);
}

function overdue(detail, job, found, time) {
  const isEvery = Number.isFinite(detail.everySeconds);
  const deadline = timeOf(found.deadline) ?? shifted(time, -Number(detail.graceSeconds ?? 0));
  const lastSuccess = record(found.lastSuccess);
  const reason = Object.hasOwn(OVERDUE_WORDS, found.reason) ? found.reason : isEvery ? "no-success" : "no-run";
  const since = timeOf(found.since);
  const ageOf = (from) => secondsBetween(from, timeOf(found.at) ?? time);
  const values = {
    age: ageOf(reason === "no-success" ? timeOf(lastSuccess.at) ?? shifted(deadline, -detail.everySeconds) : since), every: numeral(detail.everySeconds),
    late: secondsBetween(deadline, timeOf(lastSuccess.at)), schedule: textOf(found.schedule), status: textOf(found.status),
  };
  const name = textOf(job.name);
  return {
    kind: "job", state: reason === "late" ? "ended-late" : "overdue", rings: true, family: name, startedBy: textOf(job.startedBy), stoppedReason: textOf(withoutCredentials(found.refusal)),
    cluster: textOf(found.cluster), taskId: idOf(found.taskArn), taskArn: textOf(found.taskArn), cause: { ...cause("overdue", values), words: found.isNotFound === true && ["no-run", "no-success"].includes(reason) ? withNotFound(OVERDUE_WORDS[reason]) : OVERDUE_WORDS[reason] }, reason,
    missed: list(found.missed).map(timeOf).filter(Boolean),
    facts: factsOf([
      ["deadline", "time", deadline], ["lastSuccess", "time", timeOf(lastSuccess.at)], ["usual", "seconds", found.usualSeconds], ["runningSince", "time", since], ["nextDeadline", "time", timeOf(found.next)],
      ["expected", "text", expectedOf(detail)], ["every", "seconds", isEvery ? detail.everySeconds : null], ["schedule", "text", textOf(found.schedule)],
    ]),
  };
}

const withNotFound = ({ en, ja }) => ({ en: [en[0], en[1] + NOT_FOUND.en], ja: [ja[0], ja[1] + NOT_FOUND.ja] });

/** Returns "cron(0 3 * * ? *) Asia/Tokyo". */
const expectedOf = ({ by, timezone }) => [textOf(by), textOf(by) && (textOf(timezone) ?? "UTC")].filter(Boolean).join(" ") || null;

function running(job, found, time) {
  const task = record(found.task);
  const id = found.id === "waits-for-capacity" ? found.id : "running-long";
  const at = timeOf(found.at) ?? time;
  const since = timeOf(id === "running-long" ? task.startedAt : task.createdAt);
  const values = { age: secondsBetween(since, at), limit: numeral(found.limitSeconds), status: textOf(task.lastStatus) };
  const [family, revision] = (lastOf(task.taskDefinitionArn) ?? "").split(":");
  return {
    kind: "job", state: id === "running-long" ? "running" : "waiting", rings: true, family: textOf(family) ?? textOf(job.name), revision: textOf(revision), startedBy: textOf(task.startedBy) ?? textOf(job.startedBy),
    cluster: lastOf(task.clusterArn), taskArn: textOf(task.taskArn), taskId: idOf(task.taskArn), launchType: textOf(task.launchType), capacityProvider: textOf(task.capacityProviderName), cause: cause(id, values),
    startedAt: timeOf(task.startedAt), durationSeconds: id === "running-long" && values.age !== null ? Number(values.age) : null,
    facts: factsOf([["runningSince", "time", id === "running-long" ? since : null], ["createdAt", "time", id === "running-long" ? null : since], ["limit", "seconds", found.limitSeconds], ["usual", "seconds", found.usualSeconds]]),
  };
}

function summary(found) {
  const lines = list(found.lines).map(record).map(lineOf).filter(({ job }) => job !== null);
  const problems = lines.filter(({ kind }) => kind !== "new").length;
  const values = { jobs: numeral(found.jobs) ?? "0", problems: numeral(found.problems) ?? String(problems) };
  const why = cause("summary", values);
  return {
    kind: "summary", state: "changed", rings: true, isQuiet: true, cause: values.problems === "0" ? { ...why, words: ALL_WELL } : why,
    lines, linesLeft: Number.isInteger(found.more) ? found.more : 0, facts: [],
  };
}

const lineOf = ({ job, cluster, kind, since, failures, cause: id, seconds, beforeSeconds }) => ({
  job: textOf(job), cluster: textOf(cluster), kind: textOf(kind), since: timeOf(since), failures: Number.isInteger(failures) ? failures : null,
  words: Object.hasOwn(CAUSES, id) ? { en: CAUSES[id].en[0], ja: CAUSES[id].ja[0] } : null, seconds: whole(seconds), beforeSeconds: whole(beforeSeconds),
});

/** Reports a call that the notifier may not make, or that found nothing: what it watches, it cannot see. */
function deniedLook({ action, why, cluster }, time) {
  return {
    kind: "job", state: "changed", rings: true, cluster: textOf(cluster), family: null, cause: cause("watch-denied", { action: textOf(action) }), stoppedAt: time,
    facts: [], lookFailed: [{ action: textOf(action) ?? "unknown", why: textOf(why) ?? "failed" }],
  };
}

/**
 * Returns the key of a question's incident: announced once for each deadline, task, summary, and day without a permission.
 * @param {any} incident
 */
export function watchedSubjectOf({ cause: { id, values }, account, region, clusters, cluster, family, startedBy, facts, taskArn, eventId, time, drill }) {
  if (drill) return null;
  const job = [account, region, clusters ?? cluster, family, startedBy].map((part) => part ?? "").join("|");
  const fact = (key) => own(Object.fromEntries(facts.map((one) => [one.key, one.value])), key) ?? "";
  if (id === "overdue") return `overdue ${job}|${fact("expected") || fact("every")}|${fact("deadline")}`;
  if (id === "running-long" || id === "waits-for-capacity") return `${id} ${taskArn ?? eventId}`;
  return id === "summary" ? `summary ${eventId}` : `${id} ${[account, region, cluster, values.action, (time ?? "").slice(0, 10)].join("|")}`;
}

const factsOf = (facts) => facts.filter(([, , value]) => value !== null && value !== undefined).map(([key, kind, value]) => ({ key, kind, value }));
const record = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
const list = (value) => (Array.isArray(value) ? value : []);
const textOf = (value) => (typeof value === "string" && value.trim() !== "" ? value.slice(0, 2_000) : null);
const whole = (value) => (Number.isFinite(value) ? Math.max(0, Math.round(value)) : null);
const numeral = (value) => (whole(value) === null ? null : String(whole(value)));
const lastOf = (arn) => textOf((textOf(arn) ?? "").split("/").pop());
const idOf = lastOf;
const timeOf = (value) => (typeof value === "string" && !Number.isNaN(Date.parse(value)) ? new Date(Date.parse(value)).toISOString() : null);
const shifted = (time, seconds) => (time === null || !Number.isFinite(seconds) ? null : new Date(Date.parse(time) + seconds * 1000).toISOString());
const secondsBetween = (from, to) => (from === null || to === null ? null : numeral((Date.parse(to) - Date.parse(from)) / 1000));
