import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explored } from "./explored.mjs";
import { FAULTS, SCENARIOS } from "./model-work.mjs";

/** The least number of schedules in all; TASKBELL_SCHEDULES sets more. Of the random ones, one of a hundred goes through the whole handler. */
const SCHEDULES = Number(process.env.TASKBELL_SCHEDULES ?? 100_000);
const HANDLED = 0.01;
const WORKERS = 2;

let total = 0;
const nothing = ({ schedules, problems, text }) => { total += schedules; assert.ok(problems === null, text); };

const CONCURRENT = { concurrency: WORKERS };

describe("every schedule", CONCURRENT, () => SCENARIOS.forEach(([what, , interruptions], at) => {
  test(`at most ${interruptions} interruptions: ${what}`, async (t) => {
    const result = await explored("every", at);
    t.diagnostic(`${result.schedules} schedules${result.isComplete ? ", all" : ""}`);
    nothing(result);
    assert.ok(result.isComplete);
  });
}));

for (const [what, kind, seed] of [["schedules at random of the whole handler", "handler", 100], ["schedules at random", "random", 1]]) {
  test(`${what}, of two to four runs, with crashes and lost answers, find nothing`, async (t) => {
    const each = Math.ceil((kind === "handler" ? HANDLED * SCHEDULES : Math.max(HANDLED * SCHEDULES, SCHEDULES - total)) / WORKERS);
    const results = await Promise.all(Array.from({ length: WORKERS }, (_, nth) => explored(kind, each, seed + nth)));
    for (const result of results) nothing(result);
    const messages = results.reduce((sum, one) => sum + one.messages, 0);
    t.diagnostic(`${WORKERS * each} schedules at random, ${messages} messages, ${total} in all`);
    assert.ok(messages > WORKERS * each, "each schedule has its messages");
  });
}

describe("faults", CONCURRENT, () => FAULTS.forEach(([what, , , said], at) => {
  test(`the fault is found: ${what}`, async (t) => {
    const { schedules, problems } = await explored("fault", at);
    assert.ok(problems, `${schedules} schedules`);
    t.diagnostic(`found in schedule ${schedules}: ${problems}`);
    assert.match(problems.join(), said);
  });
}));
