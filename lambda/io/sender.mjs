// Sends to one destination: reads its webhook and keeps it for a while, builds its message, and returns the result. No sender knows of the others.

import * as discord from "../places/discord.mjs";
import { NoAddress, post, unansweredOf, untilTaken } from "./post.mjs";
import { secretOf, signatureOf } from "./secret.mjs";
import { kindOf } from "../places/kinds.mjs";
import * as slack from "../places/slack.mjs";
import * as sns from "../places/sns.mjs";
import * as teams from "../places/teams.mjs";
import * as webhook from "../places/webhook.mjs";

const PLACES = { discord, slack, sns, teams, webhook };
const SECRET_MS = 5 * 60_000;
/** The number of reads of a parameter that could not be read, and the pause between them. */
const READS = 4;
const READ_PAUSE_MS = 700;
/** Errors that another read does not fix. */
const FOR_GOOD = /AccessDenied|Empty|NotFound|Invalid|Unrecognized|Validation/;
/** Statuses of a webhook that was revoked or replaced: the parameter may hold a new one by now. */
const REVOKED = [401, 403, 404, 410];

/**
 * @typedef {{status: number, attempts: number, unanswered?: number, reread?: true, refused?: string}} Taken
 *   refused: the answer to the layout; reread: the webhook was read again
 * @typedef {object} Sender
 * @property {string} name
 * @property {() => import("../core/destinations.mjs").Kind|null} kind  null until the webhook was read
 * @property {() => string[]} hidden  text that no line may contain; answers and errors are already free of this text and its parts
 * @property {(left: () => number) => Promise<void>} read  begins to read the webhook, and never fails: `send` waits for it and reports an error
 * @property {(incident: import("../places/slack-message.mjs").Incident, options: import("../places/slack-message.mjs").Options, left: () => number, unanswered?: number) => Promise<Taken>} send
 *   unanswered: the number of posts of earlier runs without an answer
 */

/**
 * Creates the sender of a destination.
 * @param {import("../core/destinations.mjs").Destination} destination
 * @param {import("../index.mjs").Tools} tools
 * @returns {Sender}
 */
export function senderTo({ name, parameter, topic, kind }, { readWebhook, publish, fetch, sleep, now, random }) {
  let secret = null;
  let failed = null;
  let reading = null;
  const kindNow = () => kind ?? (secret && kindOf(secret.url));

  /** Reads the webhook. A parameter that could not be read for a moment is read again. */
  async function read(fresh, left) {
    if (topic !== null || (secret && !fresh && now() - secret.readAt < SECRET_MS)) return;
    for (let reads = 1; ; reads += 1) {
      try {
        const value = await readWebhook(parameter).catch((error) => { throw Object.assign(new Error(nameOf(error)), { mayPass: !FOR_GOOD.test(nameOf(error)) }); });
        secret = { ...secretOf(value, kind), readAt: now() };
        return;
      } catch (error) {
        failed = error;
        if (secret || !error.mayPass || reads === READS || left() < READ_PAUSE_MS) return;
      }
      await sleep(READ_PAUSE_MS);
    }
  }

  /** Waits until the webhook is known. An old webhook most likely still works; no webhook certainly does not. */
  async function known(left) {
    await (reading ?? read(false, left));
    reading = null;
    if (topic === null && !secret) throw new Error(`could not read the webhook from parameter ${parameter}: ${failed.message}`);
  }

  function attempt(place, payload, left, unanswered) {
    const time = { sleep, now, random, budgetMs: left(), unanswered };
    if (topic !== null) return untilTaken(place, (timeoutMs) => answerOf(() => publish(topic, payload, timeoutMs)), time);
    const { url, key, hidden } = secret;
    const headersOf = key === null ? undefined : (body) => signatureOf(key, body, Math.floor(now() / 1000));
    return post(place, { url: place.addressOf?.(url) ?? url, payload, headersOf, hidden }, { ...time, fetch });
  }

  /** Sends the message. A refused layout must not cost the alert: then the headline is sent alone. */
  async function taken(incident, options, left, unanswered) {
    const place = PLACES[kindNow()];
    const payload = place.payloadOf(incident, options);
    try {
      return await attempt(place, payload, left, unanswered);
    } catch (error) {
      if (REVOKED.includes(error.status) || !place.refuses(error)) throw error;
      return { ...(await attempt(place, place.plainPayloadOf(payload), left, error.unanswered)), refused: error.answer };
    }
  }

  return {
    name,
    kind: kindNow,
    hidden: () => [secret?.url, secret?.key].filter(Boolean),
    read: (left) => (reading = read(false, left)),
    async send(incident, options, left, unanswered = 0) {
      await known(left);
      const before = secret;
      try {
        return await taken(incident, options, left, unanswered);
      } catch (error) {
        if (topic !== null || !(REVOKED.includes(error.status) || error instanceof NoAddress)) throw error;
        await read(true, left);
        if (secret.url === before.url && secret.key === before.key) throw error;
        return { ...(await taken(incident, options, left, error.unanswered)), reread: true };
      }
    },
  };
}

/** Makes a call of the SDK, and returns the result as an answer of HTTP. The message of an error may quote identities, and is not repeated. */
async function answerOf(call) {
  try {
    await call();
    return { status: 200, answer: "" };
  } catch (error) {
    const status = error?.$metadata?.httpStatusCode ?? null;
    return { status, answer: nameOf(error), unanswered: status === null ? unansweredOf(error) : null };
  }
}

/** Returns the kind of an AWS error. */
export const nameOf = (error) => String(error?.name ?? "Error") + (error?.code ? ` (${error.code})` : "");
