// Reads the secret of a parameter, and keeps the secret out of every error and log line.

import { createHmac } from "node:crypto";

/** A shorter text may be a word of any line; and a shorter key could be guessed. */
const SHORTEST = 16;
const isLong = (text) => text.length >= SHORTEST;

/**
 * @typedef {{url: string, key: string|null, hidden: string[]}} Secret
 *   key: of the signature, if there is one; hidden: all text that no line may contain, the longest first
 */

/**
 * Reads the value of a parameter.
 * @param {string} value
 * @param {import("../core/destinations.mjs").Kind|null} kind  as the destination declares it
 * @returns {Secret}
 * @throws {Error} without the value
 */
export function secretOf(value, kind) {
  if (kind !== "webhook") return { url: value, key: null, hidden: hiddenIn(value) };
  let held = null;
  try {
    held = JSON.parse(value);
  } catch {
    // Reported below, without its text.
  }
  const { url, secret: key } = held ?? {};
  if (typeof url !== "string" || typeof key !== "string") throw new Error('the value does not hold {"url": "https://…", "secret": "…"}');
  if (!isLong(key)) throw new Error(`the secret has less than ${SHORTEST} characters`);
  return { url, key, hidden: [value, key, JSON.stringify(key).slice(1, -1), ...hiddenIn(url)].sort(byLength) };
}

/** Lists the URL; its path and query, which servers repeat; and the keys in them. */
function hiddenIn(url) {
  if (!URL.canParse(url)) return [url];
  const { href, pathname, search, username, password, searchParams } = new URL(url);
  const parts = [...pathname.split("/"), ...searchParams.values(), ...search.slice(1).split(/[&=]/), username, password].flatMap((part) => [part, decoded(part)]);
  // A short word is hidden only together with its name.
  const pairs = search.slice(1).split("&").filter((pair) => /=./.test(pair)).flatMap((pair) => [pair, decoded(pair)]);
  const whole = [url, href, pathname + search, pathname, search, ...pairs].filter((one) => one.length > 1);
  return [...new Set([...whole, ...parts.filter(isLong)])].sort(byLength);
}

/** Replaces hidden text. @param {string} text  @param {string[]} hidden  the longest first */
export const redacted = (text, hidden) => hidden.reduce((line, one) => line.replaceAll(one, "<webhook>"), text);

/**
 * Signs a body.
 * @param {string} key
 * @param {string} body
 * @param {number} seconds  since 1970: a receiver refuses old signatures, so that nobody else can send the message again
 * @returns {Record<string, string>} headers
 */
export function signatureOf(key, body, seconds) {
  const signature = createHmac("sha256", key).update(`${seconds}.${body}`).digest("hex");
  return { "taskbell-timestamp": String(seconds), "taskbell-signature": `v1=${signature}` };
}

const byLength = (one, other) => other.length - one.length;

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
