// Judges exported Terraform configurations by the schema of Terraform's provider for AWS: node dev/judges/terraform.mjs BINARY
//
// Checks that every resource, data source, attribute and block exists, that required ones are given, that values have their types,
// and that every reference names an attribute. The schema comes from the package that generates code from it.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const LIB = fileURLToPath(new URL("../../.local/judges/node_modules/@cdktn/provider-aws/lib/", import.meta.url));
const hcl = () => createRequire(new URL("../../.local/node/", import.meta.url))("@cdktn/hcl2json");
/** Arguments that every resource has. */
const META = ["depends_on", "count", "for_each", "provider", "lifecycle", "provisioner", "connection"];
const EXPORTS = [
  "--cluster batch",
  "--cluster batch --cluster web --pattern task-failed --pattern run-rejected --tag team=a --alarm-topic arn:aws:sns:us-east-1:123456789012:on-call --log-retention never",
  "--cluster default --pattern run-rejected --no-dedupe --log-group none --slack-webhook-parameter mine --notifier-role-arn arn:aws:iam::123456789012:role/mine",
  "--stack apps --pattern application-error --language ja --mention here --username bell",
  "--cluster batch --family job-* --exclude-service web --container app --pattern task-failed --no-drill --permissions-boundary arn:aws:iam::aws:policy/PowerUserAccess",
  "--stack jobs --pattern batch-job-failed --pattern execution-failed --job-queue prod-* --exclude-job-name test --state-machine etl",
];
/** Every kind of resource that an export has. A configuration that lost one is not judged completely. */
const KINDS = [
  "aws_cloudwatch_event_rule", "aws_cloudwatch_event_target", "aws_cloudwatch_log_group", "aws_cloudwatch_metric_alarm", "aws_dynamodb_table", "aws_iam_role",
  "aws_iam_role_policy", "aws_lambda_function", "aws_lambda_function_event_invoke_config", "aws_lambda_permission", "aws_sqs_queue", "aws_sqs_queue_policy",
];

/** @typedef {{isBlock: boolean, isMany: boolean, type: string, inner: string|null, isRequired: boolean}} Argument */

const folderOf = (type, isData) => `${LIB}${isData ? "data-aws-" : ""}${type.replace(/^aws_/, "").replaceAll("_", "-")}/`;
const schemas = new Map();

/** Returns the arguments and attributes of a resource type; none if the provider has no such type. */
function schemaOf(type, isData) {
  const folder = folderOf(type, isData);
  if (!schemas.has(folder)) schemas.set(folder, existsSync(`${folder}index.js`) ? readSchema(folder) : null);
  return schemas.get(folder);
}

function readSchema(folder) {
  const [code, types] = ["index.js", "index.d.ts"].map((name) => readFileSync(folder + name, "utf8"));
  const between = (from) => code.slice(code.indexOf(from)).split("// remove undefined attributes")[0];
  const block = (name) => argumentsIn(between(`function ${name}ToHclTerraform(`), required(types, name[0].toUpperCase() + name.slice(1)));
  const config = /export interface (\w+Config) extends/.exec(types)[1];
  const whole = code.includes("synthesizeHclAttributes() {") ? argumentsIn(between("synthesizeHclAttributes() {"), required(types, config)) : new Map();
  const read = [...code.matchAll(/(?:Attribute|List|Map|OutputReference)\((?:this, )?['"](\w+)['"]/g)].map(([, name]) => name);
  return { whole, block, attributes: new Set([...whole.keys(), ...read, "id"]) };
}

function argumentsIn(code, requiredNames) {
  const entries = code.matchAll(/^ +(\w+): \{\n +value: (.*),\n +isBlock: (true|false),\n +type: "(\w+)",\n +storageClassType: "(\w+)"/gm);
  return new Map([...entries].map(([, name, value, isBlock, , type]) => {
    const inner = /(?<![.\w])(\w+)ToHclTerraform/.exec(value)?.[1] ?? null;
    return [name, { isBlock: isBlock === "true", isMany: value.includes("listMapperHcl"), type, inner, isRequired: requiredNames.has(name) }];
  }));
}

/** Returns the names that the interface requires. */
function required(types, name) {
  const start = new RegExp(`export interface ${name} (extends [^{]*)?\\{`).exec(types);
  const body = start ? types.slice(start.index).split("\n}")[0] : "";
  const members = body.matchAll(/#(\w+) [^}]*\}(?:(?!readonly)[^])*?readonly \w+(\??):/g);
  return new Set([...members].filter(([, , optional]) => optional === "").map(([, name]) => name));
}

const isExpression = (value) => typeof value === "string" && value.includes("${");
const FITS = {
  string: (value) => ["string", "number", "boolean"].includes(typeof value),
  number: (value) => typeof value === "number" || isExpression(value) || (typeof value === "string" && value !== "" && !Number.isNaN(Number(value))),
  boolean: (value) => typeof value === "boolean" || isExpression(value) || value === "true" || value === "false",
  list: (value) => Array.isArray(value) || isExpression(value),
  map: (value) => (typeof value === "object" && value !== null && !Array.isArray(value)) || isExpression(value),
};
const formOf = (type) => (/Map$/.test(type) ? "map" : /List$|Set$/.test(type) ? "list" : type);

function* faultsOfBody(body, known, block, path) {
  for (const [name, { isRequired }] of known) if (isRequired && body[name] === undefined) yield `${path} lacks ${name}`;
  for (const [name, value] of Object.entries(body)) {
    const argument = known.get(name);
    if (!argument) {
      if (!META.includes(name)) yield `${path} has no argument ${name}`;
    } else if (argument.isBlock && argument.inner) {
      const blocks = Array.isArray(value) ? value : [];
      if (blocks.length === 0) yield `${path}.${name} is a block`;
      if (blocks.length > 1 && !argument.isMany) yield `${path}.${name} appears ${blocks.length} times`;
      for (const one of blocks) yield* faultsOfBody(one, block(argument.inner), block, `${path}.${name}`);
    } else if (FITS[formOf(argument.type)]?.(value) === false) {
      yield `${path}.${name} is no ${formOf(argument.type)}: ${JSON.stringify(value).slice(0, 60)}`;
    }
  }
}

/** Lists the faults of a configuration. @param {string} text */
export async function faultsOf(text) {
  const tree = await hcl().parse("main.tf", text);
  const faults = [];
  const named = new Map();
  for (const [isData, types] of [[false, tree.resource], [true, tree.data]]) {
    for (const [type, resources] of Object.entries(types ?? {})) {
      const schema = schemaOf(type, isData);
      if (!schema) {
        faults.push(`the provider has no ${isData ? "data source" : "resource"} ${type}`);
        continue;
      }
      for (const [name, bodies] of Object.entries(resources)) {
        const address = `${isData ? "data." : ""}${type}.${name}`;
        named.set(address, schema);
        for (const body of bodies) faults.push(...faultsOfBody(body, schema.whole, schema.block, address));
      }
    }
  }
  for (const [, address, attribute] of text.matchAll(/\b((?:data\.)?aws_\w+\.\w+)(?:\.(\w+))?/g)) {
    if (!named.has(address)) faults.push(`there is no ${address}`);
    else if (attribute && !named.get(address).attributes.has(attribute)) faults.push(`${address} has no attribute ${attribute}`);
  }
  return { faults, kinds: Object.keys(tree.resource ?? {}), count: named.size };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [kinds, found, seen] = [new Set(), new Set(), { count: 0 }];
  for (const flags of EXPORTS) {
    const text = execFileSync(process.argv[2], ["export", "terraform", ...flags.split(" ")], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
    const { faults, kinds: of, count } = await faultsOf(text);
    for (const fault of faults) found.add(`${fault} (${flags})`);
    for (const kind of of) kinds.add(kind);
    seen.count += count;
  }
  for (const kind of KINDS) if (!kinds.has(kind)) found.add(`no export has ${kind}`);
  for (const fault of found) console.log(fault);
  console.log(`terraform: ${EXPORTS.length} configurations with ${seen.count} resources of ${kinds.size} types judged, ${found.size} faults`);
  process.exit(found.size > 0 ? 1 : 0);
}
