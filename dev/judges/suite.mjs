// A function that runs one of the notifier's suites in its own process: under AWS's runtime client, as the notifier runs in Lambda.
import { run } from "node:test";

export async function handler({ file }) {
  const [failed, passed] = [[], []];
  const tests = run({ files: [file], isolation: "none" });
  tests.on("test:fail", ({ name, details }) => failed.push(`${name}: ${details.error?.cause?.message ?? details.error?.message}`));
  tests.on("test:pass", ({ name }) => passed.push(name));
  await new Promise((resolve, reject) => { tests.on("end", resolve).on("error", reject).resume(); });
  return { failed, passed: passed.length, version: process.version, runtime: process.env.AWS_EXECUTION_ENV };
}
