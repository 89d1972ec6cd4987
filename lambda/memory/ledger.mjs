// Stores the records of core/ledger.mjs in the table of announcements: one item a job. Any number of runs may write at once: each write is
// conditional on the number of writes that was read, and a run that loses reads again.

import { expiryOf, recordOf, textOf } from "../core/ledger.mjs";
import { clientOf } from "../io/aws.mjs";
import { callsOf } from "./table.mjs";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** How often a write may lose against other runs. Hundreds of tasks of one family may end within a second. */
const MOST_TRIES = 30;
/** The beginning of the keys that `idOf` makes. */
const JOB_PREFIX = "job ";
/** How many calls with an unknown outcome may follow one another, each with a new look. */
const MOST_UNCLEAR = 2;

/**
 * @typedef {import("../core/ledger.mjs").LedgerRecord} LedgerRecord
 * @typedef {{text: string|null, writes: number|null}} Item  writes: null if the item does not exist
 * @typedef {object} Ledgers  Each call ends within `ms`. An error has `isUnclear` if the call may have been performed.
 * @property {(id: string, ms: number) => Promise<Item>} read
 * @property {(id: string, text: string, seen: number|null, expires: number, ms: number) => Promise<"done"|"lost"|"conflict">} write
 *   seen: the number of writes that was read; expires: milliseconds
 * @property {(ms: number) => Promise<{id: string, text: string|null}[]>} all
 * @typedef {object} How
 * @property {() => number} now  milliseconds
 * @property {(ms: number) => Promise<void>} sleep
 * @property {() => number} [random]  from 0 up to 1
 * @property {() => number} leftMs  the time that is left for the ledger
 * @property {(text: string|null) => any} [parse]  reads a record of another kind
 * @property {(value: any) => string} [print]
 */

/** Reports a ledger that other runs keep writing: Lambda is to run the event again later. */
export class LedgerBusy extends Error {
  constructor(id) {
    super(`${id} could not be written: other invocations write it at the same time`);
    this.name = "LedgerBusy";
  }
}

/**
 * Opens the ledgers in a table. Needs dynamodb:GetItem and dynamodb:UpdateItem.
 * @param {string} tableName
 * @param {(name: string) => Promise<{client: any, sdk: any, options: (ms: number) => object}>} [connect]
 * @returns {Ledgers}
 */
export function ledgersOf(tableName, connect = clientOf) {
  const { send, write } = callsOf(connect);
  const at = (id) => ({ TableName: tableName, Key: { id: { S: id } } });
  return {
    async read(id, ms) {
      const { Item: item } = await send("GetItemCommand", { ...at(id), ConsistentRead: true }, ms);
      return { text: item?.ledger?.S ?? null, writes: item === undefined || item === null ? null : Number(item.writes?.N ?? 0) };
    },

    /** Reads all records of jobs, page by page. Needs dynamodb:Scan. */
    async all(ms) {
      const found = [];
      let start;
      do {
        const answer = await send("ScanCommand", {
          TableName: tableName, FilterExpression: "begins_with(id, :job) AND attribute_exists(ledger)", ProjectionExpression: "id, ledger",
          ExpressionAttributeValues: { ":job": { S: JOB_PREFIX } }, ...(start ? { ExclusiveStartKey: start } : {}),
        }, ms);
        found.push(...(answer.Items ?? []).map((item) => ({ id: item.id.S, text: item.ledger?.S ?? null })));
        start = answer.LastEvaluatedKey;
      } while (start);
      return found;
    },

    async write(id, text, seen, expires, ms) {
      return (await write("UpdateItemCommand", {
        ...at(id),
        UpdateExpression: "SET ledger = :ledger, writes = :next, expiresAt = :expires",
        ConditionExpression: seen === null ? "attribute_not_exists(id)" : seen === 0 ? "attribute_exists(id) AND attribute_not_exists(writes)" : "writes = :seen",
        ExpressionAttributeValues: {
          ":ledger": { S: text }, ":next": { N: String((seen ?? 0) + 1) }, ":expires": { N: String(Math.ceil(expires / 1000)) },
          ...(seen ? { ":seen": { N: String(seen) } } : {}),
        },
      }, ms)).outcome;
    },
  };
}

/**
 * Reads a record, and writes nothing. A read without an answer is repeated.
 * @param {Ledgers} ledgers @param {string} id @param {How} how
 * @returns {Promise<LedgerRecord>}
 */
export async function readRecord(ledgers, id, how) {
  return (await update(ledgers, id, (value) => value, how)).record;
}

/**
 * Changes a record: reads, changes and writes until the write is done, or nothing is left to change.
 * @param {Ledgers} ledgers
 * @param {string} id  as `idOf` returns it
 * @param {(value: LedgerRecord) => LedgerRecord} change  pure: called again after each look. A change that was made must change nothing when made
 *   again, because the answer of a write may be lost
 * @param {How} how
 * @returns {Promise<{record: LedgerRecord, before: LedgerRecord, isWritten: boolean, isUnclear: boolean}>}  before: as the last look saw it;
 *   isWritten: this run's own write was answered; isUnclear: an earlier write of this run got no answer, and may have been performed
 * @throws {LedgerBusy} after too many tries, or without time; and every error of the table
 */
export async function update(ledgers, id, change, { now, sleep, random = Math.random, leftMs, parse = recordOf, print = textOf }) {
  let unclear = 0;
  let isUnclear = false;
  let pause = FIRST_PAUSE_MS;
  for (let tries = 1; ; tries += 1) {
    let failure = null;
    let isWrite = false;
    try {
      const item = await ledgers.read(id, remaining(leftMs));
      const before = parse(item.text);
      const record = change(before);
      const text = print(record);
      if (text === print(before)) return { record, before, isWritten: false, isUnclear };
      isWrite = true;
      const outcome = await ledgers.write(id, text, item.writes, expiryOf(now()), remaining(leftMs));
      if (outcome === "done") return { record, before, isWritten: true, isUnclear };
      unclear = 0;
    } catch (error) {
      unclear += 1;
      if (!error.isUnclear || unclear > MOST_UNCLEAR) throw error;
      isUnclear ||= isWrite;
      failure = error;
    }
    const waited = pause * (0.5 + random());
    if (tries === MOST_TRIES || waited >= leftMs()) throw failure ?? new LedgerBusy(id);
    await sleep(waited);
    pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
  }
}

function remaining(leftMs) {
  const ms = leftMs();
  if (ms <= 0) throw Object.assign(new Error("no time is left for the ledger"), { name: "TimeoutError" });
  return ms;
}
