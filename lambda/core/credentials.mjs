// Replaces text that looks like a credential: the value becomes <redacted>, the words around the value stay.
// Pure: no I/O, no clock, no Node API, no Intl. The time is linear in the text: every expression begins with fixed letters or at
// a boundary, and the text that an expression reads before it fails is limited, or is left out of the next attempt.

import { clean } from "./text.mjs";

const GONE = "<redacted>";

/**
 * Replaces the credentials of a text.
 * @template T
 * @param {T} text  anything but a string is returned unchanged
 * @returns {T}
 */
export function withoutCredentials(text) {
  return typeof text === "string" ? PASSES.reduce((left, pass) => pass(left), clean(text, true)) : text;
}

/** Replaces the credentials of log lines, oldest first: a private key may extend over several lines. @param {string[]} lines @returns {string[]} */
export function linesWithoutCredentials(lines) {
  if (lines.length === 0) return [];
  const joined = lines.map((line) => clean(String(line), true)).join(BETWEEN_LINES);
  return PASSES.reduce((left, pass) => pass(left), joined).split(BETWEEN_LINES);
}

/** Separates joined lines: no cleaned line contains this separator. */
const BETWEEN_LINES = "\n\u0000";

// Private keys: the only credential that extends over several lines.
const KEY_BEGINS = /-{4,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{0,5}|PuTTY-User-Key-File-\d(?=:)/g;
const KEY_ENDS = /-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{0,5}|Private-(?:MAC|Hash): ?[0-9a-f]*/g;
const KEY_BODY = /(?:(?:[\s\0]|\\+[rn])*(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): ?[^\n\\]{0,200})*(?:(?:[\s\0|>"',]|\\+[rn])*[A-Za-z0-9+/=]{16,})+(?:(?:[\s\0]|\\+[rn])*[A-Za-z0-9+/=]{1,15}(?![A-Za-z0-9]))?/y;
/** Between the two marks of a key there is more text than this; between marks in mere words about a key there is less. */
const SHORTEST_KEY = 24;

function withoutPrivateKeys(text) {
  const marks = [...text.matchAll(KEY_BEGINS)].map((one) => ({ begins: true, at: one.index, to: one.index + one[0].length }))
    .concat([...text.matchAll(KEY_ENDS)].map((one) => ({ begins: false, at: one.index, to: one.index + one[0].length })))
    .sort((one, other) => one.at - other.at);
  let out = "";
  let done = 0;
  for (const [index, mark] of marks.entries()) {
    const next = marks[index + 1];
    const [from, to] = mark.begins ? [mark.at, keyEnd(text, mark, next)]
      : marks[index - 1]?.begins ? [mark.at, mark.at] : [keyRest(text, done, mark.at), mark.to];
    if (to <= from || to <= done || (!mark.begins && mark.at - from < 16)) continue;
    out += text.slice(done, Math.max(done, from)) + GONE;
    done = to;
  }
  return out + text.slice(done);
}

/** Finds the end of a key: its mark, or, if the mark was cut off, the end of the text that looks like lines of a key. */
function keyEnd(text, mark, next) {
  if (next && !next.begins) return next.at - mark.to > SHORTEST_KEY ? next.to : mark.at;
  KEY_BODY.lastIndex = mark.to;
  return KEY_BODY.test(text) ? KEY_BODY.lastIndex : mark.at;
}

/** Finds the first remaining line of a key whose beginning was cut off. */
function keyRest(text, from, end) {
  let at = end;
  while (at > from && /[A-Za-z0-9+/=\\\n\0]/.test(text[at - 1])) at -= 1;
  return at;
}

// Addresses: scheme://user:password@host, and the forms without a scheme that clients write.
const IN_ADDRESS = /(:(?:\\?\/){2}[^\s:/"'<>[\\]{0,256}:)([^\s/"'<>]{1,512})(?=@)/g;
/** Passwords in such addresses often contain an unescaped slash. */
const IN_DATABASE_ADDRESS = /((?:postgres\w{0,8}|mysql\w{0,2}|mariadb|rediss?|valkeys?|amqps?|mongodb|mssql|sqlserver|clickhouse|ldaps?|ftps?|sftp|smtps?|imaps?)(?:\+\w{1,20})?:\/\/[^\s:/@"'<>]{0,256}:)([^\s"'<>]{1,512})(?=@)/gi;
const CUT_ADDRESS = /(:(?:\\?\/){2}[^\s:/@"'<>[\\]{0,256}:)([^\s/@"'<>]+)$/;
const NAMELESS_ADDRESS = /(:\/\/)((?=[A-Za-z_.~-]{0,250}\d)[\w.~%-]{20,250})(?=@)/g;
const ENCODED_ADDRESS = /(%3A%2F%2F[^\s%:/@"'<>&]{0,100}%3A)((?:(?!%40|%2F)[^\s"'<>&]){1,256})(?=%40)/gi;
const BARE_ADDRESS = /(?<![\w.+:/@%-])([\w.+-]{1,64}:)([^\s:@/"'<>(){},;]{3,128})(?=@(?:(?:tcp|udp|unix)\(|[\w.-]{1,253}:\d{2,5}(?!\d)))/g;
const PORT = /^(?:\d{0,5}(?:$|[^\w%!$^*~])|\d{1,5}[?#]|port\b|[$%{]|<)/i;

const unlessPort = (whole, before, secret) => (PORT.test(secret) ? whole : before + GONE);

function withoutUserinfo(text) {
  return text.replace(IN_DATABASE_ADDRESS, unlessPort).replace(IN_ADDRESS, unlessPort).replace(CUT_ADDRESS, unlessPort)
    .replace(NAMELESS_ADDRESS, `$1${GONE}`).replace(ENCODED_ADDRESS, `$1${GONE}`)
    .replace(BARE_ADDRESS, (whole, user, secret) => (/^(?:sips?|mailto|xmpp|acct|from|to|cc):$/i.test(user) || /^sha\d/.test(secret) ? whole : user + GONE));
}

/** Keys with these prefixes may be names as well: "service_key=payments". */
const KEYS_OF = "shared|encrypt|sign|signature|routing|master|licence|subscription|consumer|auth|storage|deploy|ssh|rsa|hmac|jwt|webhook|functions|integration|service|write|ingest|admin|root|app|application|client|user|server";
const MAY_BE_A_NAME = new RegExp(`^(?:${KEYS_OF})key$`);

// Fields: a name that is or ends in one of these words, a separator, and a value.
const NAME = new RegExp(`(?:${[
  "pass(?:word|wd|phrase|code)", "pwd", "pass", "secret", "token", "credentials?", "authorization", "signature", "sig", "auth", "pw",
  "(?:api|access|secret|private|account|shared[ _-]?access|encryption|signing|license)[ _-]?key(?:_base)?", "access[ _-]?key[ _-]?id",
  `(?:${KEYS_OF})[_-]?key`,
  "client-key-data", "sharedaccesssignature", "connect\\.sid", "(?:jsession|phpsess|session_?)id", "requirepass", "masterauth", "パスワード|秘密鍵|シークレット|トークン",
].join("|")})(?:_?\\d{1,2})?(?![A-Za-z0-9_]|[.-][A-Za-z_])`, "gi");
const SEPARATOR = /((?:\\{0,7}["'`]|&quot;|%22|\\u0022)?\]?\??)([ \t]{0,40})(=>|:=|=(?!=)|:(?![:/])|[：＝]|%3[dDaA]|\\u003[dD])([ \t]{0,40})/y;
const VALUE_FIELD = /\\*["']?[ \t]{0,4}[,;]?\s{0,8}\\*["']?value\\*["']?[ \t]{0,4}[=:][ \t]{0,4}/iy;
const AS_FLAG = /(?:\\*["'])?(?:,[ \t]{0,4}|[ \t]{1,40})(?=[^\s-])/y;
const IS = /[ \t]{1,4}(?:(?:is|was|set to|changed to|reset to)[ \t]*:?[ \t]{1,4}|(?=\S*\d))/iy;
const IS_SAID = /[ \t]{1,4}(?:is|was|set to|changed to)[ \t]*:?[ \t]{1,4}/iy;
const BEFORE_KEY = /[ \t]{1,4}(?=[A-Za-z0-9/+]{20})/y;
const BEFORE_QUOTE = /[ \t]{1,4}(?=\\*["'])/y;
const QUOTE = /(\[?)(?:[bBuUrRfF]{1,2}(?=["']))?(\\{0,7})(["'`]|&quot;)/y;
const WRAPPER = /(?:Some|Secret(?:Str|String)?|String|Sensitive|Just|Ok)\((?=["'])/y;
const NEXT_KEY = /(?:&(?:amp;)?|[;,|])[ \t]{0,20}(?:$|\s|\0|["'`\\]|[\w.$[\]%-]{1,60}["']?[ \t]{0,3}(?:[=:]|%3D))/y;
const CLOSING = /[)\]}>](?=$|[\s\0,;:.)\]}>"'\\])/y;
const ESCAPED = /\\(?:[nrt]|["'`]|u00|\\)/y;

/** Words in the position of a value that are no value. */
const WORDS = new Set(`null none nil undefined true false yes no on off required missing invalid expired empty unset redacted hidden masked filtered protected
default unknown optional disabled enabled ok okay failed failure denied incorrect wrong mismatch changed updated reset rotated created deleted revoked accepted rejected
valid bad set present absent n/a na error found not str string int integer number bool boolean bytes any object optional void char list dict map include omit same-origin eof
identifier name comma semicolon unauthorized forbidden unavailable unsupported malformed sensitive encrypted needed pending new token password secret value authentication`.split(/\s+/));
const PROSE = /(?:^|\s)(?:is|are|was|must|be|been|not|can't|cannot|should|required|invalid|has|have|blank|expired|incorrect|failed|does|doesn't|needs)(?:\s|[.,!]|$)/i;
const PLACEHOLDER = /^(?:\$\{[^}]*\}?|\$\([^)]*\)?|\$[A-Za-z_]+|\{\{.*|%[sdvqr@]|%\(\w+\)s|<[^>]*>?|\[[A-Za-z _-]*\]?|\(.*|:[a-z_]+|\{[a-z_]*\}?)$/;
const LONGEST_WORDS = 600;
const MASK = /^[*•.\-_?#xX\s]+$|\*{3}/;
const REFERENCE = /^(?:arn|ssm|vault|secretsmanager|awssm|asm|op|file|env|parameter|projects):|^(?:arn%3A|projects\/)|^[a-z][a-z0-9+.-]{1,20}:\/\//i;
const FILE = /^(?:~|\.{1,2}|[A-Za-z]:)?[\\/]+[\w.@ -]+(?:[\\/]+[\w.@{}-]*)*$|^[\w./-]+\.(?:json|ya?ml|pem|key|crt|txt|env|toml|ini|cfg|conf|properties|py|js|ts|go|rb|java)$/;
const CODE = /^(?:self|this|[a-z]{7}\.env|os|env|ENV|config|settings|var|local|data|module|secrets|params|request|req|event|opts|options|args|cfg|conf|kwargs|await|new|return|lambda)(?:[.[(\s]|$)|^[A-Za-z_][\w.]*(?:\((?!["'])|\(["'][^"']*["']\)|\[\w*)/;
const UNIT = /^\d+(?:\.\d+)?(?:ms|s|m|h|d|%|k|kb|mb|gb|b|chars?)?$/i;
const CAUSE = /(?:Error|Exception|Denied|NotFound|Fault|Failure|Failed|Invalid|Unauthorized)\b/;
const PREPOSITIONS = /^[ \t]+(?:to|on|at|for|from|with|and|user|host|as|in|by)\b/;
const OF_PAGES = /(?:next|page|continuation|pagination|sync|resume|pad|eos|bos|unk|mask|stop|sep|cancellation|idempotency|unexpected|expected|invalid|illegal|syntax|unknown)[ _-]?$/i;
const SCHEME = /(?:bearer|basic|token|api-?key|digest|negotiate|ntlm|aws4-hmac-sha256|ssws|genie-?key|hawk|key|jwt|oauth|splunk|dpop|signature|sharedkey(?:lite)?|bot)(?:[ \t]+|%20)/iy;
const OPENED = /(?:\[|\\{0,7}["'`]|&quot;){0,2}/y;
const WITH_PARAMETERS = /^(?:digest|aws4|hawk|oauth|signature)/i;

const matchAt = (expression, text, at) => {
  expression.lastIndex = at;
  return expression.exec(text);
};
const looksRandom = (value) => (value.length >= 6 && /\d/.test(value) && /[A-Za-z]/.test(value)) || (value.length >= 20 && /[A-Z]/.test(value) && /[a-z]/.test(value));

/** Replaces the value of every field whose name is the name of a secret. */
function withoutFields(text) {
  let out = "";
  let done = 0;
  NAME.lastIndex = 0;
  for (let found = NAME.exec(text); found; found = NAME.exec(text)) {
    const after = NAME.lastIndex;
    const value = valueOf(text, nameAt(text, found));
    if (value) {
      out += text.slice(done, value.from) + (value.shown ?? GONE);
      done = value.to;
    }
    NAME.lastIndex = Math.max(after, done);
  }
  return out + text.slice(done);
}

/** Returns the whole name, and the text before the name. */
function nameAt(text, { 0: word, index }) {
  let start = index;
  while (start > 0 && index - start < 64 && /[\w.-]/.test(text[start - 1])) start -= 1;
  return { word, kind: word.toLowerCase().replace(/[\d _-]/g, ""), start, index, end: index + word.length, run: text.slice(start, index + word.length), front: text.slice(start, index), before: text[start - 1] ?? "" };
}

/** Returns the value to be replaced, or null. */
function valueOf(text, name) {
  if (!isName(text, name)) return null;
  const separated = matchAt(SEPARATOR, text, name.end);
  if (separated) return afterSeparator(text, name, separated);
  const at = (expression) => matchAt(expression, text, name.end) && expression.lastIndex;
  const inField = at(VALUE_FIELD);
  if (inField) return judged(text, name, inField, { strong: true });
  if (name.before === "<" && text[name.end] === ">") return judged(text, name, name.end + 1, { strong: true });
  const flagged = name.run.startsWith("-") ? at(AS_FLAG) : null;
  if (flagged) {
    const quoted = /["']/.test(text.slice(name.end, flagged));
    return judged(text, name, flagged, { strong: true, flag: !quoted });
  }
  if (/key(?:id)?$/.test(name.kind)) return at(BEFORE_KEY) ? judged(text, name, at(BEFORE_KEY), { strong: false, random: true }) : null;
  if (/^(?:token|secret)$/.test(name.kind)) return at(IS_SAID) ? judged(text, name, at(IS_SAID), { strong: false, random: true }) : null;
  if (!/^(?:password|passwd|passphrase|pwd)$/.test(name.kind)) return null;
  const quoted = at(BEFORE_QUOTE);
  if (quoted) return judged(text, name, quoted, { strong: false, word: true });
  const is = name.front === "" && name.before !== "/" ? at(IS) : null;
  return is ? judged(text, name, is, { strong: false, random: true }) : null;
}

/** Says whether a word names a secret: some words do so only at the end of a longer name, or only in some forms. */
function isName(text, { kind, front, run, index, before }) {
  const previous = text[index - 1] ?? "";
  const apart = !/[A-Za-z0-9]/.test(previous) || /[A-Z]/.test(text[index]) && /[a-z0-9]/.test(previous);
  if (kind === "pass") return apart || !/(?:by|com|encom|sur|tres|under|over)$/i.test(front);
  if (/^(?:sig|pw|auth|signature|jsessionid|phpsessid|sessionid|connect\.sid)$/.test(kind)) return apart || (kind === "auth" && /^rediscli_/i.test(run));
  if (kind === "token") return !OF_PAGES.test(front) && !(before === "_" && /next/i.test(run));
  return true;
}

function afterSeparator(text, name, [whole, closing, , separator, space]) {
  const at = name.end + whole.length;
  const { kind, before } = name;
  const colon = separator === ":" || separator === "：";
  const spaced = whole.length - closing.length - separator.length - space.length > 0;
  const quotedKey = closing !== "" && closing !== "]" && closing !== "?";
  // A path, as in "/app/password: not found"; a part of an ARN, as in "secret:prod/db".
  if (colon && !quotedKey && (before === "/" || (before === ":" && space === ""))) return null;
  if (kind === "pass" && colon && name.run === "PASS") return null;
  if (kind === "authorization") return hasScheme(text, at) ? authorizationAt(text, at) : judged(text, name, at, { strong: false });
  const encoded = separator.startsWith("%");
  if (/^(?:sig|signature)$/.test(kind)) return colon ? null : judged(text, name, at, { strong: true, random: true, encoded });
  if (/^(?:auth|pw|jsessionid|phpsessid|sessionid|connect\.sid)$/.test(kind)) return judged(text, name, at, { strong: true, random: true, encoded });
  const preceding = text.slice(Math.max(0, name.start - 12), name.start);
  const doubtful = MAY_BE_A_NAME.test(kind) || !quotedKey && ((/^credentials?$/.test(kind) && colon) || (kind === "token" && colon && OF_PAGES.test(preceding)));
  return judged(text, name, at, { strong: quotedKey || (!colon && !(spaced && space !== "")), random: doubtful, encoded, code: !colon && spaced && space !== "", afterEqual: !colon && space === "" });
}

const hasScheme = (text, at) => matchAt(SCHEME, text, at + matchAt(OPENED, text, at)[0].length) !== null;

/** Finds the credential behind an authorization scheme; the scheme itself stays. */
function authorizationAt(text, at) {
  const opened = matchAt(OPENED, text, at);
  const scheme = matchAt(SCHEME, text, at + opened[0].length);
  const from = at + opened[0].length + scheme[0].length;
  if (WITH_PARAMETERS.test(scheme[0])) return { from, to: lineEnd(text, from, opened[0]) };
  const { to } = unquotedAt(text, from, {});
  return to > from && !/^(?:realm|error|scope)=/.test(text.slice(from, to)) ? { from, to } : null;
}

/** Finds the end of the line, or of the quotes around the value. */
function lineEnd(text, from, opened) {
  let to = from;
  while (to < text.length && text[to] !== "\n" && !(opened.endsWith('"') && text[to] === '"') && !(opened.endsWith("'") && text[to] === "'")) to += 1;
  return to;
}

function judged(text, name, start, form) {
  const wrapper = matchAt(WRAPPER, text, start);
  const at = start + (wrapper?.[0].length ?? 0);
  const quote = matchAt(QUOTE, text, at);
  if (quote) return quotedJudged(text, name, at, quote, form);
  if (text[at] === "[") return listJudged(text, name, at, form);
  if (text[at] === "{") return form.afterEqual ? bracedJudged(text, at) : null;
  const value = unquotedAt(text, at, form);
  return value.to > value.from && isSecret(text, name, value, { ...form, quoted: false }) ? value : null;
}

function quotedJudged(text, name, at, [whole, , slashes, mark], form) {
  const from = at + whole.length;
  const to = closingOf(text, from, slashes.length, mark);
  const value = { from, to };
  if (to <= from) return null;
  if (form.word && /\s/.test(text.slice(from, to))) return null;
  return isSecret(text, name, value, { ...form, quoted: true }) ? value : null;
}

/** Finds the end of a quoted value; if the closing quote was cut off, the end of the line. */
function closingOf(text, from, slashes, mark) {
  let run = 0;
  for (let at = from; at < text.length && text[at] !== "\n"; at += 1) {
    if (text[at] === "\\") {
      run += 1;
      continue;
    }
    const closes = text.startsWith(mark, at) && run % (2 * (slashes + 1)) === slashes;
    // A doubled quote stands for a quote inside the value.
    if (closes && slashes === 0 && mark.length === 1 && text[at + 1] === mark && at > from) at += 1;
    else if (closes) return at - slashes;
    run = 0;
  }
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}

/** Reads `[value]`, as Go and Java write headers. */
function listJudged(text, name, at, form) {
  const { 0: inside } = matchAt(/[^\]\n{]{0,600}/y, text, at + 1);
  const value = { from: at + 1, to: at + 1 + inside.length };
  return text[value.to] !== "{" && inside.trim() !== "" && isSecret(text, name, value, { ...form, quoted: true }) && !/^[A-Za-z _-]+$/.test(inside) ? value : null;
}

/** Reads `Password={a;b}`, as ODBC writes it. */
function bracedJudged(text, at) {
  const { 0: inside } = matchAt(/[^}\n:="',{]{0,600}/y, text, at + 1);
  return inside.trim() !== "" && text[at + 1 + inside.length] === "}" && !/^[a-z_]+$/.test(inside) ? { from: at + 1, to: at + 1 + inside.length } : null;
}

/** Reads an unquoted value: up to a blank, the next field, or the end of the brackets or quotes around it. */
function unquotedAt(text, from, { encoded = false }) {
  let to = from;
  for (; to < text.length && !/[\s\0]/.test(text[to]); to += 1) {
    const one = text[to];
    if (one === "<") {
      if (!text.startsWith(GONE, to)) break;
      to += GONE.length - 1;
    } else if (/["'`]/.test(one) ? !/\w/.test(text[to + 1] ?? "") || to === from : /[&;,|]/.test(one) ? matchAt(NEXT_KEY, text, to) : /[)\]}>]/.test(one) ? matchAt(CLOSING, text, to)
      : one === "\\" ? matchAt(ESCAPED, text, to) : one === "%" && encoded && /^%(?:26|3B|22|20|0A)/i.test(text.slice(to, to + 3))) break;
  }
  // The end of a sentence.
  while (to > from && /[.,:;]/.test(text[to - 1]) && !text.endsWith("...", to)) to -= 1;
  return { from, to };
}

function isSecret(text, name, { from, to }, { strong, quoted, random = false, flag = false, code = false }) {
  // Words that are no credential are short; and the remaining text is examined again.
  if (to - from > LONGEST_WORDS) return true;
  const value = text.slice(from, to).trim();
  const lower = value.toLowerCase();
  const isPassword = /^(?:password|passwd|passphrase|passcode|requirepass)$/.test(name.kind);
  if (value === "" || value === GONE || MASK.test(value) || WORDS.has(lower) || PLACEHOLDER.test(value) || REFERENCE.test(value)) return false;
  if (!/[\p{L}\p{N}]/u.test(value) && (value.length < 6 || !isPassword)) return false;
  if (/^[^\x20-\x7e]/.test(value) && !quoted) return false;
  if (UNIT.test(value) && (isPassword ? value.length < 3 && !strong : value.length < 7)) return false;
  if (/^(?:true|false|null|none)[,;)\]}]/i.test(value)) return false;
  if (FILE.test(value) && !/^[A-Za-z0-9+/]{40}$/.test(value) && !(isPassword && quoted && !value.includes("/"))) return false;
  if (/^(?:secret|credentials?)$/.test(name.kind) && /^[a-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)+$/.test(value) && value.length < 40) return false;
  if (/^ssh-|^ecdsa-|^sha\d+:/.test(value)) return false;
  if (random && !looksRandom(value) && !(value.length >= 16 && /\d/.test(value))) return false;
  if (quoted) return !(/\s/.test(value) && PROSE.test(value) && (!/\d/.test(value) || /\b(?:characters?|minimum|maximum|least|letters?)\b/.test(value)));
  if (CODE.test(value)) return false;
  if (strong && value === name.run) return false;
  if (flag && (/^(?:is|was|or|and|to|the|a|an|flag|option|argument|must|for|in|from|not|when|with|if|may|should|requires|cannot|can|via|but|has|does|flags)$/.test(lower) || /^[A-Z_]+$/.test(value))) return false;
  if (code && /^[A-Za-z_.]+$/.test(value) && /[_.]|[a-z][A-Z]/.test(value)) return false;
  return strong || isWeakSecret(text, value, to);
}

/** Decides whether a value or a sentence follows "password: ". */
function isWeakSecret(text, value, to) {
  if (CAUSE.test(value) && (!/\d/.test(value) || /(?:Error|Exception)$/.test(value))) return false;
  const plain = /^[A-Za-z][a-z'-]*$/.test(value);
  const rest = text.slice(to, to + 40);
  if (/^[:：]/.test(rest) && /^[A-Za-z]+$/.test(value)) return false;
  return !(plain && /^[,.;:]?[ \t]+[\w"'(]/.test(rest) && !PREPOSITIONS.test(rest));
}

// Cookies: the names stay.
const COOKIE = /\b(?:set-)?cookie2?\\{0,7}["']?[ \t]{0,4}(?:=>|[:=])[ \t]{0,4}\[?\\{0,7}["']?(?=[^\s;=,"'\\]{1,200}=)/gi;
const CRUMB = /([^\s;=,"'\\]{1,200}=)((?:\\?"[^";\\\n]*\\?")|[^;\s,"'\\\]\0]*)(;?[ \t]{0,4})/y;

function withoutCookies(text) {
  let out = "";
  let done = 0;
  for (const found of text.matchAll(COOKIE)) {
    if (found.index < done) continue;
    let at = found.index + found[0].length;
    out += text.slice(done, at);
    for (let crumb = matchAt(CRUMB, text, at), first = true; crumb; crumb = matchAt(CRUMB, text, at), first = false) {
      const kept = crumb[2] === "" || (/^set/i.test(found[0]) && !first);
      out += crumb[1] + (kept ? crumb[2] : GONE) + crumb[3];
      at += crumb[0].length;
      if (!crumb[3].startsWith(";")) break;
    }
    done = at;
  }
  return out + text.slice(done);
}

// Bearer and Basic without a field name.
const BEARER = /\b(bearer(?:[ \t]{1,8}|%20|\+)\\{0,7}["']?)([A-Za-z0-9._~+/=-]{3,})/gi;
const OF_BEARERS = /^(?:tokens?|authentication|authorization|auth|scheme|prefix|headers?|format|types?|credentials?|realm.*|error.*|scope.*|resource_metadata.*|has|is|was|of|not|must|in|for|and|or|with|to|who|can|may|required|missing|invalid|expired|challenge|only|from|the|a|methods?|security|http|https|jwt|based|token-based|failed|unauthorized|null|undefined|none)[.,:-]?$/i;
const BASIC = /\b(basic(?:[ \t]{1,8}|%20)\\{0,7}["']?)([A-Za-z0-9+/]{8,}={0,2})(?![A-Za-z0-9+/=])/gi;
const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Says whether the decoded text is user:password. */
function isBase64OfPair(text) {
  let bits = 0;
  let plain = "";
  for (const [at, letter] of [...text.replace(/=+$/, "").slice(0, 4_000)].entries()) {
    bits = ((bits << 6) | BASE64.indexOf(letter)) & 0xffff;
    if (at % 4 > 0) plain += String.fromCharCode((bits >> (6 - 2 * (at % 4))) & 0xff);
  }
  return text.length % 4 === 0 && plain.includes(":") && /^[\x20-\x7e\x80-\xff]+$/.test(plain);
}

function withoutSchemes(text) {
  return text.replace(BEARER, (whole, before, secret) => (OF_BEARERS.test(secret) ? whole : before + GONE))
    .replace(BASIC, (whole, before, secret) => (isBase64OfPair(secret) ? before + GONE : whole));
}

// Credentials with a form of their own, anywhere in the text.
const SLASH = "(?:\\\\?/|%2F)";
const REST = "[^\\s\"'<>\\\\)\\],;\\0]+";
/** [the beginning, the letters that follow, their least number] */
const FORMS = [
  ["(?:AKIA|ASIA|ABIA|ACCA)", "A-Z0-9", 16], ["IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz", "A-Za-z0-9+/=%_-", 0], ["ABSK", "A-Za-z0-9+/=", 40],
  ["xox[a-z](?:\\.xox[a-z])?-|xapp-", "A-Za-z0-9-", 8], ["gh[pousr]_|github_pat_", "A-Za-z0-9_", 16], ["gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|imt|oas)-", "A-Za-z0-9_.-", 12],
  ["(?:sk|rk)_(?:live|test)_|whsec_", "A-Za-z0-9", 8], ["sk-(?:ant-|proj-|svcacct-|or-)?", "A-Za-z0-9_-", 20], ["AIza", "A-Za-z0-9_-", 30], ["ya29\\.", "A-Za-z0-9_.-", 16], ["GOCSPX-", "A-Za-z0-9_-", 16], ["1//0", "A-Za-z0-9_-", 30],
  ["npm_", "A-Za-z0-9", 30], ["SG\\.", "A-Za-z0-9_.-", 30], ["(?:SK|key-)(?=[0-9a-f]{6})", "0-9a-f", 32], ["pypi-", "A-Za-z0-9_-", 30], ["do[opr]_v1_", "a-f0-9", 16], ["hv[sbr]\\.", "A-Za-z0-9_-", 20],
  ["dapi", "a-f0-9", 32], ["shp(?:at|ca|pa|ss)_", "a-fA-F0-9", 20], ["sq0(?:atp|csp)-", "A-Za-z0-9_-", 20], ["lin_api_|secret_|ntn_|sbp_|figd_|nfp_|r8_|gsk_|hf_|pplx-|xai-|fo1_|glsa_|glc_|sntry[su]_|bkua_|rubygems_|dckr_pat_|pscale_(?:tkn|pw)_|rnd_|re_", "A-Za-z0-9_=+/-", 24],
  ["NRAK-|PMAK-|HRKU-|CCIPAT_|ATATT3|ATBB|dp\\.(?:pt|st)\\.|AGE-SECRET-KEY-1", "A-Za-z0-9_=-", 20], ["b3BlbnNzaC1rZXktdjE", "A-Za-z0-9+/=", 0], ["MII[A-Za-z0-9+/]{3,5}(?:IBADANBgkqhkiG9w0BAQEF|IBAAKC)", "A-Za-z0-9+/=", 16], ["LS0tLS1CRUdJTi[A-Za-z0-9+/]{0,40}(?:UFJJVkFURSBLRVkt|QUklWQVRFIEtFWS|BSSVZBVEUgS0VZL)", "A-Za-z0-9+/=", 0],
];
const SHAPES = FORMS.map(([prefix, letters, least]) => ({ expression: new RegExp(`(?<![A-Za-z0-9])(?:${prefix})[${letters}]{${least > 4 ? 4 : 0},}`, "g"), least, begin: prefix.includes("_") && letters.includes("_") ? new RegExp(`^(?:${prefix})`) : null }));
/** Most texts contain none of these forms, and are searched only once. */
const ANY_SHAPE = new RegExp(`(?<![A-Za-z0-9])(?:${FORMS.map(([prefix]) => prefix).join("|")})`);
const REPLACED = [
  [/((?:AKIA|ASIA)[A-Z0-9]{12,16}["']?[\s,:;|/]{1,3}["']?)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])/g, `$1${GONE}`],
  [/(?<![\w-])eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*){0,3}/g, GONE],
  [/(?<![\w-])eyJ(?:hbGci|0eXAi|raWQi|lbmMi|4NX|qa3U)[\w-]*(?=$|…|\.\.\.)/g, GONE],
  [new RegExp(`(hooks\\.slack(?:-gov)?\\.com${SLASH}(?:services|workflows|triggers)${SLASH})${REST}`, "gi"), `$1${GONE}`],
  [new RegExp(`(discord(?:app)?\\.com${SLASH}api${SLASH}(?:v\\d{1,2}${SLASH})?webhooks${SLASH})${REST}`, "gi"), `$1${GONE}`],
  [new RegExp(`(webhook\\.office\\.com${SLASH}webhookb2${SLASH}|hooks\\.zapier\\.com${SLASH}hooks${SLASH}catch${SLASH}|maker\\.ifttt\\.com${SLASH}trigger${SLASH}\\w{1,60}${SLASH}with${SLASH}key${SLASH})${REST}`, "gi"), `$1${GONE}`],
  [new RegExp(`(${SLASH}hooks${SLASH})[a-z0-9]{20,}`, "g"), `$1${GONE}`],
  [/(?<!\d)(\d{8,10}:)AA[\w-]{30,}/g, `$1${GONE}`],
  [/([?&](?:key|code|auth)=)[\w.~+/%=-]{20,}/g, `$1${GONE}`],
  [/\b(identified\s{1,4}by\s{1,4}(?:password\s{1,4})?['"])[^'"\n]+/gi, `$1${GONE}`],
  [/\b(login\s{1,4}\S{1,64}\s{1,4}password\s{1,4})\S+/gi, `$1${GONE}`],
  [/\b((?:requirepass|masterauth)\s{1,4})\S+/g, `$1${GONE}`],
  [/\b(pass(?:phrase|word|code)\s{1,4}for(?:\s{1,4}[\w./-]{1,64}){1,3}?\s{1,4}(?:is|was):?\s{1,4}\\?(["']))([^"'\\\n]+)/gi, (whole, before, quote, secret) => (WORDS.has(secret.toLowerCase()) ? whole : before + GONE)],
  [/\b(secret[_-]?id\\?["']?[\s:=]{1,4}\\?["']?)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi, `$1${GONE}`],
  [/\b(jdbc:oracle:(?:thin|oci8?):[^\s:/@"'<>]{1,128}\/)[^\s/@"'<>]{1,256}(?=@)/gi, `$1${GONE}`],
  [/(?<![\w.])[A-Za-z0-9]{14}\.atlasv1\.[\w-]{20,}/g, GONE],
  [/(?<![\w~.-])[\w.~-]{3}8Q~[\w.~-]{30,}/g, GONE],
];
/** Options of programs that take a password with one letter: [the line of the command, the option in it] */
const COMMANDS = [
  [/\b(?:curl|wget)\s[^\n\0]*/g, /(\s(?:-u|--user|--proxy-user)(?:[ =]|(?=\S))["']?[^\s:"']{1,64}:)[^\s"']+/g],
  [/\b(?:mysql\w{0,8}|mariadb(?:-\w{1,8})?)\s{1,4}-[^\n\0]*/g, /(\s-p["']?)[^\s"']+/g],
  [/\b(?:sshpass|docker\s{1,4}login|redis-cli)\s[^\n\0]*/g, /(\s(?:-p|-a)[ \t]*["']?)(?!-)[^\s"']+/g],
];

function withoutShapes(text) {
  const replaced = REPLACED.reduce((left, [expression, shown]) => left.replace(expression, shown), text);
  const shaped = !ANY_SHAPE.test(replaced) ? replaced : SHAPES.reduce((left, { expression, least, begin }) => left.replace(expression, (found, at) => (isWhole(left, found, at, least) && !isIdentifier(found, begin) ? GONE : found)), replaced);
  return COMMANDS.reduce((left, [line, option]) => left.replace(line, (found) => found.replace(option, `$1${GONE}`)), shaped);
}

/** Recognises words of a program that are joined by underscores and have no digit: "re_compile_patterns_internal_error". */
const isIdentifier = (found, begin) => begin !== null && !/\d/.test(found.replace(begin, ""));

/** Says whether a key has its full length, or was cut off by the end of the text. */
function isWhole(text, found, at, least) {
  const cut = /^(?:\.\.\.|…)?$/.test(text.slice(at + found.length, at + found.length + 4));
  return found.length >= least || (cut && /\d/.test(found.slice(4)));
}

const PASSES = [withoutPrivateKeys, withoutUserinfo, withoutCookies, withoutFields, withoutSchemes, withoutShapes];
