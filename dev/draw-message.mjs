// Draws a Slack message in the terminal: the payload of a webhook on standard input.

const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const width = Math.min(Number(process.env.COLUMNS) || process.stdout.columns || 80, 100) - 4;
const style = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

/** @param {string} hex such as #d72b3f */
const bar = (hex) => {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16) || 0);
  return colour ? `\x1b[38;2;${red};${green};${blue}m┃\x1b[0m` : "┃";
};

/** Slack's mrkdwn as terminal text: entities, links, bold and code. */
const plain = (text) =>
  text
    .replace(/<(https?:[^|>]+)\|([^>]+)>/g, (_, url, label) => style("4", label))
    .replace(/<!(here|channel|everyone)>/g, "@$1")
    .replace(/<!date\^[^|>]*\|([^>]*)>/g, "$1")
    .replace(/<[@!]([^>|]+)(\|[^>]+)?>/g, "@$1")
    .replace(/\*([^*\n]+)\*/g, (_, bold) => style("1", bold))
    .replace(/`([^`\n]+)`/g, (_, code) => style("36", code))
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&amp;/g, "&");

const visible = (text) => text.replace(/\x1b\[[0-9;]*m/g, "").length;

const wrap = (text, columns) =>
  text.split("\n").flatMap((line) => {
    const lines = [""];
    for (const word of line.split(" ")) {
      const last = lines.length - 1;
      if (visible(lines[last]) + visible(word) + 1 > columns && lines[last]) lines.push(word);
      else lines[last] += (lines[last] ? " " : "") + word;
    }
    return lines;
  });

const pad = (text, columns) => text + " ".repeat(Math.max(1, columns - visible(text)));

const fields = (list) => {
  const half = Math.floor(width / 2);
  const cells = list.map((field) => wrap(plain(field.text), half - 2));
  const lines = [];
  for (let at = 0; at < cells.length; at += 2) {
    const [left, right = []] = cells.slice(at, at + 2);
    for (let row = 0; row < Math.max(left.length, right.length); row += 1) {
      lines.push(pad(left[row] ?? "", half) + (right[row] ?? ""));
    }
  }
  return lines;
};

const fenced = (text) =>
  text.split("```").flatMap((part, index) => {
    if (index % 2 === 0) return part.trim() ? wrap(plain(part.trim()), width) : [];
    return part.trim().split("\n").map((line) => style("36", `  ${plain(line)}`));
  });

const block = (one) => {
  switch (one.type) {
    case "header":
      return wrap(style("1", plain(one.text.text)), width);
    case "section":
      return [...(one.text ? fenced(one.text.text) : []), ...(one.fields ? fields(one.fields) : [])];
    case "context":
      return wrap(style("2", one.elements.map((element) => plain(element.text ?? "")).join("  ")), width);
    case "actions":
      return wrap(one.elements.map((element) => style("7", ` ${element.text.text} `)).join("  "), width);
    case "divider":
      return ["─".repeat(width)];
    default:
      return [];
  }
};

let input = "";
for await (const chunk of process.stdin) input += chunk;
const message = JSON.parse(input);
const above = message.blocks ?? [{ type: "section", text: { text: message.text ?? "" } }];
const parts = [{ blocks: above }, ...(message.attachments ?? [])];
console.log(style("1", message.username ?? "taskbell") + style("2", "  APP  now"));
for (const part of parts) {
  const edge = part.color ? bar(part.color) : " ";
  const drawn = (part.blocks ?? []).flatMap((one) => [...block(one), ""]);
  for (const line of drawn.slice(0, -1)) console.log(`${edge} ${line}`.trimEnd());
}
