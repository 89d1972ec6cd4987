// Creates the table of table.mjs on a DynamoDB in memory, where every call is answered at once.
import { tableOf } from "../memory/table.mjs";
import { dynamo } from "./dynamo.mjs";

/** @returns {import("../memory/announcements.mjs").Table & {items: Map<string, object>, subjects: () => object[]}} */
export function memoryTable(step) {
  const { items, connect } = dynamo();
  return { ...tableOf("t", connect(step)), items, subjects: () => [...items.values()].filter(({ isSettled }) => isSettled !== undefined) };
}
