// What an HTTP status of a webhook means, wherever it is. Pure: no I/O, no clock, no Node API, no Intl.

/**
 * Only 408, 429 and 5xx can become better by waiting.
 * @param {number} status
 * @returns {"ok"|"retry"|"permanent"}
 */
export function classify(status) {
  if (status >= 200 && status < 300) return "ok";
  return status === 408 || status === 429 || status >= 500 ? "retry" : "permanent";
}
