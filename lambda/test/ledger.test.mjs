// Tests the ledger of a job: for any order of the same ends it is equal, and the facts that are derived from it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import {
  MOST_ENDS, MOST_PARTS, durationsOf, emptyLedger, emptyRecord, endOf, expiryOf, goodRunsOf, idOf, ledgerIn, merged, openFailureOf, percentileOf, recordOf, successIn, textOf, usualOf, withEnd, withTold,
} from "../core/ledger.mjs";
import { randomOf } from "./model.mjs";
import { HOSTILE, changed, definitionOf, everywhere, names, sample } from "./samples.mjs";

const START = Date.parse("2026-11-20T00:00:00Z");
const iso = (seconds) => new Date(START + seconds * 1000).toISOString();
const digest = (letter) => `sha256:${letter.repeat(64)}`;
const imagesOf = (tag, letter = "a") => [{ name: "web", image: `web:${tag}`, digest: letter && digest(letter) }];
const endAt = (seconds, ok = true, more = {}) => ({ at: iso(seconds), task: `t${seconds}`, ok, seconds: 60, revision: 1, images: imagesOf("v1"), cause: ok ? null : "application-exit", ...more });
const ledgerWith = (...ends) => ends.reduce((ledger, end) => withEnd(ledger, end), emptyLedger());

/** Makes ends at random: few times and tasks, so that ends of one moment, and differing reports of one end, are common. */
function someEnds(random, count, parts) {
  const pick = (...values) => values[Math.floor(random() * values.length)];
  return Array.from({ length: count }, () => {
    const ok = random() < 0.6;
    const startedAt = pick(null, iso(Math.floor(random() * 90)));
    return {
      part: pick(null, ...parts), startedAt,
      end: { at: iso(Math.floor(random() * 90)), task: pick("a", "b", "c"), ok, seconds: pick(null, 1, 2), revision: pick(null, 7, 8), ...(random() < 0.8 ? { images: imagesOf(pick("v1", "v2"), pick("a", "b", null)) } : {}), cause: ok ? null : pick("out-of-memory", "crashed") },
    };
  });
}

function shuffled(values, random) {
  const left = [...values];
  return values.map(() => left.splice(Math.floor(random() * left.length), 1)[0]);
}

const bare = ({ images, ...rest }) => rest;
const byText = (one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);

/** Computes a ledger from the whole set of ends at once, by its definition. */
function defined(set) {
  const reports = new Map();
  for (const { end } of set) reports.set(`${end.at} ${end.task}`, [...reports.get(`${end.at} ${end.task}`) ?? [], end]);
  const best = (list) => [...list].sort((one, other) => Number(one.ok) - Number(other.ok) || (JSON.stringify(bare(one)) === JSON.stringify(bare(other)) ? byText(one.images ?? [], other.images ?? []) : byText(bare(one), bare(other)))).at(-1);
  const latest = [...reports.entries()].sort(([one], [other]) => (one < other ? 1 : -1)).map(([, list]) => best(list));
  return {
    lastSuccess: latest.find(({ ok }) => ok) ?? null, lastStart: set.map(({ startedAt }) => startedAt).filter(Boolean).sort().at(-1) ?? null,
    ends: latest.slice(0, MOST_ENDS).map((end, nth) => (nth === 0 ? end : bare(end))), told: emptyLedger().told,
  };
}

test("for any order of the same ends, doubled and late ones, the ledger is equal, and is the one that its definition gives", () => {
  const random = randomOf(7);
  let full = 0;
  for (let round = 0; round < 400; round += 1) {
    const set = someEnds(random, 1 + Math.floor(random() * 120), ["chronos-schedule/a", "events-rule/b", "events-rule/c"]);
    const expected = defined(set);
    const texts = [1, 2, 3].map(() => textOf(shuffled([...set, ...set.slice(0, 20)], random).reduce(merged, emptyRecord())));
    assert.equal(new Set(texts).size, 1, `round ${round}`);
    const record = JSON.parse(texts[0]);
    assert.deepEqual(record.all, JSON.parse(JSON.stringify(expected)));
    for (const part of new Set(set.map((one) => one.part).filter(Boolean))) assert.deepEqual(record.parts[part], JSON.parse(JSON.stringify(defined(set.filter((one) => one.part === part)))));
    assert.equal(textOf(recordOf(texts[0])), texts[0], "a text is read back as it was");
    if (expected.ends.length === MOST_ENDS) full += 1;
  }
  assert.ok(full > 50, `${full} full ledgers`);
});

test("with more schedules than parts, those with the newest ends are kept, in any order", () => {
  const random = randomOf(8);
  for (let round = 0; round < 100; round += 1) {
    const set = someEnds(random, 120, Array.from({ length: 35 }, (_, nth) => `events-rule/${nth}`));
    const latest = new Map();
    for (const { part, end } of set.filter((one) => one.part)) latest.set(part, [latest.get(part) ?? "", `${end.at} ${end.task}`].sort().at(-1));
    const kept = [...latest.entries()].sort(([one, first], [other, second]) => (first !== second ? (first < second ? 1 : -1) : one < other ? -1 : 1)).slice(0, MOST_PARTS).map(([part]) => part);
    for (let order = 0; order < 3; order += 1) {
      const { parts } = shuffled(set, random).reduce(merged, emptyRecord());
      assert.deepEqual(Object.keys(parts).sort(), [...kept].sort());
      for (const part of kept) assert.equal(`${parts[part].ends[0].at} ${parts[part].ends[0].task}`, latest.get(part));
    }
  }
});

test("merging changes nothing of its argument, and a known end changes nothing", () => {
  const before = merged(emptyRecord(), { part: "events-rule/a", startedAt: null, end: endAt(1) });
  const text = textOf(before);
  merged(before, { part: "events-rule/a", startedAt: null, end: endAt(2, false) });
  assert.equal(textOf(before), text);
  assert.equal(textOf(merged(before, { part: "events-rule/a", startedAt: null, end: endAt(1) })), text);
});

test("a report of a success outranks a report of a failure of the same end: only a notifier without the task definition reports that", () => {
  for (const order of [[true, false], [false, true]]) {
    const { ends, lastSuccess } = order.reduce((ledger, ok) => withEnd(ledger, endAt(1, ok)), emptyLedger());
    assert.deepEqual([ends.length, ends[0].ok, lastSuccess.at], [1, true, iso(1)]);
  }
});

/** Samples that are ends of jobs: true for a success. All others write nothing. */
const ENDS = {
  "01b-job-failed": false, "08-exit-0": true, "08b-recovered": true, "09b-sidecar-clean-app-killed-sidecar": true, "10d-maintenance-stand-alone": false, "32-job-succeeded": true,
  "field/ec2-exit0-2017-no-launchtype-no-stopcode": true, "field/ec2-exit0-standalone-2018-no-stopcode": true, "field/ec2-exit1-standalone-2019": false, "field/ec2-stopped-without-reason-handmade": false,
  "field/fargate-batch-eni-timeout-failed-to-start": false, "field/fargate-batch-exit0": true, "field/fargate-exit0-standalone-two-containers": true, "field/fargate-exit1-standalone-2020": false,
  "field/fargate-exit1-standalone-secret-in-env": false, "field/fargate-exit1-standalone-two-containers": false, "field/fargate-exit255-standalone-2018-no-stopcode": false,
  "field/fargate-failed-to-start-2018-no-stopcode-no-exitcode": false, "field/fargate-handmade-no-exitcode-unknown-stopcode": false, "field/fargate-handmade-two-containers-exit1-exit137": false,
  "field/fargate-missing-secret-standalone-five-containers": false, "field/fargate-oom-standalone-five-containers": false, "field/fargate-sidecars-143-job-exit0": false, "field/fargate-sidecars-143-job-exit1": false,
  "field/fargate-watchdog-sidecar-exit0-job-143": false, "field/fargate-watchdog-sidecar-exit1-job-143": false,
};
const CONTEXT = { taskDefinition: definitionOf({ job: true, envoy: false }) };

test("ends of stand-alone tasks and of jobs of other machines count; services, warnings, stops by a user and running tasks do not", () => {
  const found = Object.fromEntries(names.map((name) => [name, endOf(sample(name), incidentOf(sample(name), CONTEXT))?.end.ok]).filter(([, ok]) => ok !== undefined));
  assert.deepEqual(found, ENDS);
});

test("a drill, and an event from elsewhere that looks like a task, write nothing", () => {
  for (const source of ["taskbell.drill", "taskbell.app", "other", undefined]) {
    for (const name of Object.keys(ENDS).filter((one) => one !== "32-job-succeeded")) {
      const event = { ...sample(name), source };
      assert.equal(endOf(event, incidentOf(event, CONTEXT)), null, `${source} ${name}`);
    }
  }
});

test("a stop by a user writes nothing, whatever the containers exit with", () => {
  for (const exitCode of [0, 1, 137]) {
    for (const [stopCode, stoppedReason] of [["UserInitiated", "Task stopped by user"], ["UserInitiated", "deploy"], [undefined, "Task stopped by user"]]) {
      const event = changed("08-exit-0", { stopCode, stoppedReason, containers: [{ name: "job", exitCode }] });
      assert.equal(endOf(event, incidentOf(event))?.end.ok ?? null, stopCode === undefined && exitCode === 1 ? false : null, `${stopCode} ${stoppedReason} ${exitCode}`);
    }
  }
});

test("an end has its job, schedule, time, duration, revision and images", () => {
  const event = sample("08b-recovered");
  assert.deepEqual(endOf(event, incidentOf(event)), {
    id: "job prod|nightly-report", cluster: "prod", name: "nightly-report", part: "chronos-schedule/nightly-report", startedAt: "2026-11-20T10:00:19.520Z",
    end: { at: "2026-11-20T10:32:11.177Z", task: "8b".repeat(16), ok: true, seconds: 1880, revision: 19, images: [{ name: "job", image: "123456789012.dkr.ecr.us-east-1.amazonaws.com/report:v43", digest: `sha256:${"ef56".repeat(16)}` }], cause: null },
  });
  const of = (startedBy) => { const one = changed("08-exit-0", { startedBy }); return endOf(one, incidentOf(one)).part; };
  assert.deepEqual([of("events-rule/nightly"), of("chronos-schedule/a"), of("jane"), of(undefined), of("ecs-svc")], ["events-rule/nightly", "chronos-schedule/a", null, null, null]);
  const failed = changed("01b-job-failed", { containers: [{ name: "job", exitCode: 137, reason: "OutOfMemoryError: Container killed due to memory usage", image: `job@${digest("c")}` }, { name: "aws-guardduty-agent-x", image: "agent:1", exitCode: 0 }] });
  assert.deepEqual(endOf(failed, incidentOf(failed)).end, { at: "2026-11-20T10:32:11.177Z", task: "1b".repeat(16), ok: false, seconds: 1880, revision: 18, images: [{ name: "job", image: `job@${digest("c")}`, digest: digest("c") }], cause: "out-of-memory" });
});

test("a job of another machine has its own name and no cluster; no run ends after its event", () => {
  const event = sample("32-job-succeeded");
  assert.deepEqual(endOf(event, incidentOf(event)), {
    id: "job -|backup", cluster: "-", name: "backup", part: null, startedAt: "2026-11-20T10:25:18.000Z",
    end: { at: "2026-11-20T10:32:10.000Z", task: event.id, ok: true, seconds: 412, revision: null, cause: null },
  });
  const of = (detail) => { const one = changed("32-job-succeeded", detail); return endOf(one, incidentOf(one)); };
  assert.equal(of({ at: "2099-01-01T00:00:00Z" }).end.at, "2026-11-20T10:32:11.000Z");
  assert.equal(of({ at: "yesterday" }).end.at, "2026-11-20T10:32:11.000Z");
  for (const seconds of ["5", -1, NaN, 1e12, null]) assert.deepEqual([of({ seconds }).end.seconds, of({ seconds }).startedAt], [null, null]);
  for (const job of [undefined, "", " ", null, {}, ["a"]]) {
    assert.equal(of({ job }), null);
    assert.equal(incidentOf(changed("32-job-succeeded", { job })).rings, false);
  }
  const failed = { ...sample("30-application-error"), detail: { ...sample("30-application-error").detail, job: "backup", seconds: 3 } };
  assert.deepEqual(endOf(failed, incidentOf(failed)).end, { at: "2026-11-20T10:32:11.000Z", task: failed.id, ok: false, seconds: 3, revision: null, cause: "application-error" });
  assert.equal(endOf(sample("30-application-error"), incidentOf(sample("30-application-error"))), null);
});

test("no event, however odd, throws or gives an end that is not read back; no value of the environment or an override is kept", () => {
  const odd = [HOSTILE, -1, {}, [], null, true, ["x"]];
  for (const name of names) {
    for (const value of odd) {
      const event = everywhere(sample(name), (one) => (typeof one === "string" && one.length > 20 && !/aws|Task|STOPPED|service/.test(one) ? value : one));
      const ended = endOf(event, incidentOf(event));
      if (ended === null) continue;
      const text = textOf(merged(emptyRecord(), ended));
      assert.equal(textOf(recordOf(text)), text);
      assert.ok(text.length < 40_000 && Buffer.byteLength(ended.id) <= 2_048, `${text.length}`);
    }
  }
  const secret = changed("01b-job-failed", { overrides: { containerOverrides: [{ name: "job", environment: [{ name: "KEY", value: "hunter2" }] }] } });
  assert.ok(!JSON.stringify(endOf(secret, incidentOf(secret))).includes("hunter2"));
});

test("a record of any text is read, and what is odd in it is left out", () => {
  for (const text of [null, undefined, "", "x", "[]", "null", "7", '{"all":7,"parts":[]}', '{"all":{"ends":[{"at":"x"},7,{"at":"2026-11-20T00:00:00.000Z"}],"lastSuccess":{"ok":true},"told":7}}']) {
    assert.equal(textOf(recordOf(text)), textOf(emptyRecord()), String(text));
  }
});

test("the open failure has its first and its latest failure; good runs are counted before it", () => {
  assert.equal(openFailureOf(emptyLedger()), null);
  assert.equal(openFailureOf(ledgerWith(endAt(1, false), endAt(2))), null);
  const ledger = ledgerWith(endAt(0, false), endAt(1), endAt(2), endAt(3), endAt(4, false), endAt(5, false, { cause: "out-of-memory" }));
  assert.deepEqual(openFailureOf(ledger), { since: iso(4), failures: 2, isMore: false, cause: "out-of-memory" });
  assert.deepEqual([goodRunsOf(ledger), goodRunsOf(emptyLedger()), goodRunsOf(ledgerWith(endAt(1), endAt(2)))], [{ count: 3, isMore: false }, { count: 0, isMore: false }, { count: 2, isMore: false }]);
  const long = ledgerWith(endAt(0), ...Array.from({ length: 40 }, (_, nth) => endAt(nth + 1, false)));
  assert.deepEqual(openFailureOf(long), { since: iso(11), failures: MOST_ENDS, isMore: true, cause: "application-exit" });
  assert.equal(long.lastSuccess.at, iso(0), "the last success is kept for good");
  assert.deepEqual(goodRunsOf(ledgerWith(...Array.from({ length: 40 }, (_, nth) => endAt(nth)), endAt(99, false))), { count: 29, isMore: true });
});

test("durations are those of the latest twenty successes; percentiles come from the fifth on, by the nearest rank", () => {
  const lasting = (...seconds) => ledgerWith(...seconds.map((one, nth) => endAt(nth, one >= 0, { seconds: one < 0 ? 1 : one })));
  assert.deepEqual(durationsOf(lasting(1, 2, -1, 3)), [3, 2, 1]);
  assert.deepEqual([percentileOf(lasting(1, 2, 3, 4)), percentileOf(lasting(1, 2, 3, 4, 5)), usualOf(lasting(5, 4, 3, 2, 1))], [null, 5, 3]);
  const twenty = lasting(999, ...Array.from({ length: 20 }, (_, nth) => nth + 1));
  assert.deepEqual([durationsOf(twenty).length, percentileOf(twenty), percentileOf(twenty, 0), percentileOf(twenty, 1)], [20, 19, 1, 20]);
});

test("a part is found by its schedule's name, which AWS cuts", () => {
  const long = `nightly-${"x".repeat(40)}`;
  const record = [["chronos-schedule/a", 1], ["events-rule/a", 3], [`chronos-schedule/${long}`.slice(0, 36), 2]].reduce((value, [part, seconds]) => merged(value, { part, startedAt: null, end: endAt(seconds) }), emptyRecord());
  assert.equal(ledgerIn(record, null).ledger, record.all);
  assert.equal(ledgerIn(record, "a").key, "events-rule/a");
  assert.equal(ledgerIn(record, "chronos-schedule/a").key, "chronos-schedule/a");
  assert.equal(ledgerIn(record, long).ledger.lastSuccess.at, iso(2));
  assert.deepEqual(ledgerIn(record, "b"), { key: null, ledger: emptyLedger() });
});

test("a success is found within a window, also the last one that the ends forgot", () => {
  const ledger = ledgerWith(endAt(10), ...Array.from({ length: 40 }, (_, nth) => endAt(nth + 20, false)));
  assert.deepEqual([successIn(ledger, iso(9), iso(10))?.at, successIn(ledger, iso(10), iso(99)), successIn(ledger, iso(0), iso(9))], [iso(10), null, null]);
});

test("told facts are replaced one by one, and the tasks that were told are limited", () => {
  const record = withTold(withTold(emptyRecord(), null, { overdue: iso(1), running: Array.from({ length: 25 }, (_, nth) => `t${nth}`) }), "events-rule/a", { checked: { "by-1": iso(2) } });
  assert.deepEqual([record.all.told.overdue, record.all.told.running.length, record.all.told.running.at(-1), record.parts["events-rule/a"].told.checked["by-1"]], [iso(1), 20, "t24", iso(2)]);
  assert.equal(textOf(recordOf(textOf(record))), textOf(record));
});

test("a record is kept for 400 days, under a key that no name can leave", () => {
  assert.equal(expiryOf(0), 400 * 86_400_000);
  assert.equal(idOf({ cluster: "prod", name: "a|b" }), "job prod|a|b");
});
