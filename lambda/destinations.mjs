// Where an incident rings: the destinations as the environment names them, and which of them take it.
// Pure: no I/O, no clock, no Node API, no Intl.

/**
 * @typedef {"slack"|"teams"|"discord"|"webhook"|"sns"} Kind
 * @typedef {object} Destination
 * @property {string} name
 * @property {string|null} parameter  the SSM parameter with its webhook
 * @property {string|null} topic  or the ARN of an SNS topic
 * @property {Kind|null} kind  null: what the webhook's host says
 * @property {boolean} takesRest  only what no other takes
 * @property {string[]|null} patterns  null takes all; where several are given, all of them have to hold
 * @property {string[]|null} families  with * and ?
 * @property {string[]|null} severities
 */

const OWN = "webhook";
const DECLARED = ["slack", "teams", "discord", "webhook"];
const LISTS = ["patterns", "families", "severities"];

/**
 * The stack's own webhook first, if it has one.
 * @param {Record<string, string|undefined>} env
 * @returns {Destination[]}
 * @throws {Error} for a list that is none: nothing may ring in the wrong place
 */
export function destinationsOf({ TASKBELL_WEBHOOK_PARAMETER: own, TASKBELL_WEBHOOK_TAKES: takes, TASKBELL_DESTINATIONS: listed }) {
  const others = listOf(listed).map(destinationOf);
  const ownOne = own && takes !== "nothing"
    ? [{ name: OWN, parameter: own, topic: null, kind: null, takesRest: takes === "rest", patterns: null, families: null, severities: null }] : [];
  const all = [...ownOne, ...others];
  const again = all.find(({ name }, at) => all.findIndex((one) => one.name === name) < at);
  // What one of them took would count as taken by the other.
  if (again) throw new Error(`TASKBELL_DESTINATIONS: two are called ${again.name}`);
  return all;
}

function listOf(text) {
  if (!text) return [];
  let list = null;
  try {
    list = JSON.parse(text);
  } catch {
    // Told below, without its text.
  }
  if (!Array.isArray(list)) throw new Error("TASKBELL_DESTINATIONS is not a list in JSON");
  return list;
}

function destinationOf(one, at) {
  const { name, parameter = null, topic = null, kind = null } = one ?? {};
  const wrong = (what) => new Error(`TASKBELL_DESTINATIONS: ${typeof name === "string" ? name : `number ${at + 1}`} ${what}`);
  if (typeof name !== "string" || name === "") throw wrong("has no name");
  if (typeof (parameter ?? topic) !== "string" || (parameter !== null && topic !== null)) throw wrong("needs either a parameter or a topic");
  if (kind !== null && (topic !== null || !DECLARED.includes(kind))) throw wrong("has a kind that is not known");
  const lists = Object.fromEntries(LISTS.map((key) => [key, one[key] ?? null]));
  for (const [key, list] of Object.entries(lists)) {
    if (list !== null && !(Array.isArray(list) && list.every((part) => typeof part === "string"))) throw wrong(`has no list of names as ${key}`);
  }
  return { name, parameter, topic, kind: topic === null ? kind : "sns", takesRest: false, ...lists };
}

/** Whether the host is the name, or below it. */
const isAt = (host, ...names) => names.some((name) => host === name || host.endsWith(`.${name}`));
const DISCORD = ["discord.com", "discordapp.com"].flatMap((host) => [host, `ptb.${host}`, `canary.${host}`]);

/**
 * What a webhook speaks. Slack's format is understood by more than Slack: whatever is not known is taken for that.
 * @param {string} url
 * @returns {Kind}
 */
export function kindOf(url) {
  const [, authority = "", path = ""] = /^https?:[\\/]+([^\\/?#]*)([^?#]*)/i.exec(String(url).trim()) ?? [];
  const host = authority.split("@").pop().replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
  if (DISCORD.includes(host)) return /\/slack\/?$/.test(path) ? "slack" : "discord";
  return isAt(host, "logic.azure.com", "api.powerplatform.com", "webhook.office.com") ? "teams" : "slack";
}

/**
 * Those that take the incident, in their order.
 * @param {{severity: string, family: string|null, patterns: string[]}} incident  patterns: as `patternsOf` gives them
 * @param {Destination[]} destinations
 * @returns {Destination[]}
 */
export function routesOf({ severity, family, patterns }, destinations) {
  const takes = (one) => !one.takesRest
    && (one.severities === null || one.severities.includes(severity))
    && (one.families === null || (family !== null && one.families.some((glob) => isLike(family, glob))))
    && (one.patterns === null || one.patterns.some((name) => patterns.includes(name)));
  const taken = destinations.filter(takes);
  return taken.length > 0 ? taken : destinations.filter((one) => one.takesRest);
}

/** Each asterisk takes as little as it can: going back to the last one is enough, however many there are. */
function isLike(name, glob) {
  const [letters, wanted] = [Array.from(name), Array.from(glob)];
  let [at, next, star, from] = [0, 0, -1, 0];
  while (at < letters.length) {
    if (wanted[next] === "*") {
      [star, from] = [next, at];
      next += 1;
    } else if (next < wanted.length && (wanted[next] === "?" || wanted[next] === letters[at])) {
      at += 1;
      next += 1;
    } else if (star >= 0) {
      from += 1;
      [at, next] = [from, star + 1];
    } else {
      return false;
    }
  }
  return wanted.slice(next).every((one) => one === "*");
}

const TASK = "ECS Task State Change";
const IMPAIRED = [
  "SERVICE_TASK_PLACEMENT_FAILURE", "SERVICE_TASK_START_IMPAIRED", "SERVICE_TASK_CONFIGURATION_FAILURE",
  "SERVICE_DAEMON_PLACEMENT_CONSTRAINT_VIOLATED", "DAEMON_TASK_START_IMPAIRED", "ECS_OPERATION_THROTTLED",
];
const PLANNED = ["Scaling activity initiated by", "Availability-zone rebalancing initiated by", "ECS is performing maintenance", "Amazon ECS is performing maintenance"];
const NOT_STARTED = ["Task failed to start", "CannotPull", "ResourceInitializationError"];
const UNHEALTHY = ["task failed elb health checks", "task failed container health checks"];
const SPOT = "your spot task was interrupted";

/**
 * The patterns of the catalogue that take an event, as patterns/*.json has them: EventBridge does not say which rule matched.
 * Which clusters are watched is not asked here: an event of another one does not arrive.
 * @param {unknown} event  as EventBridge delivers it
 * @returns {string[]} their names
 */
export function patternsOf(event) {
  const all = (path) => leavesOf(event, path.split("."));
  const has = (path, ...wanted) => all(path).some((value) => wanted.includes(value));
  const ends = (path, end) => all(path).some((value) => typeof value === "string" && value.endsWith(end));
  /** In any case: what a text begins with, or ends with, also before a full stop. */
  const saysOf = (path, starts, ending) => all(path).some((value) => typeof value === "string" && (starts.some((start) => value.toLowerCase().startsWith(start))
    || [ending, `${ending}.`].some((end) => value.toLowerCase().endsWith(end))));
  const begins = (path, starts) => all(path).some((value) => typeof value === "string" && starts.some((start) => value.startsWith(start)));
  if (has("source", "taskbell.app")) return has("detail-type", "Application Error") ? ["application-error"] : [];
  if (!has("source", "aws.ecs", "taskbell.drill")) return [];
  const names = [];
  if (has("detail-type", TASK) && all("detail.clusterArn").length > 0 && has("detail.lastStatus", "STOPPED")) names.push(...taskPatternsOf({ all, has, begins, ends, saysOf }));
  if (has("detail-type", "ECS Deployment State Change", "ECS Service Action") && has("detail.eventName", "SERVICE_DEPLOYMENT_FAILED")
    && all("resources").some((arn) => /:service\/[^/]+\//.test(arn))) names.push("deployment-failed");
  if (has("detail-type", "ECS Service Action", "ECS Daemon Service Action") && has("detail.eventName", ...IMPAIRED)
    && all("detail.clusterArn").length > 0) names.push("service-impaired");
  if (has("detail-type", "AWS API Call via CloudTrail") && has("detail.eventSource", "ecs.amazonaws.com") && has("detail.eventName", "RunTask", "StartTask")
    && (all("detail.errorCode").some((code) => !["ThrottlingException", "Throttling"].includes(code))
      || all("detail.responseElements.failures.reason").length > 0)) names.push("run-rejected");
  return names;
}

function taskPatternsOf({ all, has, begins, ends, saysOf }) {
  const outOfMemory = (path) => all(path).some((value) => typeof value === "string" && /^OutOfMemory/i.test(value));
  const stopCodes = all("detail.stopCode");
  const failed = all("detail.containers.exitCode").some((code) => code !== 0);
  const without = (path, starts) => all(path).length === 0 || all(path).some((value) => typeof value === "string" && !starts.some((start) => value.startsWith(start)));
  // All but planned stops of services and stops by users: what is normal about the others only the notifier knows.
  const died = stopCodes.length === 0 || stopCodes.some((code) => !["ServiceSchedulerInitiated", "UserInitiated"].includes(code))
    || (has("detail.stopCode", "ServiceSchedulerInitiated")
      && (without("detail.stoppedReason", PLANNED) || without("detail.startedBy", ["ecs-svc/"]) || all("detail.containers.reason").length > 0));
  const verdicts = {
    "task-failed": died,
    "nonzero-exit": failed,
    "start-failed": has("detail.stopCode", "TaskFailedToStart") || (stopCodes.length === 0 && begins("detail.stoppedReason", NOT_STARTED)),
    "out-of-memory": outOfMemory("detail.containers.reason") || ends("detail.containers.reason", "OOM-killed (memory limit too low?): unknown") || outOfMemory("detail.stoppedReason"),
    "spot-interrupted": has("detail.stopCode", "SpotInterruption")
      || ((stopCodes.length === 0 || has("detail.stopCode", "TerminationNotice"))
        && saysOf("detail.stoppedReason", [SPOT], SPOT)),
    "health-check-failed": saysOf("detail.stoppedReason", UNHEALTHY, UNHEALTHY[1]),
  };
  return Object.keys(verdicts).filter((name) => verdicts[name]);
}

/** The values at a path, as the rule engine finds them: through lists, and only those that hold no more fields. */
function leavesOf(value, path) {
  if (Array.isArray(value)) return value.flatMap((one) => leavesOf(one, path));
  if (path.length === 0) return value === undefined || (value !== null && typeof value === "object") ? [] : [value];
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, path[0])) return [];
  return leavesOf(value[path[0]], path.slice(1));
}
