// Access to records whose keys come from outside. Pure: no I/O, no clock, no Node API, no Intl.

/** Returns the value of a key, which may be called constructor; undefined without it. */
export const own = (record, key) => (Object.hasOwn(record, key) ? record[key] : undefined);
