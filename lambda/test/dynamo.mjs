// Simulates DynamoDB in memory, as far as table.mjs uses it: evaluates the real expressions, and fails on every unknown one.
// A transaction locks its items when it begins, so that another write on one of them is answered as a conflict. A transaction commits item by
// item, each a step: AWS says that GetItem may see the write of a transaction to one item, and not yet its write to another. With one token, a
// repeated transaction is the first one.

/** The most bytes of a key (AWS). */
const KEY_BYTES = 2048;

/**
 * Creates the simulation.
 * @param {Map<string, object>} [items]  by id
 * @param {{isBackward?: boolean}} [how]  isBackward: the last item of a transaction is visible first; AWS promises no order
 * @returns {{items: Map<string, object>, connect: (step: Step) => Function}}
 * @typedef {(label: string, perform: () => any, kind: "read"|"write"|"begin"|"commit", ms: number) => Promise<any>} Step
 *   decides when a call is performed, and whether its answer arrives; `perform.rest`: the part of a transaction that is left
 *   after this commit, which DynamoDB completes whatever happens to the caller
 */
export function dynamo(items = new Map(), { isBackward = false } = {}) {
  const locks = new Map();
  const tokens = new Map();

  function checked({ Key, Item, ConditionExpression, UpdateExpression, ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} }) {
    const id = (Key ?? Item).id.S;
    if (id === "" || Buffer.byteLength(id) > KEY_BYTES) throw named("ValidationException", `the key has ${Buffer.byteLength(id)} bytes`);
    const used = new Set();
    const condition = ConditionExpression === undefined ? () => true : compiled(ConditionExpression, conditionOf, used);
    const update = UpdateExpression === undefined ? () => Item : compiled(UpdateExpression, updateOf, used);
    const given = [...Object.keys(names), ...Object.keys(values)];
    const wrong = [...used].filter((one) => !given.includes(one)).concat(given.filter((one) => !used.has(one)));
    if (wrong.length > 0) throw named("ValidationException", `not used, or not given: ${wrong}`);
    return {
      id,
      holds: () => condition(items.get(id) ?? {}, names, values),
      apply: () => items.set(id, UpdateExpression === undefined ? Item : update({ id: { S: id }, ...items.get(id) }, names, values)),
      isCheck: Item === undefined && UpdateExpression === undefined,
    };
  }

  function begin(writes) {
    const reasons = writes.map(({ id, holds }) => (locks.has(id) ? "TransactionConflict" : holds() ? "None" : "ConditionalCheckFailed"));
    if (reasons.some((reason) => reason !== "None")) {
      throw Object.assign(named("TransactionCanceledException", `${reasons}`), { CancellationReasons: reasons.map((Code) => ({ Code })) });
    }
    for (const { id } of writes) locks.set(id, writes);
  }

  /** Makes the commits of a transaction, each of one item. */
  function commitsOf(writes, isOver) {
    const changes = writes.filter(({ isCheck }) => !isCheck);
    const order = isBackward ? changes.reverse() : changes;
    const commits = order.map(({ id, apply }, nth) => ({
      label: `commit ${id}`,
      perform: Object.assign(() => {
        apply();
        // Until every item is visible, another write on any of them is a conflict.
        if (nth < order.length - 1) return;
        for (const one of writes) locks.delete(one.id);
        isOver();
      }, { rest: [] }),
    }));
    for (const [nth, { perform }] of commits.entries()) perform.rest = commits.slice(nth + 1);
    return commits;
  }

  const commands = {
    GetItemCommand: ({ Key }, step, ms) => step(`read ${Key.id.S}`, () => ({ Item: items.get(Key.id.S) }), "read", ms),
    TransactGetItemsCommand({ TransactItems }, step, ms) {
      const ids = TransactItems.map(({ Get }) => Get.Key.id.S);
      if (new Set(ids).size < ids.length) throw named("ValidationException", "one item twice in a transaction");
      return step(`look ${ids.join(" + ")}`, () => {
        const reasons = ids.map((id) => ({ Code: locks.has(id) ? "TransactionConflict" : "None" }));
        if (reasons.some(({ Code }) => Code !== "None")) throw Object.assign(named("TransactionCanceledException"), { CancellationReasons: reasons });
        return { Responses: ids.map((id) => (items.has(id) ? { Item: items.get(id) } : {})) };
      }, "read", ms);
    },
    ScanCommand({ ExpressionAttributeValues: { ":job": { S: prefix } }, ExclusiveStartKey: after }, step, ms) {
      return step("scan", () => {
        // Pages of one item each, as if each item were large.
        const ids = [...items.keys()].sort().filter((id) => after === undefined || id > after.id.S);
        const [id] = ids;
        const Items = id?.startsWith(prefix) && items.get(id).ledger ? [{ id: { S: id }, ledger: items.get(id).ledger }] : [];
        return { Items, ...(ids.length > 1 ? { LastEvaluatedKey: { id: { S: id } } } : {}) };
      }, "read", ms);
    },
    UpdateItemCommand(input, step, ms) {
      const { id, holds, apply } = checked(input);
      return step(`update ${id}`, () => {
        if (locks.has(id)) throw named("TransactionConflictException");
        if (!holds()) throw named("ConditionalCheckFailedException");
        apply();
        return input.ReturnValues === "ALL_NEW" ? { Attributes: items.get(id) } : {};
      }, "write", ms);
    },
    async TransactWriteItemsCommand({ TransactItems, ClientRequestToken: token }, step, ms) {
      const writes = TransactItems.map((one) => checked(one.Put ?? one.Update ?? one.ConditionCheck));
      if (new Set(writes.map(({ id }) => id)).size < writes.length) throw named("ValidationException", "one item twice in a transaction");
      const what = writes.map(({ id, isCheck }) => (isCheck ? `(${id})` : id)).join(" + ");
      if (token !== undefined && !/^.{1,36}$/.test(token)) throw named("ValidationException", `the token is ${token}`);
      const parameters = JSON.stringify(TransactItems);
      const isNew = await step(`begin ${what}`, () => {
        const same = tokens.get(token);
        if (same !== undefined && same.parameters !== parameters) throw named("IdempotentParameterMismatchException");
        if (same?.isOver === false) throw named("TransactionInProgressException");
        if (same?.isOver) return false;
        begin(writes);
        if (token !== undefined) tokens.set(token, { parameters, isOver: false });
        return true;
      }, "begin", ms);
      // A repeated transaction changes nothing, and gets the answer of the first.
      if (!isNew) return {};
      const isOver = () => { if (token !== undefined) tokens.get(token).isOver = true; };
      for (const { label, perform } of commitsOf(writes, isOver)) await step(label, perform, "commit", ms);
      return {};
    },
  };
  const sdk = Object.fromEntries(Object.keys(commands).map((name) => [name, class { constructor(input) { Object.assign(this, { name, input }); } }]));
  return {
    items,
    connect: (step = async (label, perform) => perform()) => {
      const connection = { sdk, client: { send: ({ name, input }, { ms }) => commands[name](input, step, ms) }, options: (ms = 2_500) => ({ ms: Math.min(2_500, ms) }) };
      return async () => connection;
    },
  };
}

const named = (name, message = name) => Object.assign(new Error(message), { name });

const known = new Map();
/** Compiles an expression once; `used` receives the names and values in it. */
function compiled(expression, of, used) {
  if (!known.has(expression)) {
    const tokens = tokensOf(expression);
    known.set(expression, { run: of(readerOf(tokens, expression)), used: tokens.filter((token) => /^[#:]/.test(token)) });
  }
  const { run, used: its } = known.get(expression);
  for (const one of its) used.add(one);
  return run;
}

function tokensOf(expression) {
  const tokens = expression.match(/[#:]?[A-Za-z_][A-Za-z0-9_]*|<>|<=|>=|[=<>(),]|\S/g);
  const odd = tokens.find((token) => !/^([#:]?[A-Za-z_][A-Za-z0-9_]*|<>|<=|>=|[=<>(),])$/.test(token));
  if (odd) throw named("ValidationException", `${odd} in ${expression}`);
  return tokens;
}

function readerOf(tokens, expression) {
  let at = 0;
  return {
    peek: () => tokens[at],
    next: () => tokens[at++],
    isNext: (token) => (tokens[at] === token ? (at += 1, true) : false),
    expect(token) { if (tokens[at++] !== token) throw named("ValidationException", `${token} is missing in ${expression}`); },
    fail: () => { throw named("ValidationException", `not known: ${expression} at ${tokens[at]}`); },
  };
}

/** Reads a path of an item, or a value. */
function operandOf(read) {
  const token = read.next() ?? read.fail();
  if (token.startsWith(":")) return (item, names, values) => values[token];
  return (item, names) => item[token.startsWith("#") ? names[token] : token];
}

const FUNCTIONS = { attribute_exists: (value) => value !== undefined, attribute_not_exists: (value) => value === undefined };
const sizeOf = ({ N, S }) => (N === undefined ? S : Number(N));
const isSame = (one, other) => one !== undefined && other !== undefined
  && (one.N !== undefined ? Number(one.N) === Number(other.N) : one.S !== undefined ? one.S === other.S : one.BOOL !== undefined && one.BOOL === other.BOOL);
const isComparable = (one, other) => one !== undefined && (one.N === undefined) === (other.N === undefined);
const COMPARISONS = {
  "=": isSame, "<>": (one, other) => !isSame(one, other),
  "<": (one, other) => isComparable(one, other) && sizeOf(one) < sizeOf(other), ">": (one, other) => isComparable(one, other) && sizeOf(one) > sizeOf(other),
};

function conditionOf(read) {
  const primary = () => {
    if (read.isNext("(")) {
      const inner = either();
      read.expect(")");
      return inner;
    }
    if (Object.hasOwn(FUNCTIONS, read.peek())) {
      const check = FUNCTIONS[read.next()];
      read.expect("(");
      const operand = operandOf(read);
      read.expect(")");
      return (...of) => check(operand(...of));
    }
    const left = operandOf(read);
    const compare = COMPARISONS[read.next()] ?? read.fail();
    const right = operandOf(read);
    return (...of) => compare(left(...of), right(...of));
  };
  const chain = (part, word, join) => () => {
    const parts = [part()];
    while (read.isNext(word)) parts.push(part());
    return parts.length === 1 ? parts[0] : (...of) => parts[join]((one) => one(...of));
  };
  const both = chain(primary, "AND", "every");
  const either = chain(both, "OR", "some");
  const condition = either();
  return read.peek() === undefined ? condition : read.fail();
}

function updateOf(read) {
  const changes = [];
  const nameOf = () => {
    const token = read.next();
    return (names) => (token.startsWith("#") ? names[token] : token);
  };
  const lists = {
    SET() {
      const name = nameOf();
      read.expect("=");
      if (!read.isNext("if_not_exists")) return change(name, operandOf(read));
      read.expect("(");
      const first = operandOf(read);
      read.expect(",");
      const second = operandOf(read);
      read.expect(")");
      return change(name, (...of) => first(...of) ?? second(...of));
    },
    REMOVE: () => change(nameOf(), () => undefined),
    ADD() {
      const name = nameOf();
      const value = operandOf(read);
      return change(name, (item, names, values) => sum(item[name(names)], value(item, names, values)));
    },
  };
  function change(name, value) {
    changes.push((next, item, names, values) => {
      const key = name(names);
      if (Object.hasOwn(next.changed, key)) throw named("ValidationException", `${key} is changed twice`);
      next.changed[key] = value(item, names, values);
    });
  }
  while (read.peek() !== undefined) {
    const one = lists[read.next()] ?? read.fail();
    do one(); while (read.isNext(","));
  }
  return (item, names, values) => {
    const next = { changed: {} };
    for (const apply of changes) apply(next, item, names, values);
    return Object.fromEntries(Object.entries({ ...item, ...next.changed }).filter(([, value]) => value !== undefined));
  };
}

function sum(now, added) {
  if (added.N !== undefined) return { N: String(Number(now?.N ?? 0) + Number(added.N)) };
  if (!added.SS?.length) throw named("ValidationException", "an empty set");
  return { SS: [...new Set([...(now?.SS ?? []), ...added.SS])] };
}
