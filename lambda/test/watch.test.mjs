// Tests the questions of Scheduler through the handler: deadlines, the sweep, and the summary.
import assert from "node:assert/strict";
import { test } from "node:test";
import { covers } from "../watch/clusters.mjs";
import { clusterArn, denied, endedEvent, jobWorld, question, taskOf } from "./job-world.mjs";
import { sample } from "./samples.mjs";

const JOB = { name: "nightly-report", startedBy: null };
const BY = { job: JOB, by: "cron(0 3 * * ? *)", timezone: "UTC", graceSeconds: 600 };
const check = (day, detail = BY) => question("Deadline", `2026-11-${day}T03:10:00Z`, detail);
const run = (day, time, exitCode = 0, more = {}) => taskOf({ id: `task-${day}-${time.replaceAll(":", "")}`, family: "nightly-report", startedAt: `2026-11-${day}T02:30:00Z`, stoppedAt: `2026-11-${day}T${time}Z`, exitCode, ...more });
const ended = (...given) => endedEvent(run(...given));
const detailsOf = ({ seen }) => JSON.stringify(seen.posts.at(-1).payload);

/** Creates a world whose job ended well on the 28th, and was checked then. */
async function known(changes) {
  const here = jobWorld(changes);
  here.state.now = Date.parse("2026-11-28T00:00:00Z");
  await here.run(ended(28, "02:40:00"));
  await here.run(check(28));
  assert.deepEqual(here.texts(), []);
  return here;
}

test("a success in the window is silent, and so is the next check", async () => {
  const here = await known();
  await here.run(ended(29, "03:09:00"));
  assert.deepEqual(await here.run(check(29)), { outcome: "silent" });
  assert.equal(here.entry().verdict, "kept");
  assert.deepEqual(here.ledger("job batch|nightly-report").all.told.checked, { "by cron(0 3 * * ? *) UTC": "2026-11-29T03:00:00.000Z" });
});

test("nothing at all is one alert, with what is known, however often Scheduler asks", async () => {
  const here = await known();
  assert.deepEqual(await here.run(check(29)), { outcome: "sent" });
  assert.deepEqual(here.texts(), ["<!here> 🔴 *nightly-report* did not run in *batch*: no run ended by the deadline"]);
  assert.match(detailsOf(here), /Due by .*2026-11-29 03:00:00 UTC.* · Last success .*2026-11-28 02:40:00 UTC.*\*Next deadline\*.*2026-11-30 03:00:00 UTC/);
  for (let again = 0; again < 3; again += 1) assert.deepEqual(await here.run(check(29)), { outcome: "silent" });
  assert.equal(here.texts().length, 1);
  assert.equal(here.ledger("job batch|nightly-report").all.told.overdue, "2026-11-29T03:00:00.000Z");
});

test("a star in the name of a cluster covers exactly what it means", () => {
  for (const [glob, name, isCovered] of [
    ["prod", "prod", true], ["prod", "prod-1", false], ["*", "prod", true], ["prod-*", "prod-1", true], ["prod-*", "prod", false], ["*-prod", "eu-prod", true], ["*-prod", "eu-prod-1", false],
    ["a*b", "ab", true], ["a*a", "a", false], ["a*b*c", "a-b-b-c", true], ["a*bc*c", "abc", false],
  ]) assert.equal(covers(glob, name), isCovered, `${glob} ${name}`);
});

test("a deadline of a glob reads every existing cluster that is not left out, also a new one, and its announcement stays the same", async () => {
  const here = jobWorld();
  const detail = { ...BY, clusterArns: [clusterArn("*")], excludedClusters: ["dev-*"] };
  const asked = (day) => here.run(check(day, detail));
  here.state.clusters = ["dev-1"];
  here.state.now = Date.parse("2026-11-26T00:00:00Z");
  assert.deepEqual(await asked(26), { outcome: "silent" }, "the first check");
  assert.deepEqual(await asked(27), { outcome: "sent" }, "no cluster exists in which the job could have run");
  here.state.clusters = ["dev-1", "prod-1", "prod-2"];
  await here.run(ended(28, "02:40:00", 0, { cluster: "prod-2" }));
  assert.deepEqual(await asked(28), { outcome: "silent" }, "kept in a new cluster");
  here.state.clusters = ["dev-1", "prod-1"];
  await here.run(ended(29, "02:40:00", 0, { cluster: "dev-1" }));
  assert.deepEqual(await asked(29), { outcome: "sent" }, "the cluster of the last success is gone, and one that is left out does not count");
  here.state.clusters.push("a-new-one");
  assert.equal((await asked(29)).outcome, "silent");
  assert.equal(here.entry().verdict, "checked");
});

test("a sweep of a glob looks into every covered cluster, and none is no error", async () => {
  const sweepOf = (time, globs) => question("Sweep", time, { jobs: [{ ...JOB, maxSeconds: 600 }], clusterArns: globs.map(clusterArn) });
  const here = jobWorld();
  here.state.clusters = ["prod-1", "prod-2", "dev-1"];
  here.state.tasks = ["prod-2", "dev-1"].map((cluster) => taskOf({ id: `late-${cluster}`, family: "nightly-report", cluster, startedAt: "2026-11-29T00:00:00Z", status: "RUNNING" }));
  await here.run(sweepOf("2026-11-29T01:00:00Z", ["prod-*"]));
  assert.deepEqual(here.entry().alerts.map(({ taskId }) => taskId), ["late-prod-2"]);
  assert.deepEqual(await here.run(sweepOf("2026-11-29T01:05:00Z", ["none-*"])), { outcome: "silent" });
});

test("a refused list of clusters is told, and the run fails, so that nothing is lost in silence", async () => {
  const here = jobWorld({ look: { listClusters: async () => { throw denied("ecs:ListClusters"); } } });
  for (const [type, more] of [["Deadline", BY], ["Sweep", { jobs: [{ ...JOB, maxSeconds: 600 }] }]]) {
    await assert.rejects(here.run(question(type, "2026-11-29T03:10:00Z", { ...more, clusterArns: [clusterArn("*")] })), type);
  }
  assert.equal(here.texts().length, 1);
  assert.match(here.texts()[0], /not watched/);
});

test("two checks at once tell once", async () => {
  const here = await known();
  let turns = 0;
  here.state.step = async (label, perform) => { turns += 1; await new Promise((next) => { setTimeout(next, turns % 3); }); return perform(); };
  await Promise.all([here.run(check(29)), here.run({ ...check(29), id: "again" })]);
  assert.equal(here.texts().length, 1);
});

test("a crash between the post and the note repeats nothing, as the announcement is remembered", async () => {
  const here = await known();
  let left = 1;
  here.state.step = async (label, perform, kind) => {
    if (kind === "write" && label.startsWith("update job ") && left > 0) { left -= 1; throw new Error("crashed"); }
    return perform();
  };
  await assert.rejects(here.run(check(29)));
  assert.equal(here.texts().length, 1);
  assert.deepEqual(await here.run(check(29)), { outcome: "duplicate" });
  assert.equal(here.texts().length, 1);
  assert.equal(here.ledger("job batch|nightly-report").all.told.overdue, "2026-11-29T03:00:00.000Z");
});

test("an alert that cannot be posted, and a ledger that cannot be read, fail the run, and the next run tells", async () => {
  const here = await known();
  here.state.answer = () => new Response("no", { status: 404 });
  await assert.rejects(here.run(check(29)));
  here.state.answer = () => new Response("ok");
  here.state.step = async () => { throw new Error("down"); };
  await assert.rejects(here.run(check(29)));
  here.state.step = undefined;
  assert.deepEqual(await here.run(check(29)), { outcome: "sent" });
  assert.equal(here.texts().length, 1);
});

test("a failure in the window has rung: silence, and the recovery knows the deadline", async () => {
  const here = await known();
  await here.run(ended(29, "02:50:00", 1));
  assert.equal(here.texts().length, 1);
  assert.deepEqual(await here.run(check(29)), { outcome: "silent" });
  assert.equal(here.entry().verdict, "failed");
  await here.run(ended(29, "03:20:00", 1));
  assert.match(detailsOf(here), /Failure 2 in a row since .*There was no success by .*03:00:00 UTC/);
  await here.run(ended(29, "04:00:00"));
  assert.match(here.texts()[2], /^🟢 \*nightly-report\* works again in \*batch\* after 2 failures/);
  assert.match(detailsOf(here), /The run was due by .*03:00:00 UTC/);
});

test("a success after the deadline is told as late in the recovery, and the next deadline is another one", async () => {
  const here = await known();
  await here.run(check(29));
  await here.run(ended(29, "04:12:00"));
  assert.match(here.texts()[1], /^🟢 \*nightly-report\* works again in \*batch\* after an overdue run, 1 h 12 min late/);
  await here.run(ended(30, "02:50:00"));
  await here.run(check(30));
  assert.equal(here.texts().length, 2);
});

test("a job without history is pending until its first full window", async () => {
  const here = jobWorld();
  here.state.now = Date.parse("2026-11-28T00:00:00Z");
  assert.deepEqual(await here.run(check(28)), { outcome: "silent" });
  assert.equal(here.entry().verdict, "pending");
  await here.run(check(29));
  assert.deepEqual(here.texts(), ["<!here> 🔴 *nightly-report* did not run in *batch*: no run ended by the deadline"]);
  await here.run(check(30));
  assert.equal(here.texts().length, 2, "each deadline is told");
});

test("a deadline without a check is told by the next check", async () => {
  const here = await known();
  await here.run(ended(30, "02:50:00"));
  assert.deepEqual(await here.run(check(30)), { outcome: "sent" });
  assert.match(here.texts()[0], /did not run|ended late/);
  assert.match(detailsOf(here), /Due by.*2026-11-29 03:00:00/);
  assert.equal(here.ledger("job batch|nightly-report").all.told.overdue, null, "the job has ended well since");
});

test("a success whose event did not arrive is found in ECS, and a failure whose event did not arrive is told", async () => {
  const good = await known();
  good.state.tasks.push(run(29, "02:50:00"));
  assert.deepEqual(await good.run(check(29)), { outcome: "silent" });
  const bad = await known();
  bad.state.tasks.push(run(29, "02:50:00", 1));
  await bad.run(check(29));
  assert.deepEqual(bad.texts(), ["<!here> 🔴 *nightly-report* is overdue in *batch*: a run failed"]);
});

test("the reason is named: the run in progress, or the schedule", async () => {
  const reasonOf = async (prepare, schedule = "nightly") => {
    const here = jobWorld();
    const part = { startedBy: `chronos-schedule/${schedule}` };
    here.state.now = Date.parse("2026-11-28T00:00:00Z");
    await here.run(ended(28, "02:40:00", 0, part));
    await here.run(check(28));
    prepare(here.state);
    await here.run(check(29));
    return here;
  };
  const said = async (...given) => (await reasonOf(...given)).texts()[0].replace(/^.*: /, "");
  const running = { id: "r", family: "nightly-report", status: "RUNNING", startedAt: "2026-11-29T02:00:00Z" };
  assert.equal(await said((state) => { state.schedules.nightly = { isEnabled: false }; }), "its schedule is disabled");
  assert.equal(await said((state) => { state.schedules.nightly = { endsAt: "2026-11-28T12:00:00.000Z" }; }), "its schedule has ended");
  assert.equal(await said((state) => { state.schedules.nightly = { runsTasks: false }; }), "its schedule starts no task");
  assert.equal(await said((state) => { state.schedules.nightly = { expression: "cron(0 2 ? * MON *)" }; }), "its schedule had no time");
  assert.equal(await said((state) => { state.schedules.nightly = { expression: "cron(0 2 * * ? *)" }; }), "no run ended by the deadline");
  const lost = await reasonOf(() => {});
  assert.match(lost.texts()[0], /: no run ended by the deadline$/, "a schedule of another group is not found either");
  assert.match(detailsOf(lost), /neither well nor with a failure\. Nothing named nightly was found; of Scheduler's groups, only the default one is looked at\./);
  assert.equal(await said((state) => { state.schedules.nightly = { runsTasks: null }; }), "no run ended by the deadline", "a function may start the task");
  const refused = await reasonOf((state) => { state.tasks.push(taskOf({ id: "r", family: "nightly-report", status: "RUNNING", startedAt: "2026-11-29T02:00:00Z" })); });
  assert.doesNotMatch(detailsOf(refused), /Nothing named/, "with a reason, the look-up is not worth a word");
  assert.equal(await said(() => {}, "a-name-that-is-cut-by-aws"), "no run ended by the deadline", "a name that was cut");
  const busy = await reasonOf((state) => { state.tasks.push(taskOf(running)); state.schedules.nightly = { isEnabled: false }; });
  assert.match(busy.texts()[0], /: a run is still in progress$/);
  assert.match(detailsOf(busy), /has been running for 1 h 10 min.*Running since.*2026-11-29 02:00:00/);
  const waiting = await reasonOf((state) => { state.tasks.push(taskOf({ ...running, status: "PENDING", startedAt: undefined, createdAt: "2026-11-29T02:45:00Z" })); });
  assert.match(detailsOf(waiting), /A run has not started yet: its task has been PENDING for 25 min/);
});

test("a RunTask that ECS refused is the reason", async () => {
  const here = await known();
  const refused = sample("31-run-rejected");
  const { requestParameters } = refused.detail;
  await here.run({ ...refused, time: "2026-11-29T02:30:00Z", detail: { ...refused.detail, eventTime: "2026-11-29T02:30:00Z", requestParameters: { ...requestParameters, cluster: "batch", taskDefinition: "nightly-report" } } });
  await here.run(check(29));
  assert.match(here.texts()[1], /did not run in \*batch\*: ECS refused to start it$/);
  assert.match(detailsOf(here), /\*Reason\*/);
});

test("a look-up that is denied is named in the alert, which goes out", async () => {
  const here = await known({ look: { listTasks: async () => { throw denied("ecs:ListTasks"); } } });
  await here.run(check(29));
  assert.match(detailsOf(here), /is not allowed to call `ecs:ListTasks`, so runs in progress are not known/);
  assert.deepEqual(here.entry().missing, [{ action: "ecs:ListTasks", why: "denied" }]);
});

test("a job of another machine is found in its own ledger", async () => {
  const here = jobWorld();
  here.state.now = Date.parse("2026-11-28T00:00:00Z");
  const done = (day, type, more) => here.run({ id: `e-${day}-${type}`, source: "taskbell.app", "detail-type": type, time: `2026-11-${day}T02:40:00Z`, account: "1", region: "r", detail: { job: "nightly-report", ...more } });
  await done(28, "Job Succeeded");
  await here.run(check(28));
  await done(29, "Job Succeeded");
  await here.run(check(29));
  assert.deepEqual(here.texts(), []);
  await here.run(check(30));
  assert.deepEqual(here.texts(), ["<!here> 🔴 *nightly-report* is overdue: no run ended by the deadline"]);
  assert.equal(here.ledger("job -|nightly-report").all.told.overdue, "2026-11-30T03:00:00.000Z");
});

test("a part that one schedule starts has deadlines of its own", async () => {
  const here = jobWorld();
  here.state.now = Date.parse("2026-11-28T00:00:00Z");
  const part = { startedBy: "chronos-schedule/nightly" };
  const detail = { ...BY, job: { name: "nightly-report", startedBy: "nightly" } };
  await here.run(ended(28, "02:40:00", 0, part));
  await here.run(check(28, detail));
  await here.run(ended(29, "02:40:00", 0, { startedBy: "someone" }));
  here.state.schedules.nightly = { isEnabled: false };
  await here.run(check(29, detail));
  assert.equal(here.texts().length, 1);
  assert.match(here.texts()[0], /its schedule is disabled/);
  const { all, parts } = here.ledger("job batch|nightly-report");
  assert.deepEqual([all.told.overdue, parts["chronos-schedule/nightly"].told.overdue], [null, "2026-11-29T03:00:00.000Z"]);
  await here.run(ended(29, "05:00:00", 0, part));
  assert.match(here.texts()[1], /^🟢/);
});

test("a job that is to run every so often is told once until its next success", async () => {
  const here = jobWorld();
  const every = (time) => here.run(question("Deadline", `2026-11-${time}Z`, { job: JOB, everySeconds: 93_600, graceSeconds: 600 }));
  here.state.now = Date.parse("2026-11-26T00:00:00Z");
  await every("26T00:00:00");
  await every("27T02:09:00");
  assert.equal(here.texts().length, 0, "pending since the first check");
  await every("27T02:10:00");
  await every("27T03:10:00");
  assert.match(here.texts()[0], /is overdue in \*batch\*: no success for 1 d 2 h$/);
  assert.equal(here.texts().length, 1);
  await here.run(ended(27, "04:00:00"));
  assert.match(here.texts()[1], /^🟢/);
  await every("28T05:00:00");
  await every("28T06:10:00");
  await every("29T06:10:00");
  assert.equal(here.texts().length, 3);
});

test("without a ledger, a question is silent and says why", async () => {
  const here = jobWorld({ env: { TASKBELL_LEDGER: "off" } });
  assert.deepEqual(await here.run(check(29)), { outcome: "silent" });
  assert.equal(here.entry().silentBecause, "the stack keeps no ledger");
});

test("a drill shows the message, and touches no ledger", async () => {
  for (const name of ["40-overdue", "41-running-long", "42-summary"]) {
    const here = jobWorld();
    const event = sample(name);
    assert.deepEqual(await here.run({ ...event, source: "taskbell.drill", detail: { ...event.detail, drill: true } }), { outcome: "sent" });
    assert.match(here.texts()[0], /^🧪 \*DRILL, not a real incident\* · /);
    assert.deepEqual([...here.items.values()].filter(({ ledger }) => ledger), []);
    assert.deepEqual(here.seen.calls, []);
  }
});

test("if every route asks for patterns, the other parts of the routes decide where an answer goes", async () => {
  const destinations = (severities) => JSON.stringify([{ name: "on-call", parameter: "/o", patterns: ["out-of-memory"], ...severities }]);
  const here = await known({ env: { TASKBELL_WEBHOOK_PARAMETER: undefined, TASKBELL_DESTINATIONS: destinations({}) } });
  assert.deepEqual(await here.run(check(29)), { outcome: "sent" });
  const other = await known({ env: { TASKBELL_WEBHOOK_PARAMETER: undefined, TASKBELL_DESTINATIONS: destinations({ severities: ["warning"] }) } });
  assert.deepEqual(await other.run(check(29)), { outcome: "silent" });
});

const SWEEP = (maxSeconds, more = {}) => ({ jobs: [{ ...JOB, maxSeconds, ...more }] });
const sweepAt = (time, detail) => question("Sweep", `2026-11-29T${time}Z`, detail);
const running = (startedAt, more) => taskOf({ id: "r1", family: "nightly-report", status: "RUNNING", createdAt: startedAt, startedAt, ...more });

test("a task over its limit is told once, with its age, its usual duration and the end of its log", async () => {
  const here = await known();
  here.state.tasks.push(running("2026-11-29T02:30:00Z"));
  await here.run(sweepAt("04:25:00", SWEEP(7200)));
  assert.equal(here.texts().length, 0);
  assert.deepEqual(await here.run(sweepAt("04:30:00", SWEEP(7200))), { outcome: "sent" });
  assert.deepEqual(here.texts(), ["<!here> 🟠 *nightly-report* is still running in *batch*: for 2 h, longer than 2 h"]);
  assert.match(detailsOf(here), /last words/);
  assert.match(detailsOf(here), /Open the log of job/);
  assert.match(detailsOf(here), /Open the task in ECS/);
  for (const time of ["04:35:00", "12:00:00"]) await here.run(sweepAt(time, SWEEP(7200)));
  assert.equal(here.texts().length, 1);
  assert.deepEqual(here.ledger("job batch|nightly-report").all.told.running, ["r1"]);
});

test("a task that does not start is told once", async () => {
  for (const status of ["PROVISIONING", "PENDING"]) {
    const here = await known();
    here.state.tasks.push(running("2026-11-29T02:30:00Z", { status, startedAt: undefined }));
    await here.run(sweepAt("02:40:00", SWEEP(7200)));
    assert.equal(here.texts().length, 0);
    await here.run(sweepAt("02:45:00", SWEEP(7200)));
    await here.run(sweepAt("02:50:00", SWEEP(7200)));
    assert.deepEqual(here.texts(), [`<!here> 🟠 *nightly-report* has not started in *batch*: ${status} for 15 min`]);
  }
});

test("the automatic limit is three times the 95th percentile, from five runs on", async () => {
  const here = jobWorld();
  here.state.now = Date.parse("2026-11-01T00:00:00Z");
  const good = (nth) => here.run(endedEvent(taskOf({ id: `t${nth}`, family: "nightly-report", startedAt: `2026-11-0${nth}T02:00:00Z`, stoppedAt: `2026-11-0${nth}T02:10:00Z`, exitCode: 0 })));
  for (const nth of [1, 2, 3, 4]) await good(nth);
  here.state.tasks.push(running("2026-11-29T02:30:00Z"));
  await here.run(sweepAt("06:00:00", SWEEP("auto")));
  assert.equal(here.texts().length, 0, "too few runs");
  await good(5);
  await here.run(sweepAt("06:05:00", SWEEP("auto")));
  assert.match(here.texts()[0], /for 3 h 35 min, longer than 30 min$/);
});

test("tasks of services and of other schedules are not the job's", async () => {
  const here = await known();
  here.state.tasks.push(running("2026-11-28T02:30:00Z", { group: "service:web", startedBy: "ecs-svc/1" }), running("2026-11-28T02:30:00Z", { id: "r2", startedBy: "chronos-schedule/hourly" }));
  await here.run(sweepAt("04:30:00", SWEEP(60, { startedBy: "nightly" })));
  assert.equal(here.texts().length, 0);
  await here.run(sweepAt("04:35:00", SWEEP(60, { startedBy: "hourly" })));
  assert.equal(here.texts().length, 1);
});

test("a cluster that cannot be read does not hide the others, and is reported once a day", async () => {
  const here = await known();
  here.state.tasks.push(running("2026-11-29T02:30:00Z"));
  const list = here.state.tasks;
  const other = jobWorld({ look: { listTasks: async (cluster) => { if (cluster.endsWith("/closed")) throw denied("ecs:ListTasks"); return list.map(({ taskArn }) => taskArn); }, describeTasks: async () => list } });
  const detail = { ...SWEEP(60), clusterArns: [clusterArn("closed"), clusterArn("batch")] };
  for (const time of ["04:30:00", "04:35:00"]) await other.run(sweepAt(time, detail));
  assert.deepEqual(other.texts(), ["<!here> 🟠 *nightly-report* is still running in *batch*: for 2 h, longer than 1 min", "<!here> 🟠 *closed*: jobs are not watched"]);
  assert.deepEqual(other.entry().notWatched, [{ cluster: "closed", family: "nightly-report", action: "ecs:ListTasks", why: "denied" }]);
  await other.run(question("Sweep", "2026-11-30T00:00:00Z", detail));
  assert.equal(other.texts().length, 3);
});

test("a call that fails for a moment fails the run, after the other clusters are looked at", async () => {
  const here = jobWorld({ look: { listTasks: async (cluster) => { if (cluster.endsWith("/slow")) throw Object.assign(new Error("slow"), { name: "ThrottlingException" }); return ["x"]; }, describeTasks: async () => [running("2026-11-29T02:30:00Z")] } });
  await assert.rejects(here.run(sweepAt("04:30:00", { ...SWEEP(60), clusterArns: [clusterArn("slow"), clusterArn("batch")] })), /could not look at the tasks of nightly-report in slow: ecs:ListTasks failed/);
  assert.equal(here.texts().length, 1);
});

test("a sweep stops looking when its time is over, says so, and begins elsewhere the next time, so that every family has its turn", async () => {
  const families = Array.from({ length: 40 }, (_, nth) => `job-${nth}`);
  let asked = [];
  const here = jobWorld({ look: { listTasks: async (_, family) => { here.state.now += 1_000; asked.push(family); return []; } } });
  const turns = new Map(families.map((family) => [family, 0]));
  for (let round = 0; round < 24; round += 1) {
    asked = [];
    const time = new Date(Date.parse("2026-11-29T04:00:00Z") + round * 300_000).toISOString().slice(11, 19);
    await assert.rejects(here.run(sweepAt(time, { jobs: families.map((name) => ({ name, startedBy: null, maxSeconds: 60 })) })), /could not look at the tasks of job-\d+ in batch: ecs:ListTasks timeout/);
    assert.ok(asked.length > 4 && asked.length < 20, `${asked.length}`);
    assert.equal(here.entry().notWatched.length, families.length - asked.length);
    for (const family of asked) turns.set(family, turns.get(family) + 1);
  }
  assert.ok(Math.min(...turns.values()) >= 3, JSON.stringify([...turns]));
});

/** Stands for the rate that ECS gives all callers of an account: `burst` calls at once, and `perSecond` in the long run. */
function bucketOf(state, { burst = 100, perSecond = 20, level = burst } = {}) {
  let [left, at] = [level, state.now];
  const seen = { throttled: 0 };
  const take = () => {
    left = Math.min(burst, left + (perSecond * (state.now - at)) / 1000);
    at = state.now;
    if (left >= 1) { left -= 1; return; }
    seen.throttled += 1;
    throw Object.assign(new Error("Rate exceeded"), { name: "ThrottlingException" });
  };
  return { seen, take };
}

/** Creates a world with many clusters and families, in which a call takes 12 ms: four at once take 50 ms each. */
function manyLooks(clusters, families, rate) {
  const asked = [];
  let take = () => {};
  const listTasks = async (cluster, family, status) => {
    here.state.now += 12;
    asked.push(`${cluster} ${family}`);
    take();
    return here.state.tasks.filter((task) => task.clusterArn === cluster && task.taskDefinitionArn.includes(`/${family}:`) && task.desiredStatus === status).map(({ taskArn }) => taskArn);
  };
  const describeTasks = async (_, arns) => { take(); return here.state.tasks.filter(({ taskArn }) => arns.includes(taskArn)); };
  const listClusters = async () => here.state.clusters.map(clusterArn);
  const here = jobWorld({ look: { listClusters, listTasks, describeTasks } });
  here.state.clusters = Array.from({ length: clusters }, (_, nth) => `cluster-${nth}`);
  const bucket = bucketOf(here.state, rate);
  ({ take } = bucket);
  const jobs = Array.from({ length: families }, (_, nth) => ({ name: `job-${nth}`, startedBy: null, maxSeconds: 600 }));
  const start = Date.parse("2026-11-29T04:00:00Z");
  const sweepOf = (round) => here.run(question("Sweep", new Date(start + round * 300_000).toISOString(), { jobs, clusterArns: [clusterArn("*")] }));
  return { here, asked, bucket, sweepOf };
}

test("60 clusters with 5 limited jobs stay within ECS's rate, and each of them is looked at within 15 minutes, also while others go", async () => {
  const { here, asked, bucket, sweepOf } = manyLooks(60, 5);
  await sweepOf(0);
  asked.length = 0;
  here.state.tasks.push(taskOf({ id: "hangs", family: "job-3", cluster: "cluster-41", startedAt: "2026-11-29T03:00:00Z", status: "RUNNING" }));
  for (let round = 1; round <= 3; round += 1) {
    const before = asked.length;
    await sweepOf(round);
    assert.ok(asked.length - before < 150, `${asked.length - before}`);
    // A cluster that goes changes no other one's turn.
    here.state.clusters = here.state.clusters.filter((name) => name !== `cluster-${round}`);
  }
  const pairs = new Set(asked);
  const left = here.state.clusters.flatMap((name) => [0, 1, 2, 3, 4].map((nth) => `${clusterArn(name)} job-${nth}`));
  assert.deepEqual(left.filter((pair) => !pairs.has(pair)), []);
  assert.equal(bucket.seen.throttled, 0);
  assert.equal(here.texts().length, 1);
  assert.match(here.texts()[0], /job-3.* still running in \*cluster-41\*/);
});

test("every look has its turn within as many sweeps as there are shares, for any number of looks", async () => {
  for (const [clusters, families, sweeps] of [[50, 2, 1], [51, 2, 2], [100, 3, 3], [101, 3, 4], [200, 5, 10]]) {
    const { asked, bucket, sweepOf } = manyLooks(clusters, families);
    for (let round = 7; round < 7 + sweeps; round += 1) await sweepOf(round);
    assert.equal(asked.length, clusters * families, `${clusters} × ${families}`);
    assert.equal(new Set(asked).size, clusters * families, `${clusters} × ${families}`);
    assert.equal(bucket.seen.throttled, 0);
  }
});

test("a look that ECS throttles is made again within the run, and fails the run only if it stays throttled", async () => {
  const busy = manyLooks(20, 5, { burst: 10, perSecond: 15 });
  assert.deepEqual(await busy.sweepOf(0), { outcome: "silent" });
  assert.ok(busy.bucket.seen.throttled > 0);
  assert.equal(busy.here.entry().notWatched, undefined);
  const full = manyLooks(2, 1, { burst: 0, perSecond: 0 });
  await assert.rejects(full.sweepOf(0), /could not look at the tasks of job-0 in cluster-\d: ecs:ListTasks failed/);
  assert.equal(full.here.entry().notWatched.length, 2);
  assert.ok(full.asked.length > 2 && full.asked.length < 20, `${full.asked.length}`);
});

test("ECS is not asked about a name that no family can have", async () => {
  const here = jobWorld();
  const job = { name: "backup of db/1", startedBy: null };
  await here.run(sweepAt("04:30:00", { jobs: [{ ...job, maxSeconds: 60 }] }));
  assert.deepEqual(here.seen.calls, []);
  for (const day of ["28", "29"]) await here.run(check(day, { ...BY, job }));
  assert.deepEqual(here.seen.calls, []);
  assert.equal(here.texts().length, 1);
  assert.equal(here.entry().missing, undefined);
});

test("parameters that ECS does not take are in the log, and fail no sweep", async () => {
  for (const name of ["InvalidParameterException", "ClientException"]) {
    const here = jobWorld({ look: { listTasks: async () => { throw Object.assign(new Error("no"), { name }); } } });
    assert.deepEqual(await here.run(sweepAt("04:30:00", SWEEP(60))), { outcome: "silent" });
    assert.deepEqual(here.entry().notWatched, [{ cluster: "batch", family: "nightly-report", action: "ecs:ListTasks", why: "refused" }]);
    assert.deepEqual(here.texts(), []);
  }
});

test("a sweep without time for all messages fails, and the next run tells the rest", async () => {
  const here = await known();
  here.state.tasks.push(...Array.from({ length: 8 }, (_, nth) => running("2026-11-29T02:30:00Z", { id: `r${nth}` })));
  here.state.answer = () => { here.state.now += 4_000; return new Response("ok"); };
  await assert.rejects(here.run(sweepAt("04:30:00", SWEEP(60))), /no time is left for another message/);
  const first = here.texts().length;
  assert.ok(first > 0 && first < 8, `${first}`);
  for (let again = 0; again < 5 && here.texts().length < 8; again += 1) await here.run(sweepAt("04:30:00", SWEEP(60))).catch(() => {});
  await here.run(sweepAt("04:35:00", SWEEP(60)));
  assert.equal(here.texts().length, 8);
});

test("the summary has open problems first, then flaky and slower jobs, mentions nobody, and has 15 lines at most", async () => {
  const here = jobWorld();
  here.state.now = Date.parse("2026-11-01T00:00:00Z");
  const event = (family, nth, day, seconds, exitCode) => {
    const stoppedAt = new Date(Date.parse(`2026-11-${day}T02:00:00Z`) + nth * 60_000);
    return endedEvent(taskOf({ id: `${family}-${day}-${nth}`, family, startedAt: new Date(stoppedAt.getTime() - seconds * 1000).toISOString(), stoppedAt: stoppedAt.toISOString(), exitCode }));
  };
  for (let nth = 0; nth < 20; nth += 1) await here.run(event("slow", nth, nth < 15 ? "10" : "20", nth < 15 ? 600 : 1200, 0));
  await here.run(event("flaky", 1, "26", 60, 1));
  await here.run(event("flaky", 2, "26", 60, 0));
  await here.run(event("well", 1, "26", 60, 0));
  for (let nth = 0; nth < 12; nth += 1) await here.run(event(`broken-${nth}`, nth, "25", 60, 1));
  const before = here.texts().length;
  await here.run(question("Summary", "2026-11-30T00:00:00Z", { jobs: [JOB, { name: "broken-3", startedBy: null }] }));
  assert.deepEqual(here.texts().slice(before), ["⚪ *Summary of the jobs* in *batch*: problems in 14 of 16 jobs"]);
  const { blocks, attachments: [{ blocks: rare }] } = here.seen.posts.at(-1).payload;
  const lines = [...blocks, ...rare].flatMap(({ text, elements }) => [text, ...(elements ?? [])]).filter(Boolean).flatMap(({ text }) => text.split("\n"));
  assert.ok(lines.length <= 15, `${lines.length}`);
  assert.match(lines[1], /^🔴 `broken-0`: failed once since /);
  assert.equal(lines.at(-2), "_and 4 more_");
  await here.run(question("Summary", "2026-11-30T01:00:00Z", { jobs: [{ name: "flaky", startedBy: null }], clusterArns: [clusterArn("other")] }));
  assert.match(here.texts().at(-1), /all 1 jobs are well$/, "other clusters are left out");
});

test("a week without a problem is one line", async () => {
  const here = await known();
  await here.run(question("Summary", "2026-11-30T00:00:00Z", { jobs: [JOB] }));
  assert.deepEqual(here.texts(), ["⚪ *Summary of the jobs* in *batch*: all 1 jobs are well"]);
});

test("without the table's list, the summary has the expected jobs, and says so", async () => {
  const here = await known();
  here.state.step = async (label, perform) => { if (label === "scan") throw denied("dynamodb:Scan"); return perform(); };
  await here.run(question("Summary", "2026-11-30T00:00:00Z", { jobs: [JOB] }));
  assert.match(detailsOf(here), /is not allowed to call `dynamodb:Scan`, so only expected jobs are listed/);
});
