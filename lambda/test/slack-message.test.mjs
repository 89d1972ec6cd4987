import assert from "node:assert/strict";
import { test } from "node:test";
import { CAUSES } from "../core/causes.mjs";
import { incidentOf } from "../core/incident.mjs";
import { messageOf } from "../places/slack-message.mjs";
import { assertMarksStandApart } from "./marks.mjs";
import { HOSTILE, changed, definitionOf, everywhere, names, sample } from "./samples.mjs";

const OUR_MARKUP = /<(?:https:\/\/[^<>|]+\|[^<>|]+|!date\^-?\d+\^\{date_num\} \{time_secs\}\|[^<>|]+)>/g;

const SECTION = ["expand", "text", "type"];

/** Lists all texts: the headline, which the first block repeats, then those of the other blocks, then those of the attachments. */
function textsOf({ text, blocks: [, ...blocks], attachments }) {
  const all = [...blocks, ...attachments.flatMap((one) => (one.text ? [{ text: { text: one.text } }] : one.blocks))];
  return [text, ...all.flatMap((block) => [block.text, ...(block.fields ?? []), ...(block.elements ?? [])].filter(Boolean).map((one) => one.text))];
}

/** Asserts Slack's limits and escaping, for any payload. */
function assertSlackTakes(payload) {
  const rare = payload.attachments.at(-1);
  assert.ok(payload.text.length > 0 && payload.text.length <= 2000, "text");
  assert.equal(payload.blocks[0].text.text, payload.text);
  assert.ok(payload.blocks.length + rare.blocks.length <= 50 && rare.blocks.length > 0 && rare.blocks.length <= 2);
  let total = 0;
  for (const block of [...payload.blocks, ...rare.blocks]) {
    const { type, text, fields, elements } = block;
    assert.ok(["section", "context"].includes(type));
    // Slack folds a section that does not ask to be expanded.
    if (text) assert.deepEqual([Object.keys(block).sort(), block.expand], [SECTION, true]);
    if (text) assert.ok(text.text.length > 0 && text.text.length <= 3000, `section of ${text.text.length}`);
    if (fields) assert.ok(fields.length > 0 && fields.length <= 10 && fields.every((one) => one.text.length <= 2000));
    if (elements) assert.ok(elements.length > 0 && elements.length <= 10 && elements.every((one) => one.text.length <= 2000));
    for (const one of [text, ...(fields ?? []), ...(elements ?? [])].filter(Boolean)) {
      assert.ok(one.type === "mrkdwn" && one.verbatim === true && one.text.trim() !== "");
      total += one.text.length;
    }
  }
  assert.ok(total <= 12_500, `all blocks: ${total}`);
  assert.ok(payload.attachments.length <= 2 && payload.attachments.slice(0, -1).every(({ text }) => text.length <= 4100));
  assert.equal(new Set(payload.attachments.map(({ color }) => color)).size, 1);
  for (const text of textsOf(payload)) {
    const foreign = text.replace(OUR_MARKUP, "").replace(/&(amp|lt|gt);/g, "");
    assert.ok(!/[&<>]/.test(foreign), `unescaped: ${foreign.match(/.{0,30}[&<>].{0,30}/)}`);
    const outside = text.replace(/```[\s\S]*?```/g, "");
    assert.ok(!outside.includes("```"), "an open fence");
    assert.equal(outside.match(/`/g)?.length % 2 || 0, 0, "an odd backtick");
    assert.ok(text.isWellFormed?.() ?? true, "half a character");
  }
}

const messageFor = (event, options, context, more) => messageOf({ ...incidentOf(event, context), ...more }, options);

test("every sample makes a payload that Slack takes, in both languages", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) assertSlackTakes(messageFor(sample(name), { language }));
  }
});

test("the headline names the family, the cluster, the cause and the container", () => {
  const headline = (name, language) => messageFor(sample(name), { language }).text;
  assert.equal(headline("02-oom"), "🔴 *web* failed in *prod*: out of memory");
  assert.equal(headline("09-sidecar-app-crash"), "🔴 *web* failed in *prod*: exit code 2 (app)");
  assert.equal(headline("05-spot"), "🟠 *web* failed in *prod*: Spot interruption");
  assert.equal(headline("07-user-stop"), "⚪ *web* stopped in *prod*: user request");
  assert.equal(headline("05b-spot-warning-not-stopped"), "🟠 *web* is stopping in *prod*: Spot interruption");
  assert.equal(headline("03-cannot-pull"), "🔴 *web* failed to start in *prod*: image could not be pulled");
  assert.equal(headline("03-cannot-pull", "ja"), "🔴 *prod* の *web* が起動に失敗しました：イメージのプル失敗");
  assert.equal(headline("08-exit-0"), "🟠 *web* stopped in *prod*: exited with code 0 (job)");
  assert.equal(headline("11d-windows-crash"), "🔴 *web* failed in *prod*: crashed with access violation (0xC0000005)");
  assert.equal(headline("20-deployment-failed"), "🔴 *web* in *prod*: deployment failed");
  assert.equal(headline("02-oom", "ja"), "🔴 *prod* の *web* が異常終了しました：メモリ不足");
  assert.equal(headline("20-deployment-failed", "ja-JP"), "🔴 prod の web：デプロイ失敗");
});

test("the details of a crash are complete", () => {
  const payload = messageFor(sample("09-sidecar-app-crash"), {}, { taskDefinition: definitionOf({ app: true, log_router: false }) });
  assert.deepEqual(textsOf(payload), [
    "🔴 *web* failed in *prod*: exit code 2 (app)",
    "*Container `app` exited with code 2.*",
    "▸ `app` · *exit code 2* · essential\n• `log_router` · exit code 0",
    "<https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fecs$252Fweb/log-events/app$252Fapp$252F09090909090909090909090909090909|Open the log of app>   ·   <https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/prod/tasks/09090909090909090909090909090909?region=us-east-1|Open the task in ECS (for about an hour)>   ·   <https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web?region=us-east-1|Open the service in ECS>",
    "Stopped at <!date^1795170731^{date_num} {time_secs}|2026-11-20 10:32:11 UTC> · Ran for 31 min 20 s · Task definition web:17",
    "*Launch type*\nFARGATE",
    "taskbell · 123456789012 · us-east-1 · task 09090909090909090909090909090909",
  ]);
});

test("all that matters stands in expanded blocks in the order of need, and the coloured bar has the rest", () => {
  const changes = { revision: { from: 16, to: 17 }, images: [] };
  const job = { since: "2026-11-20T10:32:11Z", failures: 1, isMore: false, lastSuccess: { at: "2026-11-19T10:32:11Z", revision: 16 }, goodRuns: 3, areMoreGoodRuns: false, changes, endedWellAt: null };
  const missing = [{ action: "logs:GetLogEvents", why: "timeout" }];
  for (const [language, wanted] of [
    ["en", [/^🔴 \*web\* failed in/, /^\*Container `web` was killed/, /^▸ `web`/, /^\*Stopped reason\*\n```Reason/, /^First failure since/, /^\*4 times\*/, /^\*Last lines of the log/, /Open the log.*Open the task.*Open the service/]],
    ["ja", [/^🔴 \*prod\* の \*web\*/, /^\*コンテナ `web` は/, /^▸ `web`/, /^\*停止理由\*\n```Reason/, /最初の失敗です/, /\*4 回\* 発生/, /^\*`web` のログの末尾\*/, /ログを開く.*タスクを開く.*サービスを開く/]],
  ]) {
    const { text, blocks, attachments, color = attachments[0].color } = messageFor(changed("02-oom", { stoppedReason: "Reason" }), { language }, { taskDefinition: definitionOf({ web: true }), job, missing }, { ...REPEATED, tail: ["bye"] });
    assert.equal(blocks[0].text.text, text);
    const sections = blocks.slice(0, -1);
    assert.equal(sections.length, wanted.length);
    for (const [at, section] of sections.entries()) assert.ok(section.expand === true && wanted[at].test(section.text.text), section.text.text);
    assert.deepEqual([blocks.at(-1).type, blocks.at(-1).elements.length], ["context", 2]);
    assert.deepEqual([attachments.length, color, attachments[0].blocks.map(({ type }) => type)], [1, "#cf222e", ["section", "context"]]);
  }
});

test("nothing is shown that says nothing, and no fact twice", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) {
      const texts = textsOf(messageFor(sample(name), { language }));
      const { stoppedReason, cluster, containers } = incidentOf(sample(name));
      assert.ok(!/```(Essential container in task exited|Task failed to start|Task stopped by user)\W*```|\*\n(EssentialContainerExited|ecs-svc\/\d+|ecs-daemon\/\S+)$/m.test(texts.filter((one) => !/^\*(Deployment ID|デプロイ ID)\*/.test(one)).join("\n")), `${name}: ${texts.join("\n")}`);
      assert.ok(!texts.includes(`*Cluster*\n${cluster}`), name);
      if (stoppedReason && containers.some(({ reason }) => reason === stoppedReason)) assert.ok(texts.join("\n").split(stoppedReason.slice(0, 60)).length <= 2, name);
    }
  }
});

test("a reason is left out only if the headline or the sentence about the cause has all of it", () => {
  const reasonOf = (stoppedReason, more = {}, name = "01-exit-nonzero") => textsOf(messageFor(changed(name, { stoppedReason, ...more }), {})).find((one) => one.startsWith("*Stopped reason*")) ?? "";
  for (const [reason, more] of [
    ["Essential container in task exited"], ["Task failed to start", { stopCode: "TaskFailedToStart" }], ["Task stopped by user", { stopCode: "UserInitiated" }],
    ["Your Spot Task was interrupted.", { stopCode: "SpotInterruption" }], ["Task failed container health checks", { stopCode: "ServiceSchedulerInitiated" }],
    ["Scaling activity initiated by (deployment ecs-svc/8646900195280463695)", { stopCode: "ServiceSchedulerInitiated" }],
    ["ECS is performing maintenance on the underlying infrastructure hosting the task", { stopCode: "ServiceSchedulerInitiated" }],
  ]) assert.equal(reasonOf(reason, more), "", reason);
  for (const [reason, more] of [
    ["Task failed ELB health checks in (target-group x)", { stopCode: "ServiceSchedulerInitiated" }], ["Host EC2 (instance i-1) terminated.", { stopCode: "TerminationNotice" }],
    ["Scaling activity initiated by jane", { stopCode: "ServiceSchedulerInitiated" }], ["Your Spot Task was interrupted.", { stopCode: "UserInitiated" }], ["Essential container in task exited: why", {}],
  ]) assert.ok(reasonOf(reason, more).includes(reason), reason);
});

test("the sentence about a failed start names the container if one is known", () => {
  const sentenceOf = (reason, name, language) => messageFor(changed("03b-cannot-start", { containers: [{ name, reason }] }), { language }).blocks[1].text.text;
  assert.equal(sentenceOf("CannotPullContainerError: x", "app"), "*Container `app` could not start: its image could not be pulled.*");
  assert.equal(sentenceOf("CannotPullContainerError: x", "app", "ja"), "*コンテナ `app` のイメージをプルできませんでした。*");
  assert.equal(sentenceOf("CannotStartContainerError: x", "app", "ja"), "*ECS がコンテナ `app` を起動できませんでした。*");
  assert.equal(sentenceOf("ContainerRuntimeTimeoutError: x", "app"), "*Container `app` failed: the container runtime could not carry out a request from ECS.*");
  assert.equal(messageFor(sample("03-cannot-pull"), {}).blocks[1].text.text, "*The container image could not be pulled.*");
});

test("a recovery and a summary say once what the headline says", () => {
  const second = (name) => messageFor(sample(name), {}).blocks[1].text.text;
  assert.match(second("42-summary"), /^🔴 `nightly-report`: overdue since /);
  assert.equal(second("42b-summary-all-well"), "*No job failed, is overdue or became slower.*");
  const recovery = sample("context").recoveries["08b-recovered"];
  assert.match(messageFor(sample("08b-recovered"), {}, { recovery }).blocks[1].text.text, /^3 failures since /);
});

test("no fact of a job stands in the sentence and below it", () => {
  const texts = (name) => textsOf(messageFor(sample(name), {})).join("\n");
  assert.ok(!texts("41-running-long").includes("Limit") && !texts("40-overdue").includes("*Schedule*"));
  assert.match(texts("40b-overdue-running"), /\*Schedule\*\nnightly/);
  assert.equal(texts("40d-no-success").split("backup-hourly").length, 2, "the schedule that started the task is named once");
  assert.ok(!texts("13-unknown-stop-code").includes("*Stop code*"));
});

test("the line of the only container is left out if the sentence says all of it", () => {
  const linesOf = (containers, stoppedReason = "") => textsOf(messageFor(changed("01-exit-nonzero", { containers, stoppedReason }), {})).filter((one) => /^[▸•]/.test(one)).join("\n");
  assert.equal(linesOf([{ name: "web", exitCode: 3 }]), "");
  assert.equal(linesOf([{ name: "web", exitCode: 3, reason: "why" }], "why"), "");
  assert.equal(linesOf([{ name: "web", exitCode: -1073741819 }]), "");
  assert.equal(linesOf([{ name: "web" }]), "");
  assert.equal(linesOf([{ name: "app" }], "CannotPullContainerError: x"), "• `app` · no exit code");
  assert.equal(linesOf([{ name: "web", exitCode: 3, reason: "why" }]), "▸ `web` · *exit code 3*\n      `why`");
  assert.equal(linesOf([{ name: "web", exitCode: 3 }, { name: "log", exitCode: 0 }]), "▸ `web` · *exit code 3*\n• `log` · exit code 0");
  assert.equal(linesOf([{ name: "web", exitCode: 137, reason: "OutOfMemoryError: x" }]), "▸ `web` · *exit code 137 SIGKILL*\n      `OutOfMemoryError: x`");
});

test("the link to a stopped task names its hour, and a service's link stands beside it", () => {
  const linksOf = (name) => textsOf(messageFor(sample(name), {})).join("\n").match(/(?<=\|)Open the (?:task|service)[^>]*/g);
  assert.deepEqual(linksOf("02-oom"), ["Open the task in ECS (for about an hour)", "Open the service in ECS"]);
  assert.deepEqual(linksOf("05b-spot-warning-not-stopped"), ["Open the task in ECS", "Open the service in ECS"]);
  assert.deepEqual(linksOf("41-running-long"), ["Open the task in ECS"]);
  assert.deepEqual(linksOf("25-daemon-start-impaired"), ["Open the task in ECS (for about an hour)"]);
  assert.deepEqual(linksOf("20-deployment-failed"), ["Open the service in ECS"]);
});

test("the headline says failed, failed to start, or did not run; without an answer about runs in progress, overdue", () => {
  const headline = (name, context, language) => messageFor(sample(name), { language }, context).text;
  assert.equal(headline("31-run-rejected"), "🔴 *nightly* did not run in *prod*: ECS refused to start it");
  assert.equal(headline("31-run-rejected", {}, "ja"), "🔴 *prod* の *nightly* が実行されませんでした：タスクの起動が拒否されました");
  const { found } = sample("40-overdue").detail;
  const overdue = (more, language) => headline("40-overdue", { found: { ...found, ...more } }, language);
  assert.equal(overdue({ reason: "disabled", schedule: "x" }), "🔴 *nightly-report* did not run in *batch*: its schedule is disabled");
  assert.equal(overdue({ reason: "no-run" }), "🔴 *nightly-report* did not run in *batch*: no run ended by the deadline");
  assert.equal(overdue({ reason: "no-run", missing: [{ action: "ecs:ListTasks", why: "denied" }] }), "🔴 *nightly-report* is overdue in *batch*: no run ended by the deadline");
  assert.equal(overdue({ reason: "disabled", schedule: "x", missing: [{ action: "events:DescribeRule", why: "timeout" }] }), "🔴 *nightly-report* did not run in *batch*: its schedule is disabled");
  assert.equal(overdue({ reason: "running", since: found.deadline }), "🔴 *nightly-report* is overdue in *batch*: a run is still in progress");
  assert.equal(overdue({ reason: "rejected", refusal: "x" }, "ja"), "🔴 *batch* の *nightly-report* が実行されませんでした：タスクの起動が拒否されました");
});

test("exit codes come with their signal, reasons with their container", () => {
  const texts = textsOf(messageFor(sample("02-oom"), {}));
  assert.ok(texts.includes("▸ `web` · *exit code 137 SIGKILL*\n      `OutOfMemoryError: Container killed due to memory usage`"), texts.join("\n"));
});

test("bold text and code have a space, ASCII punctuation or an end of the line outside of their marks", () => {
  for (const name of names) {
    const { "detail-type": kind } = sample(name);
    const noFamily = { ...sample(name), "detail-type": kind, detail: { ...sample(name).detail, taskDefinitionArn: undefined, group: undefined } };
    for (const language of ["en", "ja"]) {
      for (const event of [sample(name), noFamily, { ...sample(name), source: "taskbell.drill" }]) {
        const context = { taskDefinition: definitionOf({ web: true }, OTHER_LOG), missing: ["denied", "timeout", "failed", "absent"].map((why) => ({ action: "logs:GetLogEvents", why })) };
        const many = Array.from({ length: 12 }, (_, at) => ({ name: `c${at}`, exitCode: 1, reason: "r" }));
        const crowd = event.detail.containers ? { ...event, detail: { ...event.detail, containers: [...event.detail.containers, ...many] } } : event;
        for (const one of textsOf(messageFor(crowd, { language, mention: "here" }, context, { ...REPEATED, tail: ["one"] }))) assertMarksStandApart(one, `${name} ${language}`);
      }
    }
  }
});

test("durations have at most two units, and words for under a second and never started", () => {
  const ran = (detail, language) => textsOf(messageFor(changed("01-exit-nonzero", detail), { language })).map((one) => / · (?:(?:Ran for|実行時間) )?(.*) · (?:Task definition|タスク定義) web:17$/.exec(one)?.[1]).find(Boolean);
  const from = "2026-11-20T10:00:00Z";
  assert.equal(ran({ startedAt: from, executionStoppedAt: "2026-11-22T13:00:09Z" }), "2 d 3 h");
  assert.equal(ran({ startedAt: from, executionStoppedAt: "2026-11-20T10:00:00.4Z" }), "under a second");
  assert.equal(ran({ startedAt: from, executionStoppedAt: "2026-11-20T09:59:54Z" }), "under a second");
  assert.equal(ran({ startedAt: from, executionStoppedAt: "2026-11-20T11:01:00Z" }, "ja"), "1 時間 1 分");
  assert.equal(ran({ startedAt: undefined }), "never started");
});

test("hostile text in every field breaks neither limits nor escaping, and pings nobody", () => {
  for (const name of names) {
    const kind = sample(name)["detail-type"];
    const keep = { "detail-type": kind };
    const hostile = everywhere(sample(name), (value) => (typeof value === "string" ? HOSTILE : value));
    const crowd = { ...hostile, ...keep, detail: { ...hostile.detail, containers: Array.from({ length: 60 }, () => ({ name: HOSTILE, reason: HOSTILE, exitCode: 1 })) } };
    const context = { taskDefinition: definitionOf({ [HOSTILE]: true }, { group: HOSTILE, region: HOSTILE, prefix: HOSTILE }), missing: [{ action: HOSTILE, why: "constructor" }] };
    for (const event of [hostile, { ...hostile, ...keep }, crowd]) {
      for (const language of ["en", "ja"]) assertSlackTakes(messageFor(event, { language, username: HOSTILE, iconEmoji: HOSTILE, mention: HOSTILE }, context, { ...REPEATED, tail: [HOSTILE, HOSTILE] }));
    }
  }
});

test("long names at their AWS limits keep every limit, with links whole or absent", () => {
  const long = (letter, length) => letter.repeat(length);
  const event = changed("01-exit-nonzero", { clusterArn: `arn:aws:ecs:us-east-1:1:cluster/${long("c", 255)}`, containers: [{ name: long("n", 255), exitCode: 1, reason: long("&", 1024) }], stoppedReason: long("<", 5000) });
  for (const group of [long("/", 100), long("/", 512)]) {
    assertSlackTakes(messageFor(event, {}, { taskDefinition: definitionOf({ [long("n", 255)]: true }, { group, region: "us-east-1", prefix: long("p", 300) }) }));
  }
});

test("a cut falls between entities and is marked", () => {
  const texts = textsOf(messageFor(changed("01-exit-nonzero", { stoppedReason: "&".repeat(5000) }), {}));
  const reason = texts.find((one) => one.startsWith("*Stopped reason*"));
  assert.match(reason, /^\*Stopped reason\*\n```(&amp;)+…```$/);
});

test("backticks of foreign text cannot close a fence or a code span, and stay in a fence wherever Slack permits it", () => {
  const payload = messageFor(changed("01-exit-nonzero", { stoppedReason: "a ``` *b*", containers: [{ name: "we`b", exitCode: 1, reason: "c`d" }] }), {});
  const texts = textsOf(payload);
  assert.ok(texts.includes("*Stopped reason*\n```a ``ˋ *b*```"), texts.join("\n"));
  assert.ok(texts.includes("▸ `weˋb` · *exit code 1*\n      `cˋd`"), texts.join("\n"));
});

test("exactly the three characters are escaped, once", () => {
  const texts = textsOf(messageFor(changed("01-exit-nonzero", { stoppedReason: `a & b < c > d "e" 'f' &amp;` }), {}));
  assert.ok(texts.some((one) => one.endsWith("```a &amp; b &lt; c &gt; d \"e\" 'f' &amp;amp;```")));
});

test("a drill is unmistakable in both languages and mentions nobody", () => {
  const drill = { ...sample("02-oom"), source: "taskbell.drill" };
  const english = messageFor(drill, { mention: "channel" });
  assertSlackTakes(english);
  assert.match(english.text, /^🧪 \*DRILL, not a real incident\* · /);
  assert.match(english.blocks[1].text.text, /This is a drill\. No task failed/);
  assert.notEqual(english.attachments[0].color, messageFor(sample("02-oom"), {}).attachments[0].color);
  assert.match(messageFor(drill, { language: "ja" }).text, /訓練/);
  assert.ok(!JSON.stringify(messageFor(sample("02-oom"), {})).includes("DRILL"));
});

const OTHER_LOG = { driver: "awsfirelens", group: null, region: null, prefix: null };
const REPEATED = { occurrence: { count: 4, since: "2026-11-20T10:00:00.000Z", earlier: 0, next: 8 } };

test("a failure that keeps coming has its count, its start, and the count of the next message", () => {
  const english = messageFor(sample("02-oom"), {}, {}, REPEATED);
  assert.equal(english.text, "🔴 *web* failed in *prod*: out of memory · 4 times");
  assert.ok(textsOf(english).includes("*4 times* since <!date^1795168800^{date_num} {time_secs}|2026-11-20 10:00:00 UTC>. Next alert at the 8th."));
  const next = (count) => /at the (\w+)\.$/.exec(textsOf(messageFor(sample("02-oom"), {}, {}, { occurrence: { ...REPEATED.occurrence, count, next: 2 * count } })).find((one) => one.includes("Next alert")))[1];
  assert.deepEqual([2, 8, 16, 256, 1_024, 4_096].map(next), ["4th", "16th", "32nd", "512th", "2048th", "8192nd"]);
  const japanese = (occurrence) => textsOf(messageFor(sample("02-oom"), { language: "ja" }, {}, { occurrence: { ...REPEATED.occurrence, ...occurrence } })).find((one) => /これより前に/.test(one));
  assert.equal(japanese({ count: 1, earlier: 7 }), "これより前に同じ障害が 7 回発生しましたが、通知していません。");
  assert.match(japanese({ earlier: 7 }), /次は 8 回目に通知します。これより前に/);
  const earlier = (count) => textsOf(messageFor(sample("02-oom"), {}, {}, { occurrence: { ...REPEATED.occurrence, count: 1, earlier: count } })).find((one) => one.startsWith("Earlier"));
  assert.deepEqual([earlier(1), earlier(7)], ["Earlier, 1 more occurrence was not reported.", "Earlier, 7 more occurrences were not reported."]);
  const first = messageFor(sample("02-oom"), {}, {}, { occurrence: { count: 1, since: "2026-11-20T10:00:00.000Z", earlier: 0, next: 2 } });
  assert.deepEqual(first, messageFor(sample("02-oom"), {}));
});

const tailOf = (tail, options = {}) => textsOf(messageFor(sample("02-oom"), options, { taskDefinition: definitionOf({ web: true }) }, { tail }))
  .find((one) => /^\*(Last lines|`web` のログ)/.test(one))?.split("\n").slice(1).join("\n");

test("the end of the log is fenced, without colours, and names its container", () => {
  assert.equal(tailOf(["\u001b[31mERROR\u001b[0m <b> & ```\n", "bye\r\n"]), "```ERROR &lt;b&gt; &amp; ``ˋ\nbye```");
  assert.equal(tailOf(["`orders` of `db`", "```` $(date) `"]), "```\n`orders` of `db`\n``ˋ` $(date) `\n```");
  assert.equal(tailOf(["bye"], { language: "ja" }), "```bye```");
  assert.equal(tailOf([]), undefined);
  assert.equal(tailOf(["", " \n"]), undefined);
});

test("a long log loses its oldest lines, whole ones; a single long line its beginning, between characters", () => {
  const lines = Array.from({ length: 100 }, (_, at) => `${at} ${"x".repeat(40)}`);
  const shown = tailOf(lines).slice(3, -3).split("\n");
  assert.equal(shown[0], "…");
  assert.deepEqual(shown.slice(1), lines.slice(-shown.length + 1));
  assert.ok(shown.length > 40);
  assert.match(tailOf(["&".repeat(5000)]), /^```…(&amp;)+```$/);
  assert.match(tailOf(["🔥".repeat(5000)]), /^```…(🔥)+```$/u);
});

test("another log driver is named instead of a link", () => {
  const log = { driver: "awsfirelens", group: null, region: null, prefix: null };
  const texts = textsOf(messageFor(sample("02-oom"), {}, { taskDefinition: definitionOf({ web: true }, log) }));
  assert.ok(texts.includes("`web` logs through `awsfirelens`: there is no log stream to link to."), texts.join("\n"));
  assert.ok(!texts.join().includes("Open the log"));
});

test("an application's alert has its words, and its stack trace folded", () => {
  const event = { source: "taskbell.app", "detail-type": "Application Error", id: "e", time: "2026-11-20T10:00:00Z", account: "1", region: "us-east-1", resources: [],
    detail: { message: "NoMethodError: *nil*", level: "error", source: "shop", detail: "a.rb:1\nb.rb:2" } };
  const payload = messageFor(event, {});
  assertSlackTakes(payload);
  assert.equal(payload.text, "🔴 *shop*: NoMethodError: ∗nil∗");
  assert.equal(payload.attachments[0].text, "```a.rb:1\nb.rb:2```");
  // The headline has the whole message: a sentence would repeat it.
  assert.equal(textsOf(payload).filter((one) => one.includes("NoMethodError")).length, 1);
  assertSlackTakes(messageFor(everywhere(event, (value) => (typeof value === "string" && value !== "taskbell.app" ? HOSTILE : value)), {}));
});

test("a long detail shows its beginning and more of its end, whole lines, and the number of lines left out", () => {
  const told = (detail, options = {}) => messageFor({ source: "taskbell.app", "detail-type": "Application Error", detail: { message: "m", detail } }, options).attachments.at(-2);
  const lines = Array.from({ length: 20_000 }, (_, number) => `line ${number} <of> many & more`);
  for (const [detail, first, count] of [[lines.slice(0, 300).join("\n"), 0, 300], [lines.join("\r\n"), 0, null]]) {
    const { text, fallback } = told(`${detail}\nFATAL: \`orders\` is gone`);
    assert.ok(text.length > 3_800 && text.length <= 4_010, `${text.length}`);
    const shown = text.slice(3, -3).split("\n");
    const mark = shown.findIndex((line) => line.startsWith("[…"));
    assert.equal(shown[0], `line ${first} &lt;of&gt; many &amp; more`);
    assert.equal(shown.at(-1), "FATAL: `orders` is gone");
    assert.ok(shown.every((line, at) => at === mark || /^line \d+ &lt;of&gt; many &amp; more$|^FATAL/.test(line)), text);
    assert.ok(shown.length - mark > 2 * mark, "the end has the larger share");
    if (count !== null) assert.equal(shown[mark], `[… ${count + 1 - (shown.length - 1)} lines left out …]`);
    assert.ok(fallback.endsWith("FATAL: `orders` is gone") && fallback.length <= 310);
  }
  assert.match(told(lines.join("\n"), { language: "ja" }).text, /行を省略/);
  // A single line longer than the limit: its beginning and its end.
  const { text } = told(`first${"x&".repeat(9_000)}last`);
  assert.match(text, /^```firstx&amp;[^\n]*\n\[…\]\n[^\n]*&amp;last```$/);
  assert.ok(text.length <= 4_010 && !/&(?!amp;)/.test(text));
  assert.equal(told("\u0000\u0001"), undefined);
});

test("a failed look-up names the missing part of the message", () => {
  const foot = (action, why) => textsOf(messageFor(sample("02-oom"), {}, { missing: [{ action, why }] })).find((one) => one.includes(action));
  assert.match(foot("logs:GetLogEvents", "denied"), /is not allowed to call `logs:GetLogEvents`, so the end of the log is missing\.$/);
  assert.match(foot("logs:GetLogEvents", "absent"), /found nothing, so the end of the log is missing\.$/);
  assert.match(foot("dynamodb:GetItem", "timeout"), /did not answer in time, so this alert may come more than once\.$/);
  const japanese = (action, why) => textsOf(messageFor(sample("02-oom"), { language: "ja" }, { missing: [{ action, why }] })).find((one) => one.includes(action));
  assert.equal(japanese("sts:AssumeRole", "denied").split(" · ").at(-1), "通知関数のロールに `sts:AssumeRole` の権限がありません。");
  assert.match(japanese("logs:GetLogEvents", "failed"), /`logs:GetLogEvents` の呼び出しに失敗しました。そのため、ログの末尾を省略しました。$/);
});

test("Japanese leaves no English label behind", () => {
  const texts = textsOf(messageFor(sample("02-oom"), { language: "ja" })).join("\n");
  assert.match(texts, /メモリ不足のため強制終了されました/);
  // Outside of code, names and the text of ECS, no two English words follow one another.
  for (const name of names.filter((one) => !one.includes("/") && one !== "30-application-error")) {
    const shown = textsOf(messageFor(sample(name), { language: "ja" })).map((one) => one.replace(/```[\s\S]*```|`[^`]*`|<!date[^>]*>|<[^|>]*\|/g, ""));
    for (const one of shown) assert.ok(!/(?<![\w.:/-])[A-Za-z]+ [a-z]+/.test(one), `${name}: ${one}`);
    assert.ok(!/異常停止|単独|Spot の|保守|抑制|喪失/.test(shown.join("\n")), name);
  }
});

test("the headline has one reason behind one colon", () => {
  for (const name of names.filter((one) => !one.includes("/") && one !== "30-application-error")) {
    assert.ok(messageFor(sample(name), {}).text.split(": ").length <= 2, name);
    assert.ok(messageFor(sample(name), { language: "ja" }).text.split("：").length <= 2, name);
  }
  assert.equal(messageFor(sample("11d-windows-crash"), { language: "ja" }).text, "🔴 *prod* の *web* が異常終了しました：アクセス違反（0xC0000005）によるクラッシュ");
  assert.equal(messageFor(sample("03b-cannot-start"), {}).text, "🔴 *web* failed to start in *prod*");
  assert.equal(messageFor(sample("03b-cannot-start"), { language: "ja" }).text, "🔴 *prod* の *web* が起動に失敗しました");
});

test("a planned stop is no failure in the headline", () => {
  for (const name of ["06-scale-in-143", "07-user-stop", "10c-maintenance", "10d-maintenance-stand-alone", "10e-draining"]) {
    assert.match(messageFor(sample(name), {}).text, / stopped in \*prod\*: /, name);
    assert.match(messageFor(sample(name), { language: "ja" }).text, / が停止しました：/, name);
  }
});

test("a value in Japanese joins its sentence without a space, a value in Latin letters has one", () => {
  const sentenceOf = (event) => messageFor(event, { language: "ja" }).blocks[1].text.text;
  assert.equal(sentenceOf(sample("11d-windows-crash")), "*コンテナ `web` がアクセス違反（0xC0000005）でクラッシュしました。*");
  assert.equal(sentenceOf(changed("11d-windows-crash", { containers: [{ name: "web", exitCode: 0xc0000abc }] })), "*コンテナ `web` が 0xC0000ABC でクラッシュしました。*");
  assert.equal(sentenceOf(changed("31-run-rejected", { userIdentity: { invokedBy: "夜間バッチ" } })), "*夜間バッチによる RunTask を ECS が拒否したため、タスクは起動していません。*");
});

test("the sentence of a Spot interruption agrees with the headline, before the stop and after", () => {
  const shown = (name, language) => textsOf(messageFor(sample(name), { language })).slice(0, 2).map((one) => one.replaceAll("*", ""));
  assert.deepEqual(shown("05-spot"), ["🟠 web failed in prod: Spot interruption", "AWS took back the Spot capacity that the task ran on."]);
  assert.deepEqual(shown("05b-spot-warning-not-stopped"), ["🟠 web is stopping in prod: Spot interruption", "AWS is taking back the Spot capacity that the task runs on."]);
  assert.deepEqual(shown("05-spot", "ja"), ["🟠 prod の web が異常終了しました：スポット中断", "スポットの中断によりタスクが停止しました。"]);
  assert.deepEqual(shown("05b-spot-warning-not-stopped", "ja"), ["🟠 prod の web が停止処理中です：スポット中断", "スポットの中断により、タスクはまもなく停止します。"]);
});

test("headline and sentence about a daemon's task say the same", () => {
  const shown = (language) => textsOf(messageFor(sample("25-daemon-start-impaired"), { language })).slice(0, 2).map((one) => one.replaceAll("*", ""));
  assert.deepEqual(shown("en"), ["🟠 log-agent in prod: daemon task failed to start", "ECS could not start the daemon's task on a container instance."]);
  assert.deepEqual(shown("ja"), ["🟠 prod の log-agent：デーモンのタスクの起動失敗", "コンテナインスタンスでデーモンのタスクを起動できませんでした。"]);
});

test("no headline repeats its verb", () => {
  for (const name of names.filter((one) => !one.includes("/"))) {
    const [subject, why] = messageFor(sample(name), {}).text.split(": ");
    for (const verb of ["died", "stopped", "start", "stopping"]) assert.ok(!(subject.includes(verb) && why?.startsWith(verb)), `${name}: ${subject}: ${why}`);
  }
});

test("registry authentication that failed is not called a failure of secrets alone", () => {
  const event = changed("04-resource-init", { stoppedReason: "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue" });
  assert.match(messageFor(event, {}).text, /: could not read secrets or authenticate to the registry$/);
  assert.match(messageFor(event, { language: "ja" }).text, /：シークレットの取得またはレジストリ認証の失敗$/);
});

test("a caller without a name is called unknown in both languages", () => {
  const event = changed("31-run-rejected", { userIdentity: {} });
  assert.ok(textsOf(messageFor(event, {})).includes("*ECS refused the RunTask call of an unknown caller, so no task started.*"));
  assert.ok(textsOf(messageFor(event, { language: "ja" })).includes("*不明な呼び出し元による RunTask を ECS が拒否したため、タスクは起動していません。*"));
});

test("every cause has a sentence with all its values filled in", () => {
  const incident = incidentOf(sample("01-exit-nonzero"));
  for (const [id, { en, ja }] of Object.entries(CAUSES)) {
    for (const language of ["en", "ja"]) {
      const text = textsOf(messageOf({ ...incident, cause: { id, words: { en, ja }, values: { container: "web", code: "1", signal: "SIGKILL", name: "X", caller: "C", call: "RunTask", message: "M" } } }, { language })).join("\n");
      assert.ok(!/\{(container|code|signal|name|caller|call|message)\}|undefined|null/.test(text), `${id}: ${text}`);
    }
  }
});

test("mentions become Slack's own, and anything else is left out", () => {
  const start = (mention) => messageFor(sample("02-oom"), { mention }).text.split("🔴")[0];
  assert.equal(start("here"), "<!here> ");
  assert.equal(start("@channel"), "<!channel> ");
  assert.equal(start("U012ABCDEF"), "<@U012ABCDEF> ");
  assert.equal(start("S012ABCDEF"), "<!subteam^S012ABCDEF> ");
  assert.equal(start("here, U012ABCDEF"), "<!here> <@U012ABCDEF> ");
  for (const other of [undefined, "", "bob", "<!channel>", "U1>x"]) assert.equal(start(other), "");
});

test("username and icon are sent only when given", () => {
  const plain = messageFor(sample("02-oom"), { username: "", iconEmoji: undefined });
  assert.deepEqual(Object.keys(plain).sort(), ["attachments", "blocks", "text"]);
  const named = messageFor(sample("02-oom"), { username: " ECS ", iconEmoji: "bell" });
  assert.deepEqual([named.username, named.icon_emoji], ["ECS", ":bell:"]);
  assert.equal(messageFor(sample("02-oom"), { iconEmoji: ":bell:" }).icon_emoji, ":bell:");
});

test("a denied look-up is named, and the alert is otherwise whole", () => {
  const texts = textsOf(messageFor(sample("02-oom"), {}, { missing: [{ action: "ecs:DescribeTaskDefinition", why: "denied" }] }));
  assert.ok(texts.includes("The notifier's role is not allowed to call `ecs:DescribeTaskDefinition`, so log links and essential marks are missing."));
  assert.ok(texts.some((one) => one.includes("Open the task in ECS")));
});

test("secrets in overrides never reach the payload", () => {
  const event = changed("01-exit-nonzero", { overrides: { containerOverrides: [{ name: "web", environment: [{ name: "API_KEY", value: "hunter2" }], command: ["--token=hunter2"] }] } });
  assert.ok(!/hunter2|API_KEY/.test(JSON.stringify(messageFor(event, {}))));
});

test("an event of unknown shape still makes a message", () => {
  for (const event of [null, {}, [], { "detail-type": "Something New", detail: { status: "BROKEN" }, resources: ["arn:aws:x:y:1:thing"] }]) {
    assertSlackTakes(messageFor(event, {}));
    assertSlackTakes(messageFor(event, null));
  }
  assert.match(messageFor({ "detail-type": "Something New" }, {}).text, /Something New/);
});

/** Makes an image that changed, with any text in its names. */
const imageChange = (text, nth) => ({ container: nth === 0 ? text : null, from: { name: text, image: text, digest: text }, to: { name: text, image: nth % 2 ? text : `${text}:v2`, digest: null } });
const historyIn = ({ blocks }) => blocks[2].text.text;

test("the history of a job keeps Slack's limits whatever its texts and numbers, and its marks stand apart", () => {
  const at = "2026-11-20T10:32:11.177Z";
  for (const text of ["web:v1", HOSTILE, "", "@", "*_~`", "a/b@sha256:c", "日本語"]) {
    for (const language of ["en", "ja"]) {
      for (const [failures, isMore, goodRuns, areMoreGoodRuns] of [[1, false, 0, false], [1, false, 1, false], [2, true, 29, true], [30, true, 0, false]]) {
        for (const changes of [null, { revision: null, images: [] }, { revision: { from: 1, to: 999_999_999 }, images: Array.from({ length: 10 }, (_, nth) => imageChange(text, nth)) }]) {
          for (const lastSuccess of [null, { at, revision: 1 }]) {
            const job = { since: at, failures, isMore, lastSuccess, goodRuns, areMoreGoodRuns, changes, endedWellAt: null };
            const payload = messageFor(sample("01b-job-failed"), { language }, null, { job });
            assertSlackTakes(payload);
            for (const one of textsOf(payload)) assertMarksStandApart(one, language);
          }
        }
      }
      const recovery = { of: "job", since: at, at, seconds: 1e9, failures: 30, isMore: true, overdue: at };
      assertSlackTakes(messageOf(incidentOf(everywhere(sample("08b-recovered"), (one) => (one === "nightly-report" ? text : one)), { recovery }), { language }));
    }
  }
});

test("the history of a job has its sentences in both languages", () => {
  const at = "2026-11-20T10:32:11.177Z";
  const time = "<!date^1795170731^{date_num} {time_secs}|2026-11-20 10:32:11 UTC>";
  const none = { revision: null, images: [] };
  const base = { since: at, failures: 1, isMore: false, lastSuccess: { at, revision: 1 }, goodRuns: 31, areMoreGoodRuns: false, changes: none, endedWellAt: null };
  const said = (job, language) => historyIn(messageFor(sample("01b-job-failed"), { language }, null, { job: { ...base, ...job } }));
  for (const [job, en, ja] of [
    [{}, "First failure after 31 good runs. Nothing changed: same revision and image as the last success.", "最初の失敗です（それまで 31 回連続で成功）。リビジョンとイメージは最後の成功時と同じです。"],
    [{ changes: null, goodRuns: 0 }, "First failure.", "最初の失敗です。"],
    [{ changes: { ...none, revision: { from: 17, to: 18 } }, goodRuns: 1 }, "First failure since nightly-report:17 → nightly-report:18, after 1 good run.", "nightly-report:17 → nightly-report:18 の変更後、最初の失敗です（それまで 1 回成功）。"],
    [{ failures: 3, areMoreGoodRuns: true, goodRuns: 20 }, `Failure 3 in a row since ${time}, after 20 or more good runs. Nothing changed: same revision and image as the last success.`, `${time} から 3 回連続で失敗しています（それまで 20 回以上連続で成功）。リビジョンとイメージは最後の成功時と同じです。`],
    [{ failures: 30, isMore: true, lastSuccess: null, goodRuns: 0, changes: null }, `Failure 30 or later in a row since ${time}. No success is on record.`, `${time} から 30 回以上連続で失敗しています。成功の記録はありません。`],
    [{ endedWellAt: at }, `The job has ended well since, at ${time}.`, `ジョブはその後 ${time} に正常終了しています。`],
    [{ overdue: at }, `First failure after 31 good runs. Nothing changed: same revision and image as the last success. There was no success by ${time}.`, `最初の失敗です（それまで 31 回連続で成功）。リビジョンとイメージは最後の成功時と同じです。期限の ${time} までに成功していません。`],
  ]) assert.deepEqual([said(job, "en"), said(job, "ja")], [en, ja]);
  const recovered = (recovery, language) => messageOf(incidentOf(sample("08b-recovered"), { recovery: { of: "job", since: at, at, seconds: 4_326, failures: 0, isMore: false, overdue: null, ...recovery } }), { language, mention: "here" }).text;
  for (const [recovery, en, ja] of [
    [{ failures: 3 }, "after 3 failures, 1 h 12 min", "（失敗 3 回、復旧まで 1 時間 12 分）"], [{ failures: 1, seconds: 0 }, "after 1 failure, under a second", "（失敗 1 回、復旧まで 1 秒未満）"],
    [{ failures: 30, isMore: true }, "after 30 or more failures, 1 h 12 min", "（失敗 30 回以上、復旧まで 1 時間 12 分）"], [{ overdue: at }, "after an overdue run, 1 h 12 min late", "（期限超過、1 時間 12 分遅れ）"],
    [{ overdue: at, failures: 2 }, "after 2 failures, 1 h 12 min", "（失敗 2 回、復旧まで 1 時間 12 分）"], [{ of: "deployment" }, "after a failed deployment, 1 h 12 min", "（デプロイ失敗、復旧まで 1 時間 12 分）"],
    [{ of: "service" }, "after an impairment, 1 h 12 min", "（サービスの障害、復旧まで 1 時間 12 分）"],
  ]) assert.deepEqual([recovered(recovery, "en"), recovered(recovery, "ja")], [`🟢 *nightly-report* works again in *prod* ${en}`, `🟢 *prod* の *nightly-report* が復旧しました${ja}`]);
});

test("the pure modules use nothing that an embedded engine lacks, and import only one another", async () => {
  const { readFile, readdir } = await import("node:fs/promises");
  const root = new URL("../", import.meta.url);
  const within = async (room) => (await readdir(new URL(`${room}/`, root))).map((file) => `${room}/${file}`);
  const pure = [...await within("core"), ...await within("places"), "memory/announcements.mjs"];
  for (const name of pure) {
    const source = (await readFile(new URL(name, root), "utf8")).replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    const lacking = /import\(|\b(process|Buffer|Intl|TextEncoder|setTimeout|fetch|toLocale\w*)\b|\bnew URL\b|\bURL\.|\bDate\.now|\bnew Date\(\)|\bconsole\.(log|error)/;
    assert.equal(lacking.exec(source)?.[0], undefined, name);
    const imported = [...source.matchAll(/^(?:import|export) .* from "(.*)";$/gm)].map(([, from]) => new URL(from, new URL(name, root)).href.slice(root.href.length));
    assert.ok(imported.every((from) => pure.includes(from)), `${name} imports ${imported}`);
    // The folders: core imports nothing but core, places nothing but places and core.
    const rooms = name.startsWith("core/") ? ["core/"] : ["core/", "places/"];
    assert.ok(imported.every((from) => rooms.some((room) => from.startsWith(room))), `${name} imports ${imported}`);
    assert.equal(imported.length, source.match(/^import\b|^export .* from\b/gm)?.length ?? 0, name);
  }
});
