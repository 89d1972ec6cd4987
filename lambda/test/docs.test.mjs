// Tests docs/destinations.md: its snippets are run, and its table has every field that is sent.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { incidentOf } from "../core/incident.mjs";
import { signatureOf } from "../io/secret.mjs";
import { payloadOf } from "../places/webhook.mjs";
import { definitionOf, sample } from "./samples.mjs";

const page = readFileSync(new URL("../../docs/destinations.md", import.meta.url), "utf8");
const SECRET = "0123456789abcdef é";
const NOW = 1_795_170_731;
const PAYLOAD = payloadOf({ ...incidentOf(sample("02-oom"), { taskDefinition: definitionOf({ web: true }) }), occurrence: null, tail: ["última línea 🔥"] }, { language: "ja" });
const BODY = JSON.stringify(PAYLOAD);
const SIGNED = signatureOf(SECRET, BODY, NOW);

/** Requests that a receiver must not take, with the reason. */
const FORGED = {
  "another body": { headers: SIGNED, body: BODY.replace("prod", "test") },
  "another time": { headers: { ...SIGNED, "taskbell-timestamp": String(NOW + 1) }, body: BODY },
  "another secret": { headers: signatureOf("another secret of it", BODY, NOW), body: BODY },
  "no signature": { headers: { "taskbell-timestamp": String(NOW) }, body: BODY },
  "half a signature": { headers: { ...SIGNED, "taskbell-signature": SIGNED["taskbell-signature"].slice(0, 20) }, body: BODY },
  "letters that are no ASCII": { headers: { ...SIGNED, "taskbell-signature": "v1=é" }, body: BODY },
  "no headers": { headers: {}, body: BODY },
  "an old one": { headers: signatureOf(SECRET, BODY, NOW - 301), body: BODY },
};

function snippet(language) {
  const blocks = page.split(`\`\`\`${language}\n`).slice(1).map((rest) => rest.split("```\n")[0]);
  assert.equal(blocks.length, 1, language);
  return blocks[0];
}

function inFolder(work) {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-docs-"));
  return Promise.resolve(work(folder)).finally(() => rmSync(folder, { recursive: true }));
}

test("the snippet in Node.js takes requests that taskbell signed, and nothing else", (t) => inFolder(async (folder) => {
  const file = join(folder, "verified.mjs");
  writeFileSync(file, snippet("js"));
  const { verified } = await import(pathToFileURL(file));
  assert.deepEqual(verified(SIGNED, BODY, SECRET, NOW * 1000), PAYLOAD);
  assert.deepEqual(verified(SIGNED, Buffer.from(BODY), SECRET, (NOW + 299) * 1000), PAYLOAD);
  for (const [why, { headers, body }] of Object.entries(FORGED)) assert.throws(() => verified(headers, body, SECRET, NOW * 1000), /not from taskbell/, why);
  // By its own clock, which may differ from the day on which the tests run.
  const clock = t.mock.method(Date, "now", () => (NOW + 301) * 1000);
  assert.throws(() => verified(SIGNED, BODY, SECRET), /not from taskbell/);
  clock.mock.mockImplementation(() => NOW * 1000);
  assert.deepEqual(verified(SIGNED, BODY, SECRET), PAYLOAD);
}));

test("the snippet in Python takes requests that taskbell signed, and nothing else", () => inFolder((folder) => {
  writeFileSync(join(folder, "verified.py"), snippet("python"));
  const harness = [
    "import json, sys", "from verified import verified",
    "for name, case in json.loads(sys.stdin.buffer.read()).items():",
    "    try:", "        told = verified(case['headers'], case['body'].encode(), case['secret'], case['now'])['version']",
    "    except ValueError as error:", "        told = str(error)", "    print(name, told, sep=': ')",
  ].join("\n");
  const cases = Object.fromEntries(Object.entries({ ours: { headers: SIGNED, body: BODY }, ...FORGED }).map(([name, one]) => [name, { ...one, secret: SECRET, now: NOW }]));
  const { status, stdout, stderr } = spawnSync("python3", ["-c", harness], { cwd: folder, input: JSON.stringify(cases), env: { ...process.env, PYTHONPATH: folder, PYTHONIOENCODING: "utf-8" } });
  assert.equal(status, 0, String(stderr));
  assert.deepEqual(String(stdout).trim().split("\n"), ["ours: 1", ...Object.keys(FORGED).map((name) => `${name}: not from taskbell`)]);
}));

test("the table of fields has every field that is sent, in its order, and the names within", () => {
  const rows = page.split("### Fields")[1].split("###")[0].split("\n").filter((line) => line.startsWith("| `"));
  assert.deepEqual(rows.flatMap((row) => row.split("|")[1].match(/\w+/g)), Object.keys(PAYLOAD));
  const rowOf = (field) => rows.find((row) => row.split("|")[1].includes(`\`${field}\``));
  const nested = { cause: PAYLOAD.cause, containers: PAYLOAD.containers[0], log: PAYLOAD.log, links: PAYLOAD.links, event: PAYLOAD.event, occurrence: { count: 1, since: 1, earlier: 1, next: 1 }, missing: { action: 1, why: 1 } };
  for (const [field, names] of Object.entries(nested)) for (const name of Object.keys(names)) assert.ok(rowOf(field).includes(`\`${name}\``), `${field}.${name}`);
});
