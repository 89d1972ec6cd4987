// Reads the answers of Slack. Pure: no I/O, no clock, no Node API, no Intl.

export { classify } from "./answers.mjs";
export { messageOf as payloadOf } from "./slack-message.mjs";

export const name = "Slack";

/** Builds the headline alone, for a layout that Slack refused. */
export function plainPayloadOf({ blocks, attachments, ...plain }) {
  return plain;
}

/** Says whether Slack refused the layout. */
export const refuses = ({ status, answer }) => status === 400 && /invalid|block|attachment/.test(answer);
