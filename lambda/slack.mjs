// Posts to a Slack webhook and says what the answer means. The URL is the secret: no error holds it.

/** Of those that Slack did not answer, or with a server error. A 429 only says when: those go on until the time is used up. */
const ATTEMPTS = 5;
const ATTEMPT_MS = 4_000;
const FIRST_WAIT_MS = 500;
const SPREAD_MS = 1_000;
/** Too little time for a round trip: better to fail now and let Lambda run the event again. */
const SHORTEST_ATTEMPT_MS = 300;

/** A post that Slack did not take. */
export class SlackError extends Error {
  /**
   * @param {string} message  without the URL
   * @param {{status?: number|null, answer?: string, attempts?: number, retryable: boolean}} facts
   */
  constructor(message, { status = null, answer = "", attempts = 0, retryable }) {
    super(message);
    this.name = "SlackError";
    this.status = status;
    this.answer = answer;
    this.attempts = attempts;
    this.retryable = retryable;
  }
}

/**
 * What an HTTP status of a webhook means: only 429 and 5xx can become better by waiting.
 * @param {number} status
 * @returns {"ok"|"retry"|"permanent"}
 */
export function classify(status) {
  if (status >= 200 && status < 300) return "ok";
  return status === 429 || status >= 500 ? "retry" : "permanent";
}

/**
 * Posts until Slack takes it, refuses it for good, or the time is used up.
 * @param {string} url
 * @param {object} payload
 * @param {{fetch?: typeof fetch, sleep?: (ms: number) => Promise<void>, now?: () => number, budgetMs?: number, random?: () => number}} [tools]
 * @returns {Promise<{status: number, attempts: number}>}
 * @throws {SlackError} for every other end
 */
export async function post(url, payload, { fetch = globalThis.fetch, sleep = pause, now = Date.now, budgetMs = 10_000, random = Math.random } = {}) {
  if (!isAddress(url)) throw new SlackError("the webhook parameter does not hold an http(s) URL", { retryable: false });
  const deadline = now() + budgetMs;
  const body = JSON.stringify(payload);
  let failures = 0;
  for (let attempts = 1; ; attempts += 1) {
    const answer = await attempt(url, body, fetch, Math.max(1, Math.min(ATTEMPT_MS, deadline - now())));
    const verdict = answer.status === null ? "retry" : classify(answer.status);
    if (verdict === "ok") return { status: answer.status, attempts };

    const facts = { status: answer.status, answer: answer.body, attempts, retryable: verdict === "retry" };
    const said = `${answer.status === null ? "Slack could not be reached" : `Slack answered ${answer.status}`}${answer.body && `: ${answer.body}`}`;
    if (verdict === "permanent") throw new SlackError(said, facts);
    failures += answer.status === 429 ? 0 : 1;
    if (failures === ATTEMPTS) throw new SlackError(`${said} (after ${attempts} attempts)`, facts);
    // Everybody who was told to wait comes back at once, but for some randomness.
    const waitMs = Math.ceil((answer.retryAfterMs ?? FIRST_WAIT_MS * 2 ** Math.min(attempts - 1, 4)) + SPREAD_MS * random());
    if (now() + waitMs + SHORTEST_ATTEMPT_MS > deadline) {
      throw new SlackError(`${said} (no time left to wait ${waitMs} ms for attempt ${attempts + 1})`, facts);
    }
    await sleep(waitMs);
  }
}

/** One request. It never throws: status null stands for "no answer". */
async function attempt(url, body, fetch, timeoutMs) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json; charset=utf-8" },
      body,
      // A webhook does not redirect; following would carry the alert, and the secret's path, elsewhere.
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    // Reading the body also frees the connection. A body that breaks off changes nothing about the status.
    const text = await response.text().catch(() => "");
    return { status: response.status, body: short(text, url), retryAfterMs: retryAfter(response) };
  } catch (error) {
    return { status: null, body: short(reasonOf(error), url), retryAfterMs: null };
  }
}

/** Slack gives whole seconds. Anything else is left to our own backoff. */
function retryAfter(response) {
  const seconds = response.headers?.get?.("retry-after")?.trim();
  return response.status === 429 && /^\d{1,6}$/.test(seconds ?? "") ? Number(seconds) * 1000 : null;
}

/** The code of a network error says it all; its message may quote the URL. */
function reasonOf(error) {
  if (error?.name === "TimeoutError" || error?.name === "AbortError") return "no answer in time";
  return String(error?.cause?.code ?? error?.code ?? error?.name ?? "network error");
}

/** An answer on one line, short, and without the URL or its secret path even if the server echoed them. */
function short(text, url) {
  const { pathname } = new URL(url);
  let line = String(text).replaceAll(url, "<webhook>");
  if (pathname.length > 1) line = line.replaceAll(pathname, "<webhook>");
  return line.replace(/\s+/g, " ").trim().slice(0, 200);
}

function isAddress(url) {
  return typeof url === "string" && /^https?:\/\//.test(url) && URL.canParse(url);
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
