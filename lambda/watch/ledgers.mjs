// Reads the ledgers of a watched job, in every cluster where it may run, and notes what was checked and told.

import { ELSEWHERE, STARTED_BY_LENGTH, idOf, ledgerIn, withTold } from "../core/ledger.mjs";
import { own } from "../core/records.mjs";
import { readRecord, update } from "../memory/ledger.mjs";

/** The number of deadlines that a ledger notes as checked: those of settings that are no longer in use fall out. */
const MOST_CHECKED = 20;
const SCHEDULE = "chronos-schedule/";
const RULE = "events-rule/";

/**
 * @typedef {{name: string, startedBy: string|null}} Job
 * @typedef {{id: string, cluster: string, record: import("../core/ledger.mjs").LedgerRecord, key: string|null, ledger: import("../core/ledger.mjs").Ledger}} View
 *   key: of the part
 * @typedef {import("../memory/ledger.mjs").Ledgers} Ledgers
 * @typedef {import("../memory/ledger.mjs").How} How
 */

/** Returns the name at the end of an ARN. */
export const nameIn = (arn) => String(arn).split("/").pop();

/**
 * Reads the ledgers of a job: of each cluster, and of the other machines. A part that a schedule starts exists only in clusters. Clusters that a
 * glob covers come and go: then the ledger of the other machines keeps the checks, too.
 * @param {Ledgers} ledgers @param {Job} job @param {string[]} clusters  names @param {How} how
 * @returns {Promise<View[]>}
 */
export function viewsOf(ledgers, { name, startedBy }, clusters, how) {
  const places = startedBy === null || how.notesElsewhere ? [...clusters, ELSEWHERE] : clusters;
  return Promise.all(places.map(async (cluster) => {
    const id = idOf({ cluster, name });
    const record = await readRecord(ledgers, id, how);
    return { id, cluster, record, ...ledgerIn(record, startedBy) };
  }));
}

/** Returns the view with the newest end; without any end, the one of the first cluster. @param {View[]} views */
export const homeOf = (views) => [...views].sort((one, other) => (atOf(one) < atOf(other) ? 1 : atOf(one) > atOf(other) ? -1 : 0))[0];
const atOf = ({ ledger }) => ledger.ends[0]?.at ?? "";

/** Returns the time that is noted under a key, the latest one of all views. @param {View[]} views @param {string} key @returns {number|null} milliseconds */
export function checkedOf(views, key) {
  const times = views.map(({ record }) => own(record.all.told.checked, key) ?? null).filter(Boolean).map((at) => Date.parse(at));
  return times.length === 0 ? null : Math.max(...times);
}

/**
 * Notes, in the home of the job, what was checked; and the deadline that was told, in every ledger of the job that has ends. Never goes back
 * to an earlier time.
 * @param {Ledgers} ledgers @param {Job} job @param {View[]} views
 * @param {{checked: Record<string, number>, overdue: number|null}} notes  milliseconds
 * @param {How} how
 */
export async function note(ledgers, job, views, { checked, overdue }, how) {
  const home = homeOf(views);
  const troubled = overdue === null ? [] : views.filter((view) => view === home || view.ledger.ends.length > 0);
  const keeps = (view) => view === home || (how.notesElsewhere && view.cluster === ELSEWHERE);
  await Promise.all(views.filter((view) => keeps(view) || troubled.includes(view)).map((view) => update(ledgers, view.id, (record) => {
    const withChecked = keeps(view) ? withTold(record, null, { checked: laterChecks(record.all.told.checked, checked) }) : record;
    return troubled.includes(view) ? withOverdue(withChecked, job, overdue) : withChecked;
  }, how)));
}

function withOverdue(record, { startedBy }, overdue) {
  const { key, ledger } = ledgerIn(record, startedBy);
  const at = new Date(overdue).toISOString();
  return at > (ledger.told.overdue ?? "") ? withTold(record, key ?? partOf(startedBy), { overdue: at }) : record;
}

/** Names the part of a schedule that has started no task yet. */
const partOf = (startedBy) => (startedBy === null ? null : (isWhole(startedBy) ? startedBy : SCHEDULE + startedBy).slice(0, STARTED_BY_LENGTH));
const isWhole = (startedBy) => startedBy.startsWith(SCHEDULE) || startedBy.startsWith(RULE);

function laterChecks(before, checked) {
  const after = { ...before };
  for (const [key, moment] of Object.entries(checked)) {
    const at = new Date(moment).toISOString();
    if (at > (own(before, key) ?? "")) after[key] = at;
  }
  const latest = Object.entries(after).sort(([, one], [, other]) => (one < other ? 1 : -1)).slice(0, MOST_CHECKED);
  return Object.fromEntries(latest.sort(([one], [other]) => (one < other ? -1 : 1)));
}

/**
 * Names the schedule that starts a job: the given one, or the one that started the latest run.
 * @param {Job} job @param {View[]} views
 * @returns {{name: string, kinds: ("schedule"|"rule")[]}|null} null if it is not known, or if AWS may have cut its name
 */
export function scheduleOf({ startedBy }, views) {
  const home = homeOf(views);
  const latest = home?.ledger.ends[0];
  const started = startedBy ?? Object.entries(home?.record.parts ?? {}).find(([, { ends }]) => latest && ends[0]?.at === latest.at && ends[0].task === latest.task)?.[0] ?? null;
  if (started === null || (isWhole(started) && started.length >= STARTED_BY_LENGTH)) return null;
  if (started.startsWith(SCHEDULE)) return { name: started.slice(SCHEDULE.length), kinds: ["schedule"] };
  return started.startsWith(RULE) ? { name: started.slice(RULE.length), kinds: ["rule"] } : { name: started, kinds: ["schedule", "rule"] };
}

/** Says whether ECS can have a family of this name: jobs of other machines may have any name. */
export const isFamily = (name) => /^[A-Za-z0-9_-]{1,255}$/.test(name);

/** Says whether a task belongs to a job: any task of the family, or only those that a schedule started. */
export function isOfJob({ startedBy }, task) {
  if (startedBy === null) return !/^ecs-(?:svc|daemon)\//.test(task.startedBy ?? "") && !/^(?:service|daemon):/.test(task.group ?? "");
  return ["", SCHEDULE, RULE].some((prefix) => (prefix + startedBy).slice(0, STARTED_BY_LENGTH) === (task.startedBy ?? "").slice(0, STARTED_BY_LENGTH));
}
