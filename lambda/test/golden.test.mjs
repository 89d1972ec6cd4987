// The same golden messages that the embedded engine is held to (tests/message.rs), in Node.js.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { incidentOf } from "../incident.mjs";
import { messageOf } from "../slack-message.mjs";
import { names, sample } from "./samples.mjs";

const folder = new URL("../../tests/golden/", import.meta.url);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const context = read(new URL("../../patterns/events/context.json", import.meta.url));

for (const file of readdirSync(folder)) {
  const [, name, language] = /^(.+)\.(en|ja)\.json$/.exec(file);
  test(`${name} gives its golden message in ${language}`, () => {
    const incident = incidentOf(sample(name), context);
    const shown = { ...incident, occurrence: null, tail: incident.log?.stream ? context.tails[name] ?? context.tail : [] };
    assert.deepEqual(JSON.parse(JSON.stringify(messageOf(shown, { language }))), read(new URL(file, folder)));
  });
}

test("there is a golden message for every sample", () => {
  const own = names.filter((name) => !name.startsWith("field/"));
  assert.equal(readdirSync(folder).length, 2 * own.length);
});
