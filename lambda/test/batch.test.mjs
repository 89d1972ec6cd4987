// Jobs of AWS Batch: the cause after the last attempt, its log, and the failures that count as one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHandler } from "../handler.mjs";
import { incidentOf } from "../core/incident.mjs";
import { endOf } from "../core/ledger.mjs";
import { messageOf } from "../places/slack-message.mjs";
import * as webhook from "../places/webhook.mjs";
import { memoryTable } from "./memory-table.mjs";
import { HOSTILE, changed, everywhere, sample } from "./samples.mjs";

const JOB = "50-batch-job-failed";
const job = (detail = {}) => incidentOf(changed(JOB, detail));
const { attempts } = sample(JOB).detail;
/** Returns the job with one attempt, whose container ended like this. */
const endedBy = (container, more = {}) => job({ attempts: [{ ...attempts[2], ...more.attempt, container }], container: {}, statusReason: "Essential container in task exited", ...more });
const shown = (incident, language = "en") => JSON.stringify(["slack", "webhook"].map((place) => (place === "slack" ? messageOf : webhook.payloadOf)({ ...incident, occurrence: null, tail: [] }, { language })));

test("a failed job names its queue, its definition and its attempts, and links to its page and to the log of the last attempt", () => {
  const incident = job();
  assert.deepEqual([incident.kind, incident.state, incident.rings, incident.jobName], ["batch", "died", true, "nightly-report"]);
  assert.deepEqual(incident.batch, { id: "4c7599ae-0a82-49aa-ba5a-4727fcce14a8", arn: sample(JOB).detail.jobArn, queue: "nightly", definition: "nightly-report:7", attempts: 3, mostAttempts: 3, timeoutSeconds: 3600, index: null });
  assert.deepEqual(incident.log, { container: "nightly-report", driver: "awslogs", group: "/aws/batch/job", region: "us-east-1", stream: attempts[2].container.logStreamName });
  assert.ok(incident.links.job.endsWith("/batch/home?region=us-east-1#jobs/detail/4c7599ae-0a82-49aa-ba5a-4727fcce14a8"));
  assert.ok(incident.links.log.includes("$252Faws$252Fbatch$252Fjob") && incident.links.task === null);
  assert.equal(incident.durationSeconds, 699);
});

test("the job's definition decides where the log is", () => {
  const log = (logConfiguration) => job({ container: { ...sample(JOB).detail.container, logConfiguration } }).log;
  const { stream } = log({});
  assert.deepEqual(log({ logDriver: "awslogs", options: { "awslogs-group": "/jobs", "awslogs-region": "eu-west-1" } }), { container: "nightly-report", driver: "awslogs", group: "/jobs", region: "eu-west-1", stream });
  assert.deepEqual(log({ logDriver: "splunk", options: { "awslogs-group": "/jobs" } }), { container: "nightly-report", driver: "splunk", group: null, region: "us-east-1", stream: null });
  assert.equal(endedBy({ exitCode: 1 }).log, null);
});

test("the end of the last attempt decides the cause, as for any task", () => {
  for (const [container, statusReason, cause] of [
    [{ exitCode: 1 }, undefined, "application-exit"], [{ exitCode: 139 }, undefined, "killed-by-signal"], [{ exitCode: 127 }, undefined, "command-not-found"],
    [{ exitCode: 137, reason: "OutOfMemoryError: Container killed due to memory usage" }, undefined, "out-of-memory"],
    [{ reason: "CannotPullContainerError: pull image manifest has been retried 1 time(s)" }, "Task failed to start", "image-pull-failed"],
    [{}, "Host EC2 (instance i-0123456789abcdef0) terminated.", "host-lost"], [{ taskArn: "a" }, "Your Spot Task was interrupted.", "spot-interruption"],
    [{}, "CannotPullContainerError: not found", "image-pull-failed"], [{ exitCode: 0 }, undefined, "batch-failed"], [{}, undefined, "batch-failed"], [{}, "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE", "batch-failed"],
  ]) assert.equal(endedBy(container, { statusReason }).cause.id, cause, JSON.stringify([container, statusReason]));
});

test("a job that ran longer than its timeout is told as that, whatever its exit code, as an event of the job and of its task", () => {
  for (const container of [{ exitCode: 137 }, { exitCode: 143 }, { exitCode: 1 }, {}]) {
    for (const statusReason of ["Job attempt duration exceeded timeout", "job attempt duration exceeded timeout."]) assert.equal(endedBy(container, { statusReason }).cause.id, "batch-timed-out");
  }
  const timeoutOf = (incident) => incident.facts.find(({ key }) => key === "timeout")?.value;
  assert.deepEqual([timeoutOf(incidentOf(sample("50b-batch-timed-out"))), timeoutOf(job())], [3600, undefined]);
  const task = incidentOf(changed("07-user-stop", { stoppedReason: "Job attempt duration exceeded timeout" }));
  assert.deepEqual([task.cause.id, task.severity, task.state, task.rings], ["batch-timed-out", "error", "died", true]);
  assert.equal(incidentOf(changed("07-user-stop", { stoppedReason: "the job attempt duration exceeded timeout" })).cause.id, "stopped-by-user");
});

test("a terminated or cancelled job is a warning, and other jobs' failures are named", () => {
  for (const detail of [{ isTerminated: true }, { isCancelled: "true" }]) assert.deepEqual([job(detail).cause.id, job(detail).severity, job(detail).state], ["batch-terminated", "warning", "stopped"]);
  assert.equal(job({ isTerminated: false, isCancelled: null }).cause.id, "application-exit");
  assert.deepEqual(["50d-batch-child-failed", "50e-batch-dependency-failed", "50f-batch-never-ran"].map((name) => incidentOf(sample(name)).state), ["died", "failed-to-start", "failed-to-start"]);
});

test("several containers, and pods, are told apart", () => {
  const taskProperties = [{ taskArn: "arn:aws:ecs:us-east-1:123456789012:task/x/1", containers: [{ name: "proxy", exitCode: 0, logStreamName: "p" }, { name: "app", exitCode: 3, logStreamName: "a" }] }];
  const ecsProperties = { taskProperties: [{ containers: [{ name: "app", essential: true, logConfiguration: { logDriver: "awslogs", options: { "awslogs-group": "/app" } } }, { name: "proxy", essential: false }] }] };
  const several = job({ attempts: [{ ...attempts[2], container: undefined, taskProperties }], container: undefined, ecsProperties });
  assert.deepEqual([several.cause.id, several.cause.values.container, several.log.group, several.log.stream], ["application-exit", "app", "/app", "a"]);
  assert.deepEqual(several.containers.map(({ name, failed }) => [name, failed]), [["proxy", false], ["app", true]]);
  const pod = job({ attempts: [{ ...attempts[2], container: undefined, containers: [{ name: "app", exitCode: 2, reason: "Error" }] }], container: undefined, eksProperties: {} });
  assert.deepEqual([pod.cause.values.code ?? pod.cause.id, pod.log], ["2", null]);
});

test("attempts, revisions, numbers and dates in the job's name are no other failure; queue, name, cause and exit code are", () => {
  const keyOf = (detail) => job(detail).failure;
  const own = keyOf({});
  for (const detail of [{ jobDefinition: sample(JOB).detail.jobDefinition.replace(":7", ":8") }, { attempts: attempts.slice(2) }, { jobId: "1", jobArn: "arn:aws:batch:us-east-1:123456789012:job/1" }, { startedAt: 1 }]) assert.equal(keyOf(detail), own, JSON.stringify(detail));
  const named = (jobName) => keyOf({ jobName });
  assert.ok(named("etl-2026-11-20") === named("etl-2026-11-21") && named("etl_20261120") === named("etl_20261121") && named("etl20261120") === named("etl20261121"));
  const others = [own, keyOf({ jobQueue: "arn:aws:batch:us-east-1:123456789012:job-queue/other" }), named("step1"), named("step2"), keyOf({ statusReason: "Job attempt duration exceeded timeout" }),
    keyOf({ jobDefinition: "arn:aws:batch:us-east-1:123456789012:job-definition/other:7" }), endedBy({ exitCode: 2 }).failure, endedBy({}, { statusReason: "MISCONFIGURATION:A" }).failure, endedBy({}, { statusReason: "CAPACITY:B" }).failure];
  assert.equal(new Set(others).size, others.length);
});

test("a job is announced once, and enters no ledger of jobs", () => {
  assert.equal(job().subject, `batch-job ${sample(JOB).detail.jobArn}`);
  assert.notEqual(incidentOf({ ...sample(JOB), source: "taskbell.app" }).subject, job().subject);
  assert.equal(endOf(sample(JOB), job()), null);
  const drill = incidentOf({ ...sample(JOB), source: "taskbell.drill" });
  assert.ok(drill.drill && drill.rings && drill.failure.startsWith("drill "));
});

test("no environment, command or parameter of a job is shown, and reasons lose their credentials", () => {
  const secret = "AKIA" + "IOSFODNN7EXAMPLE";
  const incident = job({ parameters: { a: "never-to-be-shown" }, statusReason: `cannot use ${secret}` });
  for (const language of ["en", "ja"]) assert.ok(!/never-to-be-shown|report\.py|IOSFODNN7/.test(shown(incident, language)));
});

test("any shape of the event gives an incident that rings", () => {
  for (const hostile of [null, [], {}, 7, "x", HOSTILE, [null], { a: 1 }]) {
    for (const key of Object.keys(sample(JOB).detail).filter((name) => name !== "status")) {
      const incident = job({ [key]: hostile });
      assert.ok(incident.rings && shown(incident).length > 100, key);
    }
    const all = incidentOf({ ...sample(JOB), detail: everywhere(sample(JOB).detail, (value) => (typeof value === "object" ? value : hostile)) });
    assert.ok(all.rings && shown(all).length > 100);
  }
});

test("the notifier reads the last lines of the last attempt, tells a job once, and counts equal failures", async () => {
  const [posts, reads] = [[], []];
  let clock = Date.parse("2026-11-20T10:33:00Z");
  const table = memoryTable();
  const run = createHandler({
    readWebhook: async () => "https://hooks.slack.com/services/T0/B0/x", describeTaskDefinition: () => assert.fail("a job has no task definition"),
    readLog: async (log, lines) => { reads.push({ ...log, lines }); return ["RuntimeError: no rows"]; }, tableOf: () => table,
    fetch: async (url, { body }) => { posts.push(body); return new Response("ok"); }, sleep: async () => {}, now: () => (clock += 5), log: () => {},
    env: { TASKBELL_STACK: "jobs", TASKBELL_WEBHOOK_PARAMETER: "/p", TASKBELL_TABLE: "t", TASKBELL_LOG_LINES: "7" },
  });
  const of = (id, event = sample(JOB)) => ({ ...event, id: `event-${id}-${clock}`, detail: { ...event.detail, jobId: id, jobArn: `arn:aws:batch:us-east-1:123456789012:job/${id}` } });
  const outcomes = [];
  for (const event of [of("one"), of("one"), of("two"), of("three"), of("four", sample("50b-batch-timed-out"))]) outcomes.push((await run(event, { awsRequestId: `r-${clock}`, getRemainingTimeInMillis: () => 20_000 })).outcome);
  assert.deepEqual(outcomes, ["sent", "duplicate", "sent", "counted", "sent"]);
  assert.deepEqual(reads[0], { ...job().log, lines: 7 });
  assert.ok(posts.length === 3 && posts.every((body) => body.includes("no rows")) && posts[1].includes("2 times"));
});
