// A thousand tasks fail at once, their events come three times in any order, Slack takes one message a second and
// fails at random, and invocations crash. Runs in simulated time; the random numbers are equal in every run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../handler.mjs";
import { clock } from "./clock.mjs";
import { memoryTable } from "./memory-table.mjs";
import { randomOf } from "./model.mjs";
import { changed, definitionOf } from "./samples.mjs";

const FAMILIES = 20;
const TASKS = 1000;
const DELIVERIES = 3000;
const TIMEOUT_MS = 30_000;
// Lambda runs a failed asynchronous invocation twice more: a minute later, then two.
const RETRIES_MS = [0, 60_000, 120_000];

/** Simulates Slack: takes one message a second; other messages are rate-limited, lost on the way, or refused. */
function slack({ now, sleep }, random) {
  const seen = { taken: [], answers: {} };
  let freeAt = 0;
  const count = (answer) => { seen.answers[answer] = (seen.answers[answer] ?? 0) + 1; };
  async function fetch(url, { body }) {
    await sleep(50 + 100 * random());
    const luck = random();
    if (luck < 0.05) { count("timeout"); await sleep(4000); throw Object.assign(new Error("late"), { name: "TimeoutError" }); }
    if (luck < 0.1) { count("hang-up"); throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } }); }
    if (luck < 0.2) { count(500); return new Response("rollup_error", { status: 500 }); }
    if (now() < freeAt) { count(429); return new Response("", { status: 429, headers: { "retry-after": "1" } }); }
    freeAt = now() + 1000;
    count(200);
    seen.taken.push(JSON.parse(body));
    return new Response("ok");
  }
  return { seen, fetch };
}

/** Writes a time in whole seconds, as EventBridge does. */
const timeOf = (ms) => new Date(ms - (ms % 1000)).toISOString().replace(".000Z", "Z");

function eventOf(task, family, at) {
  const taskId = task.toString(16).padStart(32, "0");
  const event = changed("01-exit-nonzero", {
    taskArn: `arn:aws:ecs:us-east-1:123456789012:task/prod/${taskId}`,
    taskDefinitionArn: `arn:aws:ecs:us-east-1:123456789012:task-definition/family-${family}:1`, group: `family:family-${family}`,
  });
  return { ...event, time: timeOf(at) };
}

async function storm(seed, crashing) {
  const random = randomOf(seed);
  const time = clock();
  const { seen, fetch } = slack(time, random);
  const table = memoryTable();
  const crashed = new Set();
  const outcomes = {};
  const undelivered = [];

  async function invoke(event, requestId) {
    const startedAt = time.now();
    const dies = crashing && random() < 0.03;
    const run = createHandler({
      readWebhook: async () => "https://hooks.slack.com/services/T/B/x",
      describeTaskDefinition: async () => definitionOf({ web: true }), readLog: async () => ["last words"],
      // Crashes between Slack's answer and the mark in the table.
      tableOf: () => (dies ? { ...table, mark: (subject) => { crashed.add(subject); return new Promise(() => {}); } } : table),
      fetch, sleep: time.sleep, now: time.now, random, log: () => {}, env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t" },
    });
    const context = { awsRequestId: requestId, getRemainingTimeInMillis: () => TIMEOUT_MS - (time.now() - startedAt) };
    return Promise.race([run(event, context), time.sleep(TIMEOUT_MS).then(() => { throw new Error("timed out"); })]);
  }

  async function deliver(event, requestId) {
    for (const wait of RETRIES_MS) {
      await time.sleep(wait * (1 + 0.1 * random()));
      try {
        const { outcome } = await invoke(event, requestId);
        outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
        return;
      } catch (error) {
        const name = error.name === "Busy" ? "busy, run again" : "failed, run again";
        outcomes[name] = (outcomes[name] ?? 0) + 1;
      }
    }
    undelivered.push(event);
  }

  const tasks = Array.from({ length: TASKS }, (_, task) => eventOf(task, task % FAMILIES, time.now() + 5_000 * random()));
  const deliveries = Array.from({ length: DELIVERIES }, (_, at) => ({ event: tasks[at % TASKS], at: at < TASKS ? 5_000 * random() : 180_000 * random() }));
  for (const [at, { event, at: after }] of deliveries.entries()) time.sleep(after).then(() => deliver(event, `r-${at}`));
  await time.run();
  const failed = [];
  /** Replays: a message that stayed without an answer twice may be sent again after a quarter of an hour. */
  async function replay() {
    for (let round = 0; round < 3 && undelivered.length > 0; round += 1) {
      time.sleep(15 * 60_000);
      await time.run();
      const events = undelivered.splice(0);
      failed.push(...events);
      for (const event of events) deliver(event, `replayed ${round}`);
      await time.run();
    }
  }
  await replay();
  // After the window, one more failure of each family: its message reports every unreported occurrence.
  time.sleep(16 * 60_000);
  await time.run();
  for (let family = 0; family < FAMILIES; family += 1) deliver(eventOf(TASKS + family, family, time.now()), "straggler");
  await time.run();
  await replay();
  return { seen, table, crashed, outcomes, undelivered, failed };
}

const textOf = (payload) => JSON.stringify(payload);
const numberIn = (payload, pattern) => Number(pattern.exec(textOf(payload))?.[1] ?? NaN);

/** Lists the counts in the messages of each family, in the order in which Slack took them. */
function announcements(taken) {
  const families = Array.from({ length: FAMILIES }, () => []);
  for (const payload of taken) {
    families[numberIn(payload, /\*family-(\d+)\*/)].push({
      times: numberIn(payload, /\*(\d+) times\*/) || 1, earlier: numberIn(payload, /Earlier, (\d+) more/) || 0,
      task: /task ([0-9a-f]{32})/.exec(textOf(payload))[1],
    });
  }
  return families;
}

for (const [seed, crashing] of [[1, false], [2, false], [3, true], [5, true]]) {
  test(`a storm of ${TASKS} tasks${crashing ? " with crashes" : ""} loses nothing and repeats nothing (seed ${seed})`, async (t) => {
    const { seen, table, crashed, outcomes, undelivered, failed } = await storm(seed, crashing);
    const families = announcements(seen.taken);
    const figures = `${seen.taken.length} messages for ${TASKS + FAMILIES} tasks in ${DELIVERIES + FAMILIES} deliveries; `
      + `Slack: ${textOf(seen.answers)}; outcomes: ${textOf(outcomes)}; to the queue and replayed: ${failed.length}; crashes: ${crashed.size}`;
    t.diagnostic(figures);
    assert.equal(undelivered.length, 0, "in the queue");
    assert.equal(table.subjects().length, TASKS + FAMILIES);
    assert.ok(table.subjects().every(({ isSettled }) => isSettled.BOOL), "every task is told or counted");
    for (const [family, told] of families.entries()) {
      assert.ok(told.length > 1, `family ${family} was announced, and again after its window`);
      const { times, earlier } = told.at(-1);
      const most = Math.max(...told.slice(0, -1).map((one) => one.times));
      assert.equal(times, 1);
      if (!crashing) assert.equal(most + earlier, TASKS / FAMILIES, `family ${family}: every task is counted in an announcement`);
      assert.ok(most + earlier >= TASKS / FAMILIES, `family ${family}: ${most} + ${earlier}`);
    }
    const named = families.flat().map(({ task }) => task);
    const twice = named.filter((task, at) => named.indexOf(task) !== at);
    const mayRepeat = (task) => [...crashed].some((subject) => subject.endsWith(task));
    assert.ok(twice.every(mayRepeat), `announced twice: ${twice}`);
    assert.ok(seen.taken.length < 20 * FAMILIES, figures);
    if (crashing) assert.ok(crashed.size > 0);
  });
}

/** Simulates DynamoDB (AWS): a transaction takes two rounds, and another write on one of its items is refused meanwhile. */
const conflicting = ({ sleep }, random) => async (_, perform, kind) => {
  await sleep(kind === "commit" ? 5 + 10 * random() : 2 + 4 * random());
  return perform();
};

/** Runs a storm: so many tasks of one service fail within a time. Slack takes a message a second, and nothing else fails. */
async function burst(tasks, spanMs, seed) {
  const random = randomOf(seed);
  const time = clock();
  const table = memoryTable(conflicting(time, random));
  const [posts, runs, undelivered] = [[], { ok: 0, busy: 0, failed: 0 }, []];
  let freeAt = 0;
  const start = time.now();
  async function fetch(_, { body }) {
    await time.sleep(100 + 200 * random());
    if (time.now() < freeAt) return new Response("", { status: 429, headers: { "retry-after": "1" } });
    freeAt = time.now() + 1000;
    posts.push({ at: time.now() - start, count: numberIn(JSON.parse(body), /\*(\d+) times\*/) || 1 });
    return new Response("ok");
  }
  async function deliver(event, requestId) {
    for (const wait of RETRIES_MS) {
      await time.sleep(wait * (1 + 0.1 * random()));
      const startedAt = time.now();
      const run = createHandler({
        readWebhook: async () => "https://hooks.slack.com/services/T/B/x", describeTaskDefinition: async () => definitionOf({ web: true }), readLog: async () => [],
        tableOf: () => table, fetch, sleep: time.sleep, now: time.now, random, log: () => {}, env: { TASKBELL_WEBHOOK_PARAMETER: "p", TASKBELL_TABLE: "t" },
      });
      try {
        await run(event, { awsRequestId: requestId, getRemainingTimeInMillis: () => TIMEOUT_MS - (time.now() - startedAt) });
        runs.ok += 1;
        return;
      } catch (error) {
        runs[error.name === "Busy" ? "busy" : "failed"] += 1;
      }
    }
    undelivered.push(event);
  }
  for (let task = 0; task < tasks; task += 1) {
    const after = spanMs * random();
    time.sleep(after).then(() => deliver(eventOf(task, 0, start + after), `r-${task}`));
  }
  await time.run();
  return { posts, runs, undelivered, table };
}

for (const [tasks, spanMs] of [[100, 2_000], [200, 2_000], [1_500, 60_000]]) {
  test(`${tasks} tasks in ${spanMs / 1000} s, with conflicting writes: hardly a run is busy, the first message comes at once, each power of two once`, async (t) => {
    const { posts, runs, undelivered, table } = await burst(tasks, spanMs, 1);
    const counts = posts.map(({ count }) => count);
    const share = (100 * runs.busy) / (runs.ok + runs.busy + runs.failed);
    t.diagnostic(`busy: ${share.toFixed(1)} % of ${runs.ok + runs.busy + runs.failed} runs; failed: ${runs.failed}; told: ${counts}; first after ${Math.round(posts[0].at)} ms`);
    assert.ok(share < 2 && runs.failed === 0 && undelivered.length === 0, `${textOf(runs)}`);
    assert.ok(posts[0].at < 2_000);
    assert.equal(table.subjects().length, tasks);
    assert.ok(table.subjects().every(({ isSettled }) => isSettled.BOOL), "every task is told or counted");
    assert.deepEqual(counts, [...counts].sort((one, other) => one - other));
    // A single message reports all powers of two up to its count.
    const powers = counts.map((count) => Math.floor(Math.log2(count)));
    assert.equal(new Set(powers).size, powers.length, `a power is told twice: ${counts}`);
    assert.equal(powers.at(-1), Math.floor(Math.log2(tasks)), `${counts}`);
  });
}
