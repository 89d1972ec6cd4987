// Which container is to blame for the end of a task, and what exit codes mean. Events do not say which container ended first.
// Pure: no I/O, no clock, no Node API, no Intl.

import { dependencyIn, readReason, tellsOfItsLimit, tellsOutOfMemory } from "./reasons.mjs";

// Exit codes above 128 are 128 + the signal, by the shell's convention.
const SIGNALS = { 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 133: "SIGTRAP", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM", 159: "SIGSYS" };
/** What Windows gives for a signal: STATUS_CONTROL_C_EXIT and DBG_TERMINATE_PROCESS. */
const WINDOWS_STOPS = { 0xc000013a: "Ctrl+C", 0x40010004: "TerminateProcess" };
/** Codes of Windows (NTSTATUS, and those of its runtimes) that a process crashes with, in English and Japanese. */
const CRASHES = {
  0xc0000005: ["access violation", "アクセス違反"], 0xc0000006: ["in-page error", "ページ読み込みエラー"], 0xc0000017: ["no memory", "メモリ不足"],
  0xc000001d: ["illegal instruction", "不正な命令"], 0xc0000025: ["noncontinuable exception", "継続不可能な例外"],
  0xc000007b: ["invalid image format", "無効な実行ファイル形式"], 0xc0000094: ["integer division by zero", "整数のゼロ除算"],
  0xc0000096: ["privileged instruction", "特権命令"], 0xc00000fd: ["stack overflow", "スタックオーバーフロー"],
  0xc0000135: ["DLL not found", "DLL 未検出"], 0xc0000139: ["entry point not found", "エントリポイント未検出"],
  0xc0000142: ["DLL initialisation failed", "DLL の初期化失敗"], 0xc0000374: ["heap corruption", "ヒープ破損"],
  0xc0000409: ["fail fast", "フェイルファスト"], 0xc0000602: ["fail-fast exception", "フェイルファスト例外"],
  0xc06d007e: ["module not found", "モジュール未検出"], 0xe0434352: [".NET exception", ".NET 例外"], 0xe06d7363: ["C++ exception", "C++ 例外"],
  0x80131623: [".NET fail fast", ".NET フェイルファスト"], 0x80000003: ["breakpoint", "ブレークポイント"], 0x80131506: [".NET internal error", ".NET 内部エラー"],
};
/** What a container reports that ECS stopped because another one had ended. */
const STOPPED_BY_ECS = [137, 143, ...Object.keys(WINDOWS_STOPS).map(Number)];

const own = (table, key) => (key !== null && Object.hasOwn(table, key) ? table[key] : null);
/** Windows' codes have 32 bits, and come with a sign or without. */
const unsigned = (exitCode) => (exitCode !== null && exitCode < 0 && exitCode >= -0x80000000 ? exitCode + 0x100000000 : exitCode);

/**
 * @param {number|null} exitCode
 * @param {string} [language]
 * @returns {string|null} "access violation (0xC0000005)"; a code of the same range without a name is named by its digits
 */
export function crashOf(exitCode, language = "en") {
  const code = unsigned(exitCode);
  const hex = code === null ? "" : `0x${code.toString(16).toUpperCase()}`;
  const names = own(CRASHES, code);
  if (names) return `${names[language === "ja" ? 1 : 0]} (${hex})`;
  return code >= 0xc0000000 && code < 0xd0000000 && !own(WINDOWS_STOPS, code) ? hex : null;
}

/** @returns {string|null} the signal, or its like on Windows, that an exit code stands for */
export const signalOf = (exitCode) => own(SIGNALS, exitCode) ?? own(WINDOWS_STOPS, unsigned(exitCode));
export const ranOutOfMemory = ({ exitCode, reason }) => tellsOutOfMemory(reason) || (exitCode === 137 && tellsOfItsLimit(reason));
export const wasStoppedByEcs = ({ exitCode }) => STOPPED_BY_ECS.includes(unsigned(exitCode));
/** GuardDuty puts its agent into tasks; nothing depends on it. */
export const isGuardDuty = ({ name }) => /^aws-guardduty-agent/.test(name);
/** Service Connect puts its proxy into tasks, and it is essential, though no task definition lists it. */
export const isServiceConnect = ({ name }) => /^ecs-service-connect-/.test(name);
/** An exit code of the container's own: neither success nor what a stop gives. */
export const failedByItself = (container) => container.exitCode !== null && container.exitCode !== 0 && !wasStoppedByEcs(container);

const UNEXPLAINED = 5;
const SPARE_FAILED = 9;
const SPARE_TOLD = 12;

/**
 * Lower is more to blame. A spare container (one that is not essential) comes after all others but those that were stopped.
 * @param {{exitCode: number|null, reason: string|null, essential: boolean|null, name: string}} container
 * @param {{neverRan?: boolean, standAlone?: boolean}} how  whether the task failed to start; whether it is meant to end
 */
export function rankOf(container, how = {}) {
  // The agent ends with the others, or could not be pulled: it is blamed only where nothing else can be.
  return rankByItself(container, how) + (isGuardDuty(container) ? 20 : 0);
}

function rankByItself(container, { neverRan = false, standAlone = false }) {
  const { exitCode, reason, essential } = container;
  const spare = essential === false;
  if (ranOutOfMemory(container)) return 0;
  // Service Connect's proxy fails with the application that it serves: it goes first only where it alone failed.
  const behind = isServiceConnect(container) ? 0.5 : 0;
  if (failedByItself(container)) return spare ? SPARE_FAILED : essential && !behind ? 1 : 2 + behind;
  if (tellsWhy(container, neverRan)) return spare ? SPARE_TOLD : essential && !behind ? 3 : 4 + behind;
  // Where nothing ran, it is no news that this one did not.
  if (exitCode === null && !reason) return neverRan ? 50 : spare ? 13 : UNEXPLAINED;
  if (exitCode === 137) return spare ? 14 : 6 + behind;
  // SIGTERM comes from ECS once something else has ended, so an exit 0 beside it was probably first. Where a task is meant to end
  // with 0, a spare container that failed is what is wrong.
  if (exitCode === 0) return spare ? 15 : standAlone ? 10 : 7;
  return spare ? 14 : 11;
}

/** A reason explains an end where there is no exit code. What is written of a stopped container counts if it is not about the stop. */
function tellsWhy(container, neverRan) {
  const { exitCode, reason } = container;
  if (!reason || exitCode === null || neverRan) return Boolean(reason);
  return wasStoppedByEcs(container) && readReason(reason) !== null && !isOfStop(container);
}

/** Whether the reason of a container that ended is about its stop, which explains no end: its exit code does. Beside a 0 it is what went wrong. */
export const isOfStop = (container) => container.exitCode !== null && container.exitCode !== 0 && /cannot ?stop|transition to stopped/i.test(container.reason ?? "");

/** The container that most likely ended the task, by rank alone; of equals the first. */
export function suspectOf(containers, how) {
  const ranked = containers.map((one) => ({ one, rank: rankOf(one, how) }));
  const best = ranked.reduce((first, next) => (first && first.rank <= next.rank ? first : next), null);
  // An essential container without exit code may never have run, because a spare one that had to end first failed, or never began.
  const before = best?.rank === UNEXPLAINED ? ranked.find(({ rank }) => rank === SPARE_FAILED) ?? ranked.find(({ rank }) => rank === SPARE_TOLD) : null;
  return (before ?? best)?.one ?? null;
}

/**
 * The container that others waited for in vain, by what is written of them or of the task.
 * @returns {{container: object, reason: string}|null} reason: the one that names it
 */
export function dependencyOf(task, containers) {
  const names = containers.map(({ name }) => name);
  const bearers = [...containers.filter((one) => !isGuardDuty(one)), { name: null, reason: task.stoppedReason }];
  const seen = new Set();
  let found = null;
  let next = bearers;
  while (next) {
    const bearer = next.find(({ name, reason }) => !seen.has(name) && dependencyIn(reason, name, names) !== null);
    if (!bearer) break;
    seen.add(bearer.name);
    const container = containers.find(({ name }) => name === dependencyIn(bearer.reason, bearer.name, names));
    found = { container, reason: bearer.reason };
    next = [container];
  }
  return found;
}
