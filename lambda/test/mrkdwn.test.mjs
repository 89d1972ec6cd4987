import assert from "node:assert/strict";
import { test } from "node:test";
import { incidentOf } from "../core/incident.mjs";
import { linesOf, plainOf, spansOf } from "../places/mrkdwn.mjs";
import { partsOf } from "../places/parts.mjs";
import { messageOf } from "../places/slack-message.mjs";
import { HOSTILE, everywhere, names, sample } from "./samples.mjs";

const plain = { bold: false, italic: false };
const text = (text, style) => ({ kind: "text", text, ...plain, ...style });

test("styles, code, fences, links, dates and mentions each become a span of their own", () => {
  assert.deepEqual(spansOf("<!here> 🔴 *web* died"), [{ kind: "mention", text: "here", ...plain }, text(" 🔴 "), text("web", { bold: true }), text(" died")]);
  assert.deepEqual(spansOf("<@U012AB><!subteam^S012AB><!channel>").map((one) => [one.kind, one.text]), [["mention", "U012AB"], ["mention", "S012AB"], ["mention", "channel"]]);
  assert.deepEqual(spansOf("*the log of `web`*"), [text("the log of ", { bold: true }), { kind: "code", text: "web", bold: true, italic: false }]);
  assert.deepEqual(spansOf("_and 3 more_"), [text("and 3 more", { italic: true })]);
  assert.deepEqual(spansOf("a\n```one\n*two*```"), [text("a\n"), { kind: "fence", text: "one\n*two*", ...plain }]);
  assert.deepEqual(spansOf("<https://a/?b=1&amp;c=2|Open &lt;it&gt;> or <https://d>"), [
    { kind: "link", url: "https://a/?b=1&c=2", text: "Open <it>", ...plain }, text(" or "), { kind: "link", url: "https://d", text: "https://d", ...plain },
  ]);
  assert.deepEqual(spansOf("<!date^1795170731^{date_num} {time_secs}|2026-11-20 10:32:11 UTC>"), [{ kind: "date", seconds: 1795170731, text: "2026-11-20 10:32:11 UTC", ...plain }]);
});

test("escaped text is text, and never markup", () => {
  assert.deepEqual(spansOf("&lt;!here&gt; &amp;lt; &lt;https://evil|x&gt;"), [text("<!here> &lt; <https://evil|x>")]);
  assert.deepEqual(spansOf("`a &lt; b`"), [{ kind: "code", text: "a < b", ...plain }]);
});

test("the replacement of a backtick or an asterisk in Slack becomes the original again", () => {
  assert.equal(plainOf(spansOf("*∗nil∗ in ˋtotal'*")), "*nil* in `total'");
});

test("marks within words, beside spaces, or never closed on their line are text", () => {
  for (const one of ["a*b*c", "2 * 3 * 4", "*open", "*open\nclosed*", "snake_case_name", "a_b", "a`b` c", "a `b`c", "* x*", "_", "**", "`", "``", "```", "<>", "<"]) {
    assert.deepEqual(spansOf(one).map(({ text: own, bold, italic }) => [own, bold || italic]).filter(([own]) => own !== ""), [[one, false]], one);
  }
});

test("a mark beside a letter of any script, or beside full-width punctuation, is text, as in Slack", () => {
  for (const one of ["から *4 回*発生", "から*4 回* 発生", "*web*：失敗", "（*web*）", "*웹*이", "é*a*", "*web*\u200b：失敗", "*web*\u3000失敗", "_ほか_件", "名前`web` は", "名前 `web`は"]) {
    assert.deepEqual(spansOf(one), [text(one)], one);
  }
  assert.deepEqual(spansOf("から *4 回* 発生").map(({ bold }) => bold), [false, true, false]);
  assert.deepEqual(spansOf("*web*: (`x`)").map(({ kind, bold }) => `${kind} ${bold}`), ["text true", "text false", "code false", "text false"]);
});

test("lines keep their spans, and a fence has lines of its own", () => {
  const lines = linesOf(spansOf("*a*: b\n\n```one\ntwo```"));
  assert.deepEqual(lines.map((line) => line.map((span) => `${span.kind} ${span.text}`)), [["text a", "text : b"], [], ["fence one"], ["fence two"]]);
});

test("a line of nothing but marks is read once, not once for each mark", () => {
  const started = process.cpuUsage().user;
  for (const one of ["*a ", " _a", "`", "<", "```", "*", "<!date^"]) assert.ok(spansOf(one.repeat(100_000)).length > 0);
  assert.ok(process.cpuUsage().user - started < 5_000_000);
});

test("every sample's message is parsed without a lost word, and no markup is left", () => {
  for (const name of names) {
    for (const language of ["en", "ja"]) {
      const incident = { ...incidentOf(sample(name)), tail: ["one", "two"], occurrence: { count: 4, since: "2026-11-20T10:00:00Z", earlier: 2, next: 8 } };
      const options = { language, mention: "here, U012ABCDEF, S012ABCDEF" };
      const parts = partsOf(incident, options);
      const { blocks, attachments } = messageOf(incident, options);
      const words = [...blocks, ...attachments.at(-1).blocks].flatMap((block) => [block.text, ...(block.fields ?? []), ...(block.elements ?? [])]).filter(Boolean).map((one) => one.text)
        .flatMap((one) => spansOf(one)).filter(({ kind }) => kind !== "mention").map((span) => span.text).join("").replace(/\s|·/g, "");
      const kept = [parts.headline, ...parts.sections, parts.links.map(({ label }) => ({ text: label })), ...parts.facts.flatMap((fact) => [[{ text: fact.name }], fact.value]), ...parts.notes, ...parts.foot]
        .flat().map((span) => span.text).join("").replace(/\s|·/g, "");
      assert.equal([...kept].sort().join(""), [...words].sort().join(""), name);
      assert.deepEqual(parts.mentions, incident.drill || incident.kind === "summary" ? [] : ["here", "U012ABCDEF", "S012ABCDEF"]);
      assert.ok(!/&(amp|lt|gt);|<!|\{date_num\}/.test(JSON.stringify(parts)), name);
      assert.ok(parts.facts.every((fact) => fact.name !== "" && fact.value.length > 0), name);
    }
  }
});

test("hostile text gives no mention, no link and no date except those of the notifier", () => {
  for (const name of names.filter((one) => !one.startsWith("field/"))) {
    const event = { ...everywhere(sample(name), (value) => (typeof value === "string" ? HOSTILE : value)), "detail-type": sample(name)["detail-type"] };
    const { mentions, headline, sections, notes, facts, foot } = partsOf({ ...incidentOf(event), tail: [HOSTILE] }, {});
    assert.deepEqual(mentions, []);
    assert.ok([headline, ...sections, ...notes, ...facts.map(({ value }) => value), ...foot].flat().every(({ kind }) => ["text", "code", "fence", "date"].includes(kind)));
  }
});
