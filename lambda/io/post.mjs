// Posts to a destination until it takes the message, refuses the message for good, or the time is used up. The URL is the secret: no error
// contains it. Each destination decides for itself how to read an answer.

import { withoutCredentials } from "../core/credentials.mjs";
import { MOST_UNANSWERED } from "../core/unanswered.mjs";
import { redacted } from "./secret.mjs";

/** The most attempts that reach nobody, or end with a server error. A 429 only asks for a pause: such attempts go on until the time is used up. */
const ATTEMPTS = 5;
/** The longest wait for an answer: a message that is answered later may have been taken, and would come twice if sent again. Longer than the
 * time in which fetch gives up on a connection, 10 s and up to one more: without a connection nothing was sent. */
const ATTEMPT_MS = 11_500;
/** The most bytes of an answer that are read: the beginning of an answer explains the error. */
const ANSWER_BYTES = 64 * 1024;
const FIRST_WAIT_MS = 500;
const SPREAD_MS = 1_000;
/** Less time than a round trip needs: it is better to fail now and let Lambda run the event again. */
const SHORTEST_ATTEMPT_MS = 300;

/**
 * @typedef {object} Place
 * @property {string} name  as errors write it
 * @property {(status: number|null, answer: string) => "ok"|"retry"|"permanent"} classify
 * @property {(url: string) => string} [addressOf]  the address to post to, for the URL of a webhook
 * @property {(body: string) => number|null} [retryAfterMs]  for a 429 whose body states the pause more exactly than its header
 * @typedef {{status: number|null, answer: string, retryAfterMs?: number|null, unanswered?: "late"|"cut"|null}} Answer
 *   status null stands for "no answer"; unanswered: the reason why nobody knows whether the message was taken
 * @typedef {{sleep?: (ms: number) => Promise<void>, now?: () => number, budgetMs?: number, random?: () => number, unanswered?: number}} Time
 *   unanswered: the number of earlier posts of the same message without an answer
 */

/** Reports a message that a destination did not take. */
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

/** Reports a parameter whose value is not an address to post to. */
export class NoAddress extends PostError {
  constructor(message) {
    super(message, { retryable: false });
  }
}

/**
 * Posts a message to the URL of a webhook.
 * @param {Place} place
 * @param {{url: string, payload: object, headersOf?: (body: string) => Record<string, string>, hidden: string[]}} message
 *   headersOf: makes new headers for each attempt; hidden: text that no error may contain
 * @param {Time & {fetch?: typeof fetch}} [tools]
 * @returns {Promise<{status: number, attempts: number}>}
 * @throws {PostError} for every other end
 */
export async function post(place, { url, payload, headersOf = () => ({}), hidden }, { fetch = globalThis.fetch, ...time } = {}) {
  const wrong = wrongWith(url);
  if (wrong) throw new NoAddress(`the webhook parameter ${wrong}`);
  const body = JSON.stringify(payload);
  const request = () => ({ method: "POST", headers: { "content-type": "application/json; charset=utf-8", ...headersOf(body) }, body });
  return untilTaken(place, (timeoutMs) => attempt(place, url, { ...request(), signal: AbortSignal.timeout(Math.ceil(timeoutMs)) }, fetch, hidden), time);
}

/**
 * Repeats the attempt until the destination takes the message, and waits in between.
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
    // Nobody knows whether the message was taken. A connection that ended early is tried once more now; after a late answer, Lambda's next run tries.
    if (why !== null && (why === "late" || unanswered >= MOST_UNANSWERED)) {
      throw new PostError(`${said}; it may have taken the message (unanswered: ${unanswered}${unanswered >= MOST_UNANSWERED ? ", not sent again" : ""})`, facts);
    }
    failures += status === 429 ? 0 : 1;
    if (failures === ATTEMPTS) throw new PostError(`${said} (after ${attempts} attempts)`, facts);
    // All senders that were asked to wait would come back at once, so each adds a random time.
    const waitMs = Math.ceil((retryAfterMs ?? FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 4)) + SPREAD_MS * random());
    if (now() + waitMs + SHORTEST_ATTEMPT_MS > deadline) {
      throw new PostError(`${said} (no time left to wait ${waitMs} ms for attempt ${attempts + 1})`, facts);
    }
    await sleep(waitMs);
  }
}

/** Makes one request. Never throws. @returns {Promise<Answer>} */
async function attempt(place, url, request, fetch, hidden) {
  try {
    // A webhook does not redirect; following a redirect would send the alert, and the path of the secret, elsewhere.
    const response = await fetch(url, { ...request, redirect: "manual" });
    const text = await textOf(response);
    const wait = response.status === 429 ? Math.max(secondsOf(response) ?? -1, place.retryAfterMs?.(text) ?? -1) : -1;
    return { status: response.status, answer: short(text, hidden), retryAfterMs: wait < 0 ? null : wait };
  } catch (error) {
    return { status: null, answer: short(reasonOf(error), hidden), unanswered: unansweredOf(error) };
  }
}

/** Reads the beginning of a body, which may have no end. A body that breaks off does not change the status. */
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
    // The part that was read is enough.
  }
  // Frees the connection.
  reader.cancel().catch(() => {});
  return Buffer.concat(parts).subarray(0, ANSWER_BYTES).toString();
}

/** Codes of errors of a connection that was never made: nothing was sent. */
const NEVER_SENT = /^(ECONNREFUSED|ENOTFOUND|EAI_\w+|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|EINVAL|UND_ERR_CONNECT_TIMEOUT|ERR_(TLS|SSL|INVALID)\w*|CERT_\w+|DEPTH_ZERO\w*|SELF_SIGNED\w*|UNABLE_TO\w*)$/;

/** Texts of a connection that was never made; the SDK calls this a TimeoutError, too. */
const NEVER_CONNECTED = /(did not establish|without establishing) a connection/;

const isNeverSent = ({ code, syscall } = {}) => NEVER_SENT.test(String(code)) || syscall === "connect" || syscall === "getaddrinfo";

/** Returns the reason why nobody knows whether the message was taken; null if it was certainly not sent. @returns {"late"|"cut"|null} */
export function unansweredOf(error) {
  if (/^(Timeout|Abort)Error$|^RequestTimeout/.test(String(error?.name))) return NEVER_CONNECTED.test(String(error.message)) ? null : "late";
  const cause = error?.cause ?? error ?? {};
  // A host with several addresses gives one error for each address.
  if (Array.isArray(cause.errors) && cause.errors.length > 0) return cause.errors.every((one) => isNeverSent(one ?? {})) ? null : "cut";
  return isNeverSent({ code: cause.code ?? error?.code, syscall: cause.syscall }) ? null : "cut";
}

/** Reads Retry-After in seconds, whole or not, as milliseconds. A date is ignored, and the own backoff applies. */
function secondsOf(response) {
  const seconds = response.headers?.get?.("retry-after")?.trim();
  return /^\d{1,6}(\.\d+)?$/.test(seconds ?? "") ? Math.ceil(Number(seconds) * 1000) : null;
}

/** Names a network error by its code alone; the message of the error may quote the URL. */
function reasonOf(error) {
  if (error?.name === "TimeoutError" || error?.name === "AbortError") return "no answer in time";
  return String(error?.cause?.code ?? error?.code ?? error?.name ?? "network error");
}

/** Shortens an answer to one line without anything secret, even if the server echoed a secret. */
const short = (text, hidden) => withoutCredentials(redacted(String(text), hidden)).replace(/\s+/g, " ").trim().slice(0, 200);

/** Says why an address cannot be used. Plain http is allowed for this machine alone: the address is a secret. */
function wrongWith(url) {
  if (typeof url !== "string" || !/^https?:\/\//i.test(url) || !URL.canParse(url)) return "does not hold an https URL";
  const { protocol, hostname, username, password } = new URL(url);
  if (protocol !== "https:" && !["127.0.0.1", "localhost", "[::1]"].includes(hostname)) return "does not hold an https URL";
  // fetch refuses such a URL.
  return username || password ? "holds a URL with a user's name in front of its host" : null;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
