// Checks that the table in DynamoDB keeps the contract of the table in memory. Run by dev/local-aws.
import { createRequire } from "node:module";
import { tableOf } from "../../memory/table.mjs";
import { contract } from "../table-contract.mjs";

const sdk = createRequire(new URL("../../../.local/node/", import.meta.url))("@aws-sdk/client-dynamodb");
const client = new sdk.DynamoDBClient({});
let made = 0;

contract("in DynamoDB", async () => {
  const TableName = `contract-${made += 1}`;
  await client.send(new sdk.CreateTableCommand({
    TableName, BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [{ AttributeName: "id", AttributeType: "S" }], KeySchema: [{ AttributeName: "id", KeyType: "HASH" }],
  }));
  return tableOf(TableName, async () => ({ sdk, client, options: () => ({}) }));
});
