// Takes the payload for Slack apart, for the destinations with a layout of their own.
// Pure: no I/O, no clock, no Node API, no Intl. All words are written in slack-message.mjs.

import { linesOf, plainOf, spansOf } from "./mrkdwn.mjs";
import { messageOf } from "./slack-message.mjs";

/**
 * @typedef {import("./mrkdwn.mjs").Span} Span
 * @typedef {object} Parts
 * @property {string[]} mentions  here, channel, everyone, or ids of Slack
 * @property {Span[]} headline  one line
 * @property {string} color  "#rrggbb"
 * @property {Span[][]} sections  in the order of their importance
 * @property {{url: string, label: string}[]} links
 * @property {Span[][]} notes  the line of facts that a reader needs most, and what the message lacks
 * @property {{name: string, value: Span[]}[]} facts  those that are rarely needed
 * @property {Span[][]} foot
 * @property {string|null} folded  text that Slack shows only on demand: the stack trace of an application
 * @property {string|null} username
 */

/**
 * Takes the message apart.
 * @param {import("./slack-message.mjs").Incident} incident
 * @param {import("./slack-message.mjs").Options} [options]
 * @returns {Parts}
 */
export function partsOf(incident, options) {
  const { text, blocks: [, ...blocks], attachments, username } = messageOf(incident, options);
  const { color, blocks: rare } = attachments.at(-1);
  const folded = attachments.find((one) => one.text);
  const headline = spansOf(text);
  const texts = blocks.filter(({ type }) => type === "section").map((block) => spansOf(block.text.text));
  const fields = rare.flatMap((block) => block.fields ?? []).map((field) => spansOf(field.text));
  const elementsOf = (all) => all.filter(({ type }) => type === "context").flatMap(({ elements }) => elements).map((element) => spansOf(element.text));
  return {
    mentions: headline.filter(isMention).map((span) => span.text),
    headline: withoutMentions(headline), color,
    sections: texts.filter((spans) => !isLinks(spans)),
    links: texts.filter(isLinks).flat().filter(({ kind }) => kind === "link").map(({ url, text: label }) => ({ url, label })),
    notes: elementsOf(blocks),
    facts: fields.map((spans) => {
      const [name, ...value] = linesOf(spans);
      return { name: plainOf(name), value: value.flat() };
    }),
    foot: elementsOf(rare),
    folded: folded ? plainOf(spansOf(folded.text)) : null,
    username: username ?? null,
  };
}

const isMention = ({ kind }) => kind === "mention";
const isLinks = (spans) => spans.some(({ kind }) => kind === "link");

function withoutMentions(spans) {
  const first = spans.findIndex((span) => !isMention(span) && span.text.trim() !== "");
  return spans.slice(Math.max(0, first)).filter((span) => !isMention(span)).map((span, at) => (at === 0 ? { ...span, text: span.text.trimStart() } : span));
}
