// Names the AWS services that the notifier of a stack may call, so that their clients are loaded before the first event.
// Pure: no I/O, no clock, no Node API, no Intl.

import { destinationsOf } from "./destinations.mjs";

/**
 * Lists the services by the settings of the stack.
 * @param {Record<string, string|undefined>} env
 * @returns {("dynamodb"|"ecs"|"events"|"logs"|"scheduler"|"sns"|"ssm")[]}
 */
export function servicesOf(env) {
  const destinations = known(env);
  return [
    "ecs",
    ...(env.TASKBELL_TABLE ? ["dynamodb"] : []),
    ...(env.TASKBELL_LOG_LINES === "0" ? [] : ["logs"]),
    ...(destinations.some(({ parameter }) => parameter !== null) ? ["ssm"] : []),
    ...(destinations.some(({ topic }) => topic !== null) ? ["sns"] : []),
    // A question of Scheduler about a job may end with a look at what starts the job.
    ...(env.TASKBELL_WATCH === "on" ? ["scheduler", "events"] : []),
  ];
}

/** Returns no destination for settings that are wrong: the handler reports them. */
function known(env) {
  try {
    return destinationsOf(env);
  } catch {
    return [];
  }
}
