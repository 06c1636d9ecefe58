/** The watchers of the simulated machine: what they are to see they see, and no going back to an earlier world blinds them. */
import { expect, test } from "bun:test";
import { COUNTS, FREE, LEAF_KEY, LIVE, SLOT_SHIFT, STATE_MASK, TAG } from "../../src/memory/layout.ts";
import { descend } from "../../src/rowex/place.ts";
import { rebuild } from "./audit.ts";
import { stage } from "./interleave.ts";
import { machine } from "./machine.ts";
import { cas32, load32, store32 } from "./primitives.ts";
import { SCENARIOS } from "./scenarios.ts";

const scenario = SCENARIOS.find(({ name }) => name === "Node4 with room")!;

test("a store without the lock, a lock taken from another, and a use after free are seen, before and after a rebuild", () => {
  const { a, b, back } = stage(scenario, false);
  const p = a.store.participant();
  const { h, root } = p;
  const leaf = machine.as(a.thread, () => {
    p.keyLength = a.store.codec.encode("kB", p.key);
    descend(p);
    return p.leaf;
  });
  const seen = (by: typeof a, fn: () => unknown): string => {
    machine.violations = [];
    machine.as(by.thread, fn);
    const [first = ""] = machine.violations;
    machine.violations = [];
    return first;
  };
  for (let round = 0; round < 3; round++) {
    back();
    const tag = load32(h, root, TAG);
    expect(tag & STATE_MASK).toBe(LIVE);
    expect(seen(a, () => store32(h, root, COUNTS, load32(h, root, COUNTS)))).toContain("a store to the node");
    const locked = tag | (p.slot << SLOT_SHIFT);
    expect(seen(a, () => cas32(h, root, TAG, tag, locked))).toBe("");
    expect(seen(b, () => store32(h, root, TAG, tag))).toContain("somebody else's lock is given up");
    expect(seen(b, () => store32(h, leaf, TAG, FREE))).toContain("a cell goes from live");
    expect(seen(b, () => load32(h, leaf, LEAF_KEY))).toContain("a load from the free cell");
    back();
    const problems: string[] = [];
    rebuild(() => null, Number.POSITIVE_INFINITY, problems);
    expect(problems).toEqual([]);
  }
});
