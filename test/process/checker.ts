/**
 * Is a history linearizable? For each key on its own (linearizability is local: Herlihy and Wing 1990), by the search
 * of Wing and Gong (1993) done just in time, as Lowe (2017) puts it: go through the calls and returns in order of
 * their tickets and keep every configuration that is still possible, that is the key's value and which of the
 * operations under way have taken effect. When an operation returns, only configurations in which it has taken effect,
 * with the result it gave, live on. None left: no order of the operations explains what was seen.
 *
 * An operation whose caller was killed never returns: it may take effect at any time after its call, or never.
 */

/** A value of a key as text, so that 1 and "1" and 1n differ; `undefined` is absence. */
export type Content = string | undefined;

export type Call =
  | { readonly kind: "get" | "has" | "delete" }
  | { readonly kind: "set" | "insert"; readonly value: string }
  | { readonly kind: "compareAndSet"; readonly expected: Content; readonly value: Content }
  | { readonly kind: "add"; readonly delta: number };

/** One operation of a history. */
export interface Event {
  readonly key: string;
  readonly call: Call;
  /** What it returned, as text: see {@link apply}. */
  readonly result: Content;
  /** Tickets taken before the call and after the return; Infinity: it never returned. */
  readonly from: number;
  readonly to: number;
  /** Who did it. */
  readonly by: number;
}

/** The register itself: what the call makes of the value, and what it returns. */
export function apply(value: Content, call: Call): { readonly next: Content; readonly result: Content } {
  switch (call.kind) {
    case "get":
      return { next: value, result: value };
    case "has":
      return { next: value, result: String(value !== undefined) };
    case "set":
      return { next: call.value, result: "done" };
    case "insert":
      return value === undefined
        ? { next: call.value, result: "done" }
        : { next: value, result: "duplicate" };
    case "delete":
      return { next: undefined, result: String(value !== undefined) };
    case "compareAndSet":
      return value === call.expected
        ? { next: call.value, result: "true" }
        : { next: value, result: "false" };
    case "add": {
      const sum = String(Number(value ?? "0") + call.delta);
      return { next: sum, result: sum };
    }
  }
}

/** Why a history is not linearizable. */
export interface Violation {
  readonly key: string;
  /** The operation that no order explains, and those that overlapped it or came shortly before. */
  readonly event: Event;
  readonly around: readonly Event[];
}

/** A value, and which of the operations under way (by their place in a small table) have taken effect. */
interface Configuration {
  readonly value: Content;
  readonly done: number;
}

const MOST_AT_ONCE = 30;

function checkKey(key: string, events: readonly Event[], initial: Content): Violation | null {
  const ends: { readonly at: number; readonly event: Event; readonly isCall: boolean }[] = [];
  for (const event of events) {
    if (event.to < event.from)
      throw new Error(`${key}: the call at ${event.from} returned before it was called`);
    ends.push({ at: event.from, event, isCall: true });
    if (event.to !== Number.POSITIVE_INFINITY) ends.push({ at: event.to, event, isCall: false });
  }
  ends.sort((a, b) => a.at - b.at);
  for (let i = 1; i < ends.length; i++) {
    // Which came first could not be told.
    if (ends[i]!.at === ends[i - 1]!.at) throw new Error(`${key}: ticket ${ends[i]!.at} was given twice`);
  }
  const underWay: (Event | null)[] = [];
  let configurations: Configuration[] = [{ value: initial, done: 0 }];
  for (const { event, isCall } of ends) {
    if (isCall) {
      let place = underWay.indexOf(null);
      if (place < 0) place = underWay.length;
      if (place >= MOST_AT_ONCE) throw new Error(`${key}: more than ${MOST_AT_ONCE} operations at once`);
      underWay[place] = event;
      continue;
    }
    const place = underWay.indexOf(event);
    const bit = 1 << place;
    const kept = new Map<string, Configuration>();
    const seen = new Set<string>();
    const pending = [...configurations];
    for (let now = pending.pop(); now !== undefined; now = pending.pop()) {
      const name = `${now.done}:${now.value === undefined ? "-" : `=${now.value}`}`;
      if (seen.has(name)) continue;
      seen.add(name);
      if ((now.done & bit) !== 0) {
        // Its place may be another's from now on.
        const without = { value: now.value, done: now.done & ~bit };
        kept.set(`${without.done}:${name.slice(name.indexOf(":") + 1)}`, without);
        continue;
      }
      for (let i = 0; i < underWay.length; i++) {
        const other = underWay[i];
        if (other === null || other === undefined || (now.done & (1 << i)) !== 0) continue;
        const { next, result } = apply(now.value, other.call);
        // What never returned gave no result to compare.
        if (other.to !== Number.POSITIVE_INFINITY && result !== other.result) continue;
        pending.push({ value: next, done: now.done | (1 << i) });
      }
    }
    underWay[place] = null;
    if (kept.size === 0) {
      const around = events.filter((other) => other.to >= event.from - 8 && other.from <= event.to);
      return { key, event, around: around.sort((a, b) => a.from - b.from).slice(-24) };
    }
    configurations = [...kept.values()];
  }
  return null;
}

/**
 * Checks a history, key by key; `initial` is what each key has at its start. Null: it is linearizable. Throws if a
 * ticket was given twice or an operation ended before it began: then it is no history.
 */
export function checkHistory(
  history: readonly Event[],
  initial: ReadonlyMap<string, Content> = new Map(),
): Violation | null {
  const byKey = new Map<string, Event[]>();
  for (const event of history) {
    const list = byKey.get(event.key);
    if (list === undefined) byKey.set(event.key, [event]);
    else list.push(event);
  }
  for (const [key, events] of byKey) {
    const violation = checkKey(key, events, initial.get(key));
    if (violation !== null) return violation;
  }
  return null;
}

/** A violation, to be read by people. */
export function describeViolation({ key, event, around }: Violation): string {
  const show = (e: Event): string =>
    `  [${e.from}, ${e.to === Number.POSITIVE_INFINITY ? "…" : e.to}] participant ${e.by}: ${JSON.stringify(e.call)} -> ${e.result ?? "undefined"}`;
  return `no order of the operations on ${key} explains\n${show(event)}\namong\n${around.map(show).join("\n")}`;
}
