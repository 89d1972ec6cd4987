// Text that looks like a credential is removed from every text, and other text stays unchanged.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { linesWithoutCredentials, withoutCredentials } from "../core/credentials.mjs";
import * as discord from "../places/discord.mjs";
import { incidentOf } from "../core/incident.mjs";
import { createHandler } from "../handler.mjs";
import { messageOf } from "../places/slack-message.mjs";
import * as sns from "../places/sns.mjs";
import * as teams from "../places/teams.mjs";
import * as webhook from "../places/webhook.mjs";
import { changed, definitionOf, sample } from "./samples.mjs";

const GONE = "<redacted>";
const linesOf = (name) => readFileSync(new URL(`credentials/${name}`, import.meta.url), "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("# "))
  .map((line) => line.replaceAll("·", "").replaceAll("⏎", "\n"));

/** Reads a line of the corpus: the text, its credentials, and the words around them. */
function shapeOf(line) {
  const parts = line.split(/[⟦⟧]/);
  return { text: parts.join(""), secrets: parts.filter((_, at) => at % 2 === 1), around: parts.filter((_, at) => at % 2 === 0) };
}

/** Lists the remaining parts of a credential: any six letters in a row that the words around the credential do not contain. */
function leftOf({ secrets, around }, shown) {
  const visible = around.join("\u0000");
  const windows = (secret) => Array.from({ length: Math.max(1, secret.length - 5) }, (_, at) => secret.slice(at, at + 6));
  return secrets.filter((secret) => windows(secret).some((part) => shown.includes(part) && !visible.includes(part)));
}

const wordsOf = (text) => text.match(/[A-Za-z0-9]{3,}/g) ?? [];

for (const file of ["caught.txt", "caught-later.txt"]) {
  test(`no credential of ${file} is left, and the words around each one stay`, (t) => {
    const shapes = linesOf(file).map(shapeOf);
    let secrets = 0;
    const survived = [];
    const lost = [];
    for (const shape of shapes) {
      const shown = withoutCredentials(shape.text);
      secrets += shape.secrets.length;
      survived.push(...leftOf(shape, shown).map((secret) => `${secret} in ${shown}`));
      // The marks of a private key are removed with the key.
      const missing = wordsOf(shape.around.join(" ").replace(/-----.*?-----|Version: GnuPG v2/g, "")).filter((word) => !shown.includes(word));
      if (missing.length > 0) lost.push(`${missing} of ${shape.text} -> ${shown}`);
    }
    t.diagnostic(`${secrets - survived.length} of ${secrets} credentials in ${shapes.length} shapes are caught, in ${lost.length} texts words are lost`);
    assert.deepEqual(survived, []);
    assert.deepEqual(lost, []);
  });
}

for (const file of ["harmless.txt", "harmless-later.txt"]) {
  test(`the lines of ${file} stay unchanged`, (t) => {
    const lines = linesOf(file);
    const touched = lines.map((line) => [line, withoutCredentials(line)]).filter(([line, shown]) => line !== shown);
    t.diagnostic(`${touched.length} of ${lines.length} harmless lines are touched`);
    assert.deepEqual(touched, []);
  });
}

test("a second pass changes nothing, and a value that is no text is returned unchanged", () => {
  for (const line of [...linesOf("caught.txt"), ...linesOf("caught-later.txt")]) {
    const once = withoutCredentials(shapeOf(line).text);
    assert.equal(withoutCredentials(once), once);
  }
  for (const value of [null, undefined, 5, true, "", [], {}]) assert.deepEqual(withoutCredentials(value), value);
});

test("a credential is found behind the colours of a terminal and invisible characters", () => {
  assert.equal(withoutCredentials("\u001b[36mpassword\u001b[0m=\u001b[31mhunter2\u001b[0m ok"), `password=${GONE} ok`);
  assert.equal(withoutCredentials("pass\u0000word=hunt\u0007er2 ok"), `password=${GONE} ok`);
});

test("only a private key extends over several lines", () => {
  const key = ["-----BEGIN EC PRIVATE KEY-----", "MHcCAQEEIBkg4LVWM9nuwNSk3yByxZpYRTBnVJk5oRzFi0d9", "AwEHoUQDQgAE", "-----END EC PRIVATE KEY-----"];
  assert.deepEqual(linesWithoutCredentials(["start", ...key, "end"]), ["start", GONE, "end"]);
  assert.deepEqual(linesWithoutCredentials(["start", ...key.slice(0, 2)]), ["start", GONE]);
  assert.deepEqual(linesWithoutCredentials(["password=hunter2", "user: app", 'token="abc', "next line"]), [`password=${GONE}`, "user: app", `token="${GONE}`, "next line"]);
  assert.deepEqual(linesWithoutCredentials([]), []);
  assert.deepEqual(linesWithoutCredentials(["two\nlines", "", "password:", "hunter2"]), ["two\nlines", "", "password:", "hunter2"]);
});

/** Beginnings of every kind of credential, without an end. */
const SEEDS = ["a", "passphrase for a ", "secret_id ", "jdbc:oracle:thin:a", "re_a", " ", "\n", "-", "\\", '"', "'", "=", ":", "eyJ", "://", "://a:", "://a:b", "postgres", "postgres://a:", "a:b@", "a.", "%3A%2F%2F", "%3A%2F%2Fa%3A", "password", "password ", "password:", "password: ", "password=",
  'password:"', "password='", 'password:\\"', 'password: "a ', "password=a,", "password=a&", "password={", "password=[", "password[", "token:'", "token: x ", "secret ", "--password ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA",
  "-----END PRIVATE KEY-----", "-----BEGIN ", "A".repeat(64) + "\n", "Proc-Type: ", "Authorization: Bearer ", "Authorization: Digest ", "authorization:[", "bearer ", "basic ", "Cookie: a=", "Cookie: a=b; ", "Set-Cookie: a", "curl ", "curl -u a:", "mysql -", "sshpass ",
  "sk-", "sk", "AKIA", "AKIA ", "MII", "LS0tLS1CRUdJTi", "xoxb-", "SG.", "npm_", "hooks.slack.com/services/", "login ", "login a password", "identified by ", "key", "api key ", "access-", "/hooks/", "&key=", "12345678:AA", "\u001b[", "\u001b]", "あ", "🔥", "<redacted>", "password=<redacted>", "value", "token=arn:", "password=$(", "password=self.", "token=http://", "password=[a ", "password={a;", '"password","value":'];

test("the time is linear in the length of any text", () => {
  for (const seed of SEEDS) {
    for (const text of [seed.repeat(40_000 / seed.length), `password=${seed.repeat(20_000 / seed.length)}`, `${seed.repeat(20_000 / seed.length)}x`]) {
      const started = process.cpuUsage().user;
      withoutCredentials(text);
      const took = process.cpuUsage().user - started;
      assert.ok(took < 1_000_000, `${took} µs for ${text.length} characters of ${JSON.stringify(seed)}`);
    }
  }
});

const PLACES = { discord, slack: { payloadOf: messageOf }, sns, teams, webhook };
const signed = () => JSON.parse(readFileSync(new URL("credentials/signed-layer-url-in-reason.json", import.meta.url), "utf8"));
const SIGNED = ["IQoJb3JpZ2luX2VjEXAMPLETOKEN", "ASIAEXAMPLEEXAMPLE12", "0123456789abcdef0123456789abcdef"];

/** Creates a notifier of one webhook, with all services in memory. */
function world({ env = {}, lines = [], answer = () => new Response("ok") } = {}) {
  const seen = { posts: [], log: [] };
  const tools = {
    readWebhook: async () => "https://hooks.slack.com/services/T0/B0/ownwebhookkey", describeTaskDefinition: async () => definitionOf({ web: true }), readLog: async () => lines, tableOf: () => assert.fail("no table"),
    fetch: async (url, { body }) => { seen.posts.push(body); return answer(); }, sleep: async () => {}, now: Date.now, random: () => 0, log: (line) => seen.log.push(line), env: { TASKBELL_WEBHOOK_PARAMETER: "p", ...env },
  };
  return { seen, run: (event) => createHandler(tools)(event, { awsRequestId: "r", getRemainingTimeInMillis: () => 30_000 }) };
}

test("the values of a signed address are in no message for any destination, in no key and in no line of the notifier's log", async () => {
  const incident = { ...incidentOf(signed(), { taskDefinition: definitionOf({ web: true }) }), occurrence: null, tail: [] };
  assert.match(incident.stoppedReason, /X-Amz-Signature=<redacted>": dial tcp 10\.0\.0\.9:443: i\/o timeout$/);
  assert.match(incident.containers[0].reason, /X-Amz-Security-Token=<redacted>&X-Amz-Algorithm=AWS4-HMAC-SHA256&/);
  const told = [JSON.stringify(incident)];
  for (const { payloadOf } of Object.values(PLACES)) for (const language of ["en", "ja"]) told.push(JSON.stringify(payloadOf(incident, { language })));
  const here = world();
  assert.deepEqual(await here.run(signed()), { outcome: "sent" });
  for (const text of [...told, ...here.seen.posts, ...here.seen.log]) for (const value of SIGNED) assert.ok(!text.includes(value), `${value} in ${text}`);
  assert.ok(here.seen.posts.length === 1 && here.seen.log.length === 1);
});

test("every free text is shown without its credentials", () => {
  const secret = "password=hunter2";
  const of = (name, detail) => JSON.stringify(incidentOf(changed(name, detail), null));
  for (const [what, shown] of Object.entries({
    "a stopped reason": of("01-exit-nonzero", { stoppedReason: secret }), "a container's reason": of("01-exit-nonzero", { containers: [{ name: "web", exitCode: 1, reason: secret }] }),
    "an unknown stop code's reason": of("13-unknown-stop-code", { stopCode: null, stoppedReason: secret, containers: [] }), "a deployment's reason": of("20-deployment-failed", { reason: secret }),
    "a message": of("30-application-error", { message: secret }), "a detail": of("30-application-error", { detail: `${secret}\n${"x\n".repeat(30_000)}` }), "a source": of("30-application-error", { source: secret }),
    "a refusal": of("31b-run-denied", { errorMessage: secret }), "a failure": of("31-run-rejected", { responseElements: { failures: [{ reason: secret }] } }),
  })) {
    assert.ok(!shown.includes("hunter2"), `${what}: ${shown}`);
    assert.match(shown, /password=<redacted>/, what);
  }
});

test("a key that is cut in the middle of a long detail leaves none of its lines", () => {
  const key = `-----BEGIN RSA PRIVATE KEY-----\n${"MIIEpAIBAAKCAQEAx1y2z3MIIEpAIBAAKCAQEAx1y2z3MIIEpAIBAAKCAQEAx1y2\n".repeat(25)}-----END RSA PRIVATE KEY-----\n`;
  const { applicationDetail } = incidentOf(changed("30-application-error", { detail: `${"a line\n".repeat(1_300)}${key}${"the last\n".repeat(5_000)}` }), null);
  assert.ok(!applicationDetail.includes("MIIE") && applicationDetail.endsWith("the last\n"));
});

test("occurrences that differ by their credentials alone are one failure", () => {
  const keyOf = (token) => incidentOf(changed("30-application-error", { message: `upload failed: token=${token}` }), null).failure;
  assert.equal(keyOf("abc123def456"), keyOf("zzz999yyy888"));
});

test("a line of the log is shown without its credentials, unless redaction is off; all other texts always are", async () => {
  const lines = ["connecting with password=hunter2 to db", "done"];
  const event = changed("01-exit-nonzero", { stoppedReason: "token=hunter3abc" });
  const here = world({ lines });
  await here.run(event);
  assert.match(here.seen.posts[0], /connecting with password=&lt;redacted&gt; to db/);
  assert.ok(!here.seen.posts[0].includes("hunter"));
  const off = world({ lines, env: { TASKBELL_REDACTION: "off" } });
  await off.run(event);
  assert.match(off.seen.posts[0], /connecting with password=hunter2 to db/);
  assert.ok(!off.seen.posts[0].includes("hunter3"));
});

test("an answer that repeats a credential is neither logged nor thrown", async () => {
  for (const env of [{}, { TASKBELL_REDACTION: "off" }]) {
    const here = world({ env, answer: () => new Response("invalid token=abc123def456 for Authorization: Bearer abcdefxyz, and https://hooks.slack.com/services/T0/B0/ownwebhookkey", { status: 400 }) });
    await assert.rejects(here.run(sample("02-oom")), (error) => !/abc123|abcdefxyz|ownwebhook/.test(error.message) && /invalid token=<redacted>/.test(error.message));
    assert.ok(!/abc123|abcdefxyz|ownwebhook/.test(here.seen.log.join()) && /<redacted>/.test(here.seen.log.join()), here.seen.log.join());
  }
});
