// Starts the Lambda function: the handler with the real tools.

import { createHandler } from "./handler.mjs";
import { describeRule, describeTaskDefinition, describeTasks, getSchedule, listClusters, listTasks, prepare, publish, readLog, readWebhook } from "./io/aws.mjs";
import { ledgersOf } from "./memory/ledger.mjs";
import { tableOf } from "./memory/table.mjs";

export const handler = createHandler({
  readWebhook,
  publish,
  describeTaskDefinition,
  readLog,
  look: { listClusters, listTasks, describeTasks, getSchedule, describeRule },
  tableOf,
  ledgersOf,
  prepare,
  fetch: (...request) => globalThis.fetch(...request),
  sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }),
  now: Date.now,
  log: console.log,
  env: process.env,
});
