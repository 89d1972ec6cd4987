// Access to records whose keys come from outside. Pure: no I/O, no clock, no Node API, no Intl.

/** Returns the value of a key, even of a key called constructor; undefined if the record lacks the key. */
export const own = (record, key) => (Object.hasOwn(record, key) ? record[key] : undefined);
