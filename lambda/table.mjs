// The table of announcements.mjs in DynamoDB: one item a subject, one a failure, times in milliseconds.
// Every write is conditional on what was seen, so that any number of invocations may work at once.

import { clientOf } from "./aws.mjs";

const UNCHANGED = ["None", "ConditionalCheckFailed", "TransactionConflict"];

/**
 * @param {string} tableName
 * @param {(name: string, make: (sdk: any) => any) => Promise<{client: any, sdk: any, signal: AbortSignal}>} [connect]
 * @returns {import("./announcements.mjs").Table}
 */
export function tableOf(tableName, connect = clientOf) {
  const send = async (command, input) => {
    const { client, sdk, options } = await connect("dynamodb");
    return client.send(new sdk[command](input), options());
  };
  const at = (id) => ({ TableName: tableName, Key: { id: { S: id } } });
  const get = async (id) => (await send("GetItemCommand", { ...at(id), ConsistentRead: true })).Item ?? null;

  /** @returns {Promise<boolean>} false: an item is not, or may not be any longer, as the conditions want it */
  async function transact(...writes) {
    try {
      await send("TransactWriteItemsCommand", { TransactItems: writes });
      return true;
    } catch (error) {
      const reasons = error.CancellationReasons ?? [];
      const raced = error.name === "TransactionInProgressException"
        || (error.name === "TransactionCanceledException" && reasons.length > 0 && reasons.every(({ Code }) => UNCHANGED.includes(Code ?? "None")));
      if (raced) return false;
      throw error;
    }
  }

  /** @returns {Promise<boolean>} false: nothing is changed, as the item is not as the condition wants it */
  async function updateIf(input) {
    try {
      await send("UpdateItemCommand", input);
      return true;
    } catch (error) {
      if (error.name !== "ConditionalCheckFailedException") throw error;
      return false;
    }
  }

  /** What is noted as delivered outlives it. The names of the values are its own, beside those of a condition. */
  const subjectWith = ({ subject, failure }, since, isSettled, expires, condition = {}) => ({
    ...at(subject),
    UpdateExpression: "SET failureKey = :itsFailure, startedMs = :itsStart, isSettled = :itsEnd, expiresAt = :itsExpiry",
    ...condition,
    ExpressionAttributeValues: {
      ":itsFailure": { S: failure }, ":itsStart": number(since), ":itsEnd": { BOOL: isSettled }, ":itsExpiry": seconds(expires),
      ...condition.ExpressionAttributeValues,
    },
  });

  return {
    async look({ subject, failure }) {
      const [one, other] = await Promise.all([get(subject), get(failure)]);
      return { subject: one && subjectOf(one), failure: other && failureOf(other) };
    },

    open: (keys, seen, fresh, expires) => transact(
      {
        Put: {
          TableName: tableName,
          Item: {
            id: { S: keys.failure }, startedMs: number(fresh.since), occurrences: number(fresh.count), toldOccurrences: number(fresh.told),
            earlierOccurrences: number(fresh.earlier), heldBy: { S: fresh.holder }, heldUntilMs: number(fresh.heldUntil), expiresAt: seconds(expires),
          },
          ...(seen === null ? { ConditionExpression: "attribute_not_exists(id)" } : {
            ConditionExpression: "startedMs = :since AND occurrences = :count",
            ExpressionAttributeValues: { ":since": number(seen.since), ":count": number(seen.count) },
          }),
        },
      },
      {
        Update: subjectWith(keys, fresh.since, false, expires, {
          ConditionExpression: "attribute_not_exists(id) OR isSettled = :no",
          ExpressionAttributeValues: { ":no": { BOOL: false } },
        }),
      },
    ),

    join: (keys, seen, expires) => transact(
      {
        Update: {
          ...at(keys.failure),
          UpdateExpression: "ADD occurrences :one SET expiresAt = :expires",
          ConditionExpression: "startedMs = :since",
          ExpressionAttributeValues: { ":one": number(1), ":expires": seconds(expires), ":since": number(seen.since) },
        },
      },
      {
        Update: subjectWith(keys, seen.since, false, expires, {
          ConditionExpression: "attribute_not_exists(id) OR (isSettled = :no AND (startedMs <> :since OR failureKey <> :failure))",
          ExpressionAttributeValues: { ":no": { BOOL: false }, ":since": number(seen.since), ":failure": { S: keys.failure } },
        }),
      },
    ),

    take: (keys, seen, { holder, heldUntil, now }) => transact(
      {
        ConditionCheck: {
          ...at(keys.subject), ConditionExpression: "isSettled = :no", ExpressionAttributeValues: { ":no": { BOOL: false } },
        },
      },
      {
        Update: {
          ...at(keys.failure),
          UpdateExpression: "SET heldBy = :me, heldUntilMs = :until",
          ConditionExpression: "startedMs = :since AND (attribute_not_exists(heldBy) OR heldUntilMs < :now)",
          ExpressionAttributeValues: { ":me": { S: holder }, ":until": number(heldUntil), ":since": number(seen.since), ":now": number(now) },
        },
      },
    ),

    async told(keys, { holder, count, since }, expires) {
      const stillMine = await transact(
        {
          Update: {
            ...at(keys.failure),
            UpdateExpression: "SET toldOccurrences = :count REMOVE heldBy, heldUntilMs",
            ConditionExpression: "heldBy = :me AND startedMs = :since",
            ExpressionAttributeValues: { ":count": number(count), ":me": { S: holder }, ":since": number(since) },
          },
        },
        { Update: subjectWith(keys, since, true, expires) },
      );
      if (!stillMine) await this.settle(keys, since, expires);
    },

    settle: (keys, since, expires) => updateIf(subjectWith(keys, since, true, expires, {
      ConditionExpression: "attribute_not_exists(id) OR isSettled = :no", ExpressionAttributeValues: { ":no": { BOOL: false } },
    })),

    async note({ subject, failure }, names, { holder, count, since }, expires) {
      await send("UpdateItemCommand", {
        ...at(subject), UpdateExpression: "ADD deliveredTo :names SET expiresAt = :expires", ConditionExpression: "attribute_exists(id)",
        ExpressionAttributeValues: { ":names": { SS: names }, ":expires": seconds(expires) },
      });
      await updateIf({
        ...at(failure), UpdateExpression: "SET toldOccurrences = :count", ConditionExpression: "heldBy = :me AND startedMs = :since",
        ExpressionAttributeValues: { ":count": number(count), ":me": { S: holder }, ":since": number(since) },
      });
    },

    release: ({ failure }, holder) => updateIf({
      ...at(failure), UpdateExpression: "REMOVE heldBy, heldUntilMs", ConditionExpression: "heldBy = :me",
      ExpressionAttributeValues: { ":me": { S: holder } },
    }),
  };
}

const number = (value) => ({ N: String(value) });
/** DynamoDB removes expired items by a time in seconds. */
const seconds = (ms) => number(Math.ceil(ms / 1000));
const read = (attribute) => Number(attribute?.N ?? 0);
const subjectOf = ({ failureKey, startedMs, isSettled, deliveredTo }) => ({
  failure: failureKey?.S ?? "", since: read(startedMs), settled: isSettled?.BOOL === true, delivered: deliveredTo?.SS ?? [],
});
const failureOf = ({ startedMs, occurrences, toldOccurrences, earlierOccurrences, heldBy, heldUntilMs }) => ({
  since: read(startedMs), count: read(occurrences), told: read(toldOccurrences), earlier: read(earlierOccurrences),
  holder: heldBy?.S ?? null, heldUntil: read(heldUntilMs),
});
