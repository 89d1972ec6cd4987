// Finds the clusters of a question whose clusters have a `*`: those that exist now, also ones that are newer than the stack.

import { missingBecauseOf } from "../io/aws.mjs";
import { nameIn } from "./ledgers.mjs";

/** Says whether a glob covers a name: `*` stands for any characters. @param {string} glob @param {string} name */
export function covers(glob, name) {
  const [start, ...parts] = glob.split("*");
  if (parts.length === 0) return glob === name;
  if (!name.startsWith(start)) return false;
  const end = parts.pop();
  let left = name.slice(start.length);
  for (const part of parts) {
    const at = left.indexOf(part);
    if (at < 0) return false;
    left = left.slice(at + part.length);
  }
  return left.endsWith(end);
}

/** Says whether a question is about clusters with a `*`. @param {any} event */
export const hasGlobs = (event) => event.detail.clusterArns.some((arn) => String(arn).includes("*"));

/**
 * Returns the question with the existing clusters in place of globs: maybe none.
 * A refused list is told, once a day: nobody would notice the silence.
 * @param {any} event
 * @param {import("./sweep.mjs").World} world
 * @throws {Error} if the clusters cannot be listed: the run is to be run again
 */
export async function withClusters(event, world) {
  if (!hasGlobs(event)) return event;
  const { clusterArns, excludedClusters = [] } = event.detail;
  const globs = clusterArns.filter((arn) => arn.includes("*"));
  let found;
  try {
    found = await world.look.listClusters();
  } catch (error) {
    const missing = missingBecauseOf(error, "ecs:ListClusters");
    if (missing.why === "denied") await world.tell({ denied: { ...missing, cluster: nameIn(globs[0]) } });
    throw error;
  }
  const isLeftOut = (arn) => excludedClusters.some((glob) => covers(glob, nameIn(arn)));
  const covered = found.filter((arn) => !isLeftOut(arn) && globs.some((glob) => covers(nameIn(glob), nameIn(arn))));
  const named = clusterArns.filter((arn) => !globs.includes(arn));
  return { ...event, detail: { ...event.detail, clusterArns: [...new Set([...named, ...covered])].sort() } };
}
