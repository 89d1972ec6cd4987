// What is Slack's own about a post: what its answers mean. Pure: no I/O, no clock, no Node API, no Intl.

export { classify } from "./answers.mjs";
export { messageOf as payloadOf } from "./slack-message.mjs";

export const name = "Slack";

/** The headline alone, for a layout that Slack refused. */
export function plainPayloadOf({ attachments, ...plain }) {
  return plain;
}

/** Whether it was the layout that Slack did not like. */
export const refuses = ({ status, answer }) => status === 400 && /invalid|block|attachment/.test(answer);
