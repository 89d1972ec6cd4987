// Simulates 90 days of 100 jobs: a clock change of each direction, events that are late, lost and repeated, doubled or reordered, schedules
// that somebody disables, refused calls, tasks that hang, and a Scheduler that asks late, twice, or not at all. Compares what was announced
// with what happened. watch-simulation.test.mjs runs a season in a thread of its own.
//
// The truth is computed without the code under test: each minute of UTC is converted to the local clock, and compared with the fields of a cron.
import { parentPort, workerData } from "node:worker_threads";
import { ACCOUNT, REGION, endedEvent, jobWorld, question, taskOf } from "./job-world.mjs";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const DAYS = 90;
const JOBS = 100;
const ZONES = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "America/Santiago", "Pacific/Chatham", "UTC"];
const iso = (moment) => new Date(moment).toISOString();

/** Makes numbers from 0 up to 1 that are the same in every run (mulberry32). */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Lists every minute of a season by its time of the local clock, in minutes of the day; a time that the clock shows again is left out. */
function minutesOf(zone, start) {
  const format = new Intl.DateTimeFormat("en-CA", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
  const minutes = Array.from({ length: DAY / MINUTE }, () => []);
  let latest = -Infinity;
  for (let quarter = start - 40 * DAY; quarter < start + (DAYS + 2) * DAY; quarter += 15 * MINUTE) {
    const part = Object.fromEntries(format.formatToParts(quarter).map(({ type, value }) => [type, Number(value)]));
    const wall = Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute);
    for (let nth = 0; nth < 15; nth += 1) {
      if (wall + nth * MINUTE > latest) minutes[(wall % DAY) / MINUTE + nth].push({ at: quarter + nth * MINUTE, wall });
      latest = Math.max(latest, wall + nth * MINUTE);
    }
  }
  return minutes;
}

const isMonthEnd = (wall) => new Date(wall + DAY).getUTCDate() === 1;
/** Kinds of days: the two fields of a cron, and the test for a day. */
const KINDS = {
  daily: { fields: "* * ? *", isDay: () => true },
  weekdays: { fields: "? * MON-FRI *", isDay: (wall) => ![0, 6].includes(new Date(wall).getUTCDay()) },
  weekly: { fields: "? * SUN *", isDay: (wall) => new Date(wall).getUTCDay() === 0 },
  monthEnd: { fields: "L * ? *", isDay: isMonthEnd },
  secondTuesday: { fields: "? * 3#2 *", isDay: (wall) => new Date(wall).getUTCDay() === 2 && Math.ceil(new Date(wall).getUTCDate() / 7) === 2 },
};

/** Returns the moments at which the clock shows one of these times of the day, on the days of a kind. */
const momentsAt = (minutes, kind, times) => [...times].flatMap((time) => minutes[time]).filter(({ wall }) => KINDS[kind].isDay(wall)).map(({ at }) => at).sort((one, other) => one - other);

function jobOf(nth, random, clocks) {
  const pick = (list) => list[Math.floor(random() * list.length)];
  const between = (low, high) => low + Math.floor(random() * (high - low + 1));
  const name = `job-${nth}`;
  const part = random() < 0.2 ? "nightly" : null;
  const zone = ZONES[nth % ZONES.length];
  const minutes = clocks[zone];
  const rest = { name, zone, part, hasLimit: nth % 10 === 3, nth };
  if (nth === 7) return { ...rest, every: { seconds: 26 * 3600, grace: 600 }, starts: momentsAt(minutes, "daily", new Set([between(0, 1439)])), lead: 40 };
  if (nth === 5) {
    const [minute, lead, grace] = [between(20, 30), 15, between(5, 25)];
    const times = (shift) => new Set([0, 3, 6, 9, 12, 15, 18, 21].map((hour) => hour * 60 + minute + shift));
    return { ...rest, by: `cron(${minute} 0/3 * * ? *)`, grace, lead, starts: momentsAt(minutes, "daily", times(-lead)), deadlines: momentsAt(minutes, "daily", times(0)), checks: momentsAt(minutes, "daily", times(grace)) };
  }
  const kind = nth % 5 < 2 ? "daily" : pick(["weekdays", "weekdays", "weekly", "monthEnd", "secondTuesday"]);
  const [lead, grace] = [between(20, 100), between(5, 90)];
  // Many deadlines are near the hour of a clock change.
  const time = random() < 0.5 ? Math.max(lead, between(0, 220)) : between(lead, 1439 - grace);
  return {
    ...rest, by: `cron(${time % 60} ${Math.floor(time / 60)} ${KINDS[kind].fields})`, grace, lead,
    starts: momentsAt(minutes, kind, new Set([time - lead])), deadlines: momentsAt(minutes, kind, new Set([time])), checks: momentsAt(minutes, kind, new Set([time + grace])),
  };
}

/** Decides how each run of a job goes, and when its event arrives. */
function runsOf(job, start, random, figures) {
  const off = random() < 0.3 ? start + (5 + random() * 70) * DAY : Infinity;
  job.off = { from: off, to: off + (1 + random() * 6) * DAY };
  const runs = [];
  for (const at of job.starts.filter((one) => one > start + HOUR && one < start + DAYS * DAY)) {
    const fate = random();
    if (at >= job.off.from && at < job.off.to) { figures.notStarted += 1; continue; }
    if (fate < 0.01) { job.refused.push(at); figures.refused += 1; continue; }
    const usual = job.lead * MINUTE * (0.4 + 0.3 * random());
    const hangs = fate < 0.04 && job.hasLimit;
    const seconds = hangs ? 9 * HOUR : fate < 0.06 ? (job.lead + (job.grace ?? 0) + 3 + 60 * random()) * MINUTE : fate < 0.15 ? (job.lead + (job.grace ?? 0) * random() * 0.9) * MINUTE : usual;
    const isGood = fate < 0.06 || random() > 0.04;
    runs.push(runOf(job, at + 20_000, at + 20_000 + Math.floor(seconds), isGood, { hangs, figures, random }));
    // Somebody, or a retry of the job, runs a failed job again.
    if (!isGood && random() < 0.5) runs.push(runOf(job, at + seconds + 10 * MINUTE, at + seconds + 10 * MINUTE + Math.floor(usual), true, { hangs: false, figures, random }));
  }
  return runs;
}

function runOf(job, startedAt, stoppedAt, isGood, { hangs, figures, random }) {
  const id = `${job.name}-${startedAt}`;
  const task = { id, family: job.name, startedBy: job.part ? `chronos-schedule/${job.part}` : undefined, startedAt: iso(startedAt) };
  const fate = random();
  const arrivals = [stoppedAt + Math.floor(3_000 * random())];
  if (fate < 0.06) { arrivals[0] = stoppedAt + Math.floor(55 * MINUTE * random()); figures.late += 1; } else if (fate < 0.12) { arrivals.push(arrivals[0] + Math.floor(20 * MINUTE * random())); figures.doubled += 1; }
  figures.runs += 1;
  figures.hung += hangs ? 1 : 0;
  return { id, startedAt, stoppedAt, isGood, hangs, arrivals, running: taskOf({ ...task, status: "RUNNING" }), stopped: taskOf({ ...task, stoppedAt: iso(stoppedAt), exitCode: isGood ? 0 : 1 }) };
}

/** Orders what is to happen by time. */
class Agenda {
  #heap = [];
  get size() { return this.#heap.length; }
  add(at, work) {
    let child = this.#heap.push({ at, work }) - 1;
    for (let parent = (child - 1) >> 1; child > 0 && this.#heap[parent].at > this.#heap[child].at; child = parent, parent = (child - 1) >> 1) [this.#heap[parent], this.#heap[child]] = [this.#heap[child], this.#heap[parent]];
  }
  next() {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (this.#heap.length === 0) return first;
    this.#heap[0] = last;
    for (let parent = 0; ;) {
      let child = 2 * parent + 1;
      if (child >= this.#heap.length) return first;
      if (child + 1 < this.#heap.length && this.#heap[child + 1].at < this.#heap[child].at) child += 1;
      if (this.#heap[parent].at <= this.#heap[child].at) return first;
      [this.#heap[parent], this.#heap[child]] = [this.#heap[child], this.#heap[parent]];
      parent = child;
    }
  }
}

/** Creates the world of the jobs: ECS shows running tasks, and stopped ones for an hour. */
function worldOf(jobs) {
  const byName = new Map(jobs.map((job) => [job.name, job]));
  const now = () => here.state.now;
  const shown = (run, status) => (status === "RUNNING" ? run.startedAt <= now() && run.stoppedAt > now() : run.stoppedAt <= now() && run.stoppedAt > now() - HOUR);
  const recent = (job) => {
    while (job.seen < job.runs.length && job.runs[job.seen].stoppedAt < now() - 2 * HOUR && job.runs[job.seen].stoppedAt < job.runs[job.seen].startedAt + 10 * HOUR) job.seen += 1;
    return job.runs.slice(Math.max(0, job.seen - 8), job.seen + 12);
  };
  const here = jobWorld({
    webhook: JSON.stringify({ url: "https://alerts.example.com/taskbell", secret: "0123456789abcdef0123" }),
    env: { TASKBELL_WEBHOOK_PARAMETER: undefined, TASKBELL_DESTINATIONS: JSON.stringify([{ name: "facts", parameter: "/p", kind: "webhook" }]), TASKBELL_LOG_LINES: "0" },
    look: {
      listTasks: async (cluster, family, status) => recent(byName.get(family)).filter((run) => shown(run, status)).map(({ running }) => running.taskArn),
      describeTasks: async (_, arns) => arns.map((arn) => {
        const id = arn.split("/").pop();
        const run = byName.get(id.replace(/-\d+$/, "")).runs.find((one) => one.id === id);
        return run.stoppedAt > now() ? run.running : run.stopped;
      }),
      getSchedule: async () => ({ isEnabled: true, expression: null, zone: "UTC", endsAt: null, runsTasks: true }),
      describeRule: async () => { throw Object.assign(new Error(), { name: "ResourceNotFoundException" }); },
    },
  });
  return here;
}

/** Runs an event as Lambda does: up to three times. Some runs crash before or after their work. */
async function invoked(here, event, at, how) {
  const { agenda, figures, random, attempt = 1, done } = how;
  const fate = attempt < 3 ? random() : 0.5;
  // An event is lost before its run, and repeated; a question also between the steps of its run. A crash after a post and before its mark would
  // repeat the message: that is allowed, and model.test.mjs shows it.
  let left = fate >= 0.01 ? Infinity : event.source === "taskbell.watch" ? 1 + Math.floor(random() * 3) : 0;
  here.state.step = left === Infinity ? undefined : async (label, perform) => {
    if (/^(update|read) job /.test(label)) { left -= 1; if (left <= 0) throw new Error("crashed"); }
    return perform();
  };
  here.state.answer = () => new Response("", { status: fate > 0.98 ? 404 : 200 });
  try {
    if (left === 0) throw new Error("crashed");
    await here.run(event, iso(at));
    done?.(here.state.now);
  } catch {
    figures.repeated += 1;
    if (attempt < 3) agenda.add(at + MINUTE, (again) => invoked(here, event, again, { ...how, attempt: attempt + 1 }));
  }
}

function plan(here, jobs, start, random, figures, agenda) {
  const how = { agenda, figures, random };
  for (const job of jobs) {
    for (const run of job.runs) {
      for (const [nth, arrival] of run.arrivals.entries()) agenda.add(arrival, (at) => invoked(here, endedEvent(run.stopped), at, { ...how, done: (when) => { if (nth === 0 || run.known === undefined) run.known = when; } }));
    }
    for (const at of job.refused) {
      const detail = { eventSource: "ecs.amazonaws.com", eventName: "RunTask", eventTime: iso(at), errorCode: "ClusterNotFoundException", requestParameters: { cluster: "batch", taskDefinition: job.name } };
      agenda.add(at + 4 * MINUTE, (when) => invoked(here, { id: `refused ${job.name} ${at}`, source: "aws.ecs", "detail-type": "AWS API Call via CloudTrail", time: iso(at), account: ACCOUNT, region: REGION, detail }, when, how));
    }
    const ask = (time, detail, skips, done) => {
      const event = question("Deadline", iso(time), { job: { name: job.name, startedBy: job.part }, ...detail }, `${job.name} ${time}`);
      const fate = random();
      if (skips && fate < 0.004) { figures.lostQuestions += 1; return; }
      const first = time + Math.floor((fate < 0.03 ? 50 * MINUTE : MINUTE) * random());
      agenda.add(first, (at) => invoked(here, event, at, { ...how, done: (when) => done(time, when) }));
      if (random() < 0.04) { figures.askedTwice += 1; agenda.add(first + Math.floor(30_000 * random()), (at) => invoked(here, event, at, { ...how, done: (when) => done(time, when) })); }
    };
    if (job.every) {
      const first = start + 2 * HOUR + job.nth * MINUTE;
      for (let time = first; time < start + DAYS * DAY; time += HOUR) ask(time, { everySeconds: job.every.seconds, graceSeconds: job.every.grace }, time > first, () => {});
    } else {
      const checks = job.checks.filter((one) => one > start + (job.grace + 1) * MINUTE && one < start + DAYS * DAY);
      for (const [nth, time] of checks.entries()) ask(time, { by: job.by, timezone: job.zone, graceSeconds: job.grace * 60 }, nth > 2, (asked, when) => job.answered.push({ asked, when }));
      figures.questions += checks.length;
    }
  }
  const limited = jobs.filter(({ hasLimit }) => hasLimit).map(({ name }) => ({ name, startedBy: null, maxSeconds: 8 * 3600 }));
  const hangs = jobs.flatMap(({ runs }) => runs.filter(({ hangs }) => hangs));
  for (let time = start; time < start + DAYS * DAY; time += 5 * MINUTE) {
    // Without a hanging task, few sweeps are enough.
    if (time % (6 * HOUR) !== 0 && !hangs.some((run) => run.startedAt < time && run.stoppedAt > time)) continue;
    figures.sweeps += 1;
    agenda.add(time + 10_000, (at) => invoked(here, question("Sweep", iso(time), { jobs: limited }, `sweep ${time}`), at, how));
  }
}

/** Lists the deadlines that a job missed, by the definition: nothing ended well, and no failure had rung, between two checks. */
function missedBy(job, start) {
  const missed = [];
  const { checks, deadlines, runs, grace, answered } = job;
  // The check comes when the clock shows the deadline and the grace; if no clock shows that, the grace is time that passes.
  const checkOf = (deadline) => checks.find((one) => one >= deadline && Math.abs(one - deadline - grace * MINUTE) <= HOUR) ?? deadline + grace * MINUTE;
  for (const [nth, deadline] of deadlines.entries()) {
    if (nth === 0) continue;
    const [from, to] = [checkOf(deadlines[nth - 1]), checkOf(deadline)];
    // The check that decides it: its own, or if that never came, the next one.
    const decided = answered.filter(({ asked }) => asked >= to).map(({ when }) => when).sort((one, other) => one - other)[0];
    if (decided === undefined || to <= start + (grace + 1) * MINUTE) continue;
    const within = runs.filter(({ stoppedAt }) => stoppedAt > from && stoppedAt <= to);
    if (within.some(({ isGood }) => isGood) || within.some((run) => !run.isGood && run.known !== undefined && run.known <= decided)) continue;
    const isWatched = job.watchedFrom <= from || runs.some((run) => run.stoppedAt <= from && run.known <= decided);
    if (isWatched) missed.push(iso(deadline));
  }
  return missed;
}

/** Checks a job that is to run every so often: a long silence is told once, a short one never. */
function everyTrouble(job, told, start) {
  const allowed = (job.every.seconds + job.every.grace) * 1000;
  const ends = [{ stoppedAt: start + 2 * HOUR + job.nth * MINUTE, isGood: true }, ...job.runs].sort((one, other) => one.stoppedAt - other.stoppedAt).filter(({ stoppedAt }) => stoppedAt < start + DAYS * DAY);
  const wrong = [];
  const goods = ends.filter(({ isGood }) => isGood).map(({ stoppedAt }) => stoppedAt);
  let expected = 0;
  for (const [nth, good] of goods.entries()) {
    const until = goods[nth + 1] ?? start + DAYS * DAY;
    const fails = ends.filter((one) => !one.isGood && one.stoppedAt > good && one.stoppedAt < until).map(({ stoppedAt }) => stoppedAt);
    const quiet = Math.max(...[good, ...fails].map((at, one) => ([...fails, until][one] ?? until) - at));
    const times = told.filter(({ watch }) => Math.abs(Date.parse(watch.deadline) - good - job.every.seconds * 1000) < MINUTE).length;
    // A question comes every hour, and may itself be late or lost.
    if (quiet > allowed + 3 * HOUR) expected += 1;
    if (times > 1 || (times === 0 && quiet > allowed + 3 * HOUR) || (times > 0 && quiet <= allowed)) wrong.push({ job: job.name, good: iso(good), until: iso(until), times });
  }
  const known = told.filter(({ watch }) => goods.some((good) => Math.abs(Date.parse(watch.deadline) - good - job.every.seconds * 1000) < MINUTE));
  if (known.length !== told.length) wrong.push({ job: job.name, told: told.length, known: known.length });
  return { wrong, expected };
}

async function season(start, seed, figures) {
  const random = randomFrom(seed);
  const clocks = Object.fromEntries(ZONES.map((zone) => [zone, minutesOf(zone, start)]));
  const jobs = Array.from({ length: JOBS }, (_, nth) => ({ refused: [], answered: [], seen: 0, ...jobOf(nth, random, clocks) }));
  for (const job of jobs) job.runs = runsOf(job, start, random, figures).sort((one, other) => one.startedAt - other.startedAt);
  const here = worldOf(jobs);
  here.state.now = start;
  const agenda = new Agenda();
  plan(here, jobs, start, random, figures, agenda);
  while (agenda.size > 0) {
    const { at, work } = agenda.next();
    // Each handler call sees its own time: the clock does not run ahead of the agenda.
    here.state.now = at;
    await work(at);
    figures.invocations += 1;
  }
  return { jobs, posts: here.seen.posts.map(({ payload }) => payload) };
}

/** Compares the announcements of a season with the truth. */
async function compared({ start, seed }) {
  const figures = { runs: 0, questions: 0, notStarted: 0, refused: 0, hung: 0, late: 0, doubled: 0, repeated: 0, askedTwice: 0, lostQuestions: 0, sweeps: 0, invocations: 0 };
  const { jobs, posts } = await season(start, seed, figures);
  const of = (id) => posts.filter(({ cause }) => cause.id === id);
  const wrong = [];
  let [missed, silences] = [0, 0];
  for (const job of jobs) {
    const told = of("overdue").filter(({ family }) => family === job.name);
    if (job.every) {
      const { wrong: ofEvery, expected } = everyTrouble(job, told, start);
      wrong.push(...ofEvery);
      silences += expected;
      continue;
    }
    job.watchedFrom = Math.min(...job.answered.map(({ asked }) => asked)) - job.grace * MINUTE;
    const expected = missedBy(job, start).sort();
    const announced = told.flatMap(({ watch }) => [...watch.missed, watch.deadline]).sort();
    if (JSON.stringify(announced) !== JSON.stringify(expected)) wrong.push({ job: job.name, by: job.by, zone: job.zone, grace: job.grace, announced, expected });
    missed += expected.length;
  }
  const overLimit = jobs.filter(({ hasLimit }) => hasLimit).flatMap(({ runs }) => runs.filter((run) => run.stoppedAt - run.startedAt > 8 * HOUR + 6 * MINUTE)).map(({ id }) => id).sort();
  const running = of("running-long").map(({ taskId }) => taskId).sort();
  if (JSON.stringify(running) !== JSON.stringify(overLimit)) wrong.push({ running, overLimit });
  return { figures, wrong, missed, silences, overLimit: overLimit.length, recovered: of("recovered").length, posts: posts.length };
}

parentPort.postMessage(await compared(workerData));
