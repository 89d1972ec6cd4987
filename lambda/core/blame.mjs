// Decides which container is to blame for the end of a task, and names exit codes. Events do not say which container ended first.
// Pure: no I/O, no clock, no Node API, no Intl.

import { dependencyIn, readReason, tellsOfItsLimit, tellsOutOfMemory } from "./reasons.mjs";

// Exit codes above 128 are 128 + the signal, by the convention of the shell.
const SIGNALS = { 129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 133: "SIGTRAP", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV", 141: "SIGPIPE", 143: "SIGTERM", 159: "SIGSYS" };
/** Windows has these exit codes in place of signals: STATUS_CONTROL_C_EXIT and DBG_TERMINATE_PROCESS. */
const WINDOWS_STOPS = { 0xc000013a: "Ctrl+C", 0x40010004: "TerminateProcess" };
/** Codes of Windows (NTSTATUS, and those of its runtimes) of crashed processes, with names in English and Japanese. */
const CRASHES = {
  0xc0000005: ["access violation", "アクセス違反"], 0xc0000006: ["in-page error", "ページインエラー"], 0xc0000017: ["no memory", "メモリ不足"],
  0xc000001d: ["illegal instruction", "不正な命令"], 0xc0000025: ["noncontinuable exception", "継続不可能な例外"],
  0xc000007b: ["invalid image format", "無効な実行ファイル形式"], 0xc0000094: ["integer division by zero", "整数のゼロ除算"],
  0xc0000096: ["privileged instruction", "特権命令"], 0xc00000fd: ["stack overflow", "スタックオーバーフロー"],
  0xc0000135: ["DLL not found", "DLL 未検出"], 0xc0000139: ["entry point not found", "エントリポイント未検出"],
  0xc0000142: ["DLL initialisation failed", "DLL の初期化失敗"], 0xc0000374: ["heap corruption", "ヒープ破損"],
  0xc0000409: ["fail fast", "フェイルファスト"], 0xc0000602: ["fail-fast exception", "フェイルファスト例外"],
  0xc06d007e: ["module not found", "モジュール未検出"], 0xe0434352: [".NET exception", ".NET 例外"], 0xe06d7363: ["C++ exception", "C++ 例外"],
  0x80131623: [".NET fail fast", ".NET フェイルファスト"], 0x80000003: ["breakpoint", "ブレークポイント"], 0x80131506: [".NET internal error", ".NET 内部エラー"],
};
/** Exit codes of a container that ECS stopped because another one had ended. */
const STOPPED_BY_ECS = [137, 143, ...Object.keys(WINDOWS_STOPS).map(Number)];

const own = (table, key) => (key !== null && Object.hasOwn(table, key) ? table[key] : null);
/** Returns the code without a sign: Windows codes have 32 bits, and arrive with a sign or without. */
const unsigned = (exitCode) => (exitCode !== null && exitCode < 0 && exitCode >= -0x80000000 ? exitCode + 0x100000000 : exitCode);

/**
 * Names the crash that an exit code of Windows stands for.
 * @param {number|null} exitCode
 * @param {string} [language]
 * @returns {string|null} "access violation (0xC0000005)"; a code of the same range without a name is named by its digits
 */
export function crashOf(exitCode, language = "en") {
  const code = unsigned(exitCode);
  const hex = code === null ? "" : `0x${code.toString(16).toUpperCase()}`;
  const names = own(CRASHES, code);
  if (names) return language === "ja" ? `${names[1]}（${hex}）` : `${names[0]} (${hex})`;
  return code >= 0xc0000000 && code < 0xd0000000 && !own(WINDOWS_STOPS, code) ? hex : null;
}

/** @returns {string|null} the signal that an exit code stands for, or the counterpart of a signal on Windows */
export const signalOf = (exitCode) => own(SIGNALS, exitCode) ?? own(WINDOWS_STOPS, unsigned(exitCode));
export const ranOutOfMemory = ({ exitCode, reason }) => tellsOutOfMemory(reason) || (exitCode === 137 && tellsOfItsLimit(reason));
export const wasStoppedByEcs = ({ exitCode }) => STOPPED_BY_ECS.includes(unsigned(exitCode));
/** Recognises the agent that GuardDuty adds to tasks; no container depends on this agent. */
export const isGuardDuty = ({ name }) => /^aws-guardduty-agent/.test(name);
/** Recognises the proxy that Service Connect adds to tasks. The proxy is essential, though no task definition lists it. */
export const isServiceConnect = ({ name }) => /^ecs-service-connect-/.test(name);
/** Recognises an exit code that the container chose by itself: neither success nor the result of a stop. */
export const failedByItself = (container) => container.exitCode !== null && container.exitCode !== 0 && !wasStoppedByEcs(container);

const UNEXPLAINED = 5;
const SPARE_FAILED = 9;
const SPARE_TOLD = 12;

/**
 * Ranks a container; a lower rank is more to blame. A spare container (one that is not essential) comes after all others except those that
 * ECS stopped.
 * @param {{exitCode: number|null, reason: string|null, essential: boolean|null, name: string}} container
 * @param {{neverRan?: boolean, standAlone?: boolean}} how  whether the task failed to start; whether it is meant to end
 */
export function rankOf(container, how = {}) {
  // GuardDuty's agent ends with the others, or could not be pulled: blame this agent only if nothing else can be blamed.
  return rankByItself(container, how) + (isGuardDuty(container) ? 20 : 0);
}

function rankByItself(container, { neverRan = false, standAlone = false }) {
  const { exitCode, reason, essential } = container;
  const spare = essential === false;
  if (ranOutOfMemory(container)) return 0;
  // The proxy of Service Connect fails with the application that it serves: blame the proxy first only if nothing else failed.
  const behind = isServiceConnect(container) ? 0.5 : 0;
  if (failedByItself(container)) return spare ? SPARE_FAILED : essential && !behind ? 1 : 2 + behind;
  if (tellsWhy(container, neverRan)) return spare ? SPARE_TOLD : essential && !behind ? 3 : 4 + behind;
  // If no container ran, a container that did not run explains nothing.
  if (exitCode === null && !reason) return neverRan ? 50 : spare ? 13 : UNEXPLAINED;
  if (exitCode === 137) return spare ? 14 : 6 + behind;
  // ECS sends SIGTERM once another container has ended, so a container with exit code 0 beside it probably ended first. In a task that is
  // meant to end with 0, a failed spare container is the fault.
  if (exitCode === 0) return spare ? 15 : standAlone ? 10 : 7;
  return spare ? 14 : 11;
}

/** Says whether the reason explains the end: any reason does without an exit code; beside the exit code of a stop, a known reason that is not about the stop. */
function tellsWhy(container, neverRan) {
  const { exitCode, reason } = container;
  if (!reason || exitCode === null || neverRan) return Boolean(reason);
  return wasStoppedByEcs(container) && readReason(reason) !== null && !isOfStop(container);
}

/** Says whether the reason of a container that ended is about its stop: then the exit code explains the end. Beside exit code 0 the reason is the fault. */
export const isOfStop = (container) => container.exitCode !== null && container.exitCode !== 0 && /cannot ?stop|transition to stopped/i.test(container.reason ?? "");

/** Returns the container that most likely ended the task, by rank alone; of equal ranks the first. */
export function suspectOf(containers, how) {
  const ranked = containers.map((one) => ({ one, rank: rankOf(one, how) }));
  const best = ranked.reduce((first, next) => (first && first.rank <= next.rank ? first : next), null);
  // An essential container without an exit code may never have run, because a spare container that had to end first failed or never started.
  const before = best?.rank === UNEXPLAINED ? ranked.find(({ rank }) => rank === SPARE_FAILED) ?? ranked.find(({ rank }) => rank === SPARE_TOLD) : null;
  return (before ?? best)?.one ?? null;
}

/**
 * Finds the container that others waited for in vain, by the reasons of the containers and of the task.
 * @returns {{container: object, reason: string}|null} reason: the reason that names this container
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
