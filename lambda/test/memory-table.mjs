// The table in memory: every write is one step, and says false where an item is not as it was seen.
// The tests of table.mjs hold the one in DynamoDB to the same behaviour.

/** @returns {import("../announcements.mjs").Table & {subjects: Map<string, object>, failures: Map<string, object>}} */
export function memoryTable() {
  const subjects = new Map();
  const failures = new Map();
  const openTo = (key) => !subjects.has(key) || !subjects.get(key).settled;
  const put = (keys, since, settled) => subjects.set(keys.subject, { failure: keys.failure, since, settled, delivered: subjects.get(keys.subject)?.delivered ?? [] });
  const change = (key, fields) => failures.set(key, { ...failures.get(key), ...fields });
  return {
    subjects,
    failures,
    look: async ({ subject, failure }) => ({ subject: subjects.get(subject) ?? null, failure: failures.get(failure) ?? null }),
    async open(keys, seen, fresh) {
      const now = failures.get(keys.failure) ?? null;
      const same = seen === null ? now === null : now?.since === seen.since && now.count === seen.count;
      if (!same || !openTo(keys.subject)) return false;
      failures.set(keys.failure, { ...fresh });
      put(keys, fresh.since, false);
      return true;
    },
    async join(keys, seen) {
      const now = failures.get(keys.failure);
      const subject = subjects.get(keys.subject);
      const counted = subject && (subject.settled || (subject.since === seen.since && subject.failure === keys.failure));
      if (now?.since !== seen.since || counted) return false;
      change(keys.failure, { count: now.count + 1 });
      put(keys, seen.since, false);
      return true;
    },
    async take(keys, seen, { holder, heldUntil, now: at }) {
      const now = failures.get(keys.failure);
      const free = now?.since === seen.since && (now.holder === null || now.heldUntil < at);
      if (!free || subjects.get(keys.subject)?.settled !== false) return false;
      change(keys.failure, { holder, heldUntil });
      return true;
    },
    async told(keys, { holder, count, since }) {
      const now = failures.get(keys.failure);
      if (now?.holder === holder && now.since === since) change(keys.failure, { told: count, holder: null, heldUntil: 0 });
      put(keys, since, true);
    },
    async settle(keys, since) {
      if (!openTo(keys.subject)) return false;
      put(keys, since, true);
      return true;
    },
    async note({ subject, failure }, names, { holder, count, since }) {
      const known = subjects.get(subject);
      if (!known) throw new Error("no such subject");
      subjects.set(subject, { ...known, delivered: [...new Set([...known.delivered, ...names])] });
      const now = failures.get(failure);
      if (now?.holder === holder && now.since === since) change(failure, { told: count });
    },
    async release({ failure }, holder) {
      if (failures.get(failure)?.holder === holder) change(failure, { holder: null, heldUntil: 0 });
    },
  };
}
