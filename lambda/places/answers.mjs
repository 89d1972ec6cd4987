// Reads the HTTP status of any webhook. Pure: no I/O, no clock, no Node API, no Intl.

/**
 * Classifies a status. Only 408, 429 and 5xx can improve by waiting.
 * @param {number} status
 * @returns {"ok"|"retry"|"permanent"}
 */
export function classify(status) {
  if (status >= 200 && status < 300) return "ok";
  return status === 408 || status === 429 || status >= 500 ? "retry" : "permanent";
}
