// Reads an execution of Step Functions that failed, timed out or was aborted.
// Pure: no I/O, no clock, no Node API, no Intl. Never throws. The input and the output of the execution are never read, and what repeats them in
// the words of an error is left out: both may hold data that belongs in no message.

import { CAUSES, cause, reportCause } from "./causes.mjs";
import { normalised, sha256 } from "./digest.mjs";
import { freeText, integer, last, list, record, text, timeOfMs } from "./fields.mjs";
import { executionLink } from "./links.mjs";
import { own } from "./records.mjs";

/** The detail-type of the events. */
export const EXECUTION = "Step Functions Execution Status Change";

const OF_STATUS = { FAILED: "execution-failed", TIMED_OUT: "execution-timed-out", ABORTED: "execution-aborted" };

/** @typedef {{arn: string|null, name: string|null, stateMachine: string|null, status: string|null, error: string|null, redrives: number}} Execution */

/**
 * Reads the event of an execution.
 * @param {Record<string, any>} detail
 * @param {object} common  the fields that events of all kinds have
 */
export function executionIncident(detail, common) {
  const status = text(detail.status);
  const arn = text(detail.executionArn);
  const error = freeText(detail.error);
  const stateMachine = last(text(detail.stateMachineArn), ":");
  const execution = { arn, name: text(detail.name), stateMachine, status, error, redrives: integer(detail.redriveCount) ?? 0 };
  const id = own(OF_STATUS, status) ?? "service-event";
  const [startedAt, stoppedAt] = [timeOfMs(detail.startDate), timeOfMs(detail.stopDate) ?? common.time];
  const stoppedReason = [error, wordsOf(detail.cause)].filter(Boolean).join(": ") || null;
  return {
    ...common, kind: "execution", stateMachine, execution, severity: CAUSES[id].severity, cause: causeOf(id, status ?? common.detailType, error),
    state: id === "service-event" ? "changed" : id === "execution-aborted" ? "stopped" : "died",
    stoppedReason, startedAt, stoppedAt, durationSeconds: startedAt === null || stoppedAt === null ? null : Math.max(0, Math.floor((Date.parse(stoppedAt) - Date.parse(startedAt)) / 1000)),
    failing: `execution ${stateMachine ?? ""}`, messageDigest: sha256(normalised(stoppedReason ?? "")),
    facts: [{ key: "stateMachine", kind: "name", value: stateMachine }, { key: "execution", kind: "name", value: execution.name }, { key: "redrives", kind: "name", value: execution.redrives > 0 ? String(execution.redrives) : null }].filter(({ value }) => value !== null),
    log: null, links: { task: null, service: null, log: null, execution: executionLink(common, arn) },
  };
}

/** Words for a failure without the name of an error. */
const WITHOUT_ERROR = { en: ["the execution failed", "The execution of the state machine failed."], ja: ["実行の失敗", "ステートマシンの実行が失敗しました。"] };

function causeOf(id, status, error) {
  if (id === "service-event") return reportCause("Step Functions", status);
  return { ...cause(id, { name: error }), ...(id === "execution-failed" && error === null ? { words: WITHOUT_ERROR } : {}) };
}

/**
 * Returns the words of a cause. Step Functions writes the whole answer of a task that failed as JSON, with the environment of its containers:
 * only the sentences in it are taken. A sentence ends where it begins to quote the data of the execution.
 */
function wordsOf(value) {
  const given = typeof value === "string" ? value.trim() : "";
  if (!/^["[{]/.test(given)) return freeText(withoutData(given));
  const parsed = parsedOf(given);
  if (typeof parsed === "string") return freeText(withoutData(parsed));
  const { errorType, errorMessage, StoppedReason: stopped, StatusReason: status, Message: message, ErrorMessage: said, Containers: containers } = record(parsed);
  const ends = list(containers).map(record).filter(({ ExitCode: code }) => integer(code)).map(({ Name: name, ExitCode: code }) => `${text(name) ?? "?"}: exit code ${integer(code)}`);
  const sentence = [errorType, errorMessage].filter((one) => typeof one === "string").join(": ") || [stopped, status, message, said].find((one) => typeof one === "string");
  return freeText([sentence ? withoutData(sentence) : "", ends.length > 0 ? `(${ends.join(", ")})` : ""].filter(Boolean).join(" "));
}

/** Words of Step Functions in front of the data of an execution, and the beginnings of JSON. */
const DATA = /\b(?:input|output|payload|returned|data)\b:? ?['"‘“`][\s\S]*|['"]?(?:\{\s*(?:\\?"|\})|\[\s*(?:\{|\\?"|\[|\d))[\s\S]*/i;
const withoutData = (words) => words.replace(DATA, "[…]");

function parsedOf(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
