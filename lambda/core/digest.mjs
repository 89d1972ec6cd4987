// Recognises equal messages of an application: by a digest of the whole text, in which numbers and ids do not matter.
// Pure: no I/O, no clock, no Node API, no Intl.

/** Deeper levels are left out: an event for human readers does not nest so deep. */
const DEEPEST = 50;

/**
 * Returns the text without the parts that differ each time: UUIDs, dates and times, hexadecimal ids of eight and more characters with a
 * digit, and numbers that do not follow a letter. Blanks count once.
 * @param {string} text  of any length, in any script
 */
export function normalised(text) {
  return text
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi, "<uuid>")
    .replace(/\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?/g, "<time>")
    .replace(/(?<![0-9A-Za-z])(?:0x)?(?=[a-f]*\d)[0-9a-f]{8,}(?![0-9A-Za-z])/gi, "<id>")
    .replace(/(?<![A-Za-z\p{Nd}])\p{Nd}+(?:[.,]\p{Nd}+)*/gu, "<number>")
    .replace(/\s+/g, " ").trim();
}

/** Writes a value as JSON with sorted keys: equal content gives equal text. Never throws. */
export function jsonOf(value, depth = 0) {
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  if (depth > DEEPEST) return '"…"';
  if (Array.isArray(value)) return `[${value.map((one) => jsonOf(one, depth + 1)).join(",")}]`;
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${jsonOf(value[key], depth + 1)}`).join(",")}}`;
}

/** FIPS 180-4, 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes; 5.3.3: of the square roots of 8. */
const PRIMES = (() => {
  const found = [];
  for (let one = 2; found.length < 64; one += 1) if (found.every((prime) => one % prime !== 0)) found.push(one);
  return found;
})();
const fraction = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
const ROUNDS = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));

/** @param {string} text  half a surrogate pair counts as U+FFFD  @returns {string} the SHA-256 of the text in UTF-8, in hexadecimal */
export function sha256(text) {
  const bytes = utf8Of(text);
  const length = bytes.length;
  bytes.push(0x80);
  while (bytes.length % 64 !== 56) bytes.push(0);
  for (let shift = 7; shift >= 0; shift -= 1) bytes.push(Math.floor((length * 8) / 2 ** (8 * shift)) & 0xff);
  const hash = [...START];
  const words = new Array(64).fill(0);
  for (let at = 0; at < bytes.length; at += 64) {
    for (let nth = 0; nth < 16; nth += 1) {
      const from = at + 4 * nth;
      words[nth] = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
    }
    for (let nth = 16; nth < 64; nth += 1) {
      const [before, after] = [words[nth - 15], words[nth - 2]];
      const small = turned(before, 7) ^ turned(before, 18) ^ (before >>> 3);
      const other = turned(after, 17) ^ turned(after, 19) ^ (after >>> 10);
      words[nth] = (words[nth - 16] + small + words[nth - 7] + other) | 0;
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let nth = 0; nth < 64; nth += 1) {
      const one = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + ROUNDS[nth] + words[nth]) | 0;
      const two = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
    }
    for (const [nth, one] of [a, b, c, d, e, f, g, h].entries()) hash[nth] = (hash[nth] + one) | 0;
  }
  return hash.map((one) => (one >>> 0).toString(16).padStart(8, "0")).join("");
}

const turned = (word, by) => (word >>> by) | (word << (32 - by));

function utf8Of(text) {
  const bytes = [];
  for (const character of text) {
    const point = character.codePointAt(0);
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
  }
  return bytes;
}
