// Compares the times of crons with tests/data/calendar.jsonl, which tests/support/calendar_cases.py found by looking at every minute.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { cronOf, isTime, momentOf, nextTime, previousTime } from "../core/cron.mjs";
import { offsetsOf } from "../watch/zone.mjs";

const cases = readFileSync(new URL("../../tests/data/calendar.jsonl", import.meta.url), "utf8").trim().split("\n").map((line) => JSON.parse(line));
const at = Date.parse;
const iso = (moment) => (moment === null ? null : new Date(moment).toISOString().replace(".000Z", "Z"));

function following(cron, offset, after, most) {
  const times = [];
  for (let time = nextTime(cron, offset, after); time !== null && times.length < most; time = nextTime(cron, offset, time)) times.push(time);
  return times;
}

for (const { cron: text, zone, after, next } of cases) {
  test(`${text} in ${zone} after ${after} comes at the times that the clock shows`, () => {
    const [cron, offset] = [cronOf(text), offsetsOf(zone)];
    assert.deepEqual(following(cron, offset, at(after), 5).map(iso), next);
    // Backwards from each time the previous one comes, and every time is one.
    for (const [nth, time] of next.entries()) {
      if (nth > 0) assert.equal(iso(previousTime(cron, offset, at(time))), next[nth - 1]);
      assert.ok(isTime(cron, offset, at(time)) && !isTime(cron, offset, at(time) + 60_000 * 7 + 1));
    }
  });
}

test("going forward and backward finds the same times, through clock changes of both directions", () => {
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Pacific/Chatham", "Asia/Tokyo", "Antarctica/Troll"]) {
    for (const text of ["cron(0 * * * ? *)", "cron(30 2 * * ? *)", "cron(5 0,1,3 ? * SUN *)"]) {
      const [cron, offset] = [cronOf(text), offsetsOf(zone)];
      const [from, to] = [at("2026-03-01T00:00:00Z"), at("2027-05-01T00:00:00Z")];
      const forward = [];
      for (let time = nextTime(cron, offset, from); time < to; time = nextTime(cron, offset, time)) forward.push(time);
      const backward = [];
      for (let time = previousTime(cron, offset, to); time > from; time = previousTime(cron, offset, time)) backward.unshift(time);
      assert.deepEqual(forward, backward, `${text} ${zone}`);
    }
  }
});

test("a skipped time is no moment, and a repeated time is the first of two", () => {
  const offset = offsetsOf("Europe/Berlin");
  const wall = (text) => at(`${text}Z`);
  assert.equal(momentOf(wall("2026-03-29T02:30"), offset), null);
  assert.equal(iso(momentOf(wall("2026-03-29T03:00"), offset)), "2026-03-29T01:00:00Z");
  assert.equal(iso(momentOf(wall("2026-10-25T02:30"), offset)), "2026-10-25T00:30:00Z");
  assert.equal(iso(momentOf(wall("2026-10-25T03:00"), offset)), "2026-10-25T02:00:00Z");
});

test("a malformed cron and an unknown time zone are named", () => {
  const wrong = ["", "cron()", "cron(0 3 * * ?)", "cron(60 3 * * ? *)", "cron(0 24 * * ? *)", "cron(0 3 0 * ? *)", "cron(0 3 * 13 ? *)", "cron(0 3 ? * 8 *)",
    "cron(0 3 ? * MON#6 *)", "cron(0/0 3 * * ? *)", "cron(a 3 * * ? *)", "cron(0 3 1-2-3 * ? *)", "cron(0 3 1/2/3 * ? *)", "rate(5 minutes)"];
  for (const text of wrong) assert.throws(() => cronOf(text), /cron expression/, text);
  assert.throws(() => offsetsOf("Europe/Nowhere"), /the time zone Europe\/Nowhere is not known to Node.js 24/);
});

test("a range may go on at the beginning", () => {
  assert.deepEqual(cronOf("cron(0 22-2 ? * FRI-MON *)").hours, [0, 1, 2, 22, 23]);
  assert.deepEqual(following(cronOf("cron(0 3 ? * FRI-MON *)"), offsetsOf("UTC"), at("2026-11-29T00:00:00Z"), 3).map(iso), ["2026-11-29T03:00:00Z", "2026-11-30T03:00:00Z", "2026-12-04T03:00:00Z"]);
});
