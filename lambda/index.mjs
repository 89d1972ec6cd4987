// Starts the Lambda function: the handler with the real tools.

import { servicesOf } from "./core/services.mjs";
import { createHandler } from "./handler.mjs";
import { describeRule, describeTaskDefinition, describeTasks, getSchedule, listClusters, listTasks, load, publish, readLog, readWebhook } from "./io/aws.mjs";
import { ledgersOf } from "./memory/ledger.mjs";
import { tableOf } from "./memory/table.mjs";

// Node.js loads the implementation of fetch at its first use, too.
await Promise.all([load(servicesOf(process.env)), new globalThis.Response("").text()]);

export const handler = createHandler({
  readWebhook,
  publish,
  describeTaskDefinition,
  readLog,
  look: { listClusters, listTasks, describeTasks, getSchedule, describeRule },
  tableOf,
  ledgersOf,
  fetch: (...request) => globalThis.fetch(...request),
  sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }),
  now: Date.now,
  log: console.log,
  env: process.env,
});
