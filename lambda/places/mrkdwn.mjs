// Slack's markup -> spans that every other place renders in its own. Pure: no I/O, no clock, no Node API, no Intl.
// It reads what slack-message.mjs writes: foreign text arrives escaped. It may be bold, as it may in Slack; links, dates,
// mentions and code are ours alone.

/**
 * @typedef {object} Span
 * @property {"text"|"code"|"fence"|"link"|"date"|"mention"} kind
 * @property {string} text  as a reader sees it: of a link its label, of a date the one in UTC, of a mention its name
 * @property {boolean} bold
 * @property {boolean} italic
 * @property {string} [url]  of a link
 * @property {number} [seconds]  of a date, since 1970
 */

const MARKS = { "*": "bold", _: "italic" };
const ATOM = /```([\s\S]*?)```|`([^`\n]+)`|<([^<>\n]+)>/y;
// The last four stand in for what would be markup in Slack.
const UNESCAPED = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "ˋ": "`", "∗": "*", "ˍ": "_", "∼": "~" };

/**
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
  // No closing mark was found from here to the end of the line, so that a line is looked through once.
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

/** What a reader sees, without any markup. Mentions call somebody there, and nobody here. */
export function plainOf(spans) {
  return spans.map(({ kind, text, url }) => (kind === "mention" ? "" : kind === "link" ? `${text}: ${url}` : text)).join("").trim();
}

/**
 * @param {Span[]} spans
 * @returns {Span[][]} by line; a fence has its own
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

/** UTF-16 units, and spans where Slack's markup stands for more than a style. */
function unitsOf(mrkdwn) {
  const units = [];
  for (let at = 0; at < mrkdwn.length;) {
    ATOM.lastIndex = at;
    const found = "`<".includes(mrkdwn[at]) ? ATOM.exec(mrkdwn) : null;
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

// As Slack has it: a mark opens before, and closes after, what is no space, and never within a word.
const isWord = (unit) => typeof unit === "string" && /[A-Za-z0-9]/.test(unit);
const isSpace = (unit) => unit === undefined || (typeof unit === "string" && /\s/.test(unit));
const opens = (units, at) => !isWord(units[at - 1]) && !isSpace(units[at + 1]);
const closes = (units, at) => !isSpace(units[at - 1]) && !isWord(units[at + 1]);

/** Where the mark that is opened here is closed; if it is not, the end of the line. */
function closingOf(units, from, mark) {
  let at = from + 2;
  while (at < units.length && units[at] !== "\n" && !(units[at] === mark && closes(units, at))) at += 1;
  return at;
}

const unescaped = (text) => text.replace(/&(?:amp|lt|gt);|[ˋ∗ˍ∼]/g, (found) => UNESCAPED[found]);
