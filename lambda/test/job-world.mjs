// Creates a handler in a world with jobs: a table in memory, tasks in ECS, schedules, and a clock that the test sets.
import { createHandler } from "../handler.mjs";
import { ledgersOf } from "../memory/ledger.mjs";
import { tableOf } from "../memory/table.mjs";
import { dynamo } from "./dynamo.mjs";

export const ACCOUNT = "123456789012";
export const REGION = "us-east-1";
export const clusterArn = (name) => `arn:aws:ecs:${REGION}:${ACCOUNT}:cluster/${name}`;
export const denied = (action) => Object.assign(new Error(`User is not authorized to perform: ${action} on resource`), { name: "AccessDeniedException" });
const absent = (name) => Object.assign(new Error(name), { name: "ResourceNotFoundException" });

/** Makes a task in the form of ECS's events, in its cluster. */
export function taskOf({ id, family, cluster = "batch", startedBy = undefined, createdAt, startedAt, stoppedAt, exitCode = null, status = "STOPPED", group = `family:${family}` }) {
  const taskArn = `arn:aws:ecs:${REGION}:${ACCOUNT}:task/${cluster}/${id}`;
  return {
    taskArn, clusterArn: clusterArn(cluster), taskDefinitionArn: `arn:aws:ecs:${REGION}:${ACCOUNT}:task-definition/${family}:1`, group, startedBy, lastStatus: status, desiredStatus: status === "STOPPED" ? "STOPPED" : "RUNNING",
    createdAt: createdAt ?? startedAt, startedAt, stoppedAt, launchType: "FARGATE",
    ...(status === "STOPPED" ? { stopCode: "EssentialContainerExited", stoppedReason: "Essential container in task exited" } : {}),
    containers: [{ name: "job", runtimeId: `${id}-1`, lastStatus: status, ...(exitCode === null ? {} : { exitCode }) }],
  };
}

/** Makes the event of a task that stopped. */
export const endedEvent = (task, id = task.taskArn) => ({ id, source: "aws.ecs", "detail-type": "ECS Task State Change", time: task.stoppedAt, account: ACCOUNT, region: REGION, resources: [task.taskArn], detail: task });

/** Makes a question of Scheduler. */
export const question = (type, time, detail, id = `${type} ${time} ${JSON.stringify(detail)}`) => ({ id, source: "taskbell.watch", "detail-type": type, time, account: ACCOUNT, region: REGION, detail: { clusterArns: [clusterArn("batch")], ...detail } });

/**
 * Creates the world.
 * @param {{env?: object, look?: object, webhook?: string}} [changes]
 */
export function jobWorld(changes = {}) {
  const { items, connect } = dynamo();
  const state = { now: Date.parse("2026-11-29T00:00:00Z"), answer: () => new Response("ok"), clusters: ["batch"], tasks: [], schedules: {}, rules: {}, step: undefined };
  const seen = { posts: [], lines: [], calls: [] };
  const called = (name, work) => async (...given) => { seen.calls.push(name); return work(...given); };
  const nameOf = (arn) => arn.split("/").pop();
  const look = {
    listClusters: called("listClusters", () => state.clusters.map(clusterArn)),
    listTasks: called("listTasks", (cluster, family, status) => state.tasks.filter((task) => task.clusterArn === cluster && task.taskDefinitionArn.includes(`/${family}:`) && task.desiredStatus === status).map(({ taskArn }) => taskArn)),
    describeTasks: called("describeTasks", (cluster, arns) => state.tasks.filter(({ taskArn }) => arns.includes(taskArn))),
    getSchedule: called("getSchedule", (name) => { if (!state.schedules[name]) throw absent(name); return { isEnabled: true, expression: "rate(1 day)", zone: "UTC", endsAt: null, runsTasks: true, ...state.schedules[name] }; }),
    describeRule: called("describeRule", (name) => { if (!state.rules[name]) throw absent(name); return { isEnabled: true, expression: "rate(1 day)", zone: "UTC", endsAt: null, runsTasks: null, ...state.rules[name] }; }),
    ...changes.look,
  };
  const connected = async (...given) => connect(state.step)(...given);
  const run = createHandler({
    readWebhook: async () => changes.webhook ?? "https://hooks.slack.com/services/T0/B0/secret",
    describeTaskDefinition: async () => ({ containers: [{ name: "job", essential: true, log: { driver: "awslogs", group: "/ecs/job", region: REGION, prefix: "ecs" } }] }),
    readLog: async () => ["last words"], look, tableOf: (name) => tableOf(name, connected), ledgersOf: (name) => ledgersOf(name, connected),
    fetch: async (url, { body }) => { const payload = JSON.parse(body); const answer = await state.answer(payload); if (answer.ok) seen.posts.push({ at: state.now, payload }); return answer; },
    sleep: async (ms) => { state.now += ms; }, random: () => 0.5, now: () => state.now, log: (line) => seen.lines.push(line), within: (_, work) => work,
    env: { TASKBELL_STACK: "prod", TASKBELL_WEBHOOK_PARAMETER: "/p", TASKBELL_TABLE: "t", TASKBELL_MENTION: "here", ...changes.env },
  });
  let runs = 0;
  return {
    state, seen, items,
    /** Runs an event once, at its time or later. */
    run: (event, at = null) => {
      state.now = Math.max(state.now, at === null ? Date.parse(event.time) : Date.parse(at));
      runs += 1;
      const started = state.now;
      return run(event, { awsRequestId: `r-${runs}`, getRemainingTimeInMillis: () => 30_000 - (state.now - started) });
    },
    nameOf,
    texts: () => seen.posts.map(({ payload }) => payload.text),
    entry: () => JSON.parse(seen.lines.at(-1)),
    ledger: (id) => JSON.parse(items.get(id)?.ledger.S ?? "null"),
  };
}
