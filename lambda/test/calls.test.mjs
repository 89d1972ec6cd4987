// Checks which calls of AWS the notifier can make: it reads, posts, and writes nothing outside its own table.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { describeTasks, runsTasksOf, taskOf } from "../io/aws.mjs";

/** Calls that only read. */
const READS = ["DescribeRule", "DescribeTaskDefinition", "DescribeTasks", "GetItem", "GetLogEvents", "GetParameter", "GetSchedule", "ListClusters", "ListTasks", "Scan", "TransactGetItems"];
/** Calls that write to the table of the stack, which is named in every one of them. */
const WRITES = ["TransactWriteItems", "UpdateItem"];
/** Calls that send an alert. */
const SENDS = ["Publish"];
/** The clients of AWS's services. */
const CLIENTS = ["CloudWatchLogsClient", "DynamoDBClient", "ECSClient", "EventBridgeClient", "SNSClient", "SSMClient", "SchedulerClient"];

const root = new URL("../", import.meta.url);
const files = readdirSync(root, { recursive: true }).filter((file) => file.endsWith(".mjs") && !file.startsWith("test"));
const sources = Object.fromEntries(files.map((file) => [file, readFileSync(new URL(file, root), "utf8")]));
const found = (pattern) => [...new Set(Object.values(sources).flatMap((source) => [...source.matchAll(pattern)].map(([, name]) => name)))].sort();

test("the notifier makes no call that writes outside its table, and stops no task", () => {
  assert.deepEqual(found(/"([A-Za-z]+)Command"/g), [...READS, ...WRITES, ...SENDS].sort());
  assert.deepEqual(found(/"([A-Za-z]+Client)"/g), CLIENTS);
});

test("no file makes a call by another way", () => {
  // Commands are made from their names in io/aws.mjs and memory/table.mjs alone; only these two files know the SDK.
  for (const [file, source] of Object.entries(sources)) {
    const knows = /sdk\[/.test(source);
    assert.equal(knows, ["io/aws.mjs", "memory/table.mjs"].includes(file), file);
    const code = source.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");
    assert.ok(file === "io/aws.mjs" || !/@aws-sdk|\bimport\(/.test(code), file);
    assert.ok(!/\b(StopTask|RunTask|StartTask|CreateSchedule|UpdateSchedule|DeleteSchedule|PutRule|DeleteItem|PutEvents)Command\b/.test(source), file);
  }
});

test("every write names the table of the stack", () => {
  const table = sources["memory/table.mjs"] + sources["memory/ledger.mjs"];
  assert.ok(!/TableName: (?!tableName)/.test(table));
});

test("only a target that can start no task is known to start none", () => {
  const cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
  for (const [target, runs] of [
    [{ Arn: cluster, EcsParameters: { TaskDefinitionArn: "x" } }, true], [{ Arn: "arn:aws:scheduler:::aws-sdk:ecs:runTask" }, null], [{ Arn: "arn:aws:lambda:us-east-1:1:function:start" }, null],
    [{ Arn: "arn:aws-cn:states:cn-north-1:1:stateMachine:nightly" }, null], [{ Arn: "arn:aws:sqs:us-east-1:1:lambda" }, false], [{}, null], [undefined, null],
  ]) assert.equal(runsTasksOf(target), runs, JSON.stringify(target));
});

test("overrides and environments of tasks stop at the door", () => {
  const secret = "a-secret-value";
  const task = taskOf({
    taskArn: "arn:task/1", overrides: { containerOverrides: [{ environment: [{ name: "TOKEN", value: secret }] }] }, attachments: [{ details: [{ value: secret }] }], tags: [{ key: "a", value: secret }],
    containers: [{ name: "job", exitCode: 0, environment: [{ value: secret }], networkInterfaces: [{ privateIpv4Address: secret }] }], createdAt: new Date(0), startedAt: "2026-11-29T00:00:00Z",
  });
  assert.ok(!JSON.stringify(task).includes(secret));
  assert.deepEqual([task.createdAt, task.startedAt, task.stoppedAt], ["1970-01-01T00:00:00.000Z", "2026-11-29T00:00:00.000Z", undefined]);
  assert.equal(typeof describeTasks, "function");
});
