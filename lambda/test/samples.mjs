// Reads the sample events of patterns/events, and makes small variations of them. Every call returns fresh values.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../patterns/events/", import.meta.url));

/** Paths below patterns/events, without ".json". */
export const names = ["", "field"].flatMap((part) => readdirSync(join(folder, part))
  .filter((name) => name.endsWith(".json") && name !== "context.json")
  .map((name) => join(part, name.slice(0, -".json".length))))
  .sort();

export const sample = (name) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));

/** Returns a sample with some fields of its detail replaced; undefined removes a field. */
export function changed(name, detail) {
  const event = sample(name);
  return JSON.parse(JSON.stringify({ ...event, detail: { ...event.detail, ...detail } }));
}

/** Makes the outline of a task definition: name -> essential. */
export function definitionOf(containers, log = { driver: "awslogs", group: "/ecs/web", region: "us-east-1", prefix: "app" }) {
  return { containers: Object.entries(containers).map(([name, essential]) => ({ name, essential, log })) };
}

/** Text that tries to break out of everything: entities, mentions, fences, half characters, sheer length. */
export const HOSTILE = "<!channel> & <@U1|x> ``` `*_~ \ud83d \u202e\u0000 |]( \n\r\n $& {container} 🔥".repeat(400);

/** Returns the JSON with every string, number and list made hostile by `change`. */
export function everywhere(value, change) {
  if (Array.isArray(value)) return change(value.map((one) => everywhere(one, change)));
  if (value !== null && typeof value === "object") return change(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, everywhere(one, change)])));
  return change(value);
}
