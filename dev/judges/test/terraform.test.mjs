// Checks that the judge of Terraform configurations finds planted faults.
import assert from "node:assert/strict";
import { test } from "node:test";
import { faultsOf } from "../terraform.mjs";

const FUNCTION = `resource "aws_lambda_function" "notifier" {
  function_name = "taskbell-batch"
  runtime       = "nodejs24.x"
  role          = aws_iam_role.notifier.arn
  memory_size   = 256
  tags          = { team = "a" }

  logging_config {
    log_format = "JSON"
  }
}

resource "aws_iam_role" "notifier" {
  assume_role_policy = jsonencode({})
}
`;
const faults = async (from, to) => (await faultsOf(from ? FUNCTION.replace(from, to) : FUNCTION)).faults;

test("a configuration without a fault passes", async () => assert.deepEqual(await faults(), []));

for (const [name, from, to, expected] of [
  ["an unknown attribute", "memory_size ", "memory_mib ", "aws_lambda_function.notifier has no argument memory_mib"],
  ["an unknown attribute of a block", "log_format", "format", "aws_lambda_function.notifier.logging_config has no argument format"],
  ["an unknown block", "logging_config", "log_config", "aws_lambda_function.notifier has no argument log_config"],
  ["a missing required attribute", /.*function_name.*\n/, "", "aws_lambda_function.notifier lacks function_name"],
  ["a missing required attribute of a block", /.*log_format.*\n/, "", "aws_lambda_function.notifier.logging_config lacks log_format"],
  ["a wrong type", "= 256", '= "big"', 'aws_lambda_function.notifier.memory_size is no number: "big"'],
  ["a list instead of a map", '{ team = "a" }', '["a"]', 'aws_lambda_function.notifier.tags is no map: ["a"]'],
  ["an attribute instead of a block", "logging_config {", "logging_config = {", "aws_lambda_function.notifier.logging_config is a block"],
  ["a block that appears twice", "  logging_config {", '  logging_config {\n    log_format = "JSON"\n  }\n\n  logging_config {', "aws_lambda_function.notifier.logging_config appears 2 times"],
  ["an unknown resource", '"aws_iam_role"', '"aws_iam_rolle"', "the provider has no resource aws_iam_rolle"],
  ["a reference to an unknown attribute", "notifier.arn", "notifier.arns", "aws_iam_role.notifier has no attribute arns"],
]) {
  test(`the judge of Terraform finds ${name}`, async () => assert.ok((await faults(from, to)).includes(expected), (await faults(from, to)).join("\n")));
}
