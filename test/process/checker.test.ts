/** The checker of linearizability itself: it must pass what is right, and only that. */
import { describe, expect, test } from "bun:test";
import { apply, type Call, type Content, checkHistory, type Event } from "./checker.ts";
import { mixed, Random, SEED } from "./support.ts";

const op = (by: number, from: number, to: number, call: Call, result: Content): Event => ({
  key: "k",
  by,
  from,
  to,
  call,
  result,
});
const set = (value: string): Call => ({ kind: "set", value });
const get: Call = { kind: "get" };

describe("the checker", () => {
  test("passes operations one after the other", () => {
    const history = [
      op(1, 1, 2, set("a"), "done"),
      op(2, 3, 4, get, "a"),
      op(1, 5, 6, { kind: "delete" }, "true"),
      op(2, 7, 8, get, undefined),
      op(2, 9, 10, { kind: "add", delta: 5 }, "5"),
      op(1, 11, 12, { kind: "compareAndSet", expected: "5", value: "b" }, "true"),
      op(1, 13, 14, { kind: "insert", value: "c" }, "duplicate"),
      op(1, 15, 16, { kind: "has" }, "true"),
    ];
    expect(checkHistory(history)).toBeNull();
  });

  test("lets operations that overlap take effect in either order", () => {
    const both = [op(1, 1, 4, set("a"), "done"), op(2, 2, 5, set("b"), "done")];
    expect(checkHistory([...both, op(3, 6, 7, get, "a")])).toBeNull();
    expect(checkHistory([...both, op(3, 6, 7, get, "b")])).toBeNull();
    expect(checkHistory([...both, op(3, 6, 7, get, undefined)])).not.toBeNull();
  });

  test("finds a stale read", () => {
    const history = [op(1, 1, 2, set("a"), "done"), op(1, 3, 4, set("b"), "done"), op(2, 5, 6, get, "a")];
    expect(checkHistory(history)?.event.from).toBe(5);
  });

  test("finds a key that a lookup missed", () => {
    expect(checkHistory([op(1, 1, 2, set("a"), "done"), op(2, 3, 4, get, undefined)])).not.toBeNull();
  });

  test("finds two readers that see two writes in different orders", () => {
    const history = [
      op(1, 1, 20, set("a"), "done"),
      op(2, 2, 21, set("b"), "done"),
      op(3, 3, 4, get, "a"),
      op(3, 5, 6, get, "b"),
      op(4, 7, 8, get, "a"),
    ];
    expect(checkHistory(history)).not.toBeNull();
  });

  test("finds a lost update between two counters", () => {
    const add: Call = { kind: "add", delta: 1 };
    expect(checkHistory([op(1, 1, 3, add, "1"), op(2, 2, 4, add, "1")])).not.toBeNull();
    expect(checkHistory([op(1, 1, 3, add, "1"), op(2, 2, 4, add, "2")])).toBeNull();
  });

  test("finds a compareAndSet that won twice", () => {
    const swap = (value: string): Call => ({ kind: "compareAndSet", expected: undefined, value });
    expect(checkHistory([op(1, 1, 3, swap("a"), "true"), op(2, 2, 4, swap("b"), "true")])).not.toBeNull();
  });

  test("lets the operation of somebody killed happen late, once, or never", () => {
    const killed = op(1, 1, Number.POSITIVE_INFINITY, set("a"), undefined);
    expect(checkHistory([killed, op(2, 2, 3, get, undefined), op(2, 4, 5, get, "a")])).toBeNull();
    expect(checkHistory([killed, op(2, 2, 3, get, undefined)])).toBeNull();
    expect(
      checkHistory([killed, op(2, 2, 3, get, "a"), op(2, 4, 5, set("b"), "done"), op(2, 6, 7, get, "a")]),
    ).not.toBeNull();
  });

  test("refuses a history whose tickets are not each given once, in order", () => {
    // Such a history has no one meaning; whoever made it is broken.
    expect(() => checkHistory([op(1, 1, 2, set("a"), "done"), op(2, 2, 3, get, "a")])).toThrow("ticket 2");
    expect(() => checkHistory([op(1, 3, 2, set("a"), "done")])).toThrow("before it was called");
  });

  test("agrees with a search through all orders, on random histories", () => {
    let linearizable = 0;
    const runs = 3000;
    for (let run = 0; run < runs; run++) {
      const history = randomHistory(new Random(mixed(SEED, run)));
      const expected = someOrderFits(history);
      if (expected) linearizable++;
      expect(checkHistory(history) === null, `seed ${SEED}, run ${run}: ${JSON.stringify(history)}`).toBe(
        expected,
      );
    }
    console.log(`checker: seed ${SEED}, ${runs} histories, ${linearizable} linearizable`);
    // Both answers were asked for.
    expect(linearizable).toBeGreaterThan(runs / 20);
    expect(linearizable).toBeLessThan(runs - runs / 20);
  });
});

/** Three participants, up to six operations, results that are right for some order, and sometimes changed. */
function randomHistory(random: Random): Event[] {
  const events: Event[] = [];
  const free = [0, 0, 0];
  let clock = 1;
  let value: Content;
  for (let i = 0; i < 6; i++) {
    const by = random.below(3);
    // Who was killed calls nothing more.
    if (free[by] === Number.POSITIVE_INFINITY) continue;
    const call = random.pick<Call>([
      get,
      { kind: "has" },
      { kind: "delete" },
      set(String(random.below(3))),
      { kind: "insert", value: "9" },
      {
        kind: "compareAndSet",
        expected: random.pick(["1", undefined]),
        value: random.pick(["2", undefined]),
      },
      { kind: "add", delta: 1 },
    ]);
    const { next, result } = apply(value, call);
    value = next;
    // It takes effect at `clock`; the interval around that may reach back to the end of its caller's last one. No two
    // tickets are the same: the quarters tell the callers apart.
    clock = Math.max(clock + 16, free[by]! + 2);
    const from = Math.max(free[by]! + 1, clock - random.below(40));
    const to = clock + 1 + random.below(48);
    free[by] = random.oneIn(12) ? Number.POSITIVE_INFINITY : to;
    events.push({
      key: "k",
      by,
      from: from + by / 4,
      to: free[by]! < Number.POSITIVE_INFINITY ? to + by / 4 : Number.POSITIVE_INFINITY,
      call,
      result: random.oneIn(10) ? random.pick(["0", "1", "2", undefined, "true", "false"]) : result,
    });
  }
  return events;
}

/** The definition itself: is there an order, of all that returned and any of the rest, that fits? */
function someOrderFits(history: readonly Event[]): boolean {
  const search = (left: readonly Event[], value: Content): boolean => {
    if (left.every(({ to }) => to === Number.POSITIVE_INFINITY)) return true;
    const firstReturn = Math.min(...left.map(({ to }) => to));
    return left.some((event) => {
      if (event.from > firstReturn) return false;
      const { next, result } = apply(value, event.call);
      if (event.to !== Number.POSITIVE_INFINITY && result !== event.result) return false;
      return search(
        left.filter((other) => other !== event),
        next,
      );
    });
  };
  return search(history, undefined);
}
