import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { destinationsOf, routesOf } from "../core/destinations.mjs";
import { patternsOf } from "../core/patterns.mjs";
import { kindOf } from "../places/kinds.mjs";
import { incidentOf } from "../core/incident.mjs";
import { catalogueFor, takes } from "./pattern.mjs";
import { definitionOf, names, sample } from "./samples.mjs";

const read = (path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
/** The patterns that users may name, also in a route: `setup` adds the other one by itself. */
const catalogue = Object.fromEntries(readdirSync(new URL("../../patterns/", import.meta.url)).filter((file) => file.endsWith(".json") && file !== "service-recovered.json")
  .map((file) => [file.slice(0, -".json".length), read(`patterns/${file}`)]));

test("the host decides the kind of a webhook", () => {
  for (const [url, kind] of [
    ["https://hooks.slack.com/services/T/B/x", "slack"], ["https://hooks.slack-gov.com/services/T/B/x", "slack"],
    ["https://discord.com/api/webhooks/1/x", "discord"], ["https://discordapp.com/api/webhooks/1/x", "discord"],
    ["https://ptb.discord.com/api/webhooks/1/x", "discord"], ["https://canary.discordapp.com/api/webhooks/1/x?thread_id=1", "discord"],
    ["https://discord.com/api/webhooks/1/x/slack", "slack"], ["https://discord.com/api/webhooks/1/x/slack?wait=true", "slack"],
    ["https://prod-12.westeurope.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?sig=x", "teams"],
    ["https://default1.e3.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/1?sig=x", "teams"],
    ["https://contoso.webhook.office.com/webhookb2/1", "teams"], ["HTTPS://Contoso.Webhook.Office.com./webhookb2/1", "teams"],
    ["https://chat.example.com/hooks/x", "slack"], ["http://127.0.0.1:8080/", "slack"], ["none", "slack"], ["", "slack"],
    ["https://discord.com.evil.example/api", "slack"], ["https://notdiscord.com/api", "slack"], ["https://evil.example/?discord.com", "slack"],
    ["https://discord.com@evil.example/", "slack"], ["https://evil.example#@discord.com/", "slack"], ["https://evil.example\\@discord.com/", "slack"],
    ["https://eu-1.api.powerautomate.com/workflows/1/triggers/manual/paths/invoke?sig=x", "teams"],
    ["https://eu-1.flow.microsoft.com/workflows/1/triggers/manual/paths/invoke?sig=x", "teams"],
    ["https://mylogic.azure.com.evil.example/", "slack"],
  ]) assert.equal(kindOf(url), kind, url);
});

const OWN = { name: "webhook", parameter: "/own", topic: null, kind: null, takesRest: false, patterns: null, families: null, severities: null };
const listed = (...list) => ({ TASKBELL_WEBHOOK_PARAMETER: "/own", TASKBELL_DESTINATIONS: JSON.stringify(list) });

test("without a list the stack's own webhook takes everything; with a list it comes first", () => {
  assert.deepEqual(destinationsOf({ TASKBELL_WEBHOOK_PARAMETER: "/own" }), [OWN]);
  assert.deepEqual(destinationsOf({ TASKBELL_WEBHOOK_PARAMETER: "/own", TASKBELL_DESTINATIONS: "" }), [OWN]);
  assert.deepEqual(destinationsOf({}), []);
  const [own, ops, topic] = destinationsOf(listed({ name: "ops", parameter: "/ops", kind: "webhook", families: ["nightly-*"] }, { name: "mail", topic: "arn:aws:sns:eu-west-1:1:t", severities: ["error"] }));
  assert.deepEqual(own, OWN);
  assert.deepEqual([ops.kind, ops.parameter, ops.families, ops.patterns], ["webhook", "/ops", ["nightly-*"], null]);
  assert.deepEqual([topic.kind, topic.topic, topic.parameter, topic.severities], ["sns", "arn:aws:sns:eu-west-1:1:t", null, ["error"]]);
});

test("a malformed list is an error that does not quote the list", () => {
  for (const [text, said] of [
    ["{hunter2", /not a list/], ['{"name":"hunter2"}', /not a list/], ["[null]", /number 1 has no name/], ['[{"parameter":"/hunter2"}]', /no name/],
    ['[{"name":"ops"}]', /ops needs either/], ['[{"name":"ops","parameter":"/p","topic":"hunter2"}]', /ops needs either/],
    ['[{"name":"ops","parameter":"/p","kind":"hunter2"}]', /ops has a kind/], ['[{"name":"ops","topic":"t","kind":"webhook"}]', /ops has a kind/],
    ['[{"name":"ops","parameter":"/p","families":"hunter2"}]', /ops has families that are not a list of names/], ['[{"name":"ops","parameter":"/p","patterns":[1]}]', /has patterns that are not/],
  ]) assert.throws(() => destinationsOf({ TASKBELL_DESTINATIONS: text }), (error) => said.test(error.message) && !error.message.includes("hunter2"), text);
});

const routed = (incident, env) => routesOf({ severity: "error", family: "web", patterns: ["task-failed"], ...incident }, destinationsOf(env)).map(({ name }) => name);
const to = (name, routes) => ({ name, parameter: `/${name}`, ...routes });

test("all given lists have to match, one entry of each is enough, and a missing list takes all", () => {
  const env = listed(to("all"), to("night", { families: ["nightly-*", "w?b"], severities: ["error", "warning"] }), to("oom", { patterns: ["out-of-memory", "spot-interrupted"] }), to("none", { families: [] }));
  assert.deepEqual(routed({}, env), ["webhook", "all", "night"]);
  assert.deepEqual(routed({ severity: "info" }, env), ["webhook", "all"]);
  assert.deepEqual(routed({ family: "nightly-import", severity: "warning", patterns: ["nonzero-exit", "out-of-memory"] }, env), ["webhook", "all", "night", "oom"]);
  assert.deepEqual(routed({ family: "webb" }, env), ["webhook", "all"]);
  assert.deepEqual(routed({ family: null }, env), ["webhook", "all"]);
});

test("the own webhook may take the rest, or nothing", () => {
  const env = (takes) => ({ ...listed(to("night", { families: ["nightly-*"] })), TASKBELL_WEBHOOK_TAKES: takes });
  assert.deepEqual(["all", undefined, "rest", "nothing"].map((takes) => routed({ family: "nightly-a" }, env(takes))), [["webhook", "night"], ["webhook", "night"], ["night"], ["night"]]);
  assert.deepEqual(["all", "rest", "nothing"].map((takes) => routed({}, env(takes))), [["webhook"], ["webhook"], []]);
});

test("globs have asterisks and question marks, and no other special character", () => {
  const like = (family, glob) => routed({ family }, { TASKBELL_DESTINATIONS: JSON.stringify([to("x", { families: [glob] })]) }).length === 1;
  for (const [family, glob, expected] of [
    ["a", "*", true], ["nightly-import", "nightly-*", true], ["nightly", "nightly-*", false], ["a.b", "a.b", true], ["axb", "a.b", false], ["a+", "a+", true],
    ["aXbXc", "a*b*c", true], ["aXbXd", "a*b*c", false], ["ab", "a?", true], ["a", "a?", false], ["a🔥", "a?", true], ["", "*", true], ["[a]", "[a]", true], ["Web", "web", false],
  ]) assert.equal(like(family, glob), expected, `${family} ${glob}`);
  const started = process.cpuUsage().user;
  assert.equal(like("a".repeat(255), "a*".repeat(100) + "b"), false);
  assert.ok(process.cpuUsage().user - started < 1_000_000);
});

test("every sample matches the patterns that the catalogue's own matcher finds (tests/golden/patterns.json)", () => {
  const golden = read("tests/golden/patterns.json");
  assert.deepEqual(Object.keys(golden).sort(), names);
  for (const name of names) assert.deepEqual(patternsOf(sample(name)).sort(), [...golden[name]].sort(), name);
});

test("the narrow patterns take the causes of the same name, in any case, with a full stop or without, and behind the name of a service", () => {
  const of = (detail) => ({ ...sample("01-exit-nonzero"), detail: { ...sample("01-exit-nonzero").detail, ...detail } });
  for (const front of ["", "Service web: ", "(service web) "]) {
    for (const [words, cause, pattern] of [["Your Spot Task was interrupted", "spot-interruption", "spot-interrupted"], ["Task failed container health checks", "container-health-check-failed", "health-check-failed"]]) {
      for (const reason of [words, `${words}.`, words.toLowerCase(), `${words.toUpperCase()}.`]) {
        const event = of({ stopCode: pattern === "spot-interrupted" ? "TerminationNotice" : "ServiceSchedulerInitiated", stoppedReason: front + reason });
        assert.ok(incidentOf(event).cause.id === cause && patternsOf(event).includes(pattern) && takes(catalogueFor(event, catalogue)[pattern], event), front + reason);
      }
    }
  }
  assert.ok(patternsOf(of({ stopCode: "ServiceSchedulerInitiated", stoppedReason: "task failed elb health checks in (target-group x)" })).includes("health-check-failed"));
  // CloudFormation refuses a null, which an exported pattern would have.
  assert.ok(!/null/.test(JSON.stringify(catalogue)));
});

test("a drill matches the patterns of its scenario", () => {
  for (const name of names.filter((one) => sample(one).source === "aws.ecs")) {
    assert.deepEqual(patternsOf({ ...sample(name), source: "taskbell.drill" }), patternsOf(sample(name)), name);
  }
});

/** Changes one or two fields of a sample to values that patterns ask for, or must not take. */
function* variations() {
  const stopCode = [undefined, null, 1, "EssentialContainerExited", "TaskFailedToStart", "UserInitiated", "ServiceSchedulerInitiated", "SpotInterruption", "TerminationNotice", "New"];
  const stoppedReason = [undefined, null, 5, "", "Scaling activity initiated by (x)", "Availability-zone rebalancing initiated by x", "ECS is performing maintenance x", "Amazon ECS is performing maintenance x", "Service web: ECS is performing maintenance", "Service web: Your Spot Task was interrupted.", "(service web) Task failed container health checks", "the container instance is in DRAINING state", "outofmemoryError: x", "Your Spot Task was interrupted.", "Task failed ELB health checks in x", "Task failed container health checks", "Task failed to start", "CannotPullX", "ResourceInitializationError: x", "task failed to start"];
  const containers = [undefined, [], [{}], [{ exitCode: 0 }], [{ exitCode: 1 }], [{ exitCode: "0" }], [{ exitCode: null }], [{ exitCode: 0 }, {}], [{ exitCode: 0 }, { exitCode: 3 }], [{ exitCode: 0, reason: "OutOfMemoryError" }], [{ reason: "x" }], [{ exitCode: 128, reason: "CannotStartContainerError: OOM-killed (memory limit too low?): unknown" }], { exitCode: 2 }, [[{ exitCode: 4 }]]];
  const group = [undefined, "service:web", "family:web"];
  const startedBy = [undefined, null, "ecs-svc/1", "events-rule/nightly"];
  const lastStatus = ["STOPPED", "RUNNING", undefined, ["STOPPED"]];
  const clusterArn = ["arn:aws:ecs:us-east-1:123456789012:cluster/prod", undefined];
  const task = sample("01-exit-nonzero");
  const withDetail = (event, fields) => JSON.parse(JSON.stringify({ ...event, detail: { ...event.detail, ...fields } }));
  for (const code of stopCode) for (const reason of stoppedReason) for (const some of containers) for (const by of startedBy) yield withDetail(task, { stopCode: code, stoppedReason: reason, containers: some, startedBy: by });
  for (const code of stopCode) for (const reason of stoppedReason) for (const of of group) yield withDetail(task, { stopCode: code, stoppedReason: reason, group: of });
  for (const status of lastStatus) for (const arn of clusterArn) yield withDetail(task, { lastStatus: status, clusterArn: arn });
  const eventNames = ["SERVICE_DEPLOYMENT_FAILED", "DAEMON_DEPLOYMENT_ROLLBACK_IN_PROGRESS", "DAEMON_DEPLOYMENT_ROLLBACK_FAILED", "SERVICE_STEADY_STATE", ...catalogue["service-impaired"].detail.eventName, undefined];
  const types = ["ECS Deployment State Change", "ECS Service Action", "ECS Daemon Service Action", "ECS Daemon Deployment State Change", "ECS Task State Change", "AWS API Call via CloudTrail", "Application Error"];
  const resources = [[], ["arn:aws:ecs:us-east-1:123456789012:service/prod/web"], ["arn:aws:ecs:us-east-1:123456789012:service/web"], ["arn:aws:ecs:us-east-1:123456789012:daemon/prod/agent"], ["arn:aws:ecs:us-east-1:123456789012:task/prod/1"]];
  for (const type of types) for (const eventName of eventNames) for (const some of resources) for (const arn of clusterArn) for (const source of ["aws.ecs", "taskbell.drill", "taskbell.app", "other"]) yield { ...withDetail(task, { eventName, clusterArn: arn }), "detail-type": type, resources: some, source };
  const run = sample("31b-run-denied");
  const failures = [undefined, null, { failures: [] }, { failures: [{ arn: "x" }] }, { failures: [{ reason: "RESOURCE:CPU" }] }];
  for (const errorCode of [undefined, null, "AccessDenied", "ThrottlingException", "Throttling"]) for (const responseElements of failures) for (const eventName of ["RunTask", "StartTask", "StopTask"]) for (const eventSource of ["ecs.amazonaws.com", "x"]) yield withDetail(run, { errorCode, responseElements, eventName, eventSource });
  const statuses = [undefined, null, "FAILED", "SUCCEEDED", "RUNNABLE", "TIMED_OUT", "ABORTED", ["FAILED"], { FAILED: 1 }];
  for (const one of ["50-batch-job-failed", "50h-batch-queue-blocked", "51-execution-failed"]) for (const status of statuses) for (const source of ["aws.batch", "aws.states", "aws.ecs", "taskbell.drill", "taskbell.app"]) yield { ...withDetail(sample(one), { status }), source };
  yield* [null, {}, [], "text", { source: "aws.ecs" }, { source: "aws.ecs", "detail-type": "ECS Task State Change", detail: null }];
}

test("for any event, the patterns are those of patterns/*.json", () => {
  let seen = 0;
  const taken = new Set();
  for (const event of [...names.map((name) => sample(name)), ...variations()]) {
    const expected = Object.entries(catalogueFor(event, catalogue)).filter(([, pattern]) => takes(pattern, event)).map(([name]) => name);
    assert.deepEqual(patternsOf(event).sort(), expected, JSON.stringify(event));
    for (const name of expected) taken.add(name);
    seen += 1;
  }
  assert.ok(seen > 12_000, `${seen}`);
  assert.deepEqual([...taken].sort(), Object.keys(catalogue));
});

/** Makes ends of tasks as AWS may send them: fields are texts, numbers or absent. */
function* taskEnds() {
  const stopCode = [undefined, "EssentialContainerExited", "TaskFailedToStart", "ServiceSchedulerInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth", "New"];
  const said = ["Scaling activity initiated by (deployment ecs-svc/1)", "Availability-zone rebalancing initiated by (deployment ecs-svc/1)", "ECS is performing maintenance on the host", "Task failed ELB health checks in (target-group x)",
    "Your Spot Task was interrupted.", "Host EC2 (instance i-1) terminated.", "the container instance is in DRAINING state", "Essential container in task exited", "Task failed to start", "OutOfMemoryError: x", "something new"];
  const stoppedReason = [undefined, ...said, ...said.flatMap((one) => [`Service web: ${one}`, `Amazon ${one}`, one.toUpperCase(), `${one} OutOfMemoryError`])];
  const containers = [undefined, [], [{ name: "a" }], [{ name: "a", exitCode: 0 }], [{ name: "a", exitCode: 0 }, { name: "b" }], [{ name: "a", exitCode: 143 }], [{ name: "a", exitCode: 0, reason: "container init was OOM-killed" }],
    [{ name: "a", exitCode: 1 }, { name: "aws-guardduty-agent-1", reason: "CannotPullContainerError: x" }]];
  const origin = [{ group: "service:web", startedBy: "ecs-svc/1" }, { group: "family:web", startedBy: "events-rule/nightly" }, { group: "family:web" }, { group: "service:web" }, { startedBy: "ecs-svc/1" }];
  const task = sample("01-exit-nonzero");
  const bare = { ...task.detail, group: undefined, startedBy: undefined };
  for (const code of stopCode) for (const reason of stoppedReason) for (const some of containers) for (const of of origin) yield JSON.parse(JSON.stringify({ ...task, detail: { ...bare, ...of, stopCode: code, stoppedReason: reason, containers: some } }));
}

test("task-failed takes every end of a task that the notifier rings for, except a user's stop", () => {
  const definitions = [undefined, definitionOf({ a: true, b: false })];
  let [seen, rang] = [0, 0];
  for (const event of taskEnds()) {
    const taken = takes(catalogueFor(event, catalogue)["task-failed"], event);
    for (const taskDefinition of definitions) {
      const { rings, cause } = incidentOf(event, { taskDefinition });
      assert.ok(taken || !rings, `${cause.id}: ${JSON.stringify(event.detail)}`);
      [seen, rang] = [seen + 1, rang + Number(rings)];
    }
  }
  assert.ok(seen > 25_000 && rang > 12_000 && rang < seen, `${rang} of ${seen}`);
});

test("task-failed takes as many clusters as before within EventBridge's 2,048 characters", () => {
  const bound = (count) => JSON.stringify(catalogue["task-failed"]).replace('"${cluster_arn}"', Array.from({ length: count }, (_, at) => `"arn:aws:ecs:us-east-1:123456789012:cluster/cluster-${10 + at}"`).join()).length;
  const fit = Array.from({ length: 40 }, (_, at) => at + 1).filter((count) => bound(count) <= 2_048).length;
  assert.ok(fit >= 23, `${fit} clusters`);
  assert.ok(!/wildcard/.test(JSON.stringify(catalogue)), "a bus takes 30 rules with wildcards");
});
