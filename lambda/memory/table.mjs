// Keeps the items of announcements.mjs in DynamoDB: one item a subject, one a window, one a failure, times in milliseconds.
// Every write is conditional on the state that was read, so that any number of runs may work at once.

import { own } from "../core/records.mjs";
import { clientOf } from "../io/aws.mjs";

/** Reasons for which DynamoDB cancels a transaction although its conditions may hold: another write to an item, or throttling. tableOf tries the same write again. */
const AGAIN = ["TransactionConflict", "ProvisionedThroughputExceeded", "ThrottlingError"];
const AGAIN_ERRORS = /^(TransactionConflict|TransactionInProgress|ProvisionedThroughputExceeded|Throttling|RequestLimitExceeded|ReplicatedWriteConflict)/;
const LOST = "ConditionalCheckFailed";
/** The longest token of a transaction (AWS); a holder ends with a UUID. */
const TOKEN_LENGTH = 36;
/** Errors after which a write may have been performed, or a repeated read may succeed: no answer, an error of the server, throttling. */
const UNCLEAR_ERRORS = /Timeout|Abort|InternalServerError|InternalFailure|ServiceUnavailable|NetworkingError|^Throttling|^ProvisionedThroughput|^RequestLimit/;

/**
 * Makes calls of DynamoDB. `send` returns the answer, and marks errors that leave the outcome open; `write` returns the outcome of a write.
 * @param {(name: string) => Promise<{client: any, sdk: any, options: (ms: number) => object}>} connect
 */
export function callsOf(connect) {
  async function send(command, input, ms) {
    try {
      const { client, sdk, options } = await connect("dynamodb");
      return await client.send(new sdk[command](input), options(ms));
    } catch (error) {
      throw Object.assign(error, { isUnclear: isUnclear(error) });
    }
  }
  async function write(command, input, ms) {
    try {
      return { outcome: "done", answer: await send(command, input, ms) };
    } catch (error) {
      const outcome = outcomeOf(error);
      if (outcome === null) throw error;
      return { outcome };
    }
  }
  return { send, write };
}

/**
 * Opens the table.
 * @param {string} tableName
 * @param {(name: string) => Promise<{client: any, sdk: any, options: (ms: number) => object}>} [connect]
 * @returns {import("./announcements.mjs").Table}
 */
export function tableOf(tableName, connect = clientOf) {
  const { send, write } = callsOf(connect);
  const at = (id) => ({ TableName: tableName, Key: { id: { S: id } } });
  const get = async (id, ms) => (await send("GetItemCommand", { ...at(id), ConsistentRead: true }, ms)).Item ?? null;
  const update = async (id, of, ms) => (await write("UpdateItemCommand", { ...at(id), ...of }, ms)).outcome;
  const transact = async (writes, ms, more) => (await write("TransactWriteItemsCommand", { TransactItems: writes.filter(Boolean), ...more }, ms)).outcome;

  const counted = (id, place, expires, condition) => ({
    Update: {
      ...at(id),
      UpdateExpression: "SET failureKey = :failure, startedMs = :since, isSettled = :no, expiresAt = :expires",
      ConditionExpression: condition,
      ExpressionAttributeValues: { ":failure": { S: place.failure }, ":since": number(place.since), ":no": { BOOL: false }, ":expires": seconds(expires) },
    },
  });

  const latestIn = (item) => (item?.latestMs ? read(item.latestMs) : null);

  return {
    async look(id, place, ms) {
      const { answer } = await write("TransactGetItemsCommand", { TransactItems: [id, place.id, place.failure].map((key) => ({ Get: at(key) })) }, ms);
      if (!answer) return null;
      const [subject, window, failure] = answer.Responses.map(({ Item }) => Item ?? null);
      return { subject: subject && subjectOf(subject), window: window && windowOf(window), latest: latestIn(failure) };
    },

    async subject(id, ms) {
      const item = await get(id, ms);
      return item && subjectOf(item);
    },

    async window(id, ms) {
      const item = await get(id, ms);
      return item && windowOf(item);
    },

    /** Reads the start of the latest window. An item of an earlier version, which kept its one window here, has no such start. */
    async latest(failure, ms) {
      return latestIn(await get(failure, ms));
    },

    open(id, place, { subject, latest, previous, previousId, names }, fresh, expires, ms) {
      const asSeen = previous && toldAsSeen(names, previous);
      return transact([
        {
          Put: {
            TableName: tableName,
            Item: {
              id: { S: place.id }, startedMs: number(place.since), occurrences: number(fresh.count), earlierOccurrences: number(fresh.earlier),
              heldBy: { S: fresh.holder }, heldUntilMs: number(fresh.heldUntil), expiresAt: seconds(expires),
            },
            ConditionExpression: "attribute_not_exists(id)",
          },
        },
        counted(id, place, expires, subject === null ? "attribute_not_exists(id)" : "isSettled = :no AND failureKey = :failure AND startedMs = :since"),
        (latest === null || latest < place.since) && {
          Update: {
            ...at(place.failure),
            UpdateExpression: "SET latestMs = :since, expiresAt = :expires",
            ConditionExpression: latest === null ? "attribute_not_exists(latestMs)" : "latestMs = :latest",
            ExpressionAttributeValues: { ":since": number(place.since), ":expires": seconds(expires), ...(latest === null ? {} : { ":latest": number(latest) }) },
          },
        },
        previous && {
          ConditionCheck: {
            ...at(previousId),
            ConditionExpression: `occurrences = :count AND ${asSeen.condition}`,
            ExpressionAttributeNames: asSeen.names,
            ExpressionAttributeValues: { ":count": number(previous.count), ...asSeen.values },
          },
        },
      ], ms);
    },

    join: (id, place, expires, ms) => transact([
      {
        Update: {
          ...at(place.id),
          UpdateExpression: "ADD occurrences :one SET expiresAt = :expires",
          ConditionExpression: "attribute_exists(id)",
          ExpressionAttributeValues: { ":one": number(1), ":expires": seconds(expires) },
        },
      },
      counted(id, place, expires, "attribute_not_exists(id)"),
    ], ms),

    async take(id, seen, names, { holder, heldUntil }, ms) {
      const asSeen = toldAsSeen(names, seen);
      const isFree = seen.holder === null;
      const { outcome, answer } = await write("UpdateItemCommand", {
        ...at(id),
        UpdateExpression: "SET heldBy = :me, heldUntilMs = :until",
        ConditionExpression: `${isFree ? "attribute_not_exists(heldBy)" : "heldBy = :holder AND heldUntilMs = :end"} AND ${asSeen.condition}`,
        ExpressionAttributeNames: asSeen.names,
        ExpressionAttributeValues: {
          ":me": { S: holder }, ":until": number(heldUntil), ...asSeen.values, ...(isFree ? {} : { ":holder": { S: seen.holder }, ":end": number(seen.heldUntil) }),
        },
        ReturnValues: "ALL_NEW",
      }, ms);
      return { outcome, ...(answer ? { window: windowOf(answer.Attributes) } : {}) };
    },

    settle(id, seen, names, expires, ms, as) {
      const asSeen = numbersAsSeen("unanswered", names, (name) => own(seen.unanswered, name)?.times);
      const settled = {
        UpdateExpression: "SET isSettled = :yes, expiresAt = :expires",
        ConditionExpression: `isSettled = :no AND failureKey = :failure AND startedMs = :since AND ${asSeen.condition}`,
        ExpressionAttributeNames: asSeen.names,
        ExpressionAttributeValues: {
          ":yes": { BOOL: true }, ":no": { BOOL: false }, ":failure": { S: seen.failure }, ":since": number(seen.since), ":expires": seconds(expires), ...asSeen.values,
        },
      };
      if (as === null) return update(id, settled, ms);
      return transact([
        { Update: { ...at(id), ...settled } },
        { ConditionCheck: { ...at(as.id), ConditionExpression: "occurrences = :count", ExpressionAttributeValues: { ":count": number(as.count) } } },
      ], ms);
    },

    mark: (id, windowId, { holder, names, count }, note, ms) => transact([
      {
        Update: {
          ...at(windowId),
          UpdateExpression: `SET ${names.map((_, nth) => `#told${nth} = :count`).join(", ")} REMOVE heldBy, heldUntilMs`,
          ConditionExpression: "heldBy = :me",
          ExpressionAttributeNames: Object.fromEntries(names.map((name, nth) => [`#told${nth}`, `told:${name}`])),
          ExpressionAttributeValues: { ":count": number(count), ":me": { S: holder } },
        },
      },
      { Update: { ...at(id), ...noteOf(note) } },
      // A run marks once. If the answer was lost, DynamoDB repeats the same answer, whichever run holds the window by then.
    ], ms, { ClientRequestToken: holder.slice(-TOKEN_LENGTH) }),

    /** Notes in the subject. A subject that was never counted is noted only as settled: otherwise its next run counts the subject. */
    note: (id, note, ms) => update(id, noteOf(note, note.isSettled ? note.place : null), ms),

    raise: (windowId, name, count, ms) => update(windowId, {
      UpdateExpression: "SET #told = :count",
      ConditionExpression: "attribute_exists(id) AND (attribute_not_exists(#told) OR #told < :count)",
      ExpressionAttributeNames: { "#told": `told:${name}` }, ExpressionAttributeValues: { ":count": number(count) },
    }, ms),

    release: (windowId, holder, ms) => update(windowId, {
      UpdateExpression: "REMOVE heldBy, heldUntilMs", ConditionExpression: "heldBy = :me", ExpressionAttributeValues: { ":me": { S: holder } },
    }, ms),
  };
}

/** @returns {import("./announcements.mjs").Outcome|null} null: neither lost nor conflict; of several reasons a failed condition decides */
function outcomeOf({ name, CancellationReasons = [] }) {
  if (name === "ConditionalCheckFailedException") return "lost";
  if (AGAIN_ERRORS.test(name)) return "conflict";
  if (name !== "TransactionCanceledException") return null;
  const codes = CancellationReasons.map(({ Code }) => Code ?? "None").filter((code) => code !== "None");
  if (codes.length === 0 || codes.some((code) => code !== LOST && !AGAIN.includes(code))) return null;
  return codes.includes(LOST) ? "lost" : "conflict";
}

/** Says whether a call may have been performed although no answer says so; and of a read, whether the next one may succeed. */
function isUnclear(error) {
  const status = error?.$metadata?.httpStatusCode;
  return UNCLEAR_ERRORS.test(String(error?.name)) || status >= 500 || (status === undefined && /^(E[A-Z_]+|UND_ERR_\w+)$/.test(String(error?.code)));
}

/** Requires that each number of a destination is unchanged since it was read. */
function numbersAsSeen(kind, names, valueOf) {
  const parts = names.map((name, nth) => ({ ref: `#${kind}${nth}`, value: `:${kind}${nth}`, name: `${kind}:${name}`, seen: valueOf(name) }));
  return {
    condition: parts.map(({ ref, value, seen }) => (seen === undefined ? `attribute_not_exists(${ref})` : `${ref} = ${value}`)).join(" AND "),
    names: Object.fromEntries(parts.map(({ ref, name }) => [ref, name])),
    values: Object.fromEntries(parts.filter(({ seen }) => seen !== undefined).map(({ value, seen }) => [value, number(seen)])),
  };
}

const toldAsSeen = (names, { told }) => numbersAsSeen("told", names, (name) => own(told, name));

/** Builds the update of a subject. `place`: the window to count in, if the subject was never counted. */
function noteOf({ delivered, isSettled, unanswered, expires }, place) {
  const silent = Object.entries(unanswered).map(([name, note], nth) => ({ name, nth, ...note }));
  const setsSettled = isSettled || silent.length > 0;
  /** Keeps the noted count if this run does not know the count. */
  const kept = (ref, value, count) => `${ref} = ${count === null ? `if_not_exists(${ref}, ${value})` : value}`;
  const sets = [
    // Another run of this subject may have settled it meanwhile: a post without an answer opens it again, and the next run repeats the post.
    "expiresAt = :expires", ...(setsSettled ? ["isSettled = :settled"] : []),
    ...(place ? ["failureKey = if_not_exists(failureKey, :failure)", "startedMs = if_not_exists(startedMs, :since)"] : []),
    ...silent.flatMap(({ nth, count }) => [`#at${nth} = :at${nth}`, kept(`#count${nth}`, `:count${nth}`, count), kept(`#before${nth}`, `:before${nth}`, count)]),
    ...silent.filter(({ isAnew }) => isAnew).map(({ nth }) => `#times${nth} = :times${nth}`),
  ];
  // Adds instead of setting: runs that could not see each other may have posted at once.
  const adds = [...(delivered.length > 0 ? ["deliveredTo :names"] : []), ...silent.filter(({ isAnew }) => !isAnew).map(({ nth }) => `#times${nth} :times${nth}`)];
  const names = silent.flatMap(({ name, nth }) => [[`#times${nth}`, `unanswered:${name}`], [`#at${nth}`, `unansweredMs:${name}`], [`#count${nth}`, `unansweredCount:${name}`], [`#before${nth}`, `unansweredTold:${name}`]]);
  return {
    UpdateExpression: `SET ${sets.join(", ")}${adds.length > 0 ? ` ADD ${adds.join(", ")}` : ""}`,
    // Refuses this very note if its answer was lost: its numbers would be added twice.
    ...(place === null ? { ConditionExpression: ["attribute_exists(id)", ...silent.map(({ nth }) => `(attribute_not_exists(#at${nth}) OR #at${nth} <> :at${nth})`)].join(" AND ") } : {}),
    ...(names.length > 0 ? { ExpressionAttributeNames: Object.fromEntries(names) } : {}),
    ExpressionAttributeValues: {
      ":expires": seconds(expires), ...(setsSettled ? { ":settled": { BOOL: isSettled } } : {}), ...(delivered.length > 0 ? { ":names": { SS: delivered } } : {}),
      ...(place ? { ":failure": { S: place.failure }, ":since": number(place.since) } : {}),
      ...Object.fromEntries(silent.flatMap(({ nth, times, at, count, told }) => [[`:times${nth}`, number(times)], [`:at${nth}`, number(at)], [`:count${nth}`, number(count ?? 0)], [`:before${nth}`, number(told)]])),
    },
  };
}

const number = (value) => ({ N: String(value) });
/** Writes a time in seconds: DynamoDB removes expired items by such a time. */
const seconds = (ms) => number(Math.ceil(ms / 1000));
const read = (attribute) => Number(attribute?.N ?? 0);
/** Collects the attributes of a kind, by destination. */
const byName = (item, kind, of) => Object.fromEntries(Object.keys(item).filter((key) => key.startsWith(`${kind}:`)).map((key) => key.slice(kind.length + 1)).map((name) => [name, of(name)]));

const subjectOf = (item) => ({
  failure: item.failureKey?.S ?? "", since: read(item.startedMs), settled: item.isSettled?.BOOL === true, delivered: item.deliveredTo?.SS ?? [],
  unanswered: byName(item, "unanswered", (name) => ({
    times: read(item[`unanswered:${name}`]), at: read(item[`unansweredMs:${name}`]), count: read(item[`unansweredCount:${name}`]), told: read(item[`unansweredTold:${name}`]),
  })),
});
const windowOf = (item) => ({
  since: read(item.startedMs), count: read(item.occurrences), told: byName(item, "told", (name) => read(item[`told:${name}`])),
  earlier: read(item.earlierOccurrences), holder: item.heldBy?.S ?? null, heldUntil: read(item.heldUntilMs),
});
