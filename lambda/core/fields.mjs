// Reads fields of events, whose shapes are never certain.
// Pure: no I/O, no clock, no Node API, no Intl.

import { withoutCredentials } from "./credentials.mjs";

export const record = (value) => (value !== null && typeof value === "object" && !Array.isArray(value) ? value : {});
export const list = (value) => (Array.isArray(value) ? value : []);
export const text = (value, length = 8_000) => (typeof value === "number" ? String(value) : typeof value === "string" && value.trim() !== "" ? cut(value, length) : null);
/** Removes credentials before the cut: half of a credential could not be recognised. */
export const freeText = (value) => text(withoutCredentials(value));
/** Cuts text, and replaces half a surrogate pair, from the event or left by the cut: URLs and the table's keys refuse such halves. */
export const cut = (value, length) => value.slice(0, length).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
export const last = (value, separator) => text((value ?? "").split(separator).pop());
/** Reads a number, which may arrive as a string. */
export const integer = (value) => (Number.isInteger(value) ? value : typeof value === "string" && /^-?\d{1,10}$/.test(value) ? Number(value) : null);
export const time = (value) => isoOf(typeof value === "string" ? Date.parse(value) : NaN);
/** The latest time that a date can hold, in milliseconds since 1970. */
const LATEST = 8.64e15;
/** Reads a time in milliseconds since 1970, as AWS Batch and Step Functions write times. */
export const timeOfMs = (value) => (typeof value === "number" && Math.abs(value) <= LATEST ? isoOf(value) : time(value));
const isoOf = (milliseconds) => (Number.isNaN(milliseconds) ? null : new Date(milliseconds).toISOString());
