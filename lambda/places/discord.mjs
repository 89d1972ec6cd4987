// Builds the message for a webhook of Discord: a line, and an embed under a coloured bar. Pure: no I/O, no clock, no Node API,
// no Intl. Whatever the incident holds, the message keeps Discord's limits, and pings nobody except by the mention option.

import { plainOf } from "./mrkdwn.mjs";
import { partsOf } from "./parts.mjs";
import { beginningOf, clean, mostOf, piecesOf } from "../core/text.mjs";

export { classify } from "./answers.mjs";

export const name = "Discord";

// A field takes 256 and 1,024 characters, the foot 2,048: the shares below are within these limits.
const LIMIT = { content: 2000, description: 4096, all: 6000 };
/** Shares of the limits for one text, tried in turn; the last one fits any incident. */
const SHARES = [
  { text: 4096, folded: 4096, field: 1024, foot: 2048, url: 2000 },
  { text: 2000, folded: 2000, field: 300, foot: 600, url: 1000 },
  { text: 900, folded: 1000, field: 160, foot: 300, url: 600 },
  { text: 250, folded: 400, field: 100, foot: 200, url: 300 },
];
/** The limits of a name and of the label of a link. */
const SHORT = 100;

/**
 * Builds the payload.
 * @param {import("./slack-message.mjs").Incident} incident
 * @param {import("./slack-message.mjs").Options} [options]
 * @returns {object} the body of the request
 */
export function payloadOf(incident, options) {
  const parts = partsOf(incident, options);
  const called = calledBy(parts.mentions);
  return {
    content: called.map((one) => `@${one} `).join("") + rendered(parts.headline, LIMIT.content - 20),
    // "everyone" stands for @everyone and @here; without it, no text can ping.
    allowed_mentions: { parse: called.length > 0 ? ["everyone"] : [] },
    ...usernameOf(parts), embeds: embedsOf(parts),
  };
}

/** Builds the headline alone, for a layout that Discord refused. */
export const plainPayloadOf = ({ content, allowed_mentions }) => ({ content, allowed_mentions });

/** Recognises "Invalid Form Body" and similar answers; a webhook of a forum, which needs a thread, refuses the plain line, too. */
export const refuses = ({ status }) => status === 400;

/** Adds `wait`: without it, Discord answers before it knows whether it keeps the message. @param {string} webhook */
export const addressOf = (webhook) => (/[?&]wait=/.test(webhook) ? webhook : webhook.replace(/#.*/, "") + (webhook.includes("?") ? "&" : "?") + "wait=true");

/** Reads the pause that a 429 asks for: the body has fractions of a second. @param {string} body  @returns {number|null} */
export function retryAfterMs(body) {
  const seconds = Number(/"retry_after"\s*:\s*(\d{1,6}(?:\.\d+)?)/.exec(body)?.[1] ?? NaN);
  return Number.isNaN(seconds) ? null : Math.ceil(seconds * 1000);
}

/** Writes the mentions. Discord knows nobody of a Slack workspace; "everyone" in Discord are all who see the channel. */
function calledBy(mentions) {
  const called = mentions.map((one) => ({ here: "here", channel: "everyone", everyone: "everyone" })[one]).filter(Boolean);
  return called.includes("everyone") ? ["everyone"] : called.slice(0, 1);
}

/** Names that Discord refuses; such a name would cost the whole message. */
function usernameOf({ username }) {
  const isTaken = /discord|clyde|```|[@#:]/i.test(username ?? "") || /^(everyone|here)$/i.test(username ?? "");
  return username === null || isTaken || username.length > 80 ? {} : { username };
}

function embedsOf(parts) {
  for (const share of SHARES) {
    const embeds = embedsWith(parts, share);
    if (share === SHARES.at(-1) || takes(embeds)) return embeds;
  }
}

function takes(embeds) {
  const counted = ({ description = "", fields = [], footer }) => description.length + (footer?.text.length ?? 0)
    + fields.reduce((sum, field) => sum + field.name.length + field.value.length, 0);
  return embeds.every(({ description = "" }) => description.length <= LIMIT.description) && embeds.reduce((sum, embed) => sum + counted(embed), 0) <= LIMIT.all;
}

function embedsWith({ color, sections, links, notes, facts, foot, folded }, share) {
  const own = { color: Number.parseInt(color.slice(1), 16) };
  const shown = links.filter(({ url }) => url.length <= share.url).map(({ url, label }) => `[${escaped(label, SHORT)}](${linkOf(url)})`);
  const description = [...sections.map((spans) => rendered(spans, share.text)), shown.join(" · "), notes.map((spans) => rendered(spans, share.text)).join("\n")].filter(Boolean).join("\n\n");
  // An empty value would cost the whole message.
  const fields = facts.map((fact) => ({ name: escaped(fact.name, SHORT), value: rendered(fact.value, share.field), inline: true }))
    .filter((field) => field.name !== "" && field.value !== "");
  const footer = beginningOf(piecesOf(foot.map(plainOf).join("\n")), share.foot);
  return [
    { ...own, ...(description ? { description } : {}), ...(fields.length > 0 ? { fields } : {}), ...(footer ? { footer: { text: footer } } : {}) },
    ...(folded ? [{ ...own, description: rendered([{ kind: "fence", text: folded }], share.folded) }] : []),
  ];
}

/**
 * Writes Discord's Markdown, at most as long as given: markup is counted, and never cut in two.
 * @param {import("./mrkdwn.mjs").Span[]} spans
 */
function rendered(spans, limit) {
  let text = "";
  let style = "";
  for (const { kind, text: own, bold, italic, seconds } of spans) {
    const [before, after] = kind === "fence" ? ["```\n", "\n```"] : kind === "code" ? ["`", "`"] : ["", ""];
    const next = (bold ? "**" : "") + (italic ? "_" : "");
    const left = limit - text.length - before.length - after.length - 2 * LONGEST_STYLE;
    if (left < 2) break;
    const inner = kind === "date" ? dateOf(seconds, own, left) : kind === "fence" ? mostOf(piecesOf(own), left).replaceAll("```", "``ˋ")
      : kind === "code" ? beginningOf(piecesOf(own, CODE), left) : escaped(own, left);
    if (inner === "") continue;
    text += next === style ? "" : reversed(style) + next;
    style = next;
    text += before + inner + after;
  }
  return (text + reversed(style)).trim();
}

const LONGEST_STYLE = 3;
const reversed = (style) => [...style].reverse().join("");

/** Writes a date that Discord shows in the reader's own time zone. */
function dateOf(seconds, utc, left) {
  const shown = `<t:${seconds}:d> <t:${seconds}:T>`;
  return Math.abs(seconds) < 8.64e12 && shown.length <= left ? shown : escaped(utc, left);
}

const escaped = (text, limit) => beginningOf(piecesOf(clean(text, true), MARKDOWN), limit);

// Separates "@" from the next character, as a backslash would not keep "@" from pinging.
const MARKDOWN = { ...Object.fromEntries(Array.from("\\*_~`|<>[]#", (one) => [one, `\\${one}`])), "@": "@\u200b" };
// Inside code nothing can be escaped; a character that could end the code is replaced. A fence ends only at three backticks in a row.
const CODE = { "`": "ˋ", "@": MARKDOWN["@"] };

/** Encodes brackets, which would end the link; the console takes them either way. */
const linkOf = (url) => url.replace(/[()<>\s]/g, (found) => `%${found.charCodeAt(0).toString(16)}`);
