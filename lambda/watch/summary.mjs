// Reads every ledger of the stack for the weekly summary.

import { ELSEWHERE, idOf, ledgerIn, recordOf } from "../core/ledger.mjs";
import { summaryOf } from "../core/summary.mjs";
import { missingBecauseOf } from "../io/aws.mjs";
import { nameIn, viewsOf } from "./ledgers.mjs";

/**
 * Sums up the week and tells.
 * @param {any} event
 * @param {import("./sweep.mjs").World & {ledgers: {all: (ms: number) => Promise<{id: string, text: string|null}[]>}}} world
 * @returns {Promise<{verdict: string, outcome: string, jobs: number}>}
 */
export async function summarise(event, world) {
  const clusters = event.detail.clusterArns.map(nameIn);
  const expected = event.detail.jobs.map(({ name, startedBy = null }) => ({ name, startedBy }));
  const { known, missing } = await knownJobs(expected, clusters, world);
  const summary = summaryOf(known, world.now());
  const outcome = await world.tell({ ...summary, missing });
  return { verdict: summary.problems > 0 ? "problems" : "well", outcome, jobs: known.length };
}

/** Lists the expected jobs, and the others that the table knows. Without the table's list, the expected jobs alone. */
async function knownJobs(expected, clusters, world) {
  let items = [];
  const missing = [];
  try {
    items = await world.ledgers.all(world.how.leftMs());
  } catch (error) {
    missing.push(missingBecauseOf(error, "dynamodb:Scan"));
  }
  const read = items.map(({ id, text }) => ({ ...jobIn(id), record: recordOf(text) })).filter(({ cluster }) => cluster === ELSEWHERE || clusters.includes(cluster));
  const viewsFor = async (job) => (missing.length > 0 ? viewsOf(world.ledgers, job, clusters, world.how) : viewsIn(read, job));
  const ofExpected = await Promise.all(expected.map(async (job) => expectedOne(job, await viewsFor(job), clusters)));
  const others = read.filter(({ name, record }) => record.all.ends.length > 0 && !expected.some((job) => job.name === name && job.startedBy === null))
    .map(({ name, cluster, record }) => ({ name, cluster, startedBy: null, ledger: record.all, isExpected: false }));
  return { known: [...ofExpected, ...others], missing };
}

/** Takes the job where it ran last. */
function expectedOne({ name, startedBy }, views, clusters) {
  const [home] = [...views].sort((one, other) => ((one.ledger.ends[0]?.at ?? "") < (other.ledger.ends[0]?.at ?? "") ? 1 : -1));
  const cluster = home?.ledger.ends.length > 0 ? home.cluster : clusters.length === 1 ? clusters[0] : ELSEWHERE;
  return { name, startedBy, cluster, ledger: home?.ledger ?? recordOf(null).all, isExpected: true };
}

const viewsIn = (read, job) => read.filter(({ name }) => name === job.name).map(({ cluster, record }) => ({ cluster, ...ledgerIn(record, job.startedBy) }));

/** Reads the key that `idOf` wrote. */
function jobIn(id) {
  const [, cluster, name] = /^job ([^|]*)\|(.*)$/s.exec(id) ?? [];
  return cluster !== undefined && idOf({ cluster, name }) === id ? { cluster, name } : { cluster: null, name: null };
}
