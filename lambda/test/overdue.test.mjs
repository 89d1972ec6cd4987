// Tests the windows of deadlines, and the verdicts about them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cronOf } from "../core/cron.mjs";
import { emptyLedger, withEnd } from "../core/ledger.mjs";
import { deadlineAt, nextDeadline, verdictOf, verdictOfEvery, windowOf, windowsOf } from "../core/overdue.mjs";
import { offsetsOf } from "../watch/zone.mjs";

const at = Date.parse;
const iso = (moment) => new Date(moment).toISOString().replace(":00.000Z", "Z");
const by = (cron, zone, minutes) => ({ cron: cronOf(cron), offset: offsetsOf(zone), graceMs: minutes * 60_000 });
const daily = by("cron(0 3 * * ? *)", "UTC", 30);
const end = (time, ok, task = time) => ({ at: new Date(at(time)).toISOString(), task, ok, seconds: 60, revision: 1, cause: ok ? null : "application-exit" });
/** Makes a ledger whose failures have all rung. */
const ledger = (...ends) => ends.reduce((all, one) => ({ ...withEnd(all, one), told: { ...all.told, failure: [all.told.failure, one.ok ? null : one.at].filter(Boolean).sort().at(-1) ?? null } }), emptyLedger());
const shown = ({ from, deadline, to }) => [from, deadline, to].map(iso);

test("a window ends with its check, and begins with the check before", () => {
  assert.deepEqual(shown(windowOf(daily, at("2026-11-29T03:00:00Z"))), ["2026-11-28T03:30Z", "2026-11-29T03:00Z", "2026-11-29T03:30Z"]);
  assert.equal(iso(deadlineAt(daily, at("2026-11-29T03:30:00Z"))), "2026-11-29T03:00Z");
  assert.equal(iso(nextDeadline(daily, at("2026-11-29T03:00:00Z"))), "2026-11-30T03:00Z");
});

test("a check decides the deadlines since the last check, and none twice", () => {
  const deadline = at("2026-11-29T03:00:00Z");
  const since = (checked) => windowsOf(daily, deadline, checked && at(checked)).map((window) => iso(window.deadline));
  assert.deepEqual(since(null), ["2026-11-29T03:00Z"]);
  assert.deepEqual(since("2026-11-28T03:00:00Z"), ["2026-11-29T03:00Z"]);
  assert.deepEqual(since("2026-11-26T03:00:00Z"), ["2026-11-27T03:00Z", "2026-11-28T03:00Z", "2026-11-29T03:00Z"]);
  assert.equal(since("2026-01-01T03:00:00Z").length, 8, "no more than a week and a day");
  assert.deepEqual([since("2026-11-29T03:00:00Z"), since("2026-11-30T03:00:00Z")], [[], []]);
});

test("a success in the window keeps the deadline, a failure alone has rung, and nothing at all is a miss", () => {
  const window = windowOf(daily, at("2026-11-29T03:00:00Z"));
  const old = end("2026-11-20T03:00:00Z", true);
  const verdict = (...ends) => verdictOf(window, [ledger(old, ...ends)], null);
  assert.equal(verdict(), "missed");
  assert.equal(verdict(end("2026-11-28T03:30:00Z", true)), "missed", "it belongs to the deadline before");
  assert.equal(verdict(end("2026-11-28T03:30:01Z", true)), "kept");
  assert.equal(verdict(end("2026-11-29T03:30:00Z", true)), "kept");
  assert.equal(verdict(end("2026-11-29T03:30:01Z", true)), "missed");
  assert.equal(verdict(end("2026-11-29T02:00:00Z", false)), "failed");
  assert.equal(verdict(end("2026-11-29T02:00:00Z", false), end("2026-11-29T02:10:00Z", true)), "kept");
  assert.equal(verdictOf(window, [{ ...ledger(old, end("2026-11-29T02:00:00Z", false)), told: ledger().told }], null), "missed", "no destination takes the failure");
  assert.equal(verdictOf(window, [ledger(old), ledger(end("2026-11-29T02:00:00Z", true))], null), "kept", "in another cluster");
});

test("a job without history is pending until its first full window", () => {
  const window = windowOf(daily, at("2026-11-29T03:00:00Z"));
  assert.equal(verdictOf(window, [ledger()], null), "pending");
  assert.equal(verdictOf(window, [ledger()], at("2026-11-28T03:00:00Z")), "missed");
  assert.equal(verdictOf(window, [ledger(end("2026-11-29T04:00:00Z", true))], null), "pending", "seen only later");
});

test("a ledger full of later ends says nothing about a window", () => {
  const window = windowOf(daily, at("2026-11-29T03:00:00Z"));
  const later = (minutes) => Array.from({ length: 30 }, (_, nth) => end(new Date(at("2026-11-29T03:31:00Z") + nth * minutes * 60_000).toISOString(), true));
  assert.equal(verdictOf(window, [ledger(...later(1))], at("2026-11-20T03:00:00Z")), "unknown");
  assert.equal(verdictOf(window, [ledger(...later(1).slice(1))], at("2026-11-20T03:00:00Z")), "missed");
});

test("a skipped hour has no deadline, and the check of the next one is not early", () => {
  const berlin = by("cron(30 2 * * ? *)", "Europe/Berlin", 30);
  // 2026-03-29: the clock goes from 02:00 to 03:00. Scheduler asks at 03:00 local time, about 02:30, which does not exist.
  const asked = deadlineAt(berlin, at("2026-03-29T01:00:00Z"));
  assert.equal(iso(asked), "2026-03-28T01:30Z", "the deadline of the day before");
  assert.deepEqual(windowsOf(berlin, asked, at("2026-03-28T01:30:00Z")), []);
  const next = deadlineAt(berlin, at("2026-03-30T01:00:00Z"));
  assert.deepEqual(windowsOf(berlin, next, asked).map(shown), [["2026-03-28T02:00Z", "2026-03-30T00:30Z", "2026-03-30T01:00Z"]]);
});

test("a deadline whose check falls into a skipped hour is decided by the next check", () => {
  const berlin = by("cron(55 1 * * ? *)", "Europe/Berlin", 30);
  const next = deadlineAt(berlin, at("2026-03-30T00:25:00Z"));
  const windows = windowsOf(berlin, next, at("2026-03-28T00:55:00Z"));
  assert.deepEqual(windows.map(shown), [["2026-03-28T01:25Z", "2026-03-29T00:55Z", "2026-03-29T01:25Z"], ["2026-03-29T01:25Z", "2026-03-29T23:55Z", "2026-03-30T00:25Z"]]);
});

test("a deadline in a repeated hour comes once, and its grace is time of the clock", () => {
  const berlin = by("cron(50 2 * * ? *)", "Europe/Berlin", 30);
  // 2026-10-25: the clock goes from 03:00 back to 02:00. Scheduler asks at 03:20, one hour and a half after the first 02:50.
  const deadline = deadlineAt(berlin, at("2026-10-25T02:20:00Z"));
  assert.deepEqual(shown(windowOf(berlin, deadline)), ["2026-10-24T01:20Z", "2026-10-25T00:50Z", "2026-10-25T02:20Z"]);
  const early = by("cron(40 1 * * ? *)", "America/New_York", 10);
  assert.equal(iso(deadlineAt(early, at("2026-11-01T05:50:00Z"))), "2026-11-01T05:40Z");
  assert.equal(iso(deadlineAt(early, at("2026-11-01T06:50:00Z"))), "2026-11-01T05:40Z", "asked again in the second of the two hours");
});

test("no window overlaps another one or leaves a gap, through clock changes of both directions", () => {
  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Tokyo"]) {
    for (const [cron, minutes] of [["cron(55 1 * * ? *)", 30], ["cron(30 2 * * ? *)", 10], ["cron(0 * * * ? *)", 15], ["cron(50 23 * * ? *)", 90], ["cron(0 2 ? * SUN *)", 1440]]) {
      const one = by(cron, zone, minutes);
      let before = windowOf(one, nextDeadline(one, at("2026-09-01T00:00:00Z")));
      for (let deadline = nextDeadline(one, before.deadline); deadline < at("2027-05-01T00:00:00Z"); deadline = nextDeadline(one, deadline)) {
        const window = windowOf(one, deadline);
        assert.ok(window.from < window.to && window.deadline <= window.to && window.from <= before.to, `${cron} ${zone} ${iso(deadline)}`);
        if (window.to > before.to && before.to <= window.deadline) assert.equal(window.from, before.to, `${cron} ${zone} ${iso(deadline)}`);
        before = window;
      }
    }
  }
});

test("a job that is to run every so often is overdue after the last success, unless it rang meanwhile", () => {
  const every = { everyMs: 26 * 3600_000, graceMs: 600_000 };
  const verdict = (time, since, ...ends) => verdictOfEvery(every, at(time), [ledger(...ends)], since && at(since)).verdict;
  const success = end("2026-11-28T00:00:00Z", true);
  assert.equal(verdict("2026-11-29T02:09:59Z", null, success), "kept");
  assert.equal(verdict("2026-11-29T02:10:00Z", null, success), "missed");
  assert.equal(verdict("2026-11-29T02:10:00Z", null, success, end("2026-11-28T12:00:00Z", false)), "failed");
  assert.equal(verdict("2026-11-30T14:10:00Z", null, success, end("2026-11-28T12:00:00Z", false)), "missed");
  assert.equal(verdict("2026-11-29T02:10:00Z", null), "pending");
  assert.equal(verdict("2026-11-29T02:10:00Z", "2026-11-28T00:00:00Z"), "missed", "since the first check");
  assert.equal(verdict("2026-11-29T02:09:00Z", "2026-11-28T00:00:00Z"), "kept");
});

test("leap days, month ends, the nth weekday and the nearest working day have windows of their own", () => {
  const windowAt = (cron, check) => shown(windowOf(by(cron, "UTC", 30), deadlineAt(by(cron, "UTC", 30), at(check))));
  assert.deepEqual(windowAt("cron(0 3 29 2 ? *)", "2028-02-29T03:30:00Z"), ["2024-02-29T03:30Z", "2028-02-29T03:00Z", "2028-02-29T03:30Z"]);
  assert.deepEqual(windowAt("cron(0 3 L * ? *)", "2027-02-28T03:30:00Z"), ["2027-01-31T03:30Z", "2027-02-28T03:00Z", "2027-02-28T03:30Z"]);
  assert.deepEqual(windowAt("cron(0 3 ? * 2#1 *)", "2026-12-07T03:30:00Z"), ["2026-11-02T03:30Z", "2026-12-07T03:00Z", "2026-12-07T03:30Z"]);
  assert.deepEqual(windowAt("cron(0 3 1W * ? *)", "2026-08-03T03:30:00Z"), ["2026-07-01T03:30Z", "2026-08-03T03:00Z", "2026-08-03T03:30Z"]);
});
