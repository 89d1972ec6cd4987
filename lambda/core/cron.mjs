// Computes the times of a cron expression of EventBridge Scheduler. Pure: no I/O, no clock, no Node API, no Intl: the caller brings the
// offsets of the time zone (watch/zone.mjs).
//
// Fields and wildcards: AWS, User Guide of EventBridge Scheduler, "Cron-based schedules": minutes, hours, day of the month, month, day of the
// week (1 is Sunday), year (1970 to 2199). L is the last day of the month or, in the day of the week, Saturday; 6L is the last Friday; 15W is
// the working day nearest to the 15th within the month; 3#2 is the second Tuesday.
//
// Clock changes: AWS, the same guide, "Daylight savings time on EventBridge Scheduler": an invocation at a time that does not exist is
// skipped, and an invocation at a time that the clock repeats happens once. AWS does not say at which of the two times: this module takes
// the first. src/calendar keeps the same rules; tests/data/calendar.jsonl has cases for both.

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** No clock is ever set back by more. */
const LONGEST_CHANGE_MS = 3 * 60 * MINUTE_MS;
const FIRST_YEAR = 1970;
const LAST_YEAR = 2199;
const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const KEPT = 500;

/**
 * @typedef {(utcMs: number) => number} Offset  milliseconds that the local clock is ahead of UTC at a moment
 * @typedef {{minutes: number[], hours: number[], months: number[], years: Set<number>, days: (year: number, month: number) => number[]}} Cron
 *   each list ascending; days: the matching days of a month
 */

const parsed = new Map();

/**
 * Reads an expression, `cron(…)` or its six fields.
 * @param {string} text
 * @returns {Cron}
 * @throws {Error} for an expression that is malformed
 */
export function cronOf(text) {
  if (!parsed.has(text)) {
    const cron = read(text);
    if (parsed.size >= KEPT) parsed.clear();
    parsed.set(text, cron);
  }
  return parsed.get(text);
}

function read(text) {
  const fields = /^\s*(?:cron\((.*)\)|([^()]*))\s*$/i.exec(text)?.slice(1).find((one) => one !== undefined)?.trim().toUpperCase().split(/\s+/) ?? [];
  if (fields.length !== 6) throw new Error(`${text} is not a cron expression of six fields`);
  const [minutes, hours, dayOfMonth, month, dayOfWeek, year] = fields;
  return {
    minutes: valuesOf(minutes, 0, 59), hours: valuesOf(hours, 0, 23), months: valuesOf(month, 1, 12, MONTHS, 1),
    years: new Set(valuesOf(year, FIRST_YEAR, LAST_YEAR)),
    days: dayOfWeek === "?" ? daysOfMonth(dayOfMonth) : daysOfWeek(dayOfWeek),
  };
}

/** Lists the values of a field: `*`, numbers, names, ranges, steps and lists. A range such as FRI-MON goes on at the beginning. */
function valuesOf(field, low, high, names = [], first = 0) {
  const numberOf = (part) => (names.includes(part) ? names.indexOf(part) + first : Number(/^\d{1,4}$/.test(part) ? part : NaN));
  const values = new Set();
  for (const part of field.split(",")) {
    const [range, step = "1", more] = part.split("/");
    const [from, to, rest] = range === "*" || range === "?" ? [low, high] : boundsOf(range, numberOf, part.includes("/") ? high : null);
    const by = Number(/^\d{1,4}$/.test(step) ? step : NaN);
    if (![from, to].every((one) => one >= low && one <= high) || !(by > 0) || (more ?? rest) !== undefined) throw new Error(`the field ${field} is not valid in a cron expression`);
    const length = to >= from ? to - from : to - from + (high - low + 1);
    for (let past = 0; past <= length; past += by) values.add(low + ((from - low + past) % (high - low + 1)));
  }
  return [...values].sort((one, other) => one - other);
}

function boundsOf(range, numberOf, end) {
  const [from, to, rest] = range.split("-");
  return [numberOf(from), to === undefined ? end ?? numberOf(from) : numberOf(to), rest];
}

function daysOfMonth(field) {
  if (field === "L") return (year, month) => [lengthOf(year, month)];
  const wanted = /^(\d{1,2})W$/.exec(field)?.[1];
  if (wanted !== undefined) return (year, month) => workingDay(year, month, Number(wanted));
  const days = valuesOf(field, 1, 31);
  return (year, month) => days.filter((day) => day <= lengthOf(year, month));
}

function daysOfWeek(field) {
  const days = (year, month) => Array.from({ length: lengthOf(year, month) }, (_, at) => at + 1);
  const [, nthDay, nth] = /^(\w+)#([1-5])$/.exec(field) ?? [];
  if (nth !== undefined) {
    const [wanted] = valuesOf(nthDay, 1, 7, DAYS, 1);
    return (year, month) => days(year, month).filter((day) => weekdayOf(year, month, day) === wanted && Math.ceil(day / 7) === Number(nth));
  }
  const lastDay = /^(\w+)L$/.exec(field)?.[1];
  if (lastDay !== undefined) {
    const [wanted] = valuesOf(lastDay, 1, 7, DAYS, 1);
    return (year, month) => days(year, month).filter((day) => weekdayOf(year, month, day) === wanted && day + 7 > lengthOf(year, month));
  }
  const wanted = valuesOf(field === "L" ? "7" : field, 1, 7, DAYS, 1);
  return (year, month) => days(year, month).filter((day) => wanted.includes(weekdayOf(year, month, day)));
}

/** Finds the working day nearest to a day, without leaving the month. A month without that day has none. */
function workingDay(year, month, day) {
  const length = lengthOf(year, month);
  if (day < 1 || day > length) return [];
  const weekday = weekdayOf(year, month, day);
  if (weekday === 7) return [day === 1 ? 3 : day - 1];
  return [weekday !== 1 ? day : day === length ? day - 2 : day + 1];
}

const lengthOf = (year, month) => new Date(Date.UTC(year, month, 0)).getUTCDate();
const weekdayOf = (year, month, day) => new Date(Date.UTC(year, month - 1, day)).getUTCDay() + 1;

/**
 * Returns the first time after a moment.
 * @param {Cron} cron
 * @param {Offset} offset
 * @param {number} after  in milliseconds; a time at this very moment does not count
 * @returns {number|null} null if no time comes until 2199
 */
export const nextTime = (cron, offset, after) => search(cron, offset, after, 1);

/**
 * Returns the last time before a moment.
 * @param {Cron} cron
 * @param {Offset} offset
 * @param {number} before  in milliseconds; a time at this very moment does not count
 * @returns {number|null} null if there was none since 1970
 */
export const previousTime = (cron, offset, before) => search(cron, offset, before, -1);

/** Walks over the days of the local calendar. A later time on the local clock is never an earlier moment, as a repeated time is taken once. */
function search(cron, offset, from, direction) {
  const ordered = (values) => (direction > 0 ? values : [...values].reverse());
  const hours = ordered(cron.hours);
  const minutes = ordered(cron.minutes);
  // On the other side of this time of the clock, no moment can be wanted.
  const start = from + offset(from) - direction * LONGEST_CHANGE_MS;
  let { year, month, day: earliest } = dateOf(start);
  const isWanted = (wall) => direction * (wall - start) > 0;
  const isLater = (moment) => moment !== null && direction * (moment - from) > 0;
  for (; year >= FIRST_YEAR && year <= LAST_YEAR; [year, month] = stepped(year, month, direction, cron)) {
    if (cron.years.has(year) && cron.months.includes(month)) {
      for (const day of ordered(cron.days(year, month))) {
        if (direction * (day - earliest) < 0) continue;
        for (const wall of wallsOf(Date.UTC(year, month - 1, day), hours, minutes)) {
          const moment = isWanted(wall) ? momentOf(wall, offset) : null;
          if (isLater(moment)) return moment;
        }
      }
    }
    earliest = direction > 0 ? 1 : 31;
  }
  return null;
}

/** Goes to the next month, or over a whole year that does not match. */
function stepped(year, month, direction, cron) {
  const isYearOver = !cron.years.has(year) || (direction > 0 ? month === 12 : month === 1);
  return isYearOver ? [year + direction, direction > 0 ? 1 : 12] : [year, month + direction];
}

function* wallsOf(day, hours, minutes) {
  for (const hour of hours) for (const minute of minutes) yield day + (hour * 60 + minute) * MINUTE_MS;
}

/**
 * Returns the first moment at which the local clock shows a time.
 * @param {number} wall  the time of the clock, as if it were UTC
 * @param {Offset} offset
 * @returns {number|null} null if a clock change skips this time
 */
export function momentOf(wall, offset) {
  const before = offset(wall - DAY_MS);
  const after = offset(wall + DAY_MS);
  const moments = [...new Set([before, after])].map((one) => ({ one, moment: wall - one })).filter(({ one, moment }) => offset(moment) === one);
  return moments.length === 0 ? null : Math.min(...moments.map(({ moment }) => moment));
}

/** Says whether a moment is one of the times of the expression. */
export const isTime = (cron, offset, moment) => nextTime(cron, offset, moment - 1) === moment;

function dateOf(wall) {
  const date = new Date(wall);
  return { year: date.getUTCFullYear(), month: date.getUTCMonth() + 1, day: date.getUTCDate() };
}
