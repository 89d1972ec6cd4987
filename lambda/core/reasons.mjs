// Reads the words of ECS, its agent, container runtimes and Windows about a task and its containers: the cause they mean, and the kind
// of thing that failed. Pure: no I/O, no clock, no Node API, no Intl.

/** The end of a reason that was cut: older agents cut at 255 characters, ECS at 1,024; some mark the cut, also in the middle. */
const CUT = String.raw`(?:\.\.\.|…|$)`;
/** ECS writes at most 1,024 characters; the rest of a longer text is not read. */
const LOOKED_AT = 4_096;
/** Prefixes that AWS puts before a reason, or leaves out: "Service web: ", "(service web, taskSet x) ", "Amazon ECS …"; also with the ARN of a service. */
const IN_FRONT = /^(?:service (?:arn:\S{1,512}(?=: )|[^\s:]{1,255}) ?:|\(service [^)]{1,512}\),?|amazon(?= )|error:) ?(?=\S)/i;

/** Returns the source of a pattern for a phrase that may be cut anywhere after its first letters; a blank may be missing, or be a hyphen. */
function cuttable(phrase, kept = 6) {
  const letters = Array.from(phrase, (letter) => (letter === " " ? "[ _-]?" : letter.replace(/\W/, String.raw`\$&`)));
  return letters.slice(0, kept).join("") + letters.slice(kept).reduceRight((rest, letter) => `(?:${CUT}|${letter}${rest})`, "");
}

const says = (...sources) => new RegExp(sources.join("|"), "i");

/** Removes the prefixes of a reason, and reduces blanks to one. */
export function plainReason(reason) {
  let text = (reason ?? "").slice(0, LOOKED_AT).replace(/\s+/g, " ").trim();
  for (let left = 4; left > 0 && IN_FRONT.test(text); left -= 1) text = text.replace(IN_FRONT, "");
  return text;
}

const OUT_OF_MEMORY = says(cuttable("out of memory", 8), String.raw`\boom[-_ ]?${cuttable("kill", 2)}`, String.raw`\boom[-_ ]?${CUT}`,
  cuttable("memory limit too low", 14), cuttable("killed due to memory usage", 13));

/** @returns {boolean} whether a reason speaks of memory that ran out; in a pull error these words may be the name of an image */
export const tellsOutOfMemory = (reason) => !isOfPull(plainReason(reason)) && OUT_OF_MEMORY.test(plainReason(reason));

/** Recognises words that mean out of memory beside a killed container; beside other containers they may be a warning. */
export const tellsOfItsLimit = (reason) => /\bexceed\w* (?:its|the|container) memory limit|\bmemory limit (?:was )?exceeded/i.test(plainReason(reason));

/** Words of ECS about a task that it stopped, or that lost its host. Only the task's own reason is read here, before any container's. */
const STOPS = [
  [/^(?:ecs )?(?:scaling activity|availability[- ]?zone rebalancing) initiated by/i, "stopped-by-scheduler"],
  [says(cuttable("failed elb health checks", 12), cuttable("failed load balancer health checks", 16)), "elb-health-check-failed"],
  [says(cuttable("failed container health checks", 18)), "container-health-check-failed"],
  [/^task stopped by user\W*$/i, "stopped-by-user"],
  [says(cuttable("spot task was interrupted", 10), "spot interruption"), "spot-interruption"],
  [/^host ec2\b/i, "host-lost"],
  // The words have to say that AWS performs the maintenance: a database has maintenance, too.
  [says(String.raw`\b(?:ecs|aws|fargate) (?:is )?performing (?:[\w-]+ ){0,3}${cuttable("maintenance", 5)}`), "maintenance"],
  // The ARN of an instance, with the name of its cluster, may come between the two words.
  [/\binstance\b.{0,300}\bdrain|\bdrain(?:ing|ed)?\b.{0,300}\binstance\b/i, "draining"],
];

/** @returns {string|null} the cause that the task's own reason gives by itself; a reason that begins with the name of an error is about that error, whatever its words */
export function stopOf(reason) {
  const text = plainReason(reason);
  return text === "" || namesError(text) ? null : STOPS.find(([words]) => words.test(text))?.[1] ?? null;
}

const RUNS = "(?:exec:|fork/exec|create ?proces).*";
/**
 * The words of a reason, or the error name of the ECS agent at its beginning (letters alone, in lower case), and the cause; the more
 * particular rows first. Only rows with `pull` apply to an image that could not be pulled; rows with `exec` do not apply to resources,
 * which ECS sets up with programs of its own.
 * @type {[RegExp|null, RegExp|null, string, {pull?: boolean, exec?: boolean}?][]}
 */
const REASONS = [
  [says(cuttable("executable file not found", 15), RUNS + cuttable("executable file not found"), RUNS + cuttable("no such file or directory"),
    RUNS + cuttable("cannot find the", 8), RUNS + cuttable("the system cannot find the")), null, "command-not-found", { exec: true }],
  [says(RUNS + cuttable("permission denied"), RUNS + cuttable("access is denied"), cuttable("exec format error", 8), RUNS + cuttable("is a directory", 8),
    RUNS + cuttable("not a valid win32 application", 8)), null, "not-executable", { exec: true }],
  [says(cuttable("does not match the host operating system", 18)), null, "start-failed", { pull: true }],
  [says(cuttable("logging driver", 9), cuttable("logger args", 8), String.raw`\b${cuttable("log driver")}`), null, "logger-init-failed"],
  [says(`unable to (?:pull|retrieve) ${cuttable("secret", 2)}`, cuttable("registry auth", 10), cuttable("fetching secret data", 12)), null, "secrets-init-failed", { pull: true }],
  [says(cuttable("toomanyrequests", 8), cuttable("pull rate limit", 7), cuttable("pull access denied", 8), cuttable("manifest unknown", 10)), /^(?:cannotpull|imagepull)/, "image-pull-failed", { pull: true }],
  [says(cuttable("capacity is unavailable", 12), "empty capacity provider", "no active instances", String.raw`\bresource:\w`, "^taskfailedtostart: ?(?:agent|attribute)"), null, "placement-failed"],
  [says(cuttable("dependency graph", 12), cuttable("dependency did not exit successfully", 14), cuttable("ordering dependency", 14)), /^taskdependency/, "start-failed"],
  [null, /^(?:containerruntime\w*|docker(?:timeout|state|clientconfig)\w*|cannot(?:stop|inspect|describe|get|list|remove)\w*|containervanished\w*|impossiblestatetransition\w*|nosuchcontainer\w*|systemping\w*|internal)error/, "runtime-failed"],
  [says(cuttable("oci runtime create failed", 12), cuttable("failed to create shim task", 18), cuttable("failed to create task for container", 22), cuttable("is already allocated", 10), String.raw`\bhcs(?:shim)?::`,
    "^(?:timeout waiting for|unexpected ec2 error|unable to attach network interface|the selected task definition is not compatible)"),
  /^(?:task)?failedtostart|^(?:resourceinitialization|cannot\w+|containernetworking|taskstoppedbeforepullbegin|hostconfig|invalidvolume)error|^unrecognizedtransportprotocol|^unparsableport|^cannot(?:create|start)/, "start-failed"],
];

/** Returns the name at the beginning: "Cannot pull container error: x" and "CannotPullContainerError: x" give the same name. */
const nameOf = (text) => (/^[^:]{1,60}/.exec(text)?.[0] ?? "").replace(/[^a-z]/gi, "").toLowerCase();
/** Returns the text behind a general "TaskFailedToStart: ", which hides the name of the error itself. */
const behindStart = (text) => /^task ?failed ?to ?start ?: ?(.+)$/i.exec(text)?.[1] ?? text;
const isOfPull = (text) => /^(?:cannotpull|imagepull)/.test(nameOf(behindStart(text)));
const namesError = (text) => REASONS.some(([, names]) => names?.test(nameOf(text)));

/**
 * Finds the row of a reason.
 * @param {string|null|undefined} reason
 * @returns {{id: string, rank: number}|null} a lower rank is more particular
 */
export function readReason(reason) {
  const text = plainReason(reason);
  return readPlain(behindStart(text)) ?? readPlain(text);
}

function readPlain(plain) {
  const name = nameOf(plain);
  const pull = isOfPull(plain);
  // The name of an image is no word of ECS, whatever its letters are.
  const text = pull ? plain.replace(/\S*\/\S*/g, "/") : plain;
  const left = pull ? ({ of }) => Boolean(of?.pull) : /^resourceinitialization/.test(name) && !/oci runtime/i.test(text) ? ({ of }) => !of?.exec : () => true;
  const rank = text === "" ? -1 : REASONS.findIndex(([words, names, , of]) => left({ of }) && (words?.test(text) || names?.test(name)));
  return rank === -1 ? null : { id: REASONS[rank][2], rank };
}

/** A word about a dependency that is not part of an image's name. */
const DEPENDS = /(?<![\w/.-])depend(?:enc(?:y|ies)|s|ed|ent)\b(?![\w.-]*[/:@]\w)/i;

/** The kind of thing that a reason is about: failures of different kinds are different failures. The first match counts. */
const KINDS = [
  [DEPENDS, "dependency"],
  [/does not match the host|matching platform|no matching manifest|exec format|not compatible|on this platform/i, "platform"],
  [/toomanyrequests|too many requests|rate limit|throttl|rate exceeded/i, "rate-limit"],
  [/no space left|thin pool|devmapper|devicemapper|disk quota|free data blocks/i, "disk"],
  [/memory|\boom\b/i, "memory"],
  [/port is already|address already in use|\bbind for\b|external connectivity|unparsable ?port|transport ?protocol/i, "port"],
  [/\bdevices?\b|nvidia|\bgpu\b/i, "device"],
  [/\bplugin\b/i, "plugin"],
  [/volume|mount|\befs\b|\bnfs\d?\b|rootfs/i, "volume"],
  [/timed? ?out|timeout|deadline exceeded/i, "timeout"],
  [/network|no such host|dial tcp|connection|\beni\b|subnet|\bdns\b|\btls\b|x509/i, "network"],
  [/access ?denied|unauthorized|forbidden|not authorized|authorization failed|authentication|no basic auth|requires? authorization/i, "denied"],
  [/permission denied|operation not permitted|access is denied/i, "permission"],
  [/not found|no such|not exist|cannot find|can't find|not contain|unknown/i, "not-found"],
];

/**
 * Returns a short, stable word for the kind of thing that a reason is about; else the error name at its beginning; null if it says neither.
 * @returns {string|null}
 */
export function reasonKindOf(reason) {
  const text = behindStart(plainReason(reason));
  return KINDS.find(([words, id]) => words.test(text) && !(id === "dependency" && isOfPull(text)))?.[1] ?? errorNameOf(reason);
}

/** @returns {string|null} the error name at the beginning of a reason: "cannot-create-volume-error" */
export function errorNameOf(reason) {
  const name = /^([A-Z][A-Za-z]{3,60}): /.exec(behindStart(plainReason(reason)))?.[1];
  return name ? name.replace(/(?<=[a-z])(?=[A-Z])/g, "-").toLowerCase() : null;
}

/** Words of such a reason that may also be names of containers. */
const NO_NAMES = ["dependency", "dependencies", "depends", "container", "target"];
/** Sentences of the agent (its dependencygraph package) that name no container, though a container may be called like one of their words. */
const NAMELESS = /dependency graph:|dependent container not in expected state|container ordering(?= dependency)|container execution credentials not available|dependency on \w+ not resolved|dependency did not exit successfully/gi;
/** Positions of a name: behind one of these words, or in quotes. */
const NAMED = /(?<=\b(?:on|for|container|dependency) \[?|(?:^|[\s([])["'`“])[\w-]+/gi;

/**
 * Finds the container that a reason blames: "… ordering dependency [migrate(image) …] for target [web(…)] as dependency did not exit successfully."
 * @param {string|null} reason
 * @param {string|null} bearer  the container that has the reason
 * @param {string[]} names  of the task's containers
 * @returns {string|null}
 */
export function dependencyIn(reason, bearer, names) {
  const text = plainReason(reason);
  const from = text.search(DEPENDS);
  if (from === -1 || isOfPull(text)) return null;
  const others = names.filter((name) => name !== bearer);
  const bracketed = /dependency \[([\w-]{1,255})\(/i.exec(text.slice(from))?.[1];
  if (bracketed) return others.includes(bracketed) ? bracketed : null;
  const said = text.slice(from).replace(/(?:\.\.\.|…)$/, "").replace(NAMELESS, ";");
  const named = [...said.matchAll(NAMED)];
  const whole = named.find(([word]) => others.includes(word) && !NO_NAMES.includes(word));
  if (whole) return whole[0];
  // A name that the cut shortened is enough if only one container has a name with this beginning.
  const cut = named.find(({ 0: word, index }) => index + word.length === said.length && word.length > 2)?.[0];
  const begun = others.filter((name) => cut && name.startsWith(cut));
  return begun.length === 1 ? begun[0] : null;
}

/** Says whether a reason states that the container to blame ended badly, and was not stopped afterwards. */
export const tellsFailedExit = (reason) => says(cuttable("did not exit successfully", 12)).test(plainReason(reason));

const ORDINARY = new RegExp(String.raw`^(?:${cuttable("essential container in task exited", 9)}\W*)?$`, "i");
/** Says whether a task's reason is empty, or states only that a container ended. */
export const tellsOrdinaryEnd = (reason) => ORDINARY.test(plainReason(reason));
/** Reasons without a fact, each with the causes whose sentence says the same; a number of a deployment is no fact. */
const EMPTY = [
  [/^task ?(?:failed ?to ?start|stopped by user)\W*$/i],
  [/^ecs deployment ecs-svc\/\d+ completed\W*$/i, "service-event"],
  [/^(?:scaling activity|availability-?zone rebalancing) initiated by \(deployment ecs-svc\/\d+\)\W*$/i, "stopped-by-scheduler"],
  [/^your spot task was interrupted\W*$/i, "spot-interruption"],
  [/^task failed container health checks\W*$/i, "container-health-check-failed"],
  [/^(?:amazon )?ecs stopped the task because of the health of the underlying infrastructure\W*$/i, "infrastructure"],
  [/^(?:amazon )?ecs is performing maintenance on the underlying infrastructure hosting the task\W*$/i, "maintenance"],
];
/** Says whether a reason states no more than the state of the task, or than the sentence about its cause. */
export const tellsNothing = (reason, cause = null) => tellsOrdinaryEnd(reason) || EMPTY.some(([words, id]) => (!id || id === cause) && words.test(plainReason(reason)));
