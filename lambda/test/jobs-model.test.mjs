// Explores the recoveries of jobs with the model checker: successes that come at once, doubled, with crashes and lost answers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { JOBS, JOB_FAULTS } from "./model-work.mjs";
import { explored } from "./explored.mjs";

/** The least number of schedules at random; TASKBELL_SCHEDULES sets more. */
const SCHEDULES = Math.ceil(Number(process.env.TASKBELL_SCHEDULES ?? 100_000) / 100);
const CONCURRENT = { concurrency: 2 };

describe("every schedule of jobs", CONCURRENT, () => JOBS.forEach(([what, , interruptions], at) => {
  test(`at most ${interruptions} interruptions: ${what}`, async (t) => {
    const { schedules, isComplete, problems, text } = await explored("job", at);
    t.diagnostic(`${schedules} schedules${isComplete ? ", all" : ""}`);
    assert.ok(problems === null, text);
  });
}));

test("schedules at random of two or three successes, with crashes and lost answers, tell one recovery", async (t) => {
  const results = await Promise.all([1, 2].map((seed) => explored("jobs", SCHEDULES / 2, seed)));
  for (const { problems, text } of results) assert.ok(problems === null, text);
  t.diagnostic(`${results.reduce((sum, one) => sum + one.schedules, 0)} schedules, ${results.reduce((sum, one) => sum + one.messages, 0)} messages`);
});

describe("faults of the ledger", CONCURRENT, () => JOB_FAULTS.forEach(([what, , , said], at) => {
  test(`the fault is found: ${what}`, async (t) => {
    const { schedules, problems } = await explored("jobFault", at);
    assert.ok(problems, `${schedules} schedules`);
    t.diagnostic(`found in schedule ${schedules}: ${problems}`);
    assert.match(problems.join(), said);
  });
}));
