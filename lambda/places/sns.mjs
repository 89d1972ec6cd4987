// Builds the message for a topic of Amazon SNS: plain text, as it arrives in a mail. Pure: no I/O, no clock, no Node API, no Intl.

import { plainOf } from "./mrkdwn.mjs";
import { partsOf } from "./parts.mjs";
import { clean, filled } from "../core/text.mjs";

export const name = "SNS";

/** The longest subject: SNS requires less than 100 characters of ASCII, and a letter or a digit first. */
const SUBJECT_LENGTH = 99;
/** The longest value of an attribute; SNS itself limits only the whole message. */
const VALUE_LENGTH = 256;
const LOOKALIKES = { "·": "-", "–": "-", "—": "-", "…": "...", "’": "'", "‘": "'", "“": '"', "”": '"' };
/** Errors of SNS that waiting does not fix. */
const PERMANENT = /^(AuthorizationError|AccessDenied|NotFound|InvalidParameter|Validation|EndpointDisabled|InvalidSecurity|KMS(AccessDenied|Disabled|InvalidState|NotFound|OptInRequired))/;

/**
 * Builds the message.
 * @param {import("./slack-message.mjs").Incident} incident
 * @param {import("./slack-message.mjs").Options} [options]
 * @returns {{Subject: string, Message: string, MessageAttributes: Record<string, {DataType: "String", StringValue: string}>}}
 */
export function payloadOf(incident, options) {
  const parts = partsOf(incident, options);
  return {
    // SNS accepts only ASCII in a subject, so the subject is English in every language.
    Subject: subjectOf(plainOf(partsOf(incident, { language: "en" }).headline)),
    Message: textOf(parts),
    MessageAttributes: attributesOf(incident),
  };
}

/**
 * Builds the headline alone, for a message that SNS refused. Leaves out the subject, which may be the refused part, and keeps the attributes:
 * without them, filter policies would drop the message silently.
 */
export const plainPayloadOf = ({ Message, MessageAttributes }) => ({ Message: Message.split("\n")[0], MessageAttributes });

/**
 * Classifies an answer.
 * @param {number|null} status
 * @param {string} [answer]  the name of the error
 * @returns {"ok"|"retry"|"permanent"}
 */
export function classify(status, answer) {
  if (status >= 200 && status < 300) return "ok";
  return PERMANENT.test(answer ?? "") ? "permanent" : "retry";
}

/** Says whether SNS refused the message. */
export const refuses = ({ answer }) => /^(InvalidParameter|Validation)/.test(answer ?? "");

function subjectOf(headline) {
  const ascii = Array.from(clean(headline, false), (one) => LOOKALIKES[one] ?? (/[\x20-\x7e]/.test(one) ? one : "?")).join("");
  const subject = ascii.replace(/^[^A-Za-z0-9]+/, "").replace(/\s+/g, " ").slice(0, SUBJECT_LENGTH).trim();
  return subject === "" ? "taskbell alert" : subject;
}

function textOf({ headline, sections, links, notes, facts, foot, folded }) {
  const blocks = [
    plainOf(headline),
    ...sections.map(plainOf),
    folded,
    links.map(({ url, label }) => `${label}:\n${url}`).join("\n"),
    notes.map(plainOf).join("\n"),
    facts.map(({ name: label, value }) => `${label}: ${plainOf(value)}`).join("\n"),
    foot.map(plainOf).join("\n"),
  ];
  return blocks.filter(filled).join("\n\n");
}

/** Builds attributes for filter policies of the topic's subscriptions. */
function attributesOf({ severity, cause, cluster, family }) {
  const values = Object.entries({ severity, cause: cause.id, cluster, family })
    .map(([key, value]) => [key, filled(value) ? [...clean(value, false).trim()].slice(0, VALUE_LENGTH).join("") : ""]);
  return Object.fromEntries(values.filter(([, value]) => value !== "").map(([key, value]) => [key, { DataType: "String", StringValue: value }]));
}
