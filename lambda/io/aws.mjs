// Makes the AWS calls of the notifier. The SDK comes with the Lambda runtime. Each of its clients is one bundle, so that single commands
// cannot be imported alone. The clients that a stack needs are loaded during init; any other one is imported when first needed.

/** The time limit of a call with its retries; the SDK's own request timeout only warns. */
const CALL_MS = 2_500;
/** The time limit of a publish: SNS may have taken a message that it answers later, so neither the SDK nor the next attempt sends this message again soon. */
const PUBLISH_MS = 10_000;
const CLIENT = { maxAttempts: 2, requestHandler: { connectionTimeout: 1_000 } };
const PACKAGES = {
  dynamodb: ["@aws-sdk/client-dynamodb", "DynamoDBClient"],
  ecs: ["@aws-sdk/client-ecs", "ECSClient"],
  events: ["@aws-sdk/client-eventbridge", "EventBridgeClient"],
  logs: ["@aws-sdk/client-cloudwatch-logs", "CloudWatchLogsClient"],
  scheduler: ["@aws-sdk/client-scheduler", "SchedulerClient"],
  sns: ["@aws-sdk/client-sns", "SNSClient"],
  ssm: ["@aws-sdk/client-ssm", "SSMClient"],
};

const clients = new Map();

/**
 * Returns the SDK module and the client of a service and region, both kept for the life of the execution environment, and `options(ms)`, which
 * makes the options that limit one call to `ms`.
 * @param {keyof PACKAGES} service
 * @param {string} [region]  the function's own, if not given
 */
export async function clientOf(service, region) {
  const elsewhere = region && region !== process.env.AWS_REGION ? region : "";
  const key = `${service} ${elsewhere}`;
  if (!clients.has(key)) {
    const [name, make] = PACKAGES[service];
    clients.set(key, import(name).then((sdk) => {
      const client = new sdk[make]({ ...CLIENT, ...(service === "sns" ? { maxAttempts: 1 } : {}), ...(elsewhere ? { region } : {}) });
      return { sdk, client: withTimeLimit(client), ready: () => readied(client) };
    }));
  }
  try {
    const most = service === "sns" ? PUBLISH_MS : CALL_MS;
    return { ...(await clients.get(key)), options: (ms = CALL_MS) => timeLimit(Math.min(most, ms)) };
  } catch (error) {
    clients.delete(key);
    throw error;
  }
}

/**
 * Makes the options that limit one call: in whole milliseconds, at least one, because `AbortSignal.timeout` refuses fractions.
 * @param {number} ms  with fractions, if it is a share of a run's time
 */
export function timeLimit(ms) {
  const timeoutMs = Math.max(1, Math.floor(ms));
  return { timeoutMs, abortSignal: AbortSignal.timeout(timeoutMs) };
}

/** Finds the credentials and the region of a client, as its first call would. */
const readied = ({ config }) => Promise.all([config.credentials(), config.region()]);

/** Limits the time of each call: `abortSignal` ends a request, but not the wait for credentials. */
function withTimeLimit(client) {
  return { send: (command, options) => within(options.timeoutMs, client.send(command, options)) };
}

/**
 * Waits for the work, for at most `ms`.
 * @throws {Error} named TimeoutError
 */
export function within(ms, work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error("too late"), { name: "TimeoutError" })), Math.max(0, ms));
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/**
 * Loads clients, with what their first calls would load: credentials and endpoints. Lambda runs the init of a function on a whole processor, and
 * the function itself on a share of one. Never fails: a client that cannot be loaded is tried again when it is needed.
 * @param {(keyof PACKAGES)[]} services
 */
export async function load(services) {
  await Promise.allSettled(services.map(async (service) => {
    const { ready } = await clientOf(service);
    await within(CALL_MS, ready());
  }));
}

async function call(service, command, input, { region, timeoutMs } = {}) {
  const { client, sdk, options } = await clientOf(service, region);
  return client.send(new sdk[command](input), options(timeoutMs));
}

/**
 * Reads and decrypts the value of an SSM parameter. Needs ssm:GetParameter.
 * @param {string} parameterName
 * @returns {Promise<string>}
 */
export async function readWebhook(parameterName) {
  const answer = await call("ssm", "GetParameterCommand", { Name: parameterName, WithDecryption: true });
  const value = answer.Parameter?.Value?.trim();
  if (!value) throw Object.assign(new Error(`SSM parameter ${parameterName} is empty`), { name: "EmptyParameter" });
  return value;
}

/**
 * Publishes to a topic, in the region that its ARN names. Needs sns:Publish.
 * @param {string} topicArn
 * @param {object} message  as sns.mjs builds it
 * @param {number} timeoutMs
 */
export async function publish(topicArn, message, timeoutMs) {
  await call("sns", "PublishCommand", { TopicArn: topicArn, ...message }, { region: topicArn.split(":")[3], timeoutMs });
}

/**
 * Reads the parts of a task definition that the alert needs. Needs ecs:DescribeTaskDefinition.
 * @param {string} arn
 * @returns {Promise<import("../core/incident.mjs").TaskDefinitionOutline>}
 */
export async function describeTaskDefinition(arn) {
  return outlineOf((await call("ecs", "DescribeTaskDefinitionCommand", { taskDefinition: arn })).taskDefinition);
}

/**
 * Reads the last lines of a log stream, oldest first. Needs logs:GetLogEvents.
 * @param {import("../core/incident.mjs").LogPlace} log
 * @param {number} lines
 * @returns {Promise<string[]>}
 */
export async function readLog({ group, stream, region }, lines) {
  const input = { logGroupName: group, logStreamName: stream, limit: lines, startFromHead: false };
  const { events } = await call("logs", "GetLogEventsCommand", input, { region });
  return (events ?? []).map(({ message }) => message ?? "");
}

/**
 * Keeps names, essential marks and log destinations only: environment and secrets of the definition stop here.
 * @param {any} taskDefinition  as ECS describes it
 * @returns {import("../core/incident.mjs").TaskDefinitionOutline}
 */
export function outlineOf(taskDefinition) {
  return {
    containers: (taskDefinition?.containerDefinitions ?? []).map(({ name, essential, logConfiguration }) => ({
      name,
      essential: essential !== false,
      log: logConfiguration?.logDriver ? logOf(logConfiguration) : null,
    })),
  };
}

function logOf({ logDriver: driver, options }) {
  const option = (name) => (driver === "awslogs" ? options?.[`awslogs-${name}`] : null) ?? null;
  return { driver, group: option("group"), region: option("region"), prefix: option("stream-prefix") };
}

/** The most tasks of one DescribeTasks (AWS), and the most pages of one listing: more tasks than any cluster runs of one family. */
const TASKS_AT_ONCE = 100;
const MOST_PAGES = 50;

/** Lists the clusters that exist. Needs ecs:ListClusters. @returns {Promise<string[]>} ARNs */
export async function listClusters() {
  const arns = [];
  let nextToken;
  do {
    const answer = await call("ecs", "ListClustersCommand", { maxResults: 100, ...(nextToken ? { nextToken } : {}) });
    arns.push(...(answer.clusterArns ?? []));
    nextToken = answer.nextToken;
  } while (nextToken);
  return arns;
}

/**
 * Lists the tasks of a family. Needs ecs:ListTasks.
 * @param {string} cluster  its ARN
 * @param {string} family
 * @param {"RUNNING"|"STOPPED"} desiredStatus  RUNNING: also tasks that are still to start; STOPPED: those of the last hour
 * @returns {Promise<string[]>} ARNs
 */
export async function listTasks(cluster, family, desiredStatus) {
  const arns = [];
  let nextToken;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const answer = await call("ecs", "ListTasksCommand", { cluster, family, desiredStatus, ...(nextToken ? { nextToken } : {}) });
    arns.push(...(answer.taskArns ?? []));
    nextToken = answer.nextToken;
    if (!nextToken) break;
  }
  return arns;
}

/**
 * Reads tasks, in the form of ECS's events. Needs ecs:DescribeTasks.
 * @param {string} cluster  its ARN
 * @param {string[]} arns
 * @returns {Promise<object[]>} only the tasks that ECS still knows
 */
export async function describeTasks(cluster, arns) {
  const tasks = [];
  for (let from = 0; from < arns.length; from += TASKS_AT_ONCE) {
    const answer = await call("ecs", "DescribeTasksCommand", { cluster, tasks: arns.slice(from, from + TASKS_AT_ONCE) });
    tasks.push(...(answer.tasks ?? []).map(taskOf));
  }
  return tasks;
}

/** Keeps the fields that a message or a verdict needs: overrides, which may carry secrets, stop here. */
export function taskOf(task) {
  const { taskArn, clusterArn, taskDefinitionArn, group, startedBy, lastStatus, desiredStatus, stopCode, stoppedReason, launchType, capacityProviderName } = task;
  return {
    taskArn, clusterArn, taskDefinitionArn, group, startedBy, lastStatus, desiredStatus, stopCode, stoppedReason, launchType, capacityProviderName,
    ...Object.fromEntries(["createdAt", "startedAt", "executionStoppedAt", "stoppedAt"].map((name) => [name, isoOf(task[name])])),
    containers: (task.containers ?? []).map(({ name, exitCode, reason, runtimeId, image, imageDigest }) => ({ name, exitCode, reason, runtimeId, image, imageDigest })),
  };
}

/**
 * Reads a schedule of the default group of EventBridge Scheduler. Needs scheduler:GetSchedule.
 * @param {string} name
 * @returns {Promise<import("../watch/reason.mjs").Schedule>}
 * @throws {Error} named ResourceNotFoundException, if there is none
 */
export async function getSchedule(name) {
  const { State, ScheduleExpression, ScheduleExpressionTimezone, EndDate, Target } = await call("scheduler", "GetScheduleCommand", { GroupName: "default", Name: name });
  return { isEnabled: State !== "DISABLED", expression: ScheduleExpression ?? null, zone: ScheduleExpressionTimezone ?? "UTC", endsAt: isoOf(EndDate) ?? null, runsTasks: runsTasksOf(Target) };
}

/**
 * Says whether a target starts an ECS task; null if it may: a universal target, a function and a state machine can call RunTask.
 * @param {{Arn?: string, EcsParameters?: object}} [target]
 */
export function runsTasksOf({ Arn, EcsParameters } = {}) {
  if (EcsParameters) return true;
  return !Arn || /:aws-sdk:|^arn:[^:]*:(?:lambda|states):/.test(Arn) ? null : false;
}

/**
 * Reads a rule of the default bus. Needs events:DescribeRule.
 * @param {string} name
 * @returns {Promise<import("../watch/reason.mjs").Schedule>}
 * @throws {Error} named ResourceNotFoundException, if there is none
 */
export async function describeRule(name) {
  const { State, ScheduleExpression } = await call("events", "DescribeRuleCommand", { Name: name });
  return { isEnabled: State !== "DISABLED", expression: ScheduleExpression ?? null, zone: "UTC", endsAt: null, runsTasks: null };
}

const isoOf = (date) => (date === undefined || date === null ? undefined : new Date(date).toISOString());

/**
 * Names the action that failed, and the reason as one that a reader can act on.
 * @param {any} error
 * @param {string} action  the action that was called, if the error names none
 * @returns {import("../core/incident.mjs").Missing}
 */
export function missingBecauseOf(error, action) {
  const name = String(error?.name ?? "");
  const named = /perform: ([a-z0-9-]+:[A-Za-z]+)/.exec(String(error?.message))?.[1];
  const why = /AccessDenied|NotAuthorized|UnauthorizedOperation/.test(name) ? "denied"
    : /Timeout|Abort/.test(name) ? "timeout"
      : /^(ResourceNotFound|ClusterNotFound)Exception$/.test(name) ? "absent" : "failed";
  return { action: named ?? action, why };
}
