// Checks the marks of Slack's mrkdwn without the parser of places/mrkdwn.mjs.
import assert from "node:assert/strict";

const MAY_BE_OUTSIDE = /^[\s!-/:-@[-`{-~]?$/;

/**
 * Asserts that each pair of marks (* _ `) has only a space, ASCII punctuation or an end of the line directly outside: beside a letter of any
 * script, Slack shows the mark itself.
 */
export function assertMarksStandApart(mrkdwn, name) {
  // Fences have lines of their own; links and dates show their label.
  const lines = mrkdwn.replace(/```[\s\S]*?```/g, "").replace(/<(?:[^<>|]*\|)?([^<>]*)>/g, "$1").split("\n");
  for (const line of lines) {
    const withoutCode = apart(line, /`[^`]+`/g, name).replaceAll("`", "code");
    // Within a word, as in SERVICE_STEADY_STATE, an underscore is no mark.
    const left = apart(apart(withoutCode, /\*[^*]+\*/g, name), /(?<!\w)_[^_]+_(?!\w)/g, name);
    assert.ok(!/[*`]/.test(left), `a mark without a counterpart in ${name}: ${line}`);
  }
}

/** Asserts the rule for all pairs that a pattern finds, and returns the line with each pair replaced by its content. */
function apart(line, pairs, name) {
  return line.replace(pairs, (pair, at) => {
    for (const outside of [line.slice(0, at).at(-1), line.slice(at + pair.length).at(0)]) {
      assert.match(outside ?? "", MAY_BE_OUTSIDE, `${pair} in ${name}: ${line}`);
    }
    return pair.slice(1, -1);
  });
}
