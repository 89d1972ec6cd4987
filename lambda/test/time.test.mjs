// Every service is slow at random: no run ends with an unmarked post, is killed, or ends without a post that could have been made.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../handler.mjs";
import { timeLimit } from "../io/aws.mjs";
import { ledgersOf } from "../memory/ledger.mjs";
import { tableOf } from "../memory/table.mjs";
import { clock } from "./clock.mjs";
import { dynamo } from "./dynamo.mjs";
import { randomOf } from "./model.mjs";
import { changed, definitionOf } from "./samples.mjs";

const RUNS = Number(process.env.TASKBELL_RUNS ?? 10_000);
const TIMEOUT_MS = 30_000;
const CALL_MS = 2_500;
const SLOWEST_MS = 4_000;
const SERVICES = ["secret", "definition", "log", "table", "slack"];
const late = () => Object.assign(new Error("late"), { name: "TimeoutError" });

/** Makes one run with services of its own and a shared clock. */
async function run(nth, time, random) {
  const seen = { posts: [], isSecretKnown: false, answers: [], isSilent: false };
  // In half of the runs one call of one service is never answered; and each run has slow and fast services.
  const silent = random() < 0.5 ? SERVICES[Math.floor(random() * SERVICES.length)] : null;
  const slowest = Object.fromEntries(SERVICES.map((service) => [service, random() < 0.5 ? SLOWEST_MS : 300]));
  /** Ends a call with its answer, or at its own time-out. */
  async function call(service, limitMs, perform) {
    const isSilent = service === silent && !seen.isSilent && random() < 0.5;
    if (isSilent) seen.isSilent = true;
    const ms = isSilent ? Infinity : slowest[service] * random();
    if (ms > limitMs) {
      await time.sleep(limitMs);
      throw late();
    }
    await time.sleep(ms);
    return perform();
  }
  const database = dynamo();
  const connect = database.connect((_, perform, kind, ms) => {
    const answered = (answer) => { seen.answers.push({ at: time.now(), kind }); return answer; };
    // DynamoDB completes a transaction that has begun.
    return kind === "commit" ? Promise.resolve(answered(perform())) : call("table", ms, perform).then(answered);
  });
  const handler = createHandler({
    readWebhook: () => call("secret", CALL_MS, () => { seen.isSecretKnown = true; return "https://hooks.slack.com/services/T/B/x"; }),
    describeTaskDefinition: () => call("definition", CALL_MS, () => definitionOf({ web: true })), readLog: () => call("log", CALL_MS, () => ["x"]),
    tableOf: (name) => tableOf(name, connect), ledgersOf: (name) => ledgersOf(name, connect),
    fetch: (_, { signal }) => {
      const post = { at: time.now(), takenAt: null };
      seen.posts.push(post);
      return call("slack", signal.ms, () => { post.takenAt = time.now(); return { status: 200, body: null }; });
    },
    within: (ms, work) => Promise.race([work, time.sleep(ms).then(() => { throw late(); })]),
    sleep: time.sleep, now: time.now, random, log: () => {}, env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t" },
  });
  const startedAt = time.now();
  const context = { awsRequestId: `r-${nth}`, getRemainingTimeInMillis: () => TIMEOUT_MS - (time.now() - startedAt) };
  // Half of the tasks are jobs, whose ledger is read and written before the post.
  await handler(nth % 2 === 0 ? changed("02-oom", {}) : changed("01b-job-failed", {}), context).catch(() => {});
  const took = seen.posts.find(({ takenAt }) => takenAt !== null);
  const isMarked = [...database.items.values()].some(({ isSettled }) => isSettled?.BOOL);
  return {
    wasKilled: time.now() - startedAt > TIMEOUT_MS,
    isUnmarked: took !== undefined && !isMarked && seen.answers.some(({ at }) => at > took.takenAt),
    // Slack answers within its time, except for the one call that it may never answer.
    isMute: seen.posts.length === 0 && seen.isSecretKnown,
    took: took !== undefined,
  };
}

test(`of ${RUNS} runs with slow services none is killed, mute, or leaves a post unmarked`, async (t) => {
  t.mock.method(AbortSignal, "timeout", (ms) => ({ ms }));
  const random = randomOf(11);
  const time = clock();
  const runs = Array.from({ length: RUNS }, (_, nth) => run(nth, time, random));
  await time.run();
  const results = await Promise.all(runs);
  const count = (what) => results.filter((one) => one[what]).length;
  t.diagnostic(`${RUNS} runs: ${count("took")} posts were taken; ${count("isUnmarked")} not marked though the table answered, ${count("wasKilled")} killed, ${count("isMute")} without a post`);
  assert.deepEqual([count("isUnmarked"), count("wasKilled"), count("isMute")], [0, 0, 0]);
  assert.ok(count("took") > 0.9 * RUNS);
});

test("a call of AWS may have any share of a run's time", () => {
  const limits = [2_500, 812.4, 1.9, 0.3, 0, -7.5].map((ms) => timeLimit(ms));
  assert.deepEqual(limits.map(({ timeoutMs }) => timeoutMs), [2_500, 812, 1, 1, 1, 1]);
  assert.ok(limits.every(({ abortSignal }) => abortSignal instanceof AbortSignal));
});
