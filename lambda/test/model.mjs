// Checks the memory by a model. Runs two to four invocations of the real flow on a DynamoDB in memory, owns each of their awaits (calls of
// the table, posts, pauses, the clock), and executes them in any order that a list of choices asks for.
import { dynamo } from "./dynamo.mjs";

// Conflicts are errors, and there are many.
Error.stackTraceLimit = 0;

const START = Date.parse("2026-11-20T10:00:00Z");
export const WINDOW_MS = 15 * 60_000;
/** The time after which Lambda ends a run. */
const RUN_MS = 30_000;
/** The time by which a hold outlasts its run: clocks differ. */
export const CLOCKS_MS = 2_000;
/** The times of the runs: Lambda runs a failed event twice more. */
const RETRIES_MS = [0, 60_000, 120_000];
/** The time of all events. */
export const TIME = new Date(START + 1_000).toISOString();
const MOST_STEPS = 3_000;
/** The longest time of a call of the table; an unanswered call is a fault of its own. */
const CALL_MS = 100;
/** The number of turns without a new wait after which every run has reached its next one; where two of its posts end at once, perhaps a turn later. */
const IDLE_TURNS = 4;

/**
 * @typedef {object} Scenario
 * @property {string[]} events  the subject of each delivery; a subject may be delivered twice
 * @property {string[]} destinations
 * @property {{items: Map<string, object>, messages: object[]}} [before]  the earlier items and messages
 * @property {(name: string, nth: number) => "ok"|"fail"|"late"|"late-lost"} [answer]  of the nth post to a destination
 * @property {number} [faults]  the most crashes and lost answers
 * @property {boolean} [isBackward]  the last item of a transaction is visible first
 * @property {(subject: string) => string} [keyOf]  the key of the table, if the flow changes the subject
 * @property {(end: {items: Map<string, object>, messages: object[], queue: string[]}) => string[]} [check]  lists further broken rules
 * @typedef {(world: object) => Promise<boolean>} Flow  one run; false: the run failed, and Lambda is to run the event again
 * @typedef {(options: {cost: number}[], label: (at: number) => string) => number} Pick
 */

/**
 * Executes one schedule.
 * @param {Scenario} scenario
 * @param {Pick} pick
 * @param {Flow} flow
 * @returns {Promise<{problems: string[], trace: string[], items: Map<string, object>, messages: object[]}>}
 */
export async function execute({ events, destinations, before, answer = () => "ok", faults = 0, isBackward = false, keyOf = (subject) => subject, check = () => [] }, pick, flow) {
  const database = dynamo(new Map(before?.items), { isBackward });
  const messages = [...(before?.messages ?? [])];
  const state = { clock: START + 60_000, activity: 0, last: null, faults, faulty: false, posts: {}, holders: 0 };
  const pending = [];
  const trace = [];
  const queue = [];
  const problems = [];
  const threads = [];
  const posts = [];
  const itself = { name: "DynamoDB", blocked: 0 };

  function step(thread, run, label, perform, kind, at = null) {
    if (run.isDead) return new Promise(() => {});
    thread.blocked += 1;
    state.activity += 1;
    return new Promise((resolve, reject) => { pending.push({ thread, run, label, perform, kind, at, asked: state.clock, resolve, reject }); });
  }

  /** Completes the part of a transaction that has begun in DynamoDB, without its caller. */
  function goOn([first, ...rest]) {
    if (!first) return;
    const { label, perform } = first;
    pending.push({ thread: itself, run: { holder: "DynamoDB", startedAt: state.clock }, label, perform, kind: "commit", at: null, asked: state.clock, resolve: () => goOn(rest), reject: () => {} });
  }

  function worldOf(thread, run) {
    return {
      destinations, holder: run.holder, subject: thread.subject, time: TIME, windowMs: WINDOW_MS,
      connect: database.connect((label, perform, kind) => step(thread, run, label, perform, kind)),
      now: () => state.clock, random: () => 0.5,
      sleep: (ms) => step(thread, run, `sleep ${ms}`, () => {}, "sleep", state.clock + ms),
      left: () => run.startedAt + RUN_MS - state.clock,
      /** @returns {Promise<"ok"|"fail"|"late">} */
      post: (name, count) => step(thread, run, `post ${name} ${thread.subject} (${count})`, () => {
        state.posts[name] = (state.posts[name] ?? 0) + 1;
        const word = answer(name, state.posts[name]);
        if (word !== "fail") posts.push({ name, subject: thread.subject, isLate: word !== "ok", isBlind: count === 0 });
        if (word === "late" || word === "late-lost") thread.isDisturbed = true;
        if (word === "ok" || word === "late") messages.push({ name, subject: thread.subject, count });
        trace.push(`      ${name}: ${word}`);
        return word === "late-lost" ? "late" : word;
      }, "post"),
    };
  }

  async function deliver(thread) {
    for (const [nth, wait] of RETRIES_MS.entries()) {
      const run = { holder: `${thread.name}.${nth}`, startedAt: 0, isDead: false, crash: null };
      thread.run = run;
      if (wait > 0) await step(thread, run, `wait ${wait}`, () => {}, "sleep", state.clock + wait);
      run.startedAt = state.clock;
      const crashed = new Promise((resolve) => { run.crash = () => resolve(false); });
      const isDone = await Promise.race([flow(worldOf(thread, run)).catch((error) => {
        trace.push(`   ${run.holder} ends with ${error.name}: ${error.message}`);
        return false;
      }), crashed]);
      if (!run.isDead) held(run);
      if (isDone) return;
    }
    queue.push(thread.subject);
  }

  /** Checks that a run that ended holds nothing; and that a crashed one holds no longer than it could have lasted. */
  function held({ holder, startedAt }, hasCrashed = false) {
    for (const [id, item] of database.items) {
      if (item.heldBy?.S.split(" ")[0] !== holder) continue;
      if (!hasCrashed) problems.push(`${holder} is over and still holds ${id}`);
      else if (Number(item.heldUntilMs.N) > startedAt + RUN_MS + CLOCKS_MS) problems.push(`${holder} holds ${id} longer than a run`);
    }
  }

  /** Waits until every run waits for something, or has ended: turns are counted, so that no timer is needed. */
  async function quiet() {
    for (let idle = 0, seen = -1; idle < IDLE_TURNS; idle += 1) {
      if (seen !== state.activity || threads.some(({ blocked, isDone }) => blocked === 0 && !isDone)) idle = 0;
      seen = state.activity;
      await undefined;
    }
  }

  /** Lists the next steps, those of the active run first; each interruption of this run has a cost. */
  function options() {
    const [ready, others] = [[], []];
    let next = null;
    let until = Infinity;
    for (const op of pending) {
      if (op.at === null) {
        (op.thread === state.last ? ready : others).push(op);
        until = Math.min(until, op.kind === "post" ? op.run.startedAt + RUN_MS : op.asked + CALL_MS);
      } else if (next === null || op.at < next.at) {
        next = op;
      }
    }
    const goesOn = ready.length > 0 ? 1 : 0;
    const all = ready.map((op) => ({ op, cost: 0 }));
    for (const op of others) all.push({ op, cost: goesOn });
    ready.push(...others);
    if (next !== null && next.at <= until) all.push({ op: next, cost: ready.length > 0 ? 1 : 0 });
    if (state.faults <= 0) return all;
    const faulty = ready.filter(({ thread }) => thread !== itself).flatMap((op) => [...(op.kind === "post" ? [] : ["unanswered"]), "crash after", ...(op.kind === "commit" ? [] : ["crash before"])].map((fault) => ({ op, fault, cost: 1 })));
    return [...all, ...faulty];
  }

  function perform({ op, fault }) {
    pending.splice(pending.indexOf(op), 1);
    state.last = op.thread;
    state.clock = op.at === null ? state.clock + 1 : Math.max(state.clock, op.at);
    trace.push(`${op.run.holder} ${op.label}${fault ? ` [${fault}]` : ""}`);
    op.thread.blocked -= 1;
    if (fault) state.faults -= 1;
    let answer = null;
    try {
      // A transaction without an answer at its beginning was not begun.
      if (fault !== "crash before" && !(fault === "unanswered" && op.kind === "begin")) answer = { value: op.perform() };
    } catch (error) {
      trace.push(`      ${error.name}`);
      answer = { error };
    }
    if (fault && op.kind === "commit") goOn(op.perform.rest);
    if (fault?.startsWith("crash")) return crash(op, fault === "crash after" && op.kind === "begin" && answer.value === true);
    if (fault === "unanswered") op.thread.hasLost = true;
    if (fault === "unanswered") return op.reject(Object.assign(new Error("no answer in time"), { name: "TimeoutError" }));
    return answer.error ? op.reject(answer.error) : op.resolve(answer.value);
  }

  function crash({ thread, run, resolve }, hasBegun) {
    run.isDead = true;
    thread.isDisturbed = true;
    if (hasBegun) {
      run.isDead = false;
      resolve(true);
      state.orphan = { thread, run };
      return;
    }
    held(run, true);
    for (const op of pending.filter((one) => one.run === run)) {
      if (op.kind === "commit") goOn([op, ...op.perform.rest]);
      pending.splice(pending.indexOf(op), 1);
      thread.blocked -= 1;
    }
    thread.crashes += 1;
    run.crash();
  }

  threads.push(...events.map((subject, at) => ({ name: "ABCDEFGH"[at], subject, blocked: 0, isDone: false, isDisturbed: false })));
  for (const thread of threads) deliver(thread).then(() => { thread.isDone = true; state.activity += 1; });
  await quiet();
  for (let steps = 0; pending.length > 0; steps += 1) {
    if (steps > MOST_STEPS) { problems.push("no end"); break; }
    if (state.orphan) {
      const { thread, run } = state.orphan;
      state.orphan = null;
      crash({ thread, run }, false);
    } else {
      const all = options();
      perform(all[all.length === 1 ? 0 : pick(all, (at) => all[at].op.label)]);
    }
    await quiet();
  }
  problems.push(...wrongAtTheEnd({ items: database.items, messages, posts, queue, destinations, threads, keyOf }), ...check({ items: database.items, messages, queue }));
  return { problems, trace, items: database.items, messages };
}

const next = (told) => (told === 0 ? 1 : 2 ** (Math.floor(Math.log2(told)) + 1));
const bucket = (count) => Math.floor(Math.log2(count));

/** Lists the broken rules once all runs have ended. */
function wrongAtTheEnd({ items, messages, posts, queue, destinations, threads, keyOf }) {
  const problems = [];
  const windows = [...items.values()].filter(({ occurrences }) => occurrences);
  const of = (subject) => threads.filter((thread) => thread.subject === subject);
  /** Says whether a crash or a post without an answer of the subject itself allows a repeated message. */
  const isDisturbed = (subject) => of(subject).some((thread) => thread.isDisturbed);
  for (const { id, occurrences, ...rest } of windows) {
    const told = Object.entries(rest).filter(([name]) => name.startsWith("told"));
    for (const [name, { N }] of told) if (Number(N) > Number(occurrences.N)) problems.push(`${id.S}: ${name} is ${N} of ${occurrences.N}`);
  }
  for (const { subject } of threads) if (!queue.includes(subject) && items.get(keyOf(subject))?.isSettled.BOOL !== true) problems.push(`${subject} is not settled`);
  const count = windows.reduce((sum, { occurrences }) => sum + Number(occurrences.N), 0);
  for (const name of destinations) {
    const taken = messages.filter((message) => message.name === name);
    // A run whose table did not answer announces its task without a number.
    const blind = taken.filter((message) => message.count === 0).length;
    for (const subject of new Set(threads.map((thread) => thread.subject))) {
      const own = posts.filter((post) => post.name === name && post.subject === subject);
      const [late, unseen] = ["isLate", "isBlind"].map((what) => own.filter((post) => post[what]).length);
      const crashes = of(subject).reduce((sum, thread) => sum + thread.crashes, 0);
      if (own.length > 1 + Math.min(2, late) + crashes + unseen) problems.push(`${name}: ${own.length} posts of ${subject}, ${late} not answered, ${crashes} crashes, ${unseen} without a number`);
      if (unseen > 0 && !of(subject).some(({ hasLost }) => hasLost)) problems.push(`${name}: ${subject} is told without a number although the table answered`);
    }
    const most = Math.max(0, ...taken.map((message) => message.count));
    if (queue.length === 0 && blind === 0 && count >= next(most)) problems.push(`${name}: ${count} came, ${most} were told: a due occurrence is untold`);
    if (blind > 0) continue;
    const undisturbed = taken.filter(({ subject }) => !isDisturbed(subject));
    for (const [at, message] of undisturbed.entries()) {
      if (undisturbed.findIndex(({ subject }) => subject === message.subject) < at) problems.push(`${name}: ${message.subject} is told twice`);
      if (undisturbed.findIndex((other) => bucket(other.count) === bucket(message.count)) < at) problems.push(`${name}: ${message.count} is told although a message has told it: ${taken.map((one) => one.count)}`);
    }
  }
  return problems;
}

/** Creates random numbers (mulberry32). */
export function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Executes every schedule with at most so many interruptions, depth first, until one is wrong.
 * @returns {Promise<{schedules: number, found: object|null, isComplete: boolean}>}
 */
export async function exhaustive(scenario, flow, interruptions, most = Infinity) {
  let choices = [];
  for (let schedules = 1; ; schedules += 1) {
    const made = [];
    let left = interruptions;
    const result = await execute(scenario, (options) => {
      const open = options.map((option, at) => ({ at, cost: option.cost })).filter(({ cost }) => cost <= left);
      const nth = choices[made.length] ?? 0;
      made.push({ nth, of: open.length });
      left -= open[nth].cost;
      return open[nth].at;
    }, flow);
    if (result.problems.length > 0) return { schedules, found: { ...result, choices: made.map(({ nth }) => nth) }, isComplete: false };
    const last = made.findLastIndex(({ nth, of }) => nth + 1 < of);
    if (last < 0 || schedules >= most) return { schedules, found: null, isComplete: last < 0 };
    choices = [...made.slice(0, last).map(({ nth }) => nth), made[last].nth + 1];
  }
}

/** Executes schedules at random, until one is wrong. Interruptions that are faults are rare. */
export async function atRandom(scenarioOf, flow, schedules, seed) {
  const random = randomOf(seed);
  let messages = 0;
  for (let done = 1; done <= schedules; done += 1) {
    const choices = [];
    const scenario = scenarioOf(random);
    const result = await execute(scenario, (options) => {
      const plain = options.filter(({ fault }) => !fault).length;
      const at = options.length > plain && (plain === 0 || random() < 0.05) ? plain + Math.floor(random() * (options.length - plain)) : Math.floor(random() * plain);
      choices.push(at);
      return at;
    }, flow);
    messages += result.messages.length - (scenario.before?.messages.length ?? 0);
    if (result.problems.length > 0) return { schedules: done, messages, found: { ...result, choices, scenario } };
  }
  return { schedules, messages, found: null };
}

/** Writes a failing schedule for a reader. */
export const told = ({ schedules, found }) => (found === null ? `nothing in ${schedules} schedules` : `found in schedule ${schedules}:\n  ${found.problems.join("\n  ")}\nchoices ${found.choices}\n${found.trace.join("\n")}`);
