// Runs the Ruby of docs/application-alerts.md and docs/jobs.md: in a Rails app whose errors arrive as messages of Slack, and in a Rake task.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Account, missing, requests, ruby, rubyOf, wrongSignature } from "../rails.mjs";

const SUBSCRIBER = "config/initializers/taskbell.rb";
const EVENTS = "config/initializers/taskbell_events.rb";
const CONTROLLER = "app/controllers/application_controller.rb";
const [subscriber, sdk, signed, rescued, oldest] = rubyOf("application-alerts");
const [job] = rubyOf("jobs");
/** Stands in for AWS's SDK, which Debian does not have: the entries are checked, and sent with the signed call of the page. */
const SUBSTITUTE = `${signed.replace("module TaskbellEvents", "module SignedEvents")}
module Aws::EventBridge
  class Client
    Answer = Struct.new(:failed_entry_count, :entries)
    def initialize(http_open_timeout: 60, http_read_timeout: 60, retry_mode: "legacy", max_attempts: 3) = nil

    def put_events(entries:)
      entries.each do |entry|
        raise ArgumentError, entry.keys.inspect unless entry.keys == %i[source detail_type detail] && entry[:source] == "taskbell.app"
        SignedEvents.put(entry[:detail_type], JSON.parse(entry[:detail]))
      end
      Answer.new(0, [])
    end
  end
end
`;
const account = new Account();
const skip = missing;
before(async () => { if (!missing) await account.start(); });
after(() => account.stop());

/** Returns the entries that a run put on the bus, each with its detail. */
async function entriesOf(run) {
  const from = account.accepted.length;
  const result = await run();
  return { ...result, entries: account.accepted.slice(from).map((entry) => ({ type: entry.DetailType, ...JSON.parse(entry.Detail) })) };
}

test("Ruby of the documentation has no error of syntax and no warning", { skip }, async () => {
  for (const code of [subscriber, sdk, signed, rescued, oldest, job]) {
    const { code: status, out, err } = await ruby(["-w", "-c", "-e", code]);
    assert.deepEqual([status, out, err], [0, "Syntax OK\n", ""], code);
  }
  const { out } = await ruby(["-e", "require 'rails'; print RUBY_VERSION, ' ', Rails.version"]);
  assert.match(out, /^3\.3\.\d+ 7\.2\./, "the versions that the page names");
});

test("error of a request arrives as one message with its folded stack trace, and the request ends as before", { skip }, async () => {
  const files = { [SUBSCRIBER]: subscriber, [EVENTS]: signed, [CONTROLLER]: rescued };
  const { statuses, entries, log } = await entriesOf(() => requests(files, ["/broken?order=17"], account.env));
  assert.deepEqual(statuses, [500], log);
  assert.deepEqual(entries.map(({ type, message, level, source }) => [type, message, level, source]), [["Application Error", "ArgumentError: no price for 17", "error", "Shop"]], log);
  const message = await account.message("no price for 17");
  const folded = message.attachments.filter(({ text }) => text?.includes("app/controllers/orders_controller.rb:3:in"));
  assert.equal(folded.length, 1, JSON.stringify(message));
  assert.equal(folded[0].blocks, undefined, "Slack folds only the text of an attachment");
  assert.ok(!message.text.includes("orders_controller"), message.text);
});

test("error that a controller rescues arrives as a warning, and the controller answers", { skip }, async () => {
  const files = { [SUBSCRIBER]: subscriber, [EVENTS]: signed, [CONTROLLER]: rescued };
  const { statuses, entries, log } = await entriesOf(() => requests(files, ["/declined"], account.env));
  assert.deepEqual([statuses, entries.map(({ level }) => level)], [[502], ["warning"]], log);
  await account.message("card declined");
});

test("Rails without Rails.error sends one alert for each error of a controller", { skip }, async () => {
  const before = { "config/initializers/a_rails_6.rb": "Rails.singleton_class.undef_method(:error)" };
  const files = { ...before, [SUBSCRIBER]: subscriber, [EVENTS]: signed, [CONTROLLER]: oldest };
  const { statuses, entries, log } = await entriesOf(() => requests(files, ["/broken?order=6.1"], account.env));
  assert.deepEqual([statuses, entries.map(({ message }) => message)], [[500], ["ArgumentError: no price for 6.1"]], log);
  await account.message("no price for 6.1");
});

test("subscriber works with the SDK as with the signed call", { skip }, async () => {
  const files = { "config/initializers/a_substitute.rb": SUBSTITUTE, [SUBSCRIBER]: subscriber, [EVENTS]: sdk, [CONTROLLER]: rescued };
  const { statuses, entries, log } = await entriesOf(() => requests(files, ["/broken?order=18", "/broken?order=19"], account.env));
  assert.deepEqual([statuses, entries.map(({ message }) => message)], [[500, 500], ["ArgumentError: no price for 18", "ArgumentError: no price for 19"]], log);
});

test("refused alert is logged, and changes no answer", { skip }, async () => {
  const files = { [SUBSCRIBER]: subscriber, [EVENTS]: signed, [CONTROLLER]: rescued };
  const run = (env = account.env) => entriesOf(() => requests(files, ["/broken?order=20"], env));
  account.served = { ...account.served, SecretAccessKey: "another" };
  const denied = await run();
  account.served = { ...account.served, SecretAccessKey: "hunter2hunter2" };
  account.answer = { FailedEntryCount: 1, Entries: [{ ErrorCode: "InternalFailure", ErrorMessage: "no room" }] };
  const refused = await run();
  account.answer = null;
  const alone = await run({ ...account.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1/credentials" });
  for (const [{ statuses, entries, log }, reason] of [[denied, /127\.0\.0\.1 answered 403/], [refused, /no room/], [alone, /Connection refused/]]) {
    assert.deepEqual([statuses, entries], [[500], []]);
    assert.match(log, /taskbell: the alert was not accepted: /);
    assert.match(log, reason);
    assert.ok(!/hunter2|token-of-the-task/.test(log), log);
  }
});

test("Rake task of the documentation reports its end, and keeps its exit code", { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "taskbell-rake-"));
  try {
    const invoice = 'module Invoice\n  def self.send_due = ENV["FAIL"] ? raise(ENV["FAIL"]) : puts("sent")\nend\ntask(:environment)\n';
    writeFileSync(join(folder, "Rakefile"), `require "json"\n${SUBSTITUTE}\n${invoice}\n${job}`);
    const rake = ["-e", 'require "rake"; Rake.application.run(["--silent", "--rakefile", ARGV[0], "invoices"])', join(folder, "Rakefile")];
    const good = await entriesOf(() => ruby(rake, account.env));
    assert.deepEqual([good.code, good.out, good.entries.map(({ type, job: name }) => [type, name])], [0, "sent\n", [["Job Succeeded", "rails:invoices"]]], good.err);
    const bad = await entriesOf(() => ruby(rake, { ...account.env, FAIL: "no invoices today" }));
    assert.deepEqual([bad.code, bad.entries.map(({ type, message }) => [type, message])], [1, [["Application Error", "RuntimeError: no invoices today"]]], bad.err);
    await account.message("no invoices today");
    const unreported = await entriesOf(() => ruby(rake, { ...account.env, AWS_CONTAINER_CREDENTIALS_FULL_URI: "http://127.0.0.1:1/credentials" }));
    assert.deepEqual([unreported.code, unreported.entries], [0, []]);
    assert.match(unreported.err, /the report was not accepted: /);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

// Plants faults: the gateway must find each of them in a request that AWS's example signs.
test("gateway finds a wrong signature, and a header that is not signed", () => {
  assert.match(wrongSignature({ method: "POST", url: "/", headers: {} }, ""), /no signature/);
  const sign = (names) => `AWS4-HMAC-SHA256 Credential=AKIDOFTHETASK/20260101/us-east-1/events/aws4_request, SignedHeaders=${names}, Signature=${"0".repeat(64)}`;
  const now = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const headers = { host: "x", "x-amz-date": now, "x-amz-security-token": "token-of-the-task", "x-amz-target": "AWSEvents.PutEvents" };
  const wrong = (names, more = {}) => wrongSignature({ method: "POST", url: "/", headers: { ...headers, authorization: sign(names).replace("20260101", now.slice(0, 8)), ...more } }, "{}");
  assert.match(wrong("host;x-amz-date;x-amz-security-token"), /x-amz-target is not signed/);
  assert.match(wrong("host;x-amz-date;x-amz-security-token;x-amz-target"), /does not match/);
  assert.match(wrong("host", { "x-amz-security-token": "another" }), /session token/);
  assert.match(wrong("host;x-amz-date;x-amz-security-token;x-amz-target", { "x-amz-date": "20200101T000000Z" }), /the time is/);
});
