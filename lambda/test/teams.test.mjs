import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { classify, payloadOf, plainPayloadOf, refuses } from "../places/teams.mjs";
import { OPTIONS, REPEATED, hostileIncidents, stringsOf } from "./hostile.mjs";
import { changed, definitionOf, names, sample } from "./samples.mjs";

const cardOf = (payload) => payload.attachments[0].content;
const flat = (elements) => elements.flatMap((one) => [one, ...flat(one.items ?? [])]);
const runsOf = (payload) => flat(cardOf(payload).body).flatMap((one) => one.inlines ?? []);
const wordsOf = (payload) => flat(cardOf(payload).body).map((one) => one.text ?? (one.inlines ?? []).map((run) => run.text).join("")).filter(Boolean);

/** Asserts the limits of Teams for a message about anything. */
function assertTeamsTakes(payload, isForeign = false) {
  const { type, summary, attachments: [{ contentType, contentUrl, content }, ...others] } = payload;
  assert.deepEqual([type, contentType, contentUrl, content.type, content.version, others.length], ["message", "application/vnd.microsoft.card.adaptive", null, "AdaptiveCard", "1.4", 0]);
  const bytes = Buffer.byteLength(JSON.stringify(payload));
  assert.ok(bytes <= 20_000, `${bytes} bytes`);
  assert.equal(content.msteams.width, "Full");
  assert.ok(summary.trim() !== "" && content.fallbackText === summary);
  for (const one of flat(content.body)) {
    assert.ok(["Container", "RichTextBlock", "TextBlock", "ActionSet", "FactSet"].includes(one.type));
    // Teams shows the markup of a date in the reader's time zone only in text blocks and in facts. Both are read as Markdown.
    if (one.type === "RichTextBlock") assert.ok(one.inlines.every((run) => !/\{\{(DATE|TIME)\(/.test(run.text) || isForeign));
    if (one.type === "TextBlock") assert.ok(one.wrap && /\{\{DATE\(/.test(one.text) && !/[`*\\\n]|\[[^\]]*\]\(/.test(one.text), one.text);
    if (one.type === "RichTextBlock") assert.ok(one.inlines.length > 0 && one.inlines.every((run) => run.type === "TextRun" && run.text !== "" && !run.text.includes("\n")));
    if (one.type === "Container") assert.ok(one.items.length > 0);
    if (one.type === "FactSet") assert.ok(one.facts.every(({ title, value }) => title !== "" && !/[[\]`*\\]|(^|\W)_(?=\w)/.test(title + value.replace(/^\{\{DATE.*$/, ""))), JSON.stringify(one.facts));
  }
  // Teams shows six buttons at most.
  const sets = content.body.filter((one) => one.type === "ActionSet");
  assert.ok(content.actions === undefined && sets.length <= 1 && sets.every(({ actions }) => actions.length > 0 && actions.length <= 6));
  for (const action of sets.flatMap(({ actions }) => actions)) assert.ok(action.type === "Action.OpenUrl" && /^https:\/\/[^\s]+$/.test(action.url) && action.title !== "");
  for (const text of stringsOf(payload)) assert.ok(text.isWellFormed(), "half a character");
}

test("every sample makes a card that Teams takes, in both languages", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) assertTeamsTakes(payloadOf({ ...incidentOf(sample(name)), ...REPEATED, tail: ["a", "", "b"] }, { language }));
  }
});

test("hostile text breaks neither limits nor markup, and keeps its headline", () => {
  for (const incident of hostileIncidents()) {
    for (const options of OPTIONS.slice(0, 4)) {
      const payload = payloadOf(incident, options);
      assertTeamsTakes(payload, true);
      assertTeamsTakes(plainPayloadOf(payload), true);
    }
  }
});

test("the headline has the colour of the severity, facts and links have elements of their own, code is monospace", () => {
  const payload = payloadOf(incidentOf(sample("02-oom"), { taskDefinition: definitionOf({ web: true }) }), {});
  const { body } = cardOf(payload);
  assert.deepEqual([body[0].style, body[0].items[0].inlines[1]], ["attention", { type: "TextRun", text: "web", size: "Medium", color: "Attention", weight: "Bolder" }]);
  assert.equal(payload.summary, "🔴 web failed in prod: out of memory");
  const { facts } = body.find(({ type }) => type === "FactSet");
  assert.deepEqual(facts, [{ title: "Launch type", value: "FARGATE" }]);
  const line = "Stopped at {{DATE(2026-11-20T10:32:11Z, SHORT)}} {{TIME(2026-11-20T10:32:11Z)}} (10:32:11 UTC) · Ran for 31 min 20 s · Task definition web:17";
  assert.deepEqual(body.at(-3), { type: "TextBlock", spacing: "Medium", wrap: true, size: "Small", isSubtle: true, text: line });
  assert.equal(body.at(-4).type, "ActionSet", "links stand before the facts");
  assert.deepEqual(body.at(-4).actions.map(({ title }) => title), ["Open the log of web", "Open the task in ECS (for about an hour)", "Open the service in ECS"]);
  assert.ok(runsOf(payload).filter(({ fontType }) => fontType === "Monospace").some(({ text }) => text === "OutOfMemoryError: Container killed due to memory usage"));
  const styleOf = (event) => cardOf(payloadOf(incidentOf(event), {})).body[0].style;
  assert.deepEqual(["05-spot", "07-user-stop"].map((name) => styleOf(sample(name))), ["warning", "emphasis"]);
  assert.equal(styleOf({ ...sample("02-oom"), source: "taskbell.drill" }), "accent");
});

test("a mention has nobody to call in Teams, and is left out", () => {
  const told = JSON.stringify(payloadOf(incidentOf(sample("02-oom")), { mention: "here U012ABCDEF" }));
  assert.equal(told, JSON.stringify(payloadOf(incidentOf(sample("02-oom")), {})));
});

test("a line is a block, and its indentation is kept", () => {
  const payload = payloadOf({ ...incidentOf(sample("02-oom"), { taskDefinition: definitionOf({ web: true }) }), tail: ["Traceback:", "  at a", "\tat b", "", "end"] }, {});
  const lines = wordsOf(payload);
  const at = lines.indexOf("Traceback:");
  assert.deepEqual(lines.slice(at, at + 5), ["Traceback:", "\u00a0 at a", "\u00a0\u00a0\u00a0\u00a0at b", "\u00a0", "end"]);
});

test("the end of a long log stays, in whole lines, and everything else with it", () => {
  const tail = Array.from({ length: 400 }, (_, at) => `行${at}`);
  const payload = payloadOf({ ...incidentOf(changed("02-oom", { stoppedReason: "reason" }), { taskDefinition: definitionOf({ web: true }) }), tail }, {});
  assertTeamsTakes(payload);
  const lines = wordsOf(payload);
  assert.ok(lines.includes("行399") && lines.includes("reason") && lines.includes("…"), lines.join("|"));
  assert.ok(lines.every((line) => !/行/.test(line) || tail.includes(line)));
});

test("answers are classified by Teams' meaning", () => {
  const verdicts = (...statuses) => statuses.map((status) => classify(status, ""));
  assert.deepEqual(verdicts(200, 202), ["ok", "ok"]);
  assert.deepEqual(verdicts(408, 429, 500, 502), Array(4).fill("retry"));
  assert.deepEqual(verdicts(302, 400, 401, 403, 404, 410, 413), Array(7).fill("permanent"));
  assert.equal(classify(200, "Microsoft Teams endpoint returned HTTP error 413 with ContextId x"), "permanent");
  assert.deepEqual([{ status: 400 }, { status: 413 }, { status: 404 }, { status: 200, answer: "HTTP error 413" }].map(refuses), [true, true, false, true]);
});
