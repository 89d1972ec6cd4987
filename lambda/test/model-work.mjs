// Explores the flows, the scenarios and the faults of the model checker, by name. A worker of its own explores each: the hooks that the test
// runner puts on every promise would take most of the time.
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { announce, keysOf } from "../memory/announcements.mjs";
import { incidentOf } from "../core/incident.mjs";
import { createHandler } from "../handler.mjs";
import { recordOf } from "../core/ledger.mjs";
import { ledgersOf } from "../memory/ledger.mjs";
import { tableOf } from "../memory/table.mjs";
import { CLOCKS_MS, TIME, atRandom, execute, exhaustive, told } from "./model.mjs";
import { changed, sample } from "./samples.mjs";

/** Makes one run, as the handler does. `changed` puts a fault into the table. */
const flowWith = (changed = (table) => table) => async ({ connect, subject, time, windowMs, left, post, ...how }) => {
  const keys = keysOf({ subject, failure: "f", time }, { now: how.now(), windowMs });
  const table = changed(tableOf("t", connect), keys);
  let hasFailed = false;
  const decision = await announce(table, keys, { ...how, waitMs: 1_000, holdUntil: how.now() + left() + CLOCKS_MS, markMs: () => left() - 300 }, async ({ pending, unanswered, occurrences, count }) => {
    const results = await Promise.all(pending.map(async (name) => {
      const before = unanswered[name] ?? 0;
      const word = before >= 2 ? "withheld" : await post(name, occurrences[name]?.count ?? count ?? 0);
      return { name, took: word === "ok", unanswered: before + (word === "late" ? 1 : 0) };
    }));
    hasFailed = results.some(({ took }) => !took);
    return results;
  });
  return !hasFailed && decision.verdict !== undefined;
};
const flow = flowWith();

// The whole handler: each destination is a webhook of its own, so that the message has its count in JSON.
const EVENT = sample("02-oom");
const eventOf = (subject, time) => ({ ...EVENT, id: `event ${subject}`, time, detail: { ...EVENT.detail, taskArn: `${EVENT.detail.taskArn.slice(0, -1)}${subject}` } });
const keyOf = (subject) => incidentOf(eventOf(subject, TIME)).subject;
const answers = { ok: { status: 200 }, fail: { status: 404 } };

/** Makes one run of the handler, with an event for each subject. `changed` puts a fault into the ledgers. */
const handledWith = (eventFor, env = {}, changedLedgers = (ledgers) => ledgers) => async ({ destinations, connect, subject, time, holder, left, post, now, random, sleep }) => {
  const handler = createHandler({
    readWebhook: async (name) => JSON.stringify({ url: `https://example.com/${name}`, secret: "a secret that is long" }), describeTaskDefinition: async () => ({ containers: [] }), readLog: async () => [],
    tableOf: (name) => tableOf(name, connect), ledgersOf: (name) => changedLedgers(ledgersOf(name, connect)),
    async fetch(url, { body }) {
      const { occurrence } = JSON.parse(body);
      const word = await post(url.split("/").pop(), occurrence?.count ?? 0);
      if (word === "late") throw Object.assign(new Error("late"), { name: "TimeoutError" });
      return { ...answers[word], body: null };
    },
    now, random, sleep, log: () => {},
    env: { TASKBELL_TABLE: "t", TASKBELL_DESTINATIONS: JSON.stringify(destinations.map((name) => ({ name, parameter: name, kind: "webhook" }))), ...env },
  });
  return handler(eventFor(subject, time), { awsRequestId: holder, getRemainingTimeInMillis: left }).then(() => true);
};
const handled = handledWith(eventOf);

/** Returns the items of the table after a number of tasks. */
async function after(count, destinations, flow, of) {
  let before = undefined;
  for (let nth = 0; nth < count; nth += 1) before = await execute({ ...of, events: [`s${nth}`], destinations, before }, () => 0, flow);
  return before;
}
const ONE = ["slack"];
const TWO = ["slack", "pager"];
const MOST_BEFORE = 4;
async function prepared(flow, of) {
  const all = new Map();
  for (const destinations of [ONE, TWO]) for (let count = 0; count <= MOST_BEFORE; count += 1) all.set(`${count} ${destinations}`, await after(count, destinations, flow, of));
  return (count, destinations) => all.get(`${count} ${destinations}`);
}
const before = await prepared(flow);

/** Scenarios, each with the most interruptions to explore. */
export const SCENARIOS = [
  ["two tasks open a window", { events: ["x", "y"], destinations: ONE }, 4],
  ["an event comes twice, as the first", { events: ["x", "x"], destinations: ONE, isBackward: true }, 4],
  ["an event comes twice, as the fourth", { events: ["x", "x"], destinations: ONE, before: before(3, ONE) }, 4],
  ["an event comes twice, as the fourth, and the subject is seen before the window", { events: ["x", "x"], destinations: ONE, before: before(3, ONE), isBackward: true }, 4],
  ["two tasks come as the second and the third", { events: ["x", "y"], destinations: ONE, before: before(1, ONE) }, 4],
  ["two tasks go to two destinations", { events: ["x", "y"], destinations: TWO }, 3],
  ["a destination does not take the message at first", { events: ["x", "y"], destinations: TWO, answer: (name, nth) => (name === "pager" && nth <= 3 ? "fail" : "ok") }, 2],
  ["a crash, or a lost answer", { events: ["x", "y"], destinations: ONE, before: before(1, ONE), faults: 1 }, 2],
  ["the first post is lost without an answer", { events: ["x", "y"], destinations: ONE, answer: (_, nth) => (nth === 1 ? "late-lost" : "ok") }, 3],
];

/** Makes two to four deliveries of one failure, to one or two destinations, with crashes, lost answers and posts that fail. */
const scenarioOf = (before, of) => (random) => {
  const destinations = random() < 0.6 ? ONE : TWO;
  const words = ["fail", "late", "late-lost"];
  const luck = random() < 0.5 ? 1 : 0.8;
  return {
    ...of, destinations, isBackward: random() < 0.5, before: before(Math.floor(random() * 5), destinations), faults: Math.floor(random() * 3), events: Array.from({ length: 2 + Math.floor(random() * 3) }, () => "wxyz"[Math.floor(random() * 4)]),
    answer: () => (random() < luck ? "ok" : words[Math.floor(random() * words.length)]),
  };
};

/** Faults that this code, or an earlier version, could have: each by a small change of the table. */
export const FAULTS = [
  // Settles without the condition on the window: the condition alone would find this fault.
  ["subject and window are read at once, and settled whatever came in between", { events: ["x", "x"], destinations: ONE, before: before(3, ONE) }, (table, { failure, since }) => {
    let early = null;
    return {
      ...table, look: async () => null, subject: (id, ms) => { early = table.window(`${failure} @${since}`, ms); return table.subject(id, ms); }, window: (id, ms) => early ?? table.window(id, ms),
      settle: (...call) => table.settle(...call.slice(0, -1), null),
    };
  }, /is untold/],
  ["a counted subject is settled by a window that does not show the count yet", { events: ["x", "x"], destinations: ONE, before: before(3, ONE), isBackward: true }, (table) => ({
    ...table, settle: (...call) => table.settle(...call.slice(0, -1), null),
  }), /is untold/],
  ["a conflict is taken for a lost race when a message is marked", { events: ["x", "y"], destinations: ONE }, (table) => ({
    ...table, mark: async (...call) => (await table.mark(...call)) === "done" ? "done" : "lost",
  }), /still holds/],
  ["a window is taken although its counts changed since it was read", { events: ["x", "y"], destinations: ONE, before: before(1, ONE) }, (table) => {
    let stale = null;
    return {
      ...table, look: async () => null, window: async (id, ms) => (stale ? { ...await table.window(id, ms), ...stale } : table.window(id, ms)),
      async take(id, seen, names, by, ms) {
        const { outcome } = await table.take(id, seen, [names[0]].filter(() => false).concat("nobody"), by, ms);
        if (outcome === "done") stale = { told: seen.told };
        return { outcome };
      },
    };
  }, /a message has told it|told twice/],
  ["the message of one destination counts for all", { events: ["x", "y"], destinations: TWO, before: before(1, TWO), answer: (name, nth) => (name === "pager" && nth <= 1 ? "fail" : "ok") }, (table) => ({
    ...table, mark: (id, windowId, told, ...rest) => table.mark(id, windowId, { ...told, names: TWO }, ...rest),
  }), /pager: .* is untold/],
];

// Jobs: every subject is a success after one failure that was told. Whatever the successes, their recovery is one message.
const JOB = "job prod|nightly";
const minutesAfter = (time, minutes) => new Date(Date.parse(time) + minutes * 60_000).toISOString();
const endOf = (subject, time, exitCode, minutes) => ({
  ...changed("08-exit-0", {
    taskArn: `arn:aws:ecs:us-east-1:123456789012:task/prod/${subject}`, taskDefinitionArn: "arn:aws:ecs:us-east-1:123456789012:task-definition/nightly:1", group: "family:nightly",
    stoppedAt: minutesAfter(time, minutes), containers: [{ name: "job", exitCode, image: "x/job:1" }],
  }),
  id: `event ${subject}`, time,
});
const TROUBLE = minutesAfter(TIME, -30);
const successOf = (subject, time) => endOf(subject, time, 0, "wxyz".indexOf(subject) - 10);
const recovered = handledWith(successOf);

/** Returns the ledger after a failure that was told. */
async function afterFailure() {
  const { items } = await execute({ events: ["f"], destinations: ONE, keyOf: (subject) => incidentOf(endOf(subject, TIME, 1, -30)).subject }, () => 0, handledWith((subject, time) => endOf(subject, time, 1, -30)));
  return { items: new Map([[JOB, items.get(JOB)]]), messages: [] };
}

/** Requires that every success is in the ledger; and that the recovery is noted, unless a run gave up. */
const checkLedger = (events) => ({ items, queue, messages }) => {
  const { all } = recordOf(items.get(JOB)?.ledger.S);
  const lost = [...new Set(events)].filter((subject) => !queue.includes(subject) && !all.ends.some(({ task, ok }) => ok && task === subject));
  return [...lost.map((subject) => `the success of ${subject} is not in the ledger`), ...(queue.length === 0 && messages.length === 0 ? ["no recovery was told"] : [])];
};
const ofJobs = (before, { events, ...of }) => ({ destinations: ONE, before, keyOf: () => `recovered ${JOB} ${TROUBLE}`, check: checkLedger(events), events, ...of });

/** Scenarios of jobs, each with the most interruptions to explore. */
export const JOBS = [
  ["the event of a success comes twice", { events: ["w", "w"] }, 3],
  ["two successes come at once", { events: ["w", "x"] }, 3],
  ["a crash, or a lost answer, while two successes come", { events: ["w", "x"], faults: 1 }, 1],
  ["a destination does not take the recovery at first", { events: ["w", "x"], destinations: TWO, answer: (name, nth) => (name === "pager" && nth <= 2 ? "fail" : "ok") }, 1],
];
const scenarioOfJobs = (before) => (random) => {
  const events = Array.from({ length: 2 + Math.floor(random() * 2) }, () => "wxyz"[Math.floor(random() * 4)]);
  const luck = random() < 0.5 ? 1 : 0.8;
  return ofJobs(before, {
    events, destinations: random() < 0.6 ? ONE : TWO, isBackward: random() < 0.5, faults: Math.floor(random() * 3),
    answer: () => (random() < luck ? "ok" : ["fail", "late", "late-lost"][Math.floor(random() * 3)]),
  });
};

/** Faults of the ledger that the checker must find. */
export const JOB_FAULTS = [
  ["a write of a ledger is not conditional", { events: ["w", "x"] }, (ledgers) => ({
    ...ledgers, write: async (id, text, _, ...rest) => ledgers.write(id, text, (await ledgers.read(id, 9)).writes, ...rest),
  }), /is not in the ledger/],
  ["a ledger that was lost to another run counts as written", { events: ["w", "x"] }, (ledgers) => ({
    ...ledgers, write: async (...call) => { await ledgers.write(...call); return "done"; },
  }), /is not in the ledger/],
];

const WORK = {
  job: async (at) => { untimed(); return exhaustive(ofJobs(await afterFailure(), JOBS[at][1]), recovered, JOBS[at][2], 1_500); },
  jobFault: async (at) => { untimed(); return exhaustive(ofJobs(await afterFailure(), JOB_FAULTS[at][1]), handledWith(successOf, {}, JOB_FAULTS[at][2]), 3, 6_000); },
  jobs: async (schedules, seed) => { untimed(); return atRandom(scenarioOfJobs(await afterFailure()), recovered, schedules, seed); },
  every: (at) => exhaustive(SCENARIOS[at][1], flow, SCENARIOS[at][2], 12_000),
  fault: (at) => exhaustive(FAULTS[at][1], flowWith(FAULTS[at][2]), 3, 20_000),
  random: (schedules, seed) => atRandom(scenarioOf(before), flow, schedules, seed),
  async handler(schedules, seed) {
    untimed();
    const of = { keyOf };
    return atRandom(scenarioOf(await prepared(handled, of), of), handled, schedules, seed);
  },
};

/** Removes the timers of requests: the scheduler decides when a request is late. */
function untimed() { AbortSignal.timeout = () => undefined; }

if (!isMainThread && workerData?.model) {
  const [what, ...how] = workerData.model;
  const result = await WORK[what](...how);
  parentPort.postMessage({ schedules: result.schedules, messages: result.messages, isComplete: result.isComplete === true, problems: result.found?.problems ?? null, text: told(result) });
}
