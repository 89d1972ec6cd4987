// Parses the markup of Slack into spans, which every other destination renders in its own markup. Pure: no I/O, no clock, no Node API, no Intl.
// Reads only text that slack-message.mjs wrote: foreign text arrives escaped. Foreign text may be bold, as in Slack; links, dates,
// mentions and code are written by the notifier alone.
//
// Slack reads a mark (* _ or `) only if a space, ASCII punctuation or an end of the line is directly outside of it. Beside a letter of any
// script, full-width punctuation or a zero-width space Slack may show the mark itself: "*4 回*発生" keeps its asterisks, "*4 回* 発生" is
// bold. This parser, and the preview's in src/cli/render/message/mrkdwn.rs, follow the same rule.

/**
 * @typedef {object} Span
 * @property {"text"|"code"|"fence"|"link"|"date"|"mention"} kind
 * @property {string} text  as a reader sees it: the label of a link, the UTC form of a date, the name of a mention
 * @property {boolean} bold
 * @property {boolean} italic
 * @property {string} [url]  of a link
 * @property {number} [seconds]  of a date, since 1970
 */

const MARKS = { "*": "bold", _: "italic" };
const ATOM = /```([\s\S]*?)```|`([^`\n]+)`|<([^<>\n]+)>/y;
// The last four replace characters that would be markup in Slack.
const UNESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "ˋ": "`", "∗": "*", "ˍ": "_", "∼": "~" };

/**
 * Parses the markup.
 * @param {string} mrkdwn
 * @returns {Span[]}
 */
export function spansOf(mrkdwn) {
  const units = unitsOf(mrkdwn);
  const spans = [];
  const style = { bold: false, italic: false };
  let text = "";
  const flush = () => {
    if (text !== "") spans.push({ kind: "text", text: unescaped(text), ...style });
    text = "";
  };
  // No closing mark was found from here to the end of the line; thus each line is searched once.
  const hopeless = { "*": -1, _: -1 };
  for (const [at, unit] of units.entries()) {
    const name = MARKS[unit];
    if (typeof unit !== "string") {
      flush();
      spans.push({ ...unit, ...style });
    } else if (name && style[name] ? closes(units, at) : name && at > hopeless[unit] && opens(units, at)) {
      const end = style[name] ? at : closingOf(units, at, unit);
      if (units[end] === unit) {
        flush();
        style[name] = !style[name];
      } else {
        hopeless[unit] = end;
        text += unit;
      }
    } else {
      text += unit;
    }
  }
  flush();
  return spans;
}

/** Returns plain text: a link as `label: url`, no mentions (they call somebody in Slack, and nobody elsewhere), and no other markup. */
export function plainOf(spans) {
  return spans.map(({ kind, text, url }) => (kind === "mention" ? "" : kind === "link" ? `${text}: ${url}` : text)).join("").trim();
}

/**
 * Splits spans into lines.
 * @param {Span[]} spans
 * @returns {Span[][]} one list for each line; a fence has lines of its own
 */
export function linesOf(spans) {
  const lines = [[]];
  for (const span of spans) {
    const isFence = span.kind === "fence";
    if (isFence && lines.at(-1).length > 0) lines.push([]);
    for (const [at, text] of span.text.split("\n").entries()) {
      if (at > 0) lines.push([]);
      if (text !== "") lines.at(-1).push({ ...span, text });
    }
    if (isFence) lines.push([]);
  }
  if (lines.at(-1).length === 0) lines.pop();
  return lines;
}

/** Splits text into UTF-16 units, and spans for markup that means more than a style. */
function unitsOf(mrkdwn) {
  const units = [];
  for (let at = 0; at < mrkdwn.length;) {
    ATOM.lastIndex = at;
    const atom = "`<".includes(mrkdwn[at]) ? ATOM.exec(mrkdwn) : null;
    const found = atom?.[2] === undefined || (isBoundary(mrkdwn[at - 1]) && isBoundary(mrkdwn[at + atom[0].length])) ? atom : null;
    units.push(found ? spanOf(found) : mrkdwn[at]);
    at += found ? found[0].length : 1;
  }
  return units;
}

function spanOf([, fence, code, angle]) {
  if (fence !== undefined) return { kind: "fence", text: unescaped(fence.replace(/^\n|\n$/g, "")) };
  if (code !== undefined) return { kind: "code", text: unescaped(code) };
  const [target, ...rest] = angle.split("|");
  const label = rest.length > 0 ? unescaped(rest.join("|")) : null;
  const date = /^!date\^(-?\d+)\^/.exec(angle);
  if (date) return { kind: "date", seconds: Number(date[1]), text: label ?? date[1] };
  const mention = /^(?:!subteam\^|[!@])([A-Za-z0-9]+)/.exec(target);
  if (mention) return { kind: "mention", text: mention[1] };
  return { kind: "link", url: unescaped(target), text: label ?? unescaped(target) };
}

// An opening mark comes directly before, and a closing mark directly after, a character that is no space.
const isSpace = (unit) => unit === undefined || (typeof unit === "string" && /\s/.test(unit));
/** Says whether a mark can stand beside this unit: a space, ASCII punctuation, a span, or an end of the text. */
const isBoundary = (unit) => typeof unit !== "string" || /[\t-\r -/:-@[-`{-~\u00a0]/.test(unit);
const opens = (units, at) => isBoundary(units[at - 1]) && !isSpace(units[at + 1]);
const closes = (units, at) => !isSpace(units[at - 1]) && isBoundary(units[at + 1]);

/** Returns the position of the closing mark, or the end of the line if there is none. */
function closingOf(units, from, mark) {
  let at = from + 2;
  while (at < units.length && units[at] !== "\n" && !(units[at] === mark && closes(units, at))) at += 1;
  return at;
}

const unescaped = (text) => text.replace(/&(?:amp|lt|gt);|[ˋ∗ˍ∼]/g, (found) => UNESCAPED[found]);
