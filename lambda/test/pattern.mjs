// Matches event patterns as far as patterns/*.json use them: core/patterns.mjs is compared with the files themselves.

/** @returns {boolean} whether a pattern takes an event. Fields behind lists are matched one by one, which is enough for the files. */
export function takes(pattern, event) {
  return Object.entries(pattern).every(([name, wanted]) => {
    if (name === "$or") return wanted.some((one) => takes(one, event));
    if (!Array.isArray(wanted)) return takes(wanted, [event].flat(Infinity).flatMap((one) => (isRecord(one) && Object.hasOwn(one, name) ? [one[name]] : [])));
    const leaves = [event].flat(Infinity).flatMap((one) => (isRecord(one) && Object.hasOwn(one, name) ? [one[name]] : [])).flat(Infinity).filter((one) => !isRecord(one));
    return wanted.some((one) => (isRecord(one) && Object.hasOwn(one, "exists") ? one.exists === leaves.length > 0 : leaves.some((leaf) => accepts(one, leaf))));
  });
}

function accepts(wanted, leaf) {
  if (!isRecord(wanted)) return wanted === leaf;
  const [[operator, operand]] = Object.entries(wanted);
  if (operator === "prefix" && isRecord(operand)) return typeof leaf === "string" && leaf.toLowerCase().startsWith(operand["equals-ignore-case"].toLowerCase());
  if (operator === "prefix") return typeof leaf === "string" && leaf.startsWith(operand);
  if (operator === "suffix" && isRecord(operand)) return typeof leaf === "string" && leaf.toLowerCase().endsWith(operand["equals-ignore-case"].toLowerCase());
  if (operator === "suffix") return typeof leaf === "string" && leaf.endsWith(operand);
  if (operator === "anything-but" && isRecord(operand)) return typeof leaf === "string" && ![operand.prefix].flat().some((start) => leaf.startsWith(start));
  if (operator === "anything-but") return ![operand].flat().includes(leaf);
  throw new Error(`patterns/*.json have an operator that the tests do not know: ${operator}`);
}

const catalogues = new Map();

/** Returns the patterns of the catalogue, for the cluster, account and region of an event. */
export function catalogueFor(event, catalogue) {
  const prefixOf = (kind) => [event?.resources ?? []].flat().map((arn) => new RegExp(`^arn:.*:${kind}/[^/]+/`).exec(arn)?.[0]).find(Boolean) ?? "none";
  const [services, daemons] = ["service", "daemon"].map(prefixOf);
  const own = `${services} ${daemons}`;
  if (!catalogues.has(own)) {
    const text = JSON.stringify(catalogue, (name, value) => (name === "requestParameters" || name === "account" || name === "region" ? undefined : value));
    catalogues.set(own, JSON.parse(text.replaceAll('["${cluster_arn}"]', '[{"exists":true}]').replaceAll("${service_arn_prefix}", services).replaceAll("${daemon_arn_prefix}", daemons)));
  }
  return catalogues.get(own);
}

const isRecord = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
