// Builds the message as an Adaptive Card, for a webhook of Teams' Workflows. Pure: no I/O, no clock, no Node API, no Intl.
// All text is in runs, which no client reads as Markdown; and every line is a block of its own, because not every client
// breaks lines within a block. Only a line with a date is a text block: Teams shows a date in the reader's time zone there and in facts, and
// shows its raw markup in runs. Text blocks and facts are read as Markdown: characters that would be markup are replaced by similar ones.

import { classify as verdictOf } from "./answers.mjs";
import { linesOf, plainOf } from "./mrkdwn.mjs";
import { partsOf } from "./parts.mjs";
import { lookOf } from "./slack-message.mjs";
import { beginningOf, piecesOf, utf8Length } from "../core/text.mjs";

export const name = "Teams";

/** The most bytes: Teams takes some 28 KB, and counts the card after its own conversion, which is larger than the request. */
const MOST_BYTES = 20_000;
/** Shares of the limit for each section, tried in turn. */
const SHARES = [MOST_BYTES, 6_000, 3_000, 1_500, 700, 0];
/** The bytes of a block besides its text. */
const BLOCK_BYTES = 120;
const MOST = { headline: 900, label: 80, fact: 450, note: 900, url: 2_000 };

const LOOKS = {
  error: { container: "attention", text: "Attention" },
  warning: { container: "warning", text: "Warning" },
  info: { container: "emphasis", text: "Default" },
  drill: { container: "accent", text: "Accent" },
  recovered: { container: "good", text: "Good" },
};

/**
 * Builds the payload.
 * @param {import("./slack-message.mjs").Incident} incident
 * @param {import("./slack-message.mjs").Options} [options]
 * @returns {object} the body of the request
 */
export function payloadOf(incident, options) {
  const parts = partsOf(incident, options);
  const look = LOOKS[lookOf(incident)] ?? LOOKS.error;
  for (const share of SHARES) {
    const payload = messageWith(plainOf(parts.headline), cardOf(parts, look, share));
    if (share === SHARES.at(-1) || utf8Length(JSON.stringify(payload)) <= MOST_BYTES) return payload;
  }
}

/** Builds the headline alone, for a card that Teams refused. */
export function plainPayloadOf({ summary }) {
  return messageWith(summary, { body: [{ type: "RichTextBlock", inlines: [{ type: "TextRun", text: summary }] }] });
}

/**
 * Classifies an answer. A workflow answers 202 before it posts the card; the older connectors answered 200 with the word of the error.
 * @param {number} status
 * @param {string} [answer]
 * @returns {"ok"|"retry"|"permanent"}
 */
export function classify(status, answer) {
  return verdictOf(Number(/HTTP error (\d{3})/.exec(answer ?? "")?.[1] ?? status));
}

/** Says whether Teams refused the card. */
export const refuses = ({ status, answer }) => status === 400 || status === 413 || /HTTP error (400|413)/.test(answer ?? "");

function messageWith(headline, card) {
  const summary = within(headline, MOST.headline);
  const content = {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json", type: "AdaptiveCard", version: "1.4",
    fallbackText: summary, msteams: { width: "Full" }, ...card,
  };
  return { type: "message", summary, attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content }] };
}

function cardOf({ headline, sections, links, notes, facts, foot, folded }, look, share) {
  const title = runsOf(shortened(headline, MOST.headline), { size: "Medium", color: look.text });
  const body = [
    { type: "Container", style: look.container, bleed: true, items: [{ type: "RichTextBlock", inlines: title }] },
    ...sections.flatMap((spans) => sectionOf(spans, share)),
    ...(folded ? sectionOf([{ kind: "fence", text: folded }], share) : []),
    ...actionsOf(links),
    ...notes.map((spans, at) => blockOf(shortened(spans, MOST.note), at === 0 ? "Medium" : "None", SMALL)),
    ...(facts.length > 0 ? [{ type: "FactSet", spacing: "Medium", facts: facts.map(factOf) }] : []),
    ...foot.map((spans, at) => blockOf(spans, at === 0 ? "Medium" : "None", SMALL)),
  ];
  return { body };
}

/** Writes the links as buttons within the body, before the facts: Teams puts the buttons of the card itself at its end. */
function actionsOf(links) {
  const actions = links.filter(({ url }) => utf8Length(url) <= MOST.url)
    .map(({ url, label }) => ({ type: "Action.OpenUrl", title: within(label, MOST.label), url }));
  return actions.length > 0 ? [{ type: "ActionSet", spacing: "Medium", actions }] : [];
}

/** Writes lines; the lines of a fence in a box of their own. Of a fence that is too long, the end. */
function sectionOf(spans, share) {
  const blocks = [];
  const costOf = (line) => BLOCK_BYTES * (1 + line.length) + line.reduce((sum, { text }) => sum + utf8Length(text), 0);
  for (const { fence, lines } of groupsOf(linesOf(spans))) {
    const kept = keptOf(fence ? [...lines].reverse() : lines, share, costOf);
    if (fence) kept.reverse();
    if (kept.length === 0) continue;
    const items = kept.map((line, at) => blockOf(line, at > 0 ? "None" : fence ? "Default" : "Small"));
    blocks.push(...(fence ? [{ type: "Container", style: "emphasis", spacing: "Small", items }] : items));
  }
  return blocks;
}

/** Groups neighbouring lines of a fence, and neighbouring lines of anything else. */
function groupsOf(lines) {
  const groups = [];
  for (const line of lines) {
    const fence = line[0]?.kind === "fence" || (line.length === 0 && groups.at(-1)?.fence === true);
    if (groups.at(-1)?.fence !== fence) groups.push({ fence, lines: [] });
    groups.at(-1).lines.push(line);
  }
  return groups;
}

/** Keeps whole lines from the first on, and one line with "…" in place of the others; of a first line that is too long, its beginning. */
function keptOf(lines, share, costOf) {
  const kept = [];
  let left = share - BLOCK_BYTES * 2;
  for (const line of lines) {
    left -= costOf(line);
    if (left >= 0) kept.push(line);
    else if (share === 0) return [];
    else if (kept.length > 0) return [...kept, [{ kind: line[0]?.kind ?? "text", text: "…" }]];
    else return [shortened(line, share - BLOCK_BYTES * (2 + line.length))].filter((one) => one.length > 0);
  }
  return kept;
}

const SMALL = { size: "Small", isSubtle: true };

function blockOf(line, spacing, look = {}) {
  const hasDate = line.some(({ kind }) => kind === "date");
  return hasDate ? { type: "TextBlock", spacing, wrap: true, ...look, text: markdownOf(line) } : { type: "RichTextBlock", spacing, inlines: runsOf(line, look) };
}

function runsOf(spans, look = {}) {
  const runs = spans.map(({ kind, text, bold, italic }) => ({
    type: "TextRun", text: spaced(text, kind), ...look,
    ...(kind === "fence" || kind === "code" ? { fontType: "Monospace" } : {}),
    ...(bold ? { weight: "Bolder" } : {}), ...(italic ? { italic: true } : {}),
  }));
  return runs.length > 0 ? runs : [{ type: "TextRun", text: "\u00a0" }];
}

/** Keeps the first spans, up to a number of bytes. */
function shortened(spans, bytes) {
  const kept = [];
  let left = bytes;
  for (const span of spans) {
    const text = span.kind === "date" && utf8Length(span.text) > left ? "" : within(span.text, left);
    if (text !== "") kept.push({ ...span, text });
    left -= utf8Length(span.text);
    if (left <= 0) break;
  }
  return kept;
}

function factOf({ name, value }) {
  const text = markdownOf(value);
  return { title: within(withoutMarkdown(name), MOST.label), value: value[0]?.kind === "date" ? text : within(text, MOST.fact) };
}

/** Writes spans without a look of their own, for elements that are read as Markdown. A "- " or "1. " at the beginning would be a list. */
const markdownOf = (spans) => spans.map(({ kind, text, seconds }) => (kind === "date" ? dateOf(seconds, text) : withoutMarkdown(text))).join("").replace(/^(\s*(?:[-+]|\d+[.)]))(?=\s)/, "\u200b$1");

/** Writes a date that Teams shows in the reader's own time zone, without seconds: the time in UTC is added. */
function dateOf(seconds, utc) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime()) || !/^\d{4}-/.test(date.toISOString())) return utc;
  const iso = date.toISOString().replace(".000Z", "Z");
  return `{{DATE(${iso}, SHORT)}} {{TIME(${iso})}} (${utc.slice(11)})`;
}

/** Characters that could be markup: brackets, asterisks, backticks, and underscores at the edge of a word. */
const LOOKALIKES = { "[": "⁅", "]": "⁆", "*": "∗", "`": "ˋ", "\\": "∖" };
const withoutMarkdown = (text) => text.replace(/[[\]*`\\]/g, (found) => LOOKALIKES[found]).replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, "ˍ");

/** Keeps several spaces in a row, and a space at the beginning of a line: Teams would remove them. */
const spaced = (text, kind) => text.replace(kind === "fence" ? /^ | (?= )/g : / (?= )/g, "\u00a0").replaceAll("\t", "\u00a0".repeat(4));

const within = (text, bytes) => beginningOf(piecesOf(text), bytes, utf8Length);
