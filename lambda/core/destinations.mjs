// Reads the destinations from the environment, and chooses those that take an incident.
// Pure: no I/O, no clock, no Node API, no Intl.

/**
 * @typedef {"slack"|"teams"|"discord"|"webhook"|"sns"} Kind
 * @typedef {object} Destination
 * @property {string} name
 * @property {string|null} parameter  the SSM parameter with its webhook
 * @property {string|null} topic  or the ARN of an SNS topic
 * @property {Kind|null} kind  null: the webhook's host decides
 * @property {boolean} takesRest  takes only incidents that no other destination takes
 * @property {string[]|null} patterns  null takes all; if several of the lists are given, all of them have to match
 * @property {string[]|null} families  with * and ? as wildcards
 * @property {string[]|null} severities
 */

const OWN = "webhook";
const DECLARED = ["slack", "teams", "discord", "webhook"];
const LISTS = ["patterns", "families", "severities"];

/**
 * Lists the destinations: the stack's own webhook first, if it has one.
 * @param {Record<string, string|undefined>} env
 * @returns {Destination[]}
 * @throws {Error} for a list that is malformed: no alert may go to the wrong destination
 */
export function destinationsOf({ TASKBELL_WEBHOOK_PARAMETER: own, TASKBELL_WEBHOOK_TAKES: takes, TASKBELL_DESTINATIONS: listed }) {
  const others = listOf(listed).map(destinationOf);
  const ownOne = own && takes !== "nothing"
    ? [{ name: OWN, parameter: own, topic: null, kind: null, takesRest: takes === "rest", patterns: null, families: null, severities: null }] : [];
  const all = [...ownOne, ...others];
  const again = all.find(({ name }, at) => all.findIndex((one) => one.name === name) < at);
  // An alert that one of them took would count as taken by the other.
  if (again) throw new Error(`TASKBELL_DESTINATIONS: two destinations are called ${again.name}`);
  return all;
}

function listOf(text) {
  if (!text) return [];
  let list = null;
  try {
    list = JSON.parse(text);
  } catch {
    // Reported below, without its text.
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
    if (list !== null && !(Array.isArray(list) && list.every((part) => typeof part === "string"))) throw wrong(`has ${key} that are not a list of names`);
  }
  return { name, parameter, topic, kind: topic === null ? kind : "sns", takesRest: false, ...lists };
}

/**
 * Returns the destinations that take the incident, in their order.
 * @param {{severity: string, family: string|null, jobName?: string|null, stateMachine?: string|null, patterns: string[]}} incident  jobName: of a
 *   job of another machine or of AWS Batch, which has no family; patterns: as `patternsOf` returns them
 * @param {Destination[]} destinations
 * @returns {Destination[]}
 */
export function routesOf({ severity, family: ofTask, jobName = null, stateMachine = null, patterns }, destinations) {
  const family = ofTask ?? jobName ?? stateMachine;
  const takes = (one) => !one.takesRest
    && (one.severities === null || one.severities.includes(severity))
    && (one.families === null || (family !== null && one.families.some((glob) => isLike(family, glob))))
    && (one.patterns === null || one.patterns.some((name) => patterns.includes(name)));
  const taken = destinations.filter(takes);
  return taken.length > 0 ? taken : destinations.filter((one) => one.takesRest);
}

/** Matches a glob. Each asterisk takes as little as possible: going back to the last asterisk is enough, however many there are. */
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
