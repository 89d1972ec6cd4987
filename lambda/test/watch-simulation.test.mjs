// Simulates 90 days of 200 jobs, 100 in autumn and 100 in spring, and compares what was announced with what happened (watch-season.mjs).
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";

/** Autumn in the north: clocks go back there, and forward in the south. Spring: the other way round. */
const SEASONS = { autumn: { start: "2026-09-01T00:00:00Z", seed: 18 }, spring: { start: "2027-02-15T00:00:00Z", seed: 42 } };

function simulated({ start, seed }) {
  const worker = new Worker(new URL("watch-season.mjs", import.meta.url), { workerData: { start: Date.parse(start), seed } });
  return new Promise((resolve, reject) => { worker.once("message", resolve).once("error", reject); });
}

test("90 days of 200 jobs: every missed deadline is announced exactly once, and no other", async (t) => {
  const results = await Promise.all(Object.entries(SEASONS).map(async ([name, season]) => [name, await simulated(season)]));
  for (const [name, { figures, wrong, missed, silences, overLimit, recovered }] of results) {
    t.diagnostic(`${name}: ${figures.invocations} invocations for ${figures.runs} runs, ${figures.questions} deadlines and ${figures.sweeps} sweeps; ${figures.notStarted} runs not started by disabled schedules, ${figures.refused} refused, ${figures.hung} hung`);
    t.diagnostic(`${name}: events ${figures.late} late, ${figures.doubled} doubled; ${figures.repeated} runs lost and repeated; ${figures.askedTwice} questions twice, ${figures.lostQuestions} never`);
    t.diagnostic(`${name}: ${missed} missed deadlines and ${silences} long silences announced once each, ${wrong.length} jobs with a false or a forgotten one; ${overLimit} tasks over their limit; ${recovered} recoveries`);
    assert.deepEqual(wrong, [], name);
    assert.ok(missed > 100 && overLimit > 2 && figures.notStarted > 30 && figures.lostQuestions > 5, name);
  }
});
