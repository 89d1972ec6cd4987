// Knows the time zones: the only module that uses Intl, which the embedded engine lacks.

/** Offsets are kept for spans of this length: every clock change comes at a multiple of it. */
const SPAN_MS = 15 * 60_000;
const KEPT = 20_000;

const zones = new Map();

/**
 * Returns the offsets of a time zone.
 * @param {string} name  of the IANA database
 * @returns {import("../core/cron.mjs").Offset}
 * @throws {Error} for a name that this Node.js does not know
 */
export function offsetsOf(name) {
  if (!zones.has(name)) zones.set(name, zoneOf(name));
  return zones.get(name);
}

function zoneOf(name) {
  let format;
  try {
    format = new Intl.DateTimeFormat("en-US", { timeZone: name, timeZoneName: "longOffset" });
  } catch {
    throw new Error(`the time zone ${name} is not known to Node.js ${process.versions.node}`);
  }
  const kept = new Map();
  return (utcMs) => {
    const span = Math.floor(utcMs / SPAN_MS);
    if (!kept.has(span)) {
      if (kept.size >= KEPT) kept.clear();
      kept.set(span, readOffset(format, span * SPAN_MS));
    }
    return kept.get(span);
  };
}

/** Reads "GMT", "GMT+05:45" or "GMT-03:00". */
function readOffset(format, utcMs) {
  const text = format.formatToParts(utcMs).find(({ type }) => type === "timeZoneName").value;
  const [, sign, hours, minutes, seconds = "0"] = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(text) ?? [];
  return sign === undefined ? 0 : (sign === "-" ? -1 : 1) * ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}
