// Checks that the judges of requests and policies find planted faults, and that they pass what has none.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { faultsOf, judge, refusals } from "../policies.mjs";

const at = (path) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** Judges these lines, and returns what the judge of requests printed and wrote. */
function judged(lines, ...least) {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-judged-"));
  try {
    writeFileSync(join(folder, "planted.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    const { status, stdout, stderr } = spawnSync(at(".local/venv/bin/python"), [at("dev/judges/requests.py"), folder, ...least], { encoding: "utf8" });
    return { status, told: stdout + stderr, ...JSON.parse(readFileSync(join(folder, "policies.json"), "utf8")) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const request = (service, method, uri, headers, body, permissions = []) => ({ service, region: "us-east-1", method, uri, headers: Object.entries(headers), permissions, body });
const inJson = (service, target, members, permissions) => request(service, "POST", "https://x.us-east-1.amazonaws.com/", { "x-amz-target": target }, JSON.stringify(members), permissions);
const inForm = (members, permissions) => request("iam", "POST", "https://iam.amazonaws.com/", {}, new URLSearchParams({ Version: "2010-05-08", ...members }).toString(), permissions);
const rule = (changes) => inJson("events", "AWSEvents.PutRule", { Name: "taskbell-batch-task-failed", EventPattern: "{}", State: "ENABLED", ...changes });
const FUNCTION = {
  FunctionName: "taskbell-batch", Runtime: "nodejs24.x", Role: "arn:aws:iam::123456789012:role/taskbell/x", Handler: "index.handler", Code: { ZipFile: "AAAA" },
  MemorySize: 256, Timeout: 30, Environment: { Variables: { TASKBELL_STACK: "batch" } },
};
const created = (changes) => request("lambda", "POST", "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions", {}, JSON.stringify({ ...FUNCTION, ...changes }));
const SCHEDULE = {
  GroupName: "taskbell-batch", ScheduleExpression: "rate(5 minutes)", FlexibleTimeWindow: { Mode: "OFF" },
  Target: { Arn: "arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch", RoleArn: "arn:aws:iam::123456789012:role/taskbell/x", Input: "{}" },
};
const scheduled = (changes, permissions) => request("scheduler", "POST", "https://scheduler.us-east-1.amazonaws.com/schedules/sweep", {}, JSON.stringify({ ...SCHEDULE, ...changes }), permissions);
const roleNamed = (RoleName) => inForm({ Action: "GetRole", RoleName });
const trust = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }] };

test("requests without a fault pass", () => {
  const { status, told } = judged([
    rule({}), created({}), roleNamed("taskbell-batch"), scheduled({}), scheduled({ ScheduleExpression: "cron(0 3 * * ? *)" }),
    inForm({ Action: "CreateRole", RoleName: "x", AssumeRolePolicyDocument: JSON.stringify(trust), "Tags.member.1.Key": "a", "Tags.member.1.Value": "b" }),
    inJson("sqs", "AmazonSQS.CreateQueue", { QueueName: "taskbell-batch", Attributes: { VisibilityTimeout: "60" }, tags: { a: "b" } }),
    request("lambda", "GET", "/2015-03-31/functions/taskbell-batch/policy", {}, ""),
    request("lambda", "DELETE", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Ax?tagKeys=a&tagKeys=b", {}, ""),
  ]);
  assert.deepEqual([status, told], [0, "requests: 9 of 8 operations judged, 0 faults\n"]);
});

const PLANTED = [
  ["a wrong value of an enum", rule({ State: "ON" }), /PutRule\.State is none of ENABLED/],
  ["a missing required member", created({ Role: undefined }), /CreateFunction lacks Role/],
  ["a name that is too long", rule({ Name: "x".repeat(65) }), /PutRule\.Name has 65 characters, more than 64/],
  ["a wrong type", created({ MemorySize: "256" }), /CreateFunction\.MemorySize is not a number: '256'/],
  ["a number out of its range", created({ Timeout: 0 }), /CreateFunction\.Timeout is 0, less than 1/],
  ["a text that does not match its pattern", roleNamed("task bell"), /GetRole\.RoleName does not match/],
  ["a member that does not exist", rule({ Pattern: "{}" }), /PutRule has no member Pattern/],
  ["a parameter that does not exist", inForm({ Action: "GetRole", RoleName: "x", Path: "/" }), /GetRole has no parameter Path/],
  ["an operation that does not exist", inJson("events", "AWSEvents.PutRules", {}), /events has no operation PutRules/],
  ["a path that no operation has", request("lambda", "GET", "/2015-03-31/function/x", {}, ""), /lambda has no operation GET/],
  ["an environment above 4 KB", created({ Environment: { Variables: { A1: "x".repeat(4095) } } }), /environment has 4097 bytes/],
  ["a policy above 10,240 characters", inForm({ Action: "PutRolePolicy", RoleName: "x", PolicyName: "x", PolicyDocument: JSON.stringify({ Statement: "x".repeat(10_240) }) }), /identity policy has \d+ characters, more than 10,240/],
  ["a retention that CloudWatch Logs does not offer", inJson("logs", "Logs_20140328.PutRetentionPolicy", { logGroupName: "x", retentionInDays: 31 }), /logs cannot be kept for 31 days/],
  ["a time-out that no queue has", inJson("sqs", "AmazonSQS.CreateQueue", { QueueName: "x", Attributes: { VisibilityTimeout: "43201" } }), /VisibilityTimeout is 43201/],
  ["tag keys that differ only by case", inForm({ Action: "TagRole", RoleName: "x", "Tags.member.1.Key": "a", "Tags.member.1.Value": "b", "Tags.member.2.Key": "A", "Tags.member.2.Value": "b" }), /a tag appears twice: a, A/],
  ["a rate in the wrong number", scheduled({ ScheduleExpression: "rate(1 minutes)" }), /the rate of the schedule is rate\(1 minutes\)/],
  ["a cron of five fields", scheduled({ ScheduleExpression: "cron(0 3 * * *)" }), /the expression of the schedule is cron/],
  ["an input that a function cannot read", scheduled({ Target: { ...SCHEDULE.Target, Input: "x" } }), /the input of the schedule is no JSON object/],
  ["a reserved tag", rule({ Tags: [{ Key: "aws:x", Value: "y" }] }), /AWS takes no tag aws:x/],
];
for (const [name, line, expected] of PLANTED) {
  test(`the judge of requests finds ${name}`, () => {
    const { status, told } = judged([line]);
    assert.match(told, expected);
    assert.equal(status, 1);
  });
}

test("a run that recorded too little fails", () => {
  const { status, told } = judged([rule({})], "2");
  assert.equal(status, 1);
  assert.match(told, /only 1 of at least 2 operations/);
});

test("a command line whose policy was not printed is a fault, and one without requests is not", () => {
  const line = "permissions --for drift --cluster batch";
  const get = request("lambda", "GET", "/2015-03-31/functions/taskbell-batch/policy", {}, "", [line]);
  const { status, told, questions } = judged([{ asked: line }, { asked: "permissions --for drift --cluster a,b" }, get, get]);
  assert.deepEqual([status, questions], [1, []]);
  assert.match(told, /no policy was printed by `permissions --for drift --cluster batch`.* \(2 times\)\nrequests: 2 of 1 operations judged, 1 faults/);
});

const allow = (Action, Resource, Condition) => ({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action, Resource, ...(Condition ? { Condition } : {}) }] });
const BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default";
const QUEUE = "arn:aws:sqs:us-east-1:123456789012:taskbell-batch";
const SOURCE = { "ForAllValues:StringEquals": { "events:source": "taskbell.drill" }, Null: { "events:source": "false" } };
const faults = (document, kind = "identity") => faultsOf({ kind, where: "planted", document });

test("policies without a fault pass", async () => {
  assert.deepEqual(await faults(allow(["events:PutEvents"], [BUS], SOURCE)), []);
  assert.deepEqual(await faults(allow(["ecs:DescribeTaskDefinition"], "*")), []);
  // Tests write this statement by hand.
  assert.deepEqual(await faults(allow("s3:*", "*")), []);
  assert.deepEqual(await faults(trust, "trust"), []);
  // The wildcard stands for the streams of the group.
  assert.deepEqual(await faults(allow(["logs:PutLogEvents"], ["arn:aws:logs:us-east-1:123456789012:log-group:/x:*"])), []);
  const queue = { Version: "2012-10-17", Statement: [{ ...allow("sqs:SendMessage", QUEUE, { ArnEquals: { "aws:SourceArn": [BUS] } }).Statement[0], Principal: { Service: "events.amazonaws.com" } }] };
  assert.deepEqual(await faults(queue, "queue"), []);
});

const PLANTED_POLICIES = [
  ["an action that does not exist", allow(["sqs:SendMessages"], [QUEUE]), "there is no action sqs:SendMessages"],
  ["an action with a wildcard", allow(["sqs:*"], "*"), "there is no action sqs:*"],
  ["an action in the wrong case", allow(["sqs:sendMessage"], [QUEUE]), "there is no action sqs:sendMessage"],
  ["a resource of another type", allow(["sqs:SendMessage"], [BUS]), `sqs:SendMessage does not take ${BUS}`],
  ["a resource for an action that has none", allow(["events:ListRules"], [BUS]), "events:ListRules takes no resource but *"],
  ["a condition key that does not fit the action", allow(["sqs:SendMessage"], [QUEUE], { StringEquals: { "iam:PassedToService": "x" } }), "sqs:SendMessage knows no condition key iam:PassedToService"],
  ["a condition key that does not exist", allow(["sqs:SendMessage"], [QUEUE], { StringEquals: { "sqs:Colour": "x" } }), "there is no condition key sqs:Colour"],
  ["a plain operator on a key of many values", allow(["events:PutEvents"], [BUS], { StringEquals: { "events:source": "x" } }), "events:source has many values, and StringEquals compares one"],
  ["a set operator without the key's presence", allow(["events:PutEvents"], [BUS], { "ForAllValues:StringEquals": { "events:source": "x" } }), "ForAllValues:StringEquals allows requests without events:source: Null has to require the key"],
  ["an operator of another type", allow(["sqs:SendMessage"], [QUEUE], { NumericEquals: { "aws:SourceArn": "1" } }), "aws:SourceArn is of the type ARN, which NumericEquals does not compare"],
];
for (const [name, document, expected] of PLANTED_POLICIES) {
  test(`the judge of policies finds ${name}`, async () => assert.ok((await faults(document)).includes(expected), (await faults(document)).join("\n")));
}

test("the judge of policies finds a document that is no policy", async () => assert.notDeepEqual(await faults({ Statement: [{ Effect: "Permit" }] }), []));

test("a schedule needs a permission for its group, and one to pass its role to Scheduler", async () => {
  const line = "permissions --for setup --cluster batch";
  const schedules = "arn:aws:scheduler:us-east-1:123456789012:schedule/taskbell-batch/*";
  const to = (service) => ({ Effect: "Allow", Action: ["iam:PassRole"], Resource: [SCHEDULE.Target.RoleArn], Condition: { StringEquals: { "iam:PassedToService": service } } });
  const of = (service, resource) => {
    const policy = allow(["scheduler:CreateSchedule"], [resource]);
    return judge(judged([scheduled({}, [line]), { permissions: line, policy: { ...policy, Statement: [...policy.Statement, to(service)] } }]));
  };
  assert.deepEqual(await of("scheduler.amazonaws.com", schedules), []);
  assert.equal((await of("lambda.amazonaws.com", schedules)).length, 1);
  assert.equal((await of("scheduler.amazonaws.com", schedules.replace("taskbell-batch", "other"))).length, 1);
});

test("a printed policy that lacks an action is found by the request that needs the action", async () => {
  const line = "permissions --for drift";
  const get = request("lambda", "GET", "/2015-03-31/functions/taskbell-batch/policy", {}, "", [line]);
  const name = "arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch";
  const of = (policy) => judge(judged([get, { permissions: line, policy }]));
  assert.deepEqual(await of(allow(["lambda:GetPolicy"], [name])), []);
  assert.deepEqual(await of(allow(["lambda:GetFunction"], [name])), [`lambda:GetPolicy on ${name} is not allowed (ImplicitlyDenied): ${line}`]);
  assert.deepEqual(await of(allow(["lambda:GetPolicy"], [`${name}-2`])), [`lambda:GetPolicy on ${name} is not allowed (ImplicitlyDenied): ${line}`]);
});

test("a change of a rule or of a mapping is compared with the stack of the command line", async () => {
  const line = "permissions --for setup --account 123456789012 --region us-east-1 --cluster batch";
  const rules = "arn:aws:events:us-east-1:123456789012:rule/taskbell-batch-*";
  const of = (asked, policy) => judge(judged([asked, { permissions: line, policy }]));
  const targets = inJson("events", "AWSEvents.PutTargets", { Rule: "taskbell-batch-quiet", Targets: [{ Id: "notifier", Arn: "arn:aws:lambda:us-east-1:123456789012:function:taskbell-batch" }] }, [line]);
  const tagged = (stack) => allow(["events:PutTargets"], [rules], { StringEquals: { "aws:ResourceTag/taskbell:stack": stack } });
  assert.deepEqual(await of(targets, tagged("batch")), []);
  assert.equal((await of(targets, tagged("batch-task"))).length, 1);
  const creation = { ...rule({ Name: "taskbell-batch-quiet", Tags: [{ Key: "taskbell:stack", Value: "batch" }] }), permissions: [line] };
  const creating = (stack) => allow(["events:PutRule", "events:TagResource"], [rules], { StringEquals: { "aws:RequestTag/taskbell:stack": stack }, Null: { "aws:ResourceTag/taskbell:stack": "true", "aws:ResourceTag/taskbell:exported": "true" } });
  assert.deepEqual(await of(creation, creating("batch")), []);
  assert.equal((await of(creation, creating("batch-task"))).length, 2);
  // The rule of another stack, which taskbell or another engine manages, is out of reach.
  const arn = "arn:aws:events:us-east-1:123456789012:rule/taskbell-batch-eu-task-failed";
  const reached = (tag) => refusals({ action: "events:PutRule", resource: arn, context: { "aws:RequestTag/taskbell:stack": "batch", ...tag } }, [creating("batch")]);
  assert.deepEqual(await reached({}), []);
  for (const tag of ["stack", "exported"]) assert.equal((await reached({ [`aws:ResourceTag/taskbell:${tag}`]: "batch-eu" })).length, 1);
  const mapping = request("lambda", "DELETE", "https://lambda.us-east-1.amazonaws.com/2015-03-31/event-source-mappings/0b5b1fbd-0000-4000-8000-000000000000", {}, "", [line]);
  const mapped = (name) => allow(["lambda:DeleteEventSourceMapping"], ["arn:aws:lambda:us-east-1:123456789012:event-source-mapping:*"], { ArnEquals: { "lambda:FunctionArn": `arn:aws:lambda:us-east-1:123456789012:function:${name}` } });
  assert.deepEqual(await of(mapping, mapped("taskbell-batch")), []);
  assert.equal((await of(mapping, mapped("taskbell-batch-task"))).length, 1);
});

test("permissions that follow from members are needed, too", () => {
  const line = "permissions --for setup";
  const { questions } = judged([{ ...created({ Tags: { a: "b" } }), permissions: [line] }, { permissions: line, policy: allow("*", "*") }]);
  assert.deepEqual(questions.map(({ action }) => action).sort(), ["iam:PassRole", "lambda:CreateFunction", "lambda:TagResource"]);
});

test("the evaluator compares the values of condition keys", async () => {
  const question = (sources) => ({ action: "events:PutEvents", resource: BUS, context: { "events:source": sources } });
  const policy = allow(["events:PutEvents"], [BUS], SOURCE);
  assert.deepEqual(await refusals(question(["taskbell.drill"]), [policy]), []);
  assert.equal((await refusals(question(["taskbell.drill", "other"]), [policy])).length, 1);
});
