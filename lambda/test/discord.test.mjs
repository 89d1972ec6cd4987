import assert from "node:assert/strict";
import { test } from "node:test";
import { classify, payloadOf, plainPayloadOf, refuses, retryAfterMs } from "../places/discord.mjs";
import { incidentOf } from "../core/incident.mjs";
import { OPTIONS, REPEATED, hostileIncidents, stringsOf } from "./hostile.mjs";
import { definitionOf, names, sample } from "./samples.mjs";

/** Asserts Discord's limits, and that only the mention option pings anybody. */
function assertDiscordTakes(payload, pings = []) {
  const { content, allowed_mentions, embeds = [], username } = payload;
  assert.ok(content.trim() !== "" && content.length <= 2000, `content of ${content.length}`);
  assert.deepEqual(allowed_mentions, { parse: pings.length > 0 ? ["everyone"] : [] });
  assert.deepEqual(content.match(/@(everyone|here)/g) ?? [], pings);
  if (username !== undefined) assert.ok(username.length <= 80 && username.trim() !== "" && !/discord|clyde/i.test(username));
  assert.ok(embeds.length <= 10);
  let all = 0;
  for (const { title = "", description = "-", fields = [], footer = { text: "-" }, color } of embeds) {
    assert.ok(Number.isInteger(color) && color <= 0xffffff);
    assert.ok(title.length <= 256 && description.length <= 4096 && description.trim() !== "", `description of ${description.length}`);
    assert.ok(fields.length <= 25 && footer.text.length <= 2048 && footer.text.trim() !== "");
    all += title.length + description.length + footer.text.length;
    for (const { name, value } of fields) {
      assert.ok(name.trim() !== "" && name.length <= 256 && value.trim() !== "" && value.length <= 1024);
      all += name.length + value.length;
    }
    // Outside of fences and the markup of the notifier there is an even number of each mark, and every foreign mark is escaped.
    const markup = description.replace(/```\n[\s\S]*?\n```/g, "").replace(/`[^`\n]+`/g, "").replace(/\\[\s\S]/g, "");
    assert.doesNotMatch(description.replace(/```\n[\s\S]*?\n```/g, ""), /@(everyone|here|[!&]?\d)/, "a ping outside of a fence");
    assert.ok(!/`/.test(markup), `a fence is open: ${markup.slice(0, 200)}`);
    assert.equal((markup.match(/\*\*/g) ?? []).length % 2, 0, "bold is open");
    for (const [, url] of markup.matchAll(/\]\(([^)]*)\)/g)) assert.match(url, /^https:\/\/[^\s()<>]*amazon/);
  }
  assert.ok(all <= 6000, `${all} of 6000`);
  for (const text of stringsOf(payload)) assert.ok(text.isWellFormed(), "half a character");
}

test("every sample makes a message that Discord takes, in both languages", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) assertDiscordTakes(payloadOf({ ...incidentOf(sample(name)), ...REPEATED, tail: ["a", "", "b"] }, { language }));
  }
});

test("hostile text breaks neither limits nor markup, and pings nobody", () => {
  for (const incident of hostileIncidents()) {
    for (const options of OPTIONS) {
      const payload = payloadOf(incident, options);
      const pings = options.mention?.startsWith("here channel") && !incident.drill ? ["@everyone"] : [];
      assertDiscordTakes(payload, pings);
      assertDiscordTakes(plainPayloadOf(payload), pings);
    }
  }
});

test("the message has a line, a bar in the severity's colour, fields, masked links and the foot", () => {
  const { content, embeds: [{ color, description, fields, footer }] } = payloadOf(incidentOf(sample("09-sidecar-app-crash"), { taskDefinition: definitionOf({ app: true, log_router: false }) }), {});
  assert.equal(content, "🔴 **web** failed in **prod**: exit code 2 (app)");
  assert.equal(color, 0xcf222e);
  assert.ok(description.startsWith("**Container `app` exited with code 2.**\n\n▸ `app` · **exit code 2** · essential\n• `log_router` · exit code 0\n\n[Open the log of app](https://"));
  assert.ok(description.endsWith(")\n\nStopped at <t:1795170731:d> <t:1795170731:T> · Ran for 31 min 20 s · Task definition web:17"), description);
  assert.deepEqual(fields, [{ name: "Launch type", value: "FARGATE", inline: true }]);
  assert.equal(footer.text, "taskbell · 123456789012 · us-east-1 · task 09090909090909090909090909090909");
});

test("foreign text is shown unchanged: Discord's marks in it are escaped", () => {
  const event = { source: "taskbell.app", "detail-type": "Application Error", detail: { message: "5 * 3 __x [a](https://evil) @everyone `c` <@1> # h", detail: "```\n@here" } };
  const { content, embeds } = payloadOf(incidentOf(event), {});
  assert.ok(content.endsWith("5 \\* 3 \\_\\_x \\[a\\](https://evil) @\u200beveryone \\`c\\` \\<@\u200b1\\> \\# h"), content);
  assert.equal(embeds[1].description, "```\n``ˋ\n@here\n```");
});

test("here and everyone are called if the mention option asks for them, users of Slack are not", () => {
  const called = (mention, more) => { const { content, allowed_mentions } = payloadOf({ ...incidentOf(sample("02-oom")), ...more }, { mention }); return [content.split("🔴")[0].split("🧪")[0], allowed_mentions.parse]; };
  assert.deepEqual(called("here"), ["@here ", ["everyone"]]);
  assert.deepEqual(called("channel"), ["@everyone ", ["everyone"]]);
  assert.deepEqual(called("here, everyone"), ["@everyone ", ["everyone"]]);
  assert.deepEqual(called("U012ABCDEF S012ABCDEF"), ["", []]);
  assert.deepEqual(called("here", { drill: true }), ["", []]);
});

test("a name that Discord refuses is left out", () => {
  const nameOf = (username) => payloadOf(incidentOf(sample("02-oom")), { username }).username;
  assert.deepEqual(["ECS alerts", "Discord bot", "clyde", "everyone", "a@b", undefined].map(nameOf), ["ECS alerts", undefined, undefined, undefined, undefined, undefined]);
});

test("answers are classified by Discord's meaning", () => {
  assert.deepEqual([200, 204, 429, 500, 302, 400, 401, 404].map((status) => classify(status)), ["ok", "ok", "retry", "retry", "permanent", "permanent", "permanent", "permanent"]);
  assert.deepEqual([{ status: 400 }, { status: 404 }].map(refuses), [true, false]);
  assert.deepEqual(['{"retry_after": 0.3}', '{"message":"x","retry_after":1}', '{"retry_after":1e9}', "", "<html>"].map(retryAfterMs), [300, 1000, 1000, null, null]);
});
