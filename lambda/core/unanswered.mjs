// Limits on posts without an answer, each of which the destination may have taken. Pure: no I/O, no clock, no Node API, no Intl.

/** The most posts of one subject to one destination that may stay without an answer. */
export const MOST_UNANSWERED = 2;
/** In milliseconds. After this time a message without an answer may be sent again, as by a replay from the queue. */
export const UNANSWERED_MS = 15 * 60_000;
