import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CAUSES } from "../core/causes.mjs";
import { incidentOf } from "../core/incident.mjs";
import { changed, definitionOf, everywhere, names, sample } from "./samples.mjs";

const causeIdOf = (event, context) => incidentOf(event, context).cause.id;
const exits = (...codes) => codes.map(([name, exitCode, reason]) => ({ name, exitCode, reason, runtimeId: `${name}-runtime` }));

const EXPECTED = {
  "01-exit-nonzero": "application-exit", "02-oom": "out-of-memory", "03-cannot-pull": "image-pull-failed",
  "04-resource-init": "secrets-init-failed", "05-spot": "spot-interruption", "05b-spot-warning-not-stopped": "spot-interruption",
  "06-scale-in-143": "stopped-by-scheduler", "06b-scale-in-137": "stopped-by-scheduler", "06c-elb-unhealthy": "elb-health-check-failed",
  "07-user-stop": "stopped-by-user", "08-exit-0": "exit-zero", "09-sidecar-app-crash": "application-exit",
  "09b-sidecar-clean-app-killed-sidecar": "exit-zero", "10-host-terminated": "host-lost", "12-running": "service-event",
  "03b-cannot-start": "start-failed", "03c-runtime-failed": "runtime-failed", "04b-logger-init": "logger-init-failed",
  "06d-container-unhealthy": "container-health-check-failed", "10b-infrastructure": "infrastructure",
  "11-killed-by-signal": "killed-by-signal", "11b-command-not-found": "command-not-found", "11c-not-executable": "not-executable",
  "13-unknown-stop-code": "unknown", "20b-rolling-back": "deployment-rolled-back", "23-steady-state": "service-event",
  "30-application-error": "application-error", "31-run-rejected": "run-rejected", "31b-run-denied": "run-rejected",
  "03d-dependency-failed": "application-exit", "10d-maintenance-stand-alone": "maintenance", "10e-draining": "draining", "11d-windows-crash": "crashed", "14-no-exit-code": "no-exit-code",
  "20-deployment-failed": "deployment-failed", "21-placement-failure": "placement-failed", "22-start-impaired": "start-impaired", "24-daemon-constraint-violated": "constraint-violated",
  "10c-maintenance": "maintenance", "24c-scheduler-throttled": "scheduler-throttled", "24b-task-configuration-failure": "configuration-failed", "25-daemon-start-impaired": "daemon-start-impaired",
  "01b-job-failed": "application-exit", "08b-recovered": "exit-zero", "23b-deployment-completed": "service-event", "32-job-succeeded": "job-succeeded",
  "50-batch-job-failed": "application-exit", "50b-batch-timed-out": "batch-timed-out", "50c-batch-terminated": "batch-terminated", "50d-batch-child-failed": "batch-child-failed",
  "50e-batch-dependency-failed": "batch-dependency-failed", "50f-batch-never-ran": "batch-failed", "50g-batch-tries-again": "service-event", "50h-batch-queue-blocked": "batch-queue-blocked",
  "51-execution-failed": "execution-failed", "51b-execution-timed-out": "execution-timed-out", "51c-execution-aborted": "execution-aborted", "20c-daemon-rollback-failed": "daemon-rollback-failed", "20d-daemon-rolling-back": "daemon-rolled-back",
  "40-overdue": "overdue", "40b-overdue-running": "overdue", "40c-ended-late": "overdue", "40d-no-success": "overdue", "41-running-long": "running-long",
  "41b-waits-for-capacity": "waits-for-capacity", "41c-not-watched": "watch-denied", "42-summary": "summary", "42b-summary-all-well": "summary",
  "field/fargate-oom-standalone-five-containers": "out-of-memory",
  "field/fargate-batch-eni-timeout-failed-to-start": "start-failed",
  "field/fargate-failed-to-start-2018-no-stopcode-no-exitcode": "start-failed",
  "field/fargate-handmade-no-exitcode-unknown-stopcode": "unknown",
  "field/fargate-watchdog-sidecar-exit1-job-143": "application-exit",
  "field/spot-service-exit99-crashloop-1": "application-exit",
  "field/spot-service-elb-unhealthy-exit2": "elb-health-check-failed",
  "field/spot-notice-docs-lastStatus-running": "spot-interruption",
  "field/deployment-rollback-in-progress-docs": "deployment-rolled-back",
};
for (const [name, cause] of Object.entries(EXPECTED)) {
  test(`the sample ${name} has the cause ${cause}`, () => assert.equal(causeIdOf(sample(name)), cause));
}

/** Samples that are silent without scaling: planned stops of services, and stand-alone tasks that finished. */
const QUIET = ["08-exit-0", "08b-recovered", "32-job-succeeded", "10c-maintenance", "10e-draining", ...["ec2-exit0-2017-no-launchtype-no-stopcode", "ec2-exit0-standalone-2018-no-stopcode", "fargate-batch-exit0",
  "fargate-deprovisioning-exit0-2019", "fargate-exit0-standalone-two-containers"].map((name) => `field/${name}`)];

test("every sample gives an incident from the table of causes, without a negative duration, and rings except for planned stops and finished tasks", () => {
  for (const name of names) {
    const incident = incidentOf(sample(name));
    assert.equal(incident.rings, incident.cause.id !== "stopped-by-scheduler" && !QUIET.includes(name), name);
    assert.ok(Object.hasOwn(CAUSES, incident.cause.id), name);
    assert.ok(incident.durationSeconds === null || incident.durationSeconds >= 0, name);
  }
});

test("every row of the table of causes is covered by a sample", () => {
  const covered = new Set(Object.entries(EXPECTED).filter(([name]) => !name.startsWith("field/")).map(([, cause]) => cause));
  // Only the ledger knows that a success ends a trouble.
  covered.add(causeIdOf(sample("08b-recovered"), { recovery: {} }));
  assert.deepEqual(Object.keys(CAUSES).filter((id) => !covered.has(id)), []);
});

test("every cause has words in both languages", () => {
  for (const [id, { en, ja }] of Object.entries(CAUSES)) {
    for (const words of [en, ja]) assert.ok(words.length === 2 && words.every(Boolean), id);
  }
});

test("exit code 137 alone is a SIGKILL, never out of memory", () => {
  const incident = incidentOf(changed("01-exit-nonzero", { containers: exits(["web", 137]) }));
  assert.equal(incident.cause.id, "killed-by-signal");
  assert.deepEqual(incident.cause.values, { container: "web", code: "137", signal: "SIGKILL" });
});

test("an out-of-memory reason decides whatever its casing and the exit code", () => {
  for (const reason of ["OutOfMemoryError: container killed due to memory usage", "outofmemory"]) {
    assert.equal(causeIdOf(changed("01-exit-nonzero", { containers: exits(["web", 1, reason]) })), "out-of-memory");
  }
});

test("exit codes name their signal or their meaning", () => {
  const told = (code) => {
    const { id, values } = incidentOf(changed("01-exit-nonzero", { containers: exits(["web", code]) })).cause;
    return values.signal ?? id;
  };
  assert.deepEqual([143, 139, 134, 127, 126, 255, 1, 0].map(told),
    ["SIGTERM", "SIGSEGV", "SIGABRT", "command-not-found", "not-executable", "application-exit", "application-exit", "exit-zero"]);
});

test("the words of ECS about the start decide before its stop code", () => {
  const told = (stoppedReason) => causeIdOf(changed("03-cannot-pull", { stoppedReason }));
  assert.equal(told("ResourceInitializationError: failed to validate logger args: : signal: killed"), "logger-init-failed");
  assert.equal(told("CannotStartContainerError: Error response from daemon: failed to initialize logging driver: no group"), "logger-init-failed");
  assert.equal(told('CannotStartContainerError: exec: "python": executable file not found in $PATH'), "command-not-found");
  assert.equal(told("Fetching secret data from AWS Secrets Manager in region x: AccessDeniedException"), "secrets-init-failed");
  assert.equal(told("Capacity is unavailable at this time. Please try again later"), "placement-failed");
  assert.equal(told("something new"), "start-failed");
});

test("the health checks of containers and maintenance have their own words", () => {
  const told = (detail) => causeIdOf(changed("06c-elb-unhealthy", detail));
  assert.equal(told({ stoppedReason: "Task failed container health checks" }), "container-health-check-failed");
  assert.equal(told({ stoppedReason: "ECS is performing maintenance on the underlying infrastructure hosting the task" }), "maintenance");
  assert.equal(told({ stopCode: "InfrastructureHealth", stoppedReason: "?" }), "infrastructure");
});

test("the free text of a user's stop proves nothing", () => {
  assert.equal(causeIdOf(changed("07-user-stop", { stoppedReason: "CannotPullContainerError OutOfMemoryError" })), "stopped-by-user");
});

test("an unknown stop code is shown unchanged", () => {
  const incident = incidentOf(changed("01-exit-nonzero", { stopCode: "SolarFlare" }));
  assert.equal(incident.cause.id, "unknown");
  assert.equal(incident.cause.values.name, "SolarFlare");
  assert.equal(incident.severity, "error");
});

test("the container that failed is the essential one that ended by itself", () => {
  const failed = (containers, definition) => incidentOf(changed("01-exit-nonzero", { containers }), { taskDefinition: definition })
    .containers.filter((one) => one.failed).map((one) => one.name);
  assert.deepEqual(failed(exits(["proxy", 143], ["app", 2], ["log", 0])), ["app"]);
  assert.deepEqual(failed(exits(["init", 3], ["app", 2]), definitionOf({ init: false, app: true })), ["app"]);
  assert.deepEqual(failed(exits(["app", 2], ["cache", 137, "OutOfMemoryError: x"])), ["cache"]);
  assert.deepEqual(failed(exits(["proxy", 143], ["app", 137])), ["app"]);
  assert.deepEqual(failed(exits(["proxy", 0], ["app", 143])), ["proxy"]);
});

test("no container is blamed if several exited with 0", () => {
  const { cause } = incidentOf(changed("01-exit-nonzero", { containers: exits(["app", 0], ["log", 0]) }));
  assert.equal(cause.id, "exit-zero");
  assert.equal(cause.values.container, null);
});

test("a container that the task definition does not list is not essential, and an unlisted mark is unknown", () => {
  const event = changed("01-exit-nonzero", { containers: exits(["web", 1], ["aws-guardduty-agent", 0]) });
  assert.deepEqual(incidentOf(event, { taskDefinition: definitionOf({ web: true }) }).containers.map((one) => one.essential), [true, false]);
  assert.deepEqual(incidentOf(event).containers.map((one) => one.essential), [null, null]);
});

const job = "09b-sidecar-clean-app-killed-sidecar";
const jobDefinition = { taskDefinition: definitionOf({ job: true, envoy: true }) };

test("a stand-alone task that finished, with sidecars stopped afterwards, stays silent and says why", () => {
  const incident = incidentOf(sample(job), jobDefinition);
  assert.equal(incident.rings, false);
  assert.match(incident.silentBecause, /essential container job exited with 0/);
});

test("a finished task rings if anything speaks against the finish", () => {
  const rings = (detail, context = jobDefinition) => incidentOf(changed(job, detail), context).rings;
  assert.ok(rings({}, {}), "task definition unknown");
  assert.ok(rings({ group: "service:web" }), "a service");
  assert.ok(rings({ group: undefined, startedBy: "ecs-svc/1" }), "a service by its starter");
  assert.ok(rings({ containers: exits(["job", 0], ["envoy", 1]) }), "another exit code");
  assert.ok(rings({ containers: exits(["job", 0], ["envoy", 137, "OutOfMemoryError: x"]) }), "out of memory");
  assert.ok(rings({ containers: exits(["job", 143], ["envoy", 0]) }, { taskDefinition: definitionOf({ job: true, envoy: false }) }), "only a spare container finished");
  assert.ok(rings({ containers: exits(["job", 0], ["envoy", undefined]) }), "an essential end unknown");
  assert.ok(rings({ stopCode: "SpotInterruption", stoppedReason: "Your Spot Task was interrupted." }), "interrupted");
});

test("scaling and deploying are silent and say why, whatever pattern let them in", () => {
  for (const name of ["06-scale-in-143", "06b-scale-in-137", "field/spot-service-scaling-exit2"]) {
    const incident = incidentOf(sample(name));
    assert.equal(incident.rings, false);
    assert.match(incident.silentBecause, /scale, deploy or rebalance/);
  }
  assert.ok(incidentOf(changed("06-scale-in-143", { containers: exits(["web", 137, "OutOfMemoryError: x"]) })).rings, "out of memory meanwhile");
});

// Strings without a cause of their own, with the reason.
const WITHOUT_CAUSE = { "Essential container in task exited": "only the exit codes tell" };

test("every reason found in the field has a cause, or an explanation", () => {
  const lines = readFileSync(new URL("../../patterns/events/field/strings.tsv", import.meta.url), "utf8").trim().split("\n");
  assert.equal(lines.length, 101);
  for (const line of lines) {
    const [kind, stopCode, string] = line.split("\t");
    const event = {
      stoppedReason: changed("01-exit-nonzero", { stopCode: stopCode || undefined, stoppedReason: string, containers: [] }),
      containerReason: changed("01-exit-nonzero", { stopCode: stopCode || undefined, stoppedReason: "Task failed to start", containers: [{ name: "web", reason: string }] }),
      eventName: changed("21-placement-failure", { eventName: string, reason: undefined }),
    }[kind] ?? { ...sample("21-placement-failure"), "detail-type": "ECS Deployment State Change", detail: { eventName: "SERVICE_DEPLOYMENT_IN_PROGRESS", reason: string } };
    const { cause } = incidentOf(event);
    assert.equal(cause.id === "unknown", Object.hasOwn(WITHOUT_CAUSE, string), `${kind} ${string}: ${cause.id}`);
  }
});

test("the report of the container runtime decides over the stop code", () => {
  const told = (reason) => causeIdOf(changed("03-cannot-pull", { stoppedReason: "Task failed to start", containers: [{ name: "web", reason }] }));
  assert.equal(told("CannotPullContainerError: pull access denied"), "image-pull-failed");
  assert.equal(told("DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"), "runtime-failed");
  assert.equal(told("CannotCreateContainerError: devmapper"), "start-failed");
});

test("each task and state is one subject; one failure has one family, cause, container and code", () => {
  const keys = (detail, from = "01-exit-nonzero") => { const { subject, failure } = incidentOf(changed(from, detail)); return { subject, failure }; };
  const one = keys({});
  const other = keys({ taskArn: "arn:aws:ecs:us-east-1:123456789012:task/prod/another" });
  assert.notEqual(one.subject, other.subject);
  assert.equal(one.failure, other.failure);
  assert.notEqual(one.failure, keys({ containers: exits(["web", 2]) }).failure);
  assert.notEqual(one.failure, keys({ group: "service:other" }).failure);
  assert.notEqual(one.failure, keys({ clusterArn: "arn:aws:ecs:us-east-1:123456789012:cluster/test" }).failure);
  assert.notEqual(one.subject, keys({ lastStatus: "DEPROVISIONING" }).subject);
  assert.equal(incidentOf(sample("21-placement-failure")).subject, `event ${sample("21-placement-failure").id}`);
  const long = (end) => keys({ group: `service:${"s".repeat(250)}${end}`, containers: exits(["c".repeat(255), 1]) }).failure;
  assert.notEqual(long("a"), long("b"), "names at their limits stay apart");
  const widest = incidentOf(everywhere(sample("01-exit-nonzero"), (value) => (typeof value === "string" ? "日".repeat(3000) : value)));
  for (const key of [long("a"), widest.subject, widest.failure]) assert.ok(Buffer.byteLength(key) <= 2048);
  const drills = ["a", "b"].map((id) => incidentOf({ ...sample("01-exit-nonzero"), source: "taskbell.drill", id }).failure);
  assert.notEqual(drills[0], drills[1]);
});

test("a daemon that keeps failing is one failure, whatever its task and instance; each of its events is announced once", () => {
  const name = "25-daemon-start-impaired";
  const one = incidentOf(sample(name));
  const task = "arn:aws:ecs:us-east-1:123456789012:task/prod/another";
  const other = incidentOf({ ...changed(name, { taskArn: task, containerInstanceArn: "x" }), id: "other", resources: [task] });
  assert.notEqual(one.subject, other.subject);
  assert.equal(one.failure, other.failure);
  assert.equal(one.subject, `event ${sample(name).id}`, "not the end of the task");
  const created = incidentOf({ ...changed(name, { taskArn: undefined, failureType: "TASK_CREATION_FAILED" }), resources: [] });
  assert.deepEqual([created.subject, created.failure, created.daemon], [`event ${sample(name).id}`, one.failure, "log-agent"]);
  assert.notEqual(one.failure, incidentOf(changed(name, { daemonArn: "arn:aws:ecs:us-east-1:123456789012:daemon/prod/other" })).failure);
  assert.match(one.links.task, /tasks\/25252525/);
});

test("the failure of a deployment is one subject under both detail-types, and each drill is its own", () => {
  const failed = sample("20-deployment-failed");
  const subject = (event) => incidentOf(event).subject;
  assert.equal(subject(failed), `deployment ${failed.detail.deploymentId}`);
  assert.equal(subject({ ...failed, id: "other", "detail-type": "ECS Service Action" }), subject(failed));
  assert.equal(subject({ ...failed, detail: { ...failed.detail, deploymentId: undefined } }), `event ${failed.id}`);
  assert.equal(subject({ ...failed, source: "taskbell.drill" }), `event ${failed.id}`);
  assert.equal(subject(sample("20b-rolling-back")), `event ${sample("20b-rolling-back").id}`);
});

test("a call that ran a task is no failure, and a call without a cluster belongs to the default one", () => {
  const accepted = incidentOf(sample("31c-run-accepted"));
  assert.deepEqual([accepted.cause.id, accepted.severity, accepted.cause.values.name], ["service-event", "info", "RunTask"]);
  assert.equal(incidentOf(changed("31b-run-denied", { requestParameters: { taskDefinition: "nightly" } })).cluster, "default");
});

test("an application's own alert has its source, its level and its detail", () => {
  const event = { source: "taskbell.app", "detail-type": "Application Error", id: "e", time: "2026-11-20T10:00:00Z", account: "1", region: "us-east-1", resources: [],
    detail: { message: "NoMethodError: nil", level: "warn", source: "shop", detail: "app.rb:1" } };
  const { kind, source, severity, cause, applicationDetail, subject, failure } = incidentOf(event);
  assert.deepEqual([kind, source, severity, cause.values.message, applicationDetail, subject], ["application", "shop", "warning", "NoMethodError: nil", "app.rb:1", "event e"]);
  assert.notEqual(failure, incidentOf({ ...event, detail: { ...event.detail, message: "other" } }).failure);
  assert.equal(incidentOf({ ...event, detail: {} }).severity, "error");
});

test("a drill always rings and is marked", () => {
  const incident = incidentOf({ ...sample(job), source: "taskbell.drill" }, jobDefinition);
  assert.ok(incident.drill && incident.rings);
});

test("a clock that runs backwards gives a duration of zero", () => {
  const { durationSeconds } = incidentOf(changed("01-exit-nonzero", { startedAt: "2026-11-20T10:00:05Z", executionStoppedAt: "2026-11-20T10:00:00Z" }));
  assert.equal(durationSeconds, 0);
});

test("a task that never started has no duration", () => {
  assert.equal(incidentOf(sample("03-cannot-pull")).durationSeconds, null);
});

test("links lead to the task, the service and the exact log stream", () => {
  const { links, log } = incidentOf(sample("09-sidecar-app-crash"), { taskDefinition: definitionOf({ app: true, log_router: true }) });
  assert.equal(links.task, "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/prod/tasks/09090909090909090909090909090909?region=us-east-1");
  assert.equal(links.service, "https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/prod/services/web?region=us-east-1");
  assert.equal(links.log, "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fecs$252Fweb/log-events/app$252Fapp$252F09090909090909090909090909090909");
  assert.deepEqual(log, { container: "app", driver: "awslogs", group: "/ecs/web", region: "us-east-1", stream: "app/app/09090909090909090909090909090909" });
});

test("log names are encoded twice with dollars", () => {
  const { links } = incidentOf(sample("01-exit-nonzero"), { taskDefinition: definitionOf({ web: true }, { group: "[$LATEST] 100%", region: "eu-west-1", prefix: "p" }) });
  assert.match(links.log, /^https:\/\/eu-west-1\.console\.aws\.amazon\.com\/cloudwatch\/home\?region=eu-west-1#/);
  assert.ok(links.log.includes("/log-group/$255B$2524LATEST$255D$2520100$2525/log-events/"), links.log);
});

test("without a stream prefix the stream is the runtime id, and without a group there is no link", () => {
  const link = (log) => incidentOf(changed("01-exit-nonzero", { containers: exits(["web", 1]) }), { taskDefinition: definitionOf({ web: true }, log) }).links.log;
  assert.match(link({ group: "g", region: null, prefix: null }), /log-group\/g\/log-events\/web-runtime$/);
  assert.equal(link(null), null);
});

test("the console's host follows the partition, and a partition without a console gets no link", () => {
  const task = (partition, region) => incidentOf(JSON.parse(JSON.stringify(sample("01-exit-nonzero")).replaceAll("arn:aws:", `arn:${partition}:`).replaceAll("us-east-1", region))).links.task;
  assert.match(task("aws-cn", "cn-north-1"), /^https:\/\/cn-north-1\.console\.amazonaws\.cn\/ecs\/v2\//);
  assert.match(task("aws-us-gov", "us-gov-west-1"), /^https:\/\/us-gov-west-1\.console\.amazonaws-us-gov\.com\//);
  assert.equal(task("aws-iso", "us-iso-east-1"), null);
  assert.equal(task("aws", "evil.example/"), null);
});

test("the short forms of task and service ARNs are understood", () => {
  const task = incidentOf(sample("field/spot-notice-docs-lastStatus-running"));
  assert.deepEqual([task.cluster, task.taskId, task.state], ["default", "b99d40b3-5176-4f71-9a52-9dbd6fEXAMPLE", "stopping"]);
  const service = incidentOf({ ...sample("20-deployment-failed"), resources: ["arn:aws:ecs:us-east-1:123456789012:service/web"] });
  assert.deepEqual([service.cluster, service.service, service.links.service], [null, "web", null]);
});

test("overrides never reach the incident", () => {
  const event = changed("01-exit-nonzero", { overrides: { containerOverrides: [{ name: "web", environment: [{ name: "KEY", value: "hunter2" }], command: ["hunter2"] }] } });
  assert.ok(!JSON.stringify(incidentOf(event)).includes("hunter2"));
});

test("no event and no context, however odd, throws or goes silent", () => {
  const odd = [undefined, null, 0, "", "text", [], [[]], {}, { detail: null }, { detail: [] }, { resources: {}, detail: { containers: "x" } }, { "detail-type": "ECS Task State Change" }, { "detail-type": "ECS Task State Change", detail: { containers: [null, 1, "x", [], {}] } }];
  const halves = (value) => everywhere(value, (one) => (typeof one === "string" ? `\ud800${one}\udc00x\ud83d` : one));
  const context = { taskDefinition: definitionOf({ web: true, "\ud800": true }, { driver: "\udc00", group: "\ud800/g", region: "us-east-1", prefix: "\ud800p\udc00" }), missing: [{ action: "\ud800", why: "denied" }] };
  for (const name of names) {
    for (const event of [sample(name), halves(sample(name)), { ...halves(sample(name)), "detail-type": sample(name)["detail-type"], region: "us-east-1", resources: sample(name).resources }]) {
      for (const known of [context, halves(context)]) assert.ok(JSON.stringify(incidentOf(event, known)).isWellFormed?.() ?? true, name);
    }
  }
  const replacements = [null, undefined, 0, -1, NaN, true, "", "__proto__", "constructor", [], {}, [null], 1e308, "\ud800"];
  for (const event of odd) {
    for (const context of [undefined, null, 1, {}, { taskDefinition: 1, missing: "x" }, { taskDefinition: { containers: [null, { name: 1, log: [] }] }, missing: [null, { action: 1 }] }]) assert.ok(incidentOf(event, context).rings);
  }
  for (const name of ["01-exit-nonzero", "20-deployment-failed", "21-placement-failure"]) {
    for (const replacement of replacements) {
      for (const key of Object.keys(sample(name).detail)) {
        const event = sample(name);
        event.detail[key] = replacement;
        assert.ok(incidentOf(event).rings, `${name} ${key}`);
      }
      assert.ok(incidentOf({ ...everywhere(sample(name), (value) => (typeof value === "object" ? value : replacement)), "detail-type": "ECS Task State Change" }));
    }
  }
});
