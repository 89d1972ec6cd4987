// What is Slack's own about a post: what its answers mean. Pure: no I/O, no clock, no Node API, no Intl.

export { messageOf as payloadOf } from "./slack-message.mjs";

export const name = "Slack";

/** The headline alone, for a layout that Slack refused. */
export function plainPayloadOf({ attachments, ...plain }) {
  return plain;
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

/** Whether it was the layout that Slack did not like. */
export const refuses = ({ status, answer }) => status === 400 && /invalid|block|attachment/.test(answer);
