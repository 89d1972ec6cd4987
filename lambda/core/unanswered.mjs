// Bounds on posts without an answer, each of which may have been taken. Pure: no I/O, no clock, no Node API, no Intl.

/** So many posts of one subject to one destination may remain without an answer. */
export const MOST_UNANSWERED = 2;
/** In milliseconds. After that, a message that was not answered may be sent again: a replay from the queue. */
export const UNANSWERED_MS = 15 * 60_000;
