/** verify() finds what it claims to find, and says where. Each kind of damage is done to a sound store, alone. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { type BancosError, inspectKey, open, type Problem, type Store } from "../../src/index.ts";
import { CLASS_BYTES, CLASS_CELLS } from "../../src/memory/classes.ts";
import {
  AUX_SHIFT,
  CHUNK_ENTRIES,
  CHUNK_NEXT,
  COUNTS,
  ENTRY_BYTES,
  ENTRY_CHECKSUM,
  ENTRY_WORD,
  FIRST_DATA_SLAB,
  FIRST_TABLE_SLAB,
  INTENT_ANNOUNCED,
  INTENT_LOCK2,
  INTENT_STATE,
  KIND_MASK,
  LEAF,
  LEAF_CHECKSUM,
  LEAF_KEY,
  LEAF_SEQ,
  LIMBO,
  LIMBO_CHUNK,
  LIMBO_TRANSIT,
  LIVE,
  LIVE_SHIFT,
  lengthOffset,
  N4_CHILDREN,
  N4_DIGITS,
  N16_CHILDREN,
  N48_INDEX,
  N256_CHILDREN,
  NODE4,
  NODE16,
  NODE48,
  NODE256,
  REGISTRY_SLAB,
  RETIRED,
  SB_FRONTIER,
  SB_GATE,
  SB_NO_IN_PLACE,
  SB_SLOTS_USED,
  SB_SYNC_OWNER,
  SLAB_BYTES,
  SLAB_CELLS,
  SLAB_CLAIMED,
  SLAB_FREE,
  SLAB_RUN,
  SLOT_ALIVE,
  SLOT_BYTES,
  SLOT_KEY_COUNT,
  SLOT_LIMBO,
  SLOT_MASK,
  SLOT_SHIFT,
  SLOT_WAITING,
  SLOT_WORD,
  STATE_MASK,
} from "../../src/memory/layout.ts";
import { entryClass, entryKind, entryWord } from "../../src/memory/slabs.ts";
import { keyLengthOf } from "../../src/node/leaf.ts";
import { expectSound, quickPath } from "../store/support.ts";
import { fillSample, sampleEntries } from "./sample.ts";

// The limit of test/setup.ts holds for the first file of a process only.
setDefaultTimeout(300_000);

/** An open store whose bytes are read and written behind its back: the page cache is one with its mapping. */
class Patient {
  readonly store: Store<string>;
  private readonly fd: number;
  private readonly word = Buffer.alloc(4);
  private readonly undo: [number, number][] = [];

  constructor() {
    this.store = open<string>(quickPath(), { flushEvery: 0, maxSize: 4 << 20 });
    fillSample(this.store);
    expectSound(this.store);
    this.fd = openSync(this.store.path, "r+");
  }
  read(offset: number): number {
    readSync(this.fd, this.word, 0, 4, offset);
    return this.word.readInt32LE();
  }
  write(offset: number, word: number): void {
    this.undo.push([offset, this.read(offset)]);
    this.word.writeInt32LE(word | 0);
    writeSync(this.fd, this.word, 0, 4, offset);
  }
  /** Undoes all writes, shows that this heals the store, and closes it. */
  heal(): void {
    for (const [offset, word] of this.undo.reverse()) {
      this.word.writeInt32LE(word);
      writeSync(this.fd, this.word, 0, 4, offset);
    }
    expectSound(this.store);
    closeSync(this.fd);
    this.store.close();
  }
  /** Closes it as it is. */
  abandon(): void {
    closeSync(this.fd);
    try {
      this.store.close();
    } catch (error) {
      expect((error as BancosError).code).toBe("CORRUPT");
    }
  }
  /** Offsets of the cells of a size class, or of all leaves in slabs (LEAF), in a state. */
  cells(kind: number, state: number = LIVE): number[] {
    const found: number[] = [];
    for (let slab = FIRST_DATA_SLAB; slab < this.read(SB_FRONTIER); slab++) {
      const word = this.read(entryOf(slab) + ENTRY_WORD);
      if (entryKind(word) !== SLAB_CELLS) continue;
      for (let i = 0; i < CLASS_CELLS[entryClass(word)]!; i++) {
        const offset = slab * SLAB_BYTES + i * CLASS_BYTES[entryClass(word)]!;
        const tag = this.read(offset);
        if ((tag & STATE_MASK) === state && (tag & KIND_MASK) === kind) found.push(offset);
      }
    }
    return found;
  }
  first(kind: number): number {
    const [first] = this.cells(kind);
    if (first === undefined) throw new Error(`the sample has no cell of kind ${kind}`);
    return first;
  }
  /** The second of them: the first Node256 is the root. */
  cell(kind: number, state: number = LIVE): number {
    const [, second] = this.cells(kind, state);
    if (second === undefined) throw new Error(`the sample has no two cells of kind ${kind}`);
    return second;
  }
}

const entryOf = (slab: number): number => FIRST_TABLE_SLAB * SLAB_BYTES + slab * ENTRY_BYTES;
const slotOf = (slot: number): number => REGISTRY_SLAB * SLAB_BYTES + (slot - 1) * SLOT_BYTES;
const firstSlot = slotOf(1);

/** Damages a store and expects the problem, at its place. */
function finds(name: string, code: Problem["code"], damage: (patient: Patient) => number): void {
  test(`${name}: ${code}`, () => {
    const patient = new Patient();
    const offset = damage(patient);
    const report = patient.store.verify();
    expect(report.ok).toBe(false);
    expect(report.problems).toContainEqual({ code, offset, message: expect.stringMatching(/./) });
    patient.heal();
  });
}

/** The next slab, claimed by slot `owner`; its entry. */
function claimSlab(p: Patient, owner: number): number {
  const slab = p.read(SB_FRONTIER);
  p.write(entryOf(slab), entryWord(SLAB_CLAIMED, 0, owner));
  p.write(SB_FRONTIER, slab + 1);
  return entryOf(slab);
}

test("verify() takes a slab for sound that somebody has claimed who is there, or died and is not recovered yet", () => {
  const patient = new Patient();
  claimSlab(patient, 1);
  expect(patient.store.verify().problems).toEqual([]);
  patient.heal();
});

test("verify() takes for sound what a writer does during the look that is gone when it ends", () => {
  const store = open<string>(quickPath(), { flushEvery: 0 });
  fillSample(store);
  for (let round = 0; round < 3; round++) {
    const other = open<string>(store.path, { flushEvery: 0 });
    let began = false;
    const report = store.verifyWith(() => {
      if (began) return;
      began = true;
      other.set(`written during look ${round}`, "x".repeat(2000));
      other.close();
    });
    expect(began).toBe(true);
    expect(report.problems).toEqual([]);
  }
  expectSound(store);
  store.close();
});

test("verify() takes the lock of one who is there for sound, and that of one who died and is not recovered", () => {
  const patient = new Patient();
  const leaf = patient.first(LEAF);
  patient.write(leaf, patient.read(leaf) | (3 << SLOT_SHIFT));
  patient.write(SB_SLOTS_USED, 3);
  // There, or dead and not recovered: who only reads does not recover it.
  const holder = slotOf(3);
  patient.write(holder + SLOT_WORD, SLOT_ALIVE);
  patient.write(holder + INTENT_LOCK2, leaf / 8);
  patient.write(holder + INTENT_STATE, INTENT_ANNOUNCED);
  const reader = open<string>(patient.store.path, { readOnly: true });
  expect(reader.verify().problems).toEqual([]);
  reader.close();
  // Who may write does.
  expect(patient.store.verify().problems).toEqual([]);
  expect(patient.read(leaf) & SLOT_MASK).toBe(0);
  patient.abandon();
});

test("verify() names an intent of the dead that can't be finished, and keeps nobody from leaving", () => {
  const patient = new Patient();
  const dead = slotOf(3);
  patient.write(SB_SLOTS_USED, 3);
  patient.write(dead + SLOT_WORD, SLOT_ALIVE);
  patient.write(dead + INTENT_STATE, 9);
  const { problems } = patient.store.verify();
  expect(problems).toContainEqual({ code: "INTENT", offset: dead, message: expect.stringMatching(/slot 3/) });
  expect(patient.read(dead + SLOT_WORD)).toBe(SLOT_ALIVE);
  patient.heal();
});

describe("verify() finds, and says where,", () => {
  finds("a pointer to a free cell", "STATE", (p) => {
    const free = p.read(p.cell(NODE4) + N4_CHILDREN) * 8;
    p.write(free, 0);
    return free;
  });
  finds("a node that nobody has locked", "STATE", (p) => {
    const node = p.first(NODE16);
    p.write(node, p.read(node) | (300 << SLOT_SHIFT));
    return node;
  });
  finds("a leaf that is locked by a slot that there can't be", "STATE", (p) => {
    const leaf = p.first(LEAF);
    p.write(leaf, p.read(leaf) | (1000 << SLOT_SHIFT));
    return leaf;
  });
  finds("a leaf that is locked by who verifies", "STATE", (p) => {
    const leaf = p.first(LEAF);
    p.write(leaf, p.read(leaf) | (1 << SLOT_SHIFT));
    return leaf;
  });
  finds("two pointers to one cell", "POINTER", (p) => {
    const node = p.cell(NODE4);
    const child = p.read(node + N4_CHILDREN);
    p.write(node + N4_CHILDREN + 4, child);
    return child * 8;
  });
  finds("a cell that no pointer leads to any more", "UNREACHABLE", (p) => {
    const node = p.first(NODE16);
    const child = p.read(node + N16_CHILDREN);
    p.write(node + N16_CHILDREN, p.read(node + N16_CHILDREN + 4));
    return child * 8;
  });
  finds("a pointer beyond the file", "STATE", (p) => {
    p.write(p.cell(NODE4) + N4_CHILDREN, 0x7fff_fff0);
    return 0x7fff_fff0 * 8;
  });
  finds("a pointer into the middle of a cell", "SLAB", (p) => {
    // Four units on, in a node of 128 digits, something that looks like a node.
    const node = p.first(NODE48);
    const inside = node + 448;
    p.write(inside, NODE4 | LIVE | (100 << AUX_SHIFT));
    p.write(p.cell(NODE4) + N4_CHILDREN, inside / 8);
    return inside;
  });
  finds("a node that is not deeper than the one above", "DEPTH", (p) => {
    for (const parent of p.cells(NODE4)) {
      for (const slot of [0, 4]) {
        const child = p.read(parent + N4_CHILDREN + slot) * 8;
        const tag = p.read(child);
        if ((tag & KIND_MASK) !== NODE4) continue;
        p.write(child, (tag & ((1 << AUX_SHIFT) - 1)) | ((p.read(parent) >>> AUX_SHIFT) << AUX_SHIFT));
        return child;
      }
    }
    throw new Error("the sample has no Node4 below a Node4");
  });
  finds("a node whose depth is not where its leaves part", "DIGITS", (p) => {
    const node = p.first(NODE16);
    p.write(node, p.read(node) + (1 << AUX_SHIFT));
    return p.read(node + N16_CHILDREN) * 8;
  });
  finds("a digit of a Node4 that its leaf does not have", "DIGITS", (p) => {
    const node =
      p.cells(NODE4).find((each) => (p.read(p.read(each + N4_CHILDREN) * 8) & KIND_MASK) === LEAF) ?? 0;
    p.write(node + N4_DIGITS, p.read(node + N4_DIGITS) ^ 0x40);
    return p.read(node + N4_CHILDREN) * 8;
  });
  finds("a live count that is wrong", "COUNTS", (p) => {
    const node = p.cell(NODE256);
    p.write(node + COUNTS, p.read(node + COUNTS) + (1 << LIVE_SHIFT));
    return node;
  });
  finds("a used count beyond the slots", "COUNTS", (p) => {
    const node = p.cell(NODE4);
    p.write(node + COUNTS, p.read(node + COUNTS) | 0x3f);
    return node;
  });
  finds("an index of a Node48 that is gone", "COUNTS", (p) => {
    const node = p.first(NODE48);
    for (let at = 0; at < 256; at += 4) {
      if (p.read(node + N48_INDEX + at) !== 0) {
        p.write(node + N48_INDEX + at, 0);
        break;
      }
    }
    return node;
  });
  finds("an emptied slot of a Node256", "COUNTS", (p) => {
    const node = p.cell(NODE256);
    for (let digit = 0; digit < 256; digit++) {
      const at = node + N256_CHILDREN + digit * 4;
      if (p.read(at) === 0) continue;
      p.write(at, 0);
      break;
    }
    return node;
  });
  for (const [name, at] of [
    ["checksum", LEAF_CHECKSUM],
    ["sequence number", LEAF_SEQ],
    ["key", LEAF_KEY],
  ] as const) {
    finds(`a leaf's ${name} that was changed`, "CHECKSUM", (p) => {
      const leaf = p.cell(LEAF);
      p.write(leaf + at, p.read(leaf + at) ^ 0x100);
      return leaf;
    });
  }
  finds("a leaf's value that was changed", "CHECKSUM", (p) => {
    const leaf = p.cell(LEAF);
    const value = leaf + lengthOffset(keyLengthOf(p.read(leaf))) + 4;
    p.write(value, p.read(value) ^ 1);
    return leaf;
  });
  finds("a byte at the end of a large value", "CHECKSUM", (p) => {
    for (let slab = FIRST_DATA_SLAB; ; slab++) {
      if (entryKind(p.read(entryOf(slab) + ENTRY_WORD)) !== SLAB_RUN) continue;
      p.write(slab * SLAB_BYTES + 40_000, 7);
      return slab * SLAB_BYTES;
    }
  });
  finds("a leaf of another type", "CHECKSUM", (p) => {
    const leaf = p.cell(LEAF);
    p.write(leaf, p.read(leaf) ^ (1 << 30));
    return leaf;
  });
  finds("a live leaf that says it is retired", "STATE", (p) => {
    const leaf = p.cell(LEAF);
    p.write(leaf, (p.read(leaf) & ~STATE_MASK) | RETIRED);
    return leaf;
  });
  finds("a retired cell that is in no limbo", "UNREACHABLE", (p) => {
    const leaf = p.cell(LEAF);
    p.write(leaf, (p.read(leaf) & ~STATE_MASK) | RETIRED);
    return leaf;
  });
  finds("a free cell that is not quite free", "STATE", (p) => {
    const leaf = p.cell(LEAF);
    p.write(leaf, p.read(leaf) & ~STATE_MASK);
    return leaf;
  });
  finds("a cell in limbo that is live", "LIMBO", (p) => {
    const retired = p.cell(LEAF, RETIRED);
    p.write(retired, (p.read(retired) & ~STATE_MASK) | LIVE);
    return retired;
  });
  finds("an entry of a limbo that was overwritten", "UNREACHABLE", (p) => {
    const chunk = p.read(firstSlot + SLOT_WAITING + LIMBO_CHUNK) * 8;
    const cell = p.read(chunk + CHUNK_ENTRIES);
    p.write(chunk + CHUNK_ENTRIES, p.read(chunk + CHUNK_ENTRIES + 8));
    return cell * 8;
  });
  finds("a cell that is in limbo twice", "LIMBO", (p) => {
    const chunk = p.read(firstSlot + SLOT_WAITING + LIMBO_CHUNK) * 8;
    const other = p.read(chunk + CHUNK_ENTRIES + 8);
    p.write(chunk + CHUNK_ENTRIES, other);
    return other * 8;
  });
  finds("a limbo whose chunk is lost", "UNREACHABLE", (p) => {
    const chunk = p.read(firstSlot + SLOT_WAITING + LIMBO_CHUNK);
    p.write(firstSlot + SLOT_WAITING + LIMBO_CHUNK, 0);
    return chunk * 8;
  });
  finds("a limbo that leads to a leaf", "POINTER", (p) => {
    const leaf = p.cell(LEAF);
    p.write(firstSlot + SLOT_WAITING + LIMBO_CHUNK, leaf / 8);
    return leaf;
  });
  finds("a chunk of nobody's limbo", "UNREACHABLE", (p) => {
    const chunk = p.first(LIMBO);
    const base = p.read(chunk - (chunk % SLAB_BYTES)) === 0 ? 0 : chunk - (chunk % SLAB_BYTES);
    const stray = base + 14 * CLASS_BYTES[LIMBO]!;
    p.write(stray, LIMBO | LIVE | (1 << 5));
    return stray;
  });
  finds("a number of keys that is wrong", "KEY_COUNT", (p) => {
    p.write(firstSlot + SLOT_KEY_COUNT, p.read(firstSlot + SLOT_KEY_COUNT) + 1);
    return firstSlot;
  });
  finds("an intent of a slot that is free", "INTENT", (p) => {
    // A second store comes and goes, and leaves slot 2.
    open(p.store.path).close();
    p.write(slotOf(2) + INTENT_STATE, 1);
    return slotOf(2);
  });
  finds("a slab's checksum that is wrong", "SLAB", (p) => {
    p.write(entryOf(FIRST_DATA_SLAB) + ENTRY_CHECKSUM, 1);
    return entryOf(FIRST_DATA_SLAB);
  });
  finds("a slab of another class", "SLAB", (p) => {
    const slab = Math.floor(p.cell(NODE4) / SLAB_BYTES);
    p.write(entryOf(slab), p.read(entryOf(slab)) + (1 << 4));
    return entryOf(slab);
  });
  finds("a slab in use that says it is free", "SLAB", (p) => {
    const node = p.first(NODE16);
    p.write(entryOf(Math.floor(node / SLAB_BYTES)), SLAB_FREE);
    return node;
  });
  for (const owner of [0, 9]) {
    finds(`a slab that is claimed by slot ${owner}, where nobody is`, "SLAB", (p) => claimSlab(p, owner));
  }
  finds("a reserved slab that is none", "SLAB", (p) => {
    p.write(entryOf(3), SLAB_FREE);
    return entryOf(3);
  });
  finds("a frontier beyond the file", "SLAB", (p) => {
    p.write(SB_FRONTIER, 1 << 20);
    return 0;
  });
  finds("a slab in use beyond the frontier", "SLAB", (p) => {
    const slab = Math.floor(p.cells(LEAF).at(-1)! / SLAB_BYTES);
    p.write(SB_FRONTIER, slab);
    return entryOf(slab);
  });
  finds("a root that is none", "POINTER", (p) => {
    p.write(FIRST_DATA_SLAB * SLAB_BYTES, NODE48 | LIVE);
    return FIRST_DATA_SLAB * SLAB_BYTES;
  });
});

describe("reading a damaged store", () => {
  test("CORRUPT with the offset, for a leaf whose value was changed, unless verifyReads is off", () => {
    const patient = new Patient();
    const { store } = patient;
    const leaf = patient.cell(LEAF);
    let key = "";
    for (const each of store.keys()) {
      patient.write(leaf + LEAF_KEY + 12, patient.read(leaf + LEAF_KEY + 12) ^ 1);
      try {
        store.get(each);
      } catch (error) {
        expect(error).toMatchObject({
          code: "CORRUPT",
          offset: leaf,
          message: expect.stringMatching(/bancos verify.*backup.*repair/),
        });
        key = each;
      }
      patient.write(leaf + LEAF_KEY + 12, patient.read(leaf + LEAF_KEY + 12) ^ 1);
      if (key !== "") break;
    }
    expect(store.get(key)).toBeString();
    patient.write(leaf + LEAF_KEY + 12, patient.read(leaf + LEAF_KEY + 12) ^ 1);
    const trusting = open<string>(store.path, { verifyReads: false });
    expect(trusting.get(key)).toBeString();
    trusting.close();
    expect(() => store.get(key)).toThrow("checksum");
    expect(() => [...store.values()]).toThrow("checksum");
    // Keys alone read no value.
    expect([...store.keys()]).toContain(key);
    patient.heal();
  });

  test("a pointer beyond the file and a circle are CORRUPT, not a crash and not a hang", () => {
    const patient = new Patient();
    const { store } = patient;
    const node = patient.cell(NODE256);
    for (const target of [0x7fff_fff0, 1, node / 8, FIRST_DATA_SLAB * (SLAB_BYTES / 8), -8]) {
      for (let digit = 0; digit < 256; digit++) {
        const at = node + N256_CHILDREN + digit * 4;
        if (patient.read(at) !== 0) patient.write(at, target);
      }
      expect(() => [...store.keys()]).toThrow("damaged");
      expect(() => [...store.keys({ reverse: true })]).toThrow("damaged");
      expect(store.verify().ok).toBe(false);
      for (let i = 0; i < 100; i += 9) {
        for (const call of [
          () => store.get(`a${String.fromCharCode(20 + i)}`),
          () => store.set(`a${String.fromCharCode(20 + i)}`, "x"),
          () => store.delete(`a${String.fromCharCode(20 + i)}`),
        ]) {
          expect(call).toThrow("damaged");
        }
      }
    }
    patient.heal();
  });
});

describe("writing into a damaged store ends (each of these hung when it was found, by flipping bits)", () => {
  /** Does something to every key that the sample has below its nodes; every error is CORRUPT. */
  function writeEverywhere(store: Store<string>): Set<string> {
    const codes = new Set<string>();
    const tried = (run: () => unknown): void => {
      try {
        run();
      } catch (error) {
        codes.add((error as BancosError).code);
      }
    };
    for (const key of sampleEntries().keys()) {
      tried(() => store.set(key, "new"));
      tried(() => store.set(`${key} and more`, "new"));
      tried(() => store.compareAndSet(key, "new", "newer"));
      tried(() => store.delete(key));
      tried(() => store.add(`${key} number`, 1));
      tried(() => [...store.keys({ gte: key, limit: 3 })]);
    }
    return codes;
  }

  for (const [name, kind] of [
    ["Node4", NODE4],
    ["Node16", NODE16],
    ["Node48", NODE48],
    ["Node256", NODE256],
  ] as const) {
    // A lock is the number of its holder in the node's tag; a free slot holds none.
    test(`a ${name} that is locked by a participant that is not there`, () => {
      for (const slot of [2, 300, 512, 513, 1023]) {
        const patient = new Patient();
        const node = kind === NODE256 ? patient.cell(kind) : patient.first(kind);
        patient.write(node, patient.read(node) | (slot << SLOT_SHIFT));
        expect(writeEverywhere(patient.store)).toEqual(new Set(["CORRUPT"]));
        patient.abandon();
      }
    });

    // The descent and the check under the lock go by different fields: a change started again for ever.
    test(`a ${name} whose counts contradict its slots`, () => {
      for (const [used, live] of [
        [0, 0],
        [0, 2],
        [0, 300],
        [255, 1],
        [255, 2],
        [4, 3],
        [16, 5],
        [48, 17],
      ] as const) {
        const patient = new Patient();
        const node = kind === NODE256 ? patient.cell(kind) : patient.first(kind);
        patient.write(node + COUNTS, used | (live << LIVE_SHIFT));
        for (const code of writeEverywhere(patient.store)) expect(code).toBe("CORRUPT");
        patient.abandon();
      }
    });
  }

  test("a leaf that is locked by a participant that is not there: other keys are not concerned", () => {
    for (const slot of [2, 300, 512, 513, 1023]) {
      const patient = new Patient();
      const { store } = patient;
      const numbers = store as unknown as Store<unknown>;
      numbers.set("number", 1.5);
      const leaf = inspectKey(store, "number").leaf!.offset;
      patient.write(leaf, patient.read(leaf) | (slot << SLOT_SHIFT));
      expect(numbers.get("number")).toBe(1.5);
      for (const change of [
        () => numbers.set("number", 2.5),
        () => numbers.add("number", 1),
        () => numbers.compareAndSet("number", 1.5, 2.5),
        () => numbers.set("number", "a text"),
        () => numbers.delete("number"),
      ]) {
        expect(change).toThrow("locked by");
      }
      numbers.set("number/2", 1).delete("number/2");
      patient.heal();
    }
  });

  test("a node or leaf that is locked by one who is there and knows nothing of it", () => {
    const patient = new Patient();
    const other = open<string>(patient.store.path, { flushEvery: 0 });
    const numbers = patient.store as unknown as Store<unknown>;
    numbers.set("number", 1.5);
    const { leaf, path } = inspectKey(patient.store, "number");
    for (const cell of [leaf!.offset, path.at(-1)!.offset]) {
      const tag = patient.read(cell);
      patient.write(cell, tag | (2 << SLOT_SHIFT));
      expect(() => numbers.set("number", "a text")).toThrow("does not name it");
      expect(numbers.get("number")).toBe(1.5);
      patient.write(cell, tag);
    }
    numbers.set("number", "a text");
    other.close();
    expectSound(patient.store);
    patient.abandon();
  });

  test("a gate shut, and a sync held, by nobody: opened by the next who comes alone", () => {
    const path = quickPath();
    for (const field of [SB_GATE, SB_NO_IN_PLACE, SB_SYNC_OWNER]) {
      for (const word of [1, 77, 513, -1]) {
        const store = open<number>(path).set("a", 1);
        store.close();
        const fd = openSync(path, "r+");
        writeSync(fd, new Uint8Array(Int32Array.of(word).buffer), 0, 4, field);
        closeSync(fd);
        const next = open<number>(path);
        next.set("a", 2).set("b", 3).flushSync();
        expect(next.get("a")).toBe(2);
        expectSound(next);
        next.close();
      }
    }
  });

  test("a frontier that lies outside any file", () => {
    for (const frontier of [-1, -(2 ** 31), 0, 5, 2 ** 31 - 1]) {
      const patient = new Patient();
      patient.write(SB_FRONTIER, frontier);
      // 20 kB: needs slabs.
      expect(() => patient.store.set("large", "x".repeat(20_000))).toThrow("frontier");
      for (const code of writeEverywhere(patient.store)) expect(code).toBe("CORRUPT");
      expect(patient.store.verify().problems).toContainEqual({
        code: "SLAB",
        offset: 0,
        message: expect.stringMatching(/frontier/),
      });
      patient.abandon();
    }
  });

  test("a limbo whose chunks go in a circle: the next who takes the slot says CORRUPT", () => {
    const path = quickPath();
    const store = open<string>(path, { flushEvery: 0 });
    fillSample(store);
    store.close();
    const fd = openSync(path, "r+");
    const word = Buffer.alloc(4);
    const read = (offset: number): number => {
      readSync(fd, word, 0, 4, offset);
      return word.readInt32LE();
    };
    const write = (offset: number, value: number): void => {
      word.writeInt32LE(value);
      writeSync(fd, word, 0, 4, offset);
    };
    const chunk = read(firstSlot + SLOT_WAITING + LIMBO_CHUNK);
    write(chunk * 8 + CHUNK_NEXT, chunk);
    // A chunk on its way in or out is looked for in the chain.
    write(firstSlot + SLOT_WAITING + LIMBO_TRANSIT, read(firstSlot + SLOT_LIMBO + LIMBO_CHUNK));
    closeSync(fd);
    expect(() => open(path)).toThrow("does not end");
    const rebuilt = open<string>(path, { recover: "rebuild" });
    expect(rebuilt.size).toBe(sampleEntries().size);
    expectSound(rebuilt);
    rebuilt.close();
  });
});
