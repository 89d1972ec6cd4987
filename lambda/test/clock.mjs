// Simulates time, for tests of many runs at once.

/** Creates a clock whose time passes only while every caller waits. */
export function clock() {
  const sleepers = new Map();
  const times = [];
  let now = Date.parse("2026-11-20T10:00:00Z");
  function sleep(ms) {
    const at = Math.ceil(now + Math.max(0, ms));
    if (!sleepers.has(at)) {
      sleepers.set(at, []);
      times.splice(times.findLastIndex((one) => one < at) + 1, 0, at);
    }
    return new Promise((wake) => sleepers.get(at).push(wake));
  }
  /** Runs until nobody waits any more, or nobody waits for a time before `end`. */
  async function run(end = Infinity) {
    for (;;) {
      await new Promise(setImmediate);
      if (times.length === 0 || times[0] > end) return;
      now = times.shift();
      const woken = sleepers.get(now);
      sleepers.delete(now);
      for (const wake of woken) wake();
    }
  }
  return { now: () => now, sleep, run };
}
