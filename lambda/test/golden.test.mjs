// Compares the messages with the golden messages in Node.js, as tests/cli/message.rs does in the embedded engine. After an intended change:
// UPDATE_GOLDEN=1 .local/bin/node --test lambda/test/golden.test.mjs
import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import * as discord from "../places/discord.mjs";
import { incidentOf } from "../core/incident.mjs";
import { messageOf } from "../places/slack-message.mjs";
import * as sns from "../places/sns.mjs";
import * as teams from "../places/teams.mjs";
import * as webhook from "../places/webhook.mjs";
import { assertMarksStandApart } from "./marks.mjs";
import { everywhere, names, sample } from "./samples.mjs";

const folder = new URL("../../tests/golden/", import.meta.url);
const own = names.filter((name) => !name.startsWith("field/"));
const files = own.flatMap((name) => ["en", "ja"].map((language) => ({ name, language, file: `${name}.${language}.json` })));
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const context = read(new URL("../../patterns/events/context.json", import.meta.url));
const sorted = (value) => (value === null || typeof value !== "object" || Array.isArray(value) ? value : Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1))));
const messagesIn = (path) => readdirSync(path).filter((file) => /\.(en|ja)\.json$/.test(file)).sort();

function shownOf(name) {
  const incident = incidentOf(sample(name), { ...context, job: context.jobs[name], recovery: context.recoveries[name] });
  return { ...incident, occurrence: null, tail: incident.log?.stream ? context.tails[name] ?? context.tail : [] };
}

for (const { name, language, file } of files) {
  test(`${name} gives its golden message in ${language}`, () => {
    const message = JSON.stringify(messageOf(shownOf(name), { language }));
    // With sorted keys, as tests/cli/message.rs writes them.
    if (process.env.UPDATE_GOLDEN) writeFileSync(new URL(file, folder), `${JSON.stringify(everywhere(JSON.parse(message), sorted), null, 2)}\n`);
    assert.deepEqual(JSON.parse(message), read(new URL(file, folder)));
  });
}

for (const [place, { payloadOf }] of Object.entries({ discord, sns, teams, webhook })) {
  test(`every sample gives its golden message for ${place}, in both languages`, () => {
    const there = new URL(`${place}/`, folder);
    for (const { name, language, file } of files) {
      const payload = JSON.stringify(payloadOf(shownOf(name), { language }), null, 2);
      if (process.env.UPDATE_GOLDEN) writeFileSync(new URL(file, there), `${payload}\n`);
      assert.deepEqual(JSON.parse(payload), read(new URL(file, there)), file);
    }
    assert.deepEqual(messagesIn(there), messagesIn(folder));
  });
}

test("no golden message of Slack has a letter of any script directly outside of a mark", () => {
  for (const { file } of files) {
    const { text, blocks: above, attachments } = read(new URL(file, folder));
    const texts = [...above, ...attachments.flatMap(({ blocks = [] }) => blocks)].flatMap((block) => [block.text, ...(block.fields ?? []), ...(block.elements ?? [])]).filter(Boolean);
    for (const one of [text, ...texts.map((block) => block.text)]) assertMarksStandApart(one, file);
  }
});

test("every sample has a golden message", () => assert.deepEqual(messagesIn(folder), files.map(({ file }) => file).sort()));
