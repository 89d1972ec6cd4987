// Field cases (tests/cases, with one row for each in expected.jsonl): the default patterns and the notifier together.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { outlineOf } from "../io/aws.mjs";
import { patternsOf } from "../core/patterns.mjs";
import * as discord from "../places/discord.mjs";
import { incidentOf } from "../core/incident.mjs";
import { messageOf } from "../places/slack-message.mjs";
import * as sns from "../places/sns.mjs";
import * as teams from "../places/teams.mjs";
import * as webhook from "../places/webhook.mjs";
import { catalogueFor, takes } from "./pattern.mjs";

const folder = new URL("../../tests/cases/", import.meta.url);
const text = (file) => readFileSync(new URL(file, folder), "utf8").replace(/^\ufeff/, "");
const rows = text("expected.jsonl").trim().split("\n").map((line) => JSON.parse(line));
const { taskDefinition } = JSON.parse(text("task-definition.json"));
const catalogue = Object.fromEntries(readdirSync(new URL("../../patterns/", import.meta.url)).filter((file) => file.endsWith(".json"))
  .map((file) => [file.slice(0, -".json".length), JSON.parse(readFileSync(new URL(`../../patterns/${file}`, import.meta.url), "utf8"))]));
const DEFAULT = ["task-failed", "deployment-failed", "service-impaired"];
const PLACES = { slack: messageOf, discord: discord.payloadOf, sns: sns.payloadOf, teams: teams.payloadOf, webhook: webhook.payloadOf };
/** A file in UTF-16, which only the command line reads, and refuses with its name. */
const NO_EVENT = "event-utf16le.json";

const eventOf = (file) => JSON.parse(text(file));
const judged = (row) => incidentOf(eventOf(row.file), row.task_definition ? { taskDefinition: outlineOf(taskDefinition) } : {});
const takenBy = (event) => Object.entries(catalogueFor(event, catalogue)).filter(([, pattern]) => takes(pattern, event)).map(([name]) => name);

for (const row of rows.filter(({ file }) => file !== NO_EVENT)) {
  test(`the case ${row.file} is judged as expected`, () => {
    const event = eventOf(row.file);
    const taken = takenBy(event);
    const incident = judged(row);
    assert.deepEqual(patternsOf(event).sort(), taken);
    for (const name of row.patterns ?? []) assert.ok(taken.includes(name), `${name} of ${taken}`);
    const rings = incident.rings && taken.some((name) => [...DEFAULT, ...(row.patterns ?? [])].includes(name));
    if (typeof row.rings === "boolean") assert.equal(rings, row.rings, incident.silentBecause);
    if (row.cause) assert.equal(incident.cause.id, row.cause);
    if (row.container) {
      assert.equal(incident.cause.values.container, row.container);
      assert.deepEqual(incident.containers.filter(({ failed }) => failed).map(({ name }) => name), [row.container]);
    }
  });
}

test("every case has a row, and every row a case", () => {
  const files = readdirSync(folder).filter((file) => file.endsWith(".json") && file !== "task-definition.json");
  assert.deepEqual(rows.map(({ file }) => file).sort(), files.sort());
});

test("a job that AWS Batch stops after its time limit is silent by default, and rings with nonzero-exit", () => {
  const row = rows.find(({ file }) => file === "container-stopped-by-user-batch-timeout.json");
  const { rings, cause } = judged(row);
  assert.deepEqual([takenBy(eventOf(row.file)), rings, cause.id], [["nonzero-exit"], true, "batch-timed-out"]);
});

for (const row of rows.filter(({ never_shown: never }) => never)) {
  test(`no message for any destination shows the forbidden text of ${row.file}`, () => {
    const raw = JSON.stringify(eventOf(row.file));
    const values = row.never_shown.map((name) => raw.slice(raw.indexOf(name) + name.length).match(/^[^&"\\]*/)[0]);
    assert.ok(values.every((value) => value.length > 8), `${values}`);
    for (const [place, payloadOf] of Object.entries(PLACES)) {
      for (const language of ["en", "ja"]) {
        const shown = JSON.stringify(payloadOf({ ...judged(row), occurrence: null, tail: [] }, { language }));
        for (const value of values) assert.ok(!shown.includes(value.slice(0, 20)), `${place}: ${value.slice(0, 8)}…`);
      }
    }
  });
}
