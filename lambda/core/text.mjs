// Makes text safe to show and safe to cut. Pure: no I/O, no clock, no Node API, no Intl.

// Sequences that terminals read as colours, titles and moves of the cursor.
const TERMINAL_SEQUENCES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.)/g;

/** Removes terminal and control characters and bidirectional overrides, and replaces half surrogate pairs. */
export function clean(value, lines) {
  const oneKind = value.replace(TERMINAL_SEQUENCES, "").replace(/\r\n?/g, "\n").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  return lines ? oneKind : oneKind.replace(/\s+/g, " ");
}

export const filled = (value) => typeof value === "string" && value.trim() !== "";

/** Splits text into characters, each escaped for the destination: a cut between two of them is safe. */
export const piecesOf = (value, escapes = {}) => Array.from(value, (character) => escapes[character] ?? character);

/**
 * Keeps as many pieces from the beginning as fit, and puts "…" in place of the others.
 * @param {string[]} pieces
 * @param {number} limit  of the result, in what `lengthOf` counts
 * @param {(piece: string) => number} [lengthOf]  UTF-16 units, if not given
 */
export function beginningOf(pieces, limit, lengthOf = units) {
  const mark = lengthOf("…");
  let length = 0;
  let kept = 0;
  for (const [at, piece] of pieces.entries()) {
    length += lengthOf(piece);
    if (length > limit) return limit < mark ? "" : `${pieces.slice(0, kept).join("")}…`;
    if (length <= limit - mark) kept = at + 1;
  }
  return pieces.join("");
}

/** Keeps as many pieces from the end as fit, and puts "…" in place of the others. */
export function endOf(pieces, limit, lengthOf = units) {
  const mark = lengthOf("…");
  let length = 0;
  let kept = pieces.length;
  for (let at = pieces.length - 1; at >= 0; at -= 1) {
    length += lengthOf(pieces[at]);
    if (length > limit) return limit < mark ? "" : `…${pieces.slice(kept).join("")}`;
    if (length <= limit - mark) kept = at;
  }
  return pieces.join("");
}

/** Cuts text: several lines, as of a log or a stack trace, say most at the end; a single line says most at the beginning. */
export const mostOf = (pieces, limit, lengthOf) => (pieces.includes("\n") ? endOf : beginningOf)(pieces, limit, lengthOf);

const units = (piece) => piece.length;

/** Counts the bytes of text in UTF-8. Half a surrogate pair becomes a character of three bytes. */
export function utf8Length(text) {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
