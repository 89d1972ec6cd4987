// Posts to a place until it takes the message, refuses it for good, or the time is used up. The URL is the secret: no error
// holds it. What an answer means is the place's own.

import { withoutCredentials } from "../core/credentials.mjs";
import { MOST_UNANSWERED } from "../core/unanswered.mjs";
import { redacted } from "./secret.mjs";

/** Of those that reached nobody, or with a server error. A 429 only says when: those go on until the time is used up. */
const ATTEMPTS = 5;
/** What is answered later may have been taken, and comes twice if it is sent again. Longer than fetch waits for a connection, 10 s and up to one
 * more: nothing was sent where there is none. */
const ATTEMPT_MS = 11_500;
/** Of an answer that is all that is read: what is wrong stands in its beginning. */
const ANSWER_BYTES = 64 * 1024;
const FIRST_WAIT_MS = 500;
const SPREAD_MS = 1_000;
/** Too little time for a round trip: better to fail now and let Lambda run the event again. */
const SHORTEST_ATTEMPT_MS = 300;

/**
 * @typedef {object} Place
 * @property {string} name  as errors say it
 * @property {(status: number|null, answer: string) => "ok"|"retry"|"permanent"} classify
 * @property {(url: string) => string} [addressOf]  where to post, of a webhook's URL
 * @property {(body: string) => number|null} [retryAfterMs]  where the body of a 429 says it better than its header
 * @typedef {{status: number|null, answer: string, retryAfterMs?: number|null, unanswered?: "late"|"cut"|null}} Answer
 *   status null stands for "no answer"; unanswered: why it is not known whether the message was taken
 * @typedef {{sleep?: (ms: number) => Promise<void>, now?: () => number, budgetMs?: number, random?: () => number, unanswered?: number}} Time
 *   unanswered: so many earlier posts of the same message were not answered
 */

/** A message that a place did not take. */
export class PostError extends Error {
  /**
   * @param {string} message  without the URL
   * @param {{status?: number|null, answer?: string, attempts?: number, retryable: boolean, unanswered?: number}} facts
   */
  constructor(message, { status = null, answer = "", attempts = 0, retryable, unanswered = 0 }) {
    super(message);
    this.name = "PostError";
    this.status = status;
    this.answer = answer;
    this.attempts = attempts;
    this.retryable = retryable;
    this.unanswered = unanswered;
  }
}

/** What the parameter holds is nothing to post to. */
export class NoAddress extends PostError {
  constructor(message) {
    super(message, { retryable: false });
  }
}

/**
 * @param {Place} place
 * @param {{url: string, payload: object, headersOf?: (body: string) => Record<string, string>, hidden: string[]}} message
 *   headersOf: of its own for each attempt; hidden: what no error may hold
 * @param {Time & {fetch?: typeof fetch}} [tools]
 * @returns {Promise<{status: number, attempts: number}>}
 * @throws {PostError} for every other end
 */
export async function post(place, { url, payload, headersOf = () => ({}), hidden }, { fetch = globalThis.fetch, ...time } = {}) {
  const wrong = wrongWith(url);
  if (wrong) throw new NoAddress(`the webhook parameter ${wrong}`);
  const body = JSON.stringify(payload);
  const request = () => ({ method: "POST", headers: { "content-type": "application/json; charset=utf-8", ...headersOf(body) }, body });
  return untilTaken(place, (timeoutMs) => attempt(place, url, { ...request(), signal: AbortSignal.timeout(timeoutMs) }, fetch, hidden), time);
}

/**
 * @param {Place} place
 * @param {(timeoutMs: number) => Promise<Answer>} attempt  never throws
 * @param {Time} [time]
 * @returns {Promise<{status: number, attempts: number, unanswered?: number}>}
 * @throws {PostError} for every other end
 */
export async function untilTaken(place, attempt, { sleep = pause, now = Date.now, budgetMs = 10_000, random = Math.random, unanswered: before = 0 } = {}) {
  const deadline = now() + budgetMs;
  let failures = 0;
  let unanswered = before;
  for (let attempts = 1; ; attempts += 1) {
    const { status, answer, retryAfterMs = null, unanswered: why = null } = await attempt(Math.max(1, Math.min(ATTEMPT_MS, deadline - now())));
    if (why !== null) unanswered += 1;
    const verdict = status === null ? "retry" : place.classify(status, answer);
    if (verdict === "ok") return { status, attempts, ...(unanswered > 0 ? { unanswered } : {}) };

    const facts = { status, answer, attempts, retryable: verdict === "retry", unanswered };
    const said = `${status === null ? `${place.name} could not be reached` : `${place.name} answered ${status}`}${answer && `: ${answer}`}`;
    if (verdict === "permanent") throw new PostError(said, facts);
    // Whether it was taken is not known. A connection that ended early is tried once more now, what was late in Lambda's next run.
    if (why !== null && (why === "late" || unanswered >= MOST_UNANSWERED)) {
      throw new PostError(`${said}; it may have taken the message (unanswered: ${unanswered}${unanswered >= MOST_UNANSWERED ? ", not sent again" : ""})`, facts);
    }
    failures += status === 429 ? 0 : 1;
    if (failures === ATTEMPTS) throw new PostError(`${said} (after ${attempts} attempts)`, facts);
    // Everybody who was told to wait comes back at once, but for some randomness.
    const waitMs = Math.ceil((retryAfterMs ?? FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 4)) + SPREAD_MS * random());
    if (now() + waitMs + SHORTEST_ATTEMPT_MS > deadline) {
      throw new PostError(`${said} (no time left to wait ${waitMs} ms for attempt ${attempts + 1})`, facts);
    }
    await sleep(waitMs);
  }
}

/** One request. It never throws. @returns {Promise<Answer>} */
async function attempt(place, url, request, fetch, hidden) {
  try {
    // A webhook does not redirect; following would carry the alert, and the secret's path, elsewhere.
    const response = await fetch(url, { ...request, redirect: "manual" });
    const text = await textOf(response);
    const wait = response.status === 429 ? Math.max(secondsOf(response) ?? -1, place.retryAfterMs?.(text) ?? -1) : -1;
    return { status: response.status, answer: short(text, hidden), retryAfterMs: wait < 0 ? null : wait };
  } catch (error) {
    return { status: null, answer: short(reasonOf(error), hidden), unanswered: unansweredOf(error) };
  }
}

/** The beginning of a body, which may have no end. A body that breaks off changes nothing about the status. */
async function textOf({ body }) {
  if (!body) return "";
  const reader = body.getReader();
  const parts = [];
  try {
    for (let length = 0; length < ANSWER_BYTES;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      length += value.byteLength;
    }
  } catch {
    // What was read says enough.
  }
  // Frees the connection.
  reader.cancel().catch(() => {});
  return Buffer.concat(parts).subarray(0, ANSWER_BYTES).toString();
}

/** Errors of a connection that was never made: nothing was sent. */
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EINVAL|UND_ERR_CONNECT_TIMEOUT|ERR_(TLS|SSL|INVALID)\w*|CERT_\w+|DEPTH_ZERO\w*|SELF_SIGNED\w*|UNABLE_TO\w*)$/;

/** The SDK calls that a TimeoutError, too. */
const NEVER_CONNECTED = /(did not establish|without establishing) a connection/;

const isNeverSent = ({ code, syscall } = {}) => NEVER_SENT.test(String(code)) || syscall === "connect" || syscall === "getaddrinfo";

/** Why it is not known whether the message was taken; null where it was certainly not sent. @returns {"late"|"cut"|null} */
export function unansweredOf(error) {
  if (/^(Timeout|Abort)Error$|^RequestTimeout/.test(String(error?.name))) return NEVER_CONNECTED.test(String(error.message)) ? null : "late";
  const cause = error?.cause ?? error ?? {};
  // Of a host with several addresses: one error for each.
  if (Array.isArray(cause.errors) && cause.errors.length > 0) return cause.errors.every((one) => isNeverSent(one ?? {})) ? null : "cut";
  return isNeverSent({ code: cause.code ?? error?.code, syscall: cause.syscall }) ? null : "cut";
}

/** Retry-After in seconds, whole or not, as milliseconds. A date is left to our own backoff. */
function secondsOf(response) {
  const seconds = response.headers?.get?.("retry-after")?.trim();
  return /^\d{1,6}(\.\d+)?$/.test(seconds ?? "") ? Math.ceil(Number(seconds) * 1000) : null;
}

/** The code of a network error says it all; its message may quote the URL. */
function reasonOf(error) {
  if (error?.name === "TimeoutError" || error?.name === "AbortError") return "no answer in time";
  return String(error?.cause?.code ?? error?.code ?? error?.name ?? "network error");
}

/** An answer on one line, short, and without anything secret even if the server echoed it. */
const short = (text, hidden) => withoutCredentials(redacted(String(text), hidden)).replace(/\s+/g, " ").trim().slice(0, 200);

/** What is wrong with an address. Plain http is for this machine alone: the address is a secret. */
function wrongWith(url) {
  if (typeof url !== "string" || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return "does not hold an https URL";
  const { protocol, hostname, username, password } = new URL(url);
  if (protocol !== "https:" && !["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return "does not hold an https URL";
  // fetch takes none of them.
  return username || password ? "holds a URL with a user's name in front of its host" : null;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
