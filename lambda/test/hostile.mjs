// Incidents that try to break out of the limits and the markup of every destination.
import { incidentOf } from "../core/incident.mjs";
import { HOSTILE, definitionOf, everywhere, sample } from "./samples.mjs";

export const REPEATED = { occurrence: { count: 4, since: "2026-11-20T10:00:00Z", earlier: 2, next: 8 } };

/** Long texts: of characters of one to four bytes, of characters that JSON or Markdown doubles, and of lines. */
export const TEXTS = [
  HOSTILE.slice(0, 9_000),
  "@everyone @here <@1> <@&2> [x](https://evil.example) **b** __u__ ~~s~~ ||p|| # h\n> q `c` ```f``` {{DATE(2026-01-01T00:00:00Z)}} ".repeat(80),
  ...["あ", "🔥", "\"\\", "\n", "a\n", "\\*_`[]()<>@#", " ", "\ud83d", "w", "x y "].map((one) => one.repeat(9_000).slice(0, 9_001)),
];

const KINDS = ["09-sidecar-app-crash", "20-deployment-failed", "21-placement-failure", "30-application-error", "31b-run-denied"];

/** Makes incidents from a sample of each kind: with every string replaced, with all strings but the kind replaced, and with a crowd of containers. */
export function* hostileIncidents() {
  for (const name of KINDS) {
    const event = sample(name);
    for (const text of TEXTS) {
      const hostile = everywhere(event, (value) => (typeof value === "string" ? text : value));
      const kept = { ...hostile, "detail-type": event["detail-type"], source: event.source, region: event.region };
      const crowd = { ...kept, detail: { ...hostile.detail, lastStatus: "STOPPED", stoppedAt: "2026-11-20T10:32:11Z", clusterArn: event.detail.clusterArn, taskArn: event.detail.taskArn, containers: Array.from({ length: 60 }, () => ({ name: text, reason: text, exitCode: 1 })) } };
      const context = { taskDefinition: definitionOf({ [text]: true }, { group: text.slice(0, 400), region: "us-east-1", prefix: "p" }), missing: [{ action: text, why: "denied" }, { action: text, why: "x" }] };
      for (const one of [hostile, kept, crowd]) yield { ...incidentOf(one, context), ...REPEATED, tail: [text, "last words", text] };
    }
  }
}

export const OPTIONS = ["en", "ja"].flatMap((language) => [{ language }, { language, username: HOSTILE, iconEmoji: HOSTILE, mention: HOSTILE }, { language, mention: "here channel U012ABCDEF", username: "Discord 🔥" }]);

/** Lists every string of a value. */
export function* stringsOf(value) {
  if (typeof value === "string") yield value;
  else if (value !== null && typeof value === "object") for (const one of Object.values(value)) yield* stringsOf(one);
}
