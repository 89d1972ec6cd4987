// Runs a piece of the model checker's work in a worker of its own.
import { Worker } from "node:worker_threads";

/** @returns {Promise<{schedules: number, isComplete: boolean, messages?: number, problems: string[]|null, text: string}>} */
export function explored(...model) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("model-work.mjs", import.meta.url), { workerData: { model } });
    worker.once("message", resolve).once("error", reject);
  });
}
