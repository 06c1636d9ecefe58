/**
 * The rounds in which two processes hammer the same words. hammer.test.ts says what must come out.
 *
 * Each round works on a cell of its own. A process counts what it finds wrong, or what it won, and puts that number
 * into its result cell of the round.
 */
import { monotonicNs, yieldThread } from "../../src/memory/platform.ts";
import * as m from "../../src/memory/primitives.ts";

/** How often each process does the thing in most rounds. */
export const TIMES = 2 ** 17;
/** How often the two meet in the rounds about order. */
export const MEETINGS = 1_500;
/** Cells whose bits are claimed in a round of fetchOr. */
export const CLAIMED = 400;

/** What a round may use. */
export interface Place {
  readonly h: number;
  /** 0 or 1: which of the two processes. */
  readonly me: number;
  /** The first of the round's 1,024 cells, all zero at the start. */
  readonly cell: number;
}

/** The file is so long. */
export const ROUND_CELLS = 1024;
const BARRIER = 0;
const FIRST_ROUND = 1024;

/** Where process `me` puts its result of round `index`. */
export const resultCell = (index: number, me: number): number => 8 + index * 2 + me;
/** The cells of round `index`. */
export const roundCell = (index: number): number => FIRST_ROUND + index * ROUND_CELLS;

/** Pauses before a wait gives up the processor. With few, two processes settle on one processor and take turns. */
const LONG = 2000;

let met = 0;

/**
 * Waits for the other process; both go on together. By loads and stores alone, so that a broken read-modify-write
 * shows in its own round and not here.
 */
function meet(h: number, me: number): void {
  met++;
  m.store32(h, BARRIER, me * 32, met);
  const deadline = monotonicNs() + 60e9;
  for (let spins = 0; m.load32(h, BARRIER, 32 - me * 32) < met; spins++) {
    if (spins < LONG) m.pause(1);
    else {
      yieldThread();
      if (monotonicNs() > deadline) throw new Error("the other process does not come");
    }
  }
}

/** Does `work` {@link TIMES} times, in short runs that both processes start together: else they might take turns. */
function often({ h, me }: Place, work: (i: number) => void): void {
  for (let i = 0; i < TIMES; i++) {
    if ((i & 2047) === 0) meet(h, me);
    work(i);
  }
}

const words = new Int32Array(2);
const double = new Float64Array(words.buffer);

/** Adds by one at a time and sums up the old values that came back. */
function adding(add: (h: number, cell: number, off: number, v: number) => number): (p: Place) => number {
  return (p) => {
    let sum = 0;
    often(p, () => {
      sum += add(p.h, p.cell, 8, 1);
    });
    return sum;
  };
}

/** Counts up by compare-exchange; how often one returned 1. */
function swapping(
  load: (h: number, cell: number, off: number) => number,
  cas: (h: number, cell: number, off: number, expected: number, desired: number) => number,
): (p: Place) => number {
  return (p) => {
    let done = 0;
    often(p, () => {
      for (let won = 0; won === 0; done += won) {
        const old = load(p.h, p.cell, 8);
        won = cas(p.h, p.cell, 8, old, old + 1);
      }
    });
    return done;
  };
}

/** Sets one bit after the other; how many this process set first. */
function claiming(
  bits: number,
  or: (h: number, cell: number, off: number, v: number) => number,
): (p: Place) => number {
  return ({ h, me, cell }) => {
    let won = 0;
    for (let c = 0; c < CLAIMED; c++) {
      meet(h, me);
      for (let bit = 0; bit < bits; bit++) {
        const old = or(h, cell + c, 0, 2 ** bit);
        if (Math.floor(old / 2 ** bit) % 2 === 0) won++;
      }
    }
    return won;
  };
}

/** Passes numbers around by exchange; the one it is left with. */
function passing(
  exchange: (h: number, cell: number, off: number, v: number) => number,
  mine: (me: number) => number,
): (p: Place) => number {
  return (p) => {
    let held = mine(p.me);
    often(p, () => {
      held = exchange(p.h, p.cell, 8, held);
    });
    return held;
  };
}

/** Both store values whose halves are alike and look at what is there; how often the halves differed. */
function tearing(
  store: (h: number, cell: number, half: number) => void,
  torn: (h: number, cell: number) => boolean,
): (p: Place) => number {
  return (p) => {
    let wrong = 0;
    often(p, (i) => {
      store(p.h, p.cell, (i * 2 + p.me) & 0x1fffff);
      if (torn(p.h, p.cell)) wrong++;
    });
    return wrong;
  };
}

const halvesDiffer = (whole: number): boolean => Math.floor(whole / 2 ** 32) !== whole % 2 ** 32;
const twice = (half: number): number => half * 2 ** 32 + half;
const asDouble = (half: number): number => {
  words.fill(half);
  return double[0] as number;
};
const torn64 = (h: number, cell: number): boolean => halvesDiffer(m.load64(h, cell, 0));
const tornF64 = (h: number, cell: number): boolean => {
  double[0] = m.loadF64(h, cell, 0);
  return words[0] !== words[1];
};

/** Announcements between two meetings: one after the other, so that some fall together with the other's. */
const ANNOUNCED = 32;

/**
 * Each announces itself and then looks for the other. Both missing each other is what the order forbids; they write
 * down what they saw, and process 0 counts how often both saw nothing.
 */
function announcing(
  announce: (h: number, cell: number, off: number, v: number) => void,
): (p: Place) => number {
  return ({ h, me, cell }) => {
    const [mine, other] = [me * 64, 64 - me * 64]; // cache lines of their own
    const saw = cell + ANNOUNCED * 16;
    const seen = new Int32Array(ANNOUNCED);
    let both = 0;
    for (let i = 1; i <= MEETINGS; i++) {
      meet(h, me);
      for (let k = 0; k < ANNOUNCED; k++) {
        announce(h, cell + k * 16, mine, i);
        seen[k] = m.load32(h, cell + k * 16, other) === i ? 1 : 0;
      }
      for (let k = 0; k < ANNOUNCED; k++) m.store32(h, saw, k * 8 + me * 4, seen[k] as number);
      meet(h, me);
      for (let k = 0; me === 0 && k < ANNOUNCED; k++) if (m.load64(h, saw, k * 8) === 0) both++;
    }
    return both;
  };
}

/** Writes data, then a flag; the other waits for the flag and looks at the data; how often it was old. */
function publishing(
  publish: (h: number, cell: number, off: number, v: number) => void,
  seen: (h: number, cell: number, off: number) => number,
): (p: Place) => number {
  return ({ h, me, cell }) => {
    let old = 0;
    for (let i = 1; i <= MEETINGS; i++) {
      meet(h, me);
      if (me === 0) {
        m.store32(h, cell, 64, i);
        publish(h, cell, 0, i & 127);
      } else {
        for (let tries = 0; seen(h, cell, 0) !== (i & 127); tries++) breathe(tries);
        if (m.load32(h, cell, 64) !== i) old++;
      }
    }
    return old;
  };
}

/** Between two tries for a lock; at last it gives up, since a broken primitive may leave it locked. */
function breathe(tries: number): void {
  if (tries > 1_000_000) throw new Error("the lock is never released");
  if (tries > 200) yieldThread();
}

function locked(h: number, cell: number, off: number, work: () => void): void {
  for (let tries = 0; m.cas32(h, cell, off, 0, 1) === 0; tries++) breathe(tries);
  work();
  m.fence();
  m.store32(h, cell, off, 0);
}

/** Every round by its name. */
export const ROUNDS: Readonly<Record<string, (p: Place) => number>> = {
  fetchAdd8: adding(m.fetchAdd8),
  fetchAdd16: adding(m.fetchAdd16),
  fetchAdd32: adding(m.fetchAdd32),
  fetchAdd64: adding(m.fetchAdd64),
  fetchSub8: adding(m.fetchSub8),
  fetchSub16: adding(m.fetchSub16),
  fetchSub32: adding(m.fetchSub32),
  fetchSub64: adding(m.fetchSub64),
  fetchOr8: claiming(8, m.fetchOr8),
  fetchOr16: claiming(16, m.fetchOr16),
  fetchOr32: claiming(31, m.fetchOr32),
  fetchOr64: claiming(52, m.fetchOr64),
  cas8: swapping(m.load8, m.cas8),
  cas16: swapping(m.load16, m.cas16),
  cas32: swapping(m.load32, m.cas32),
  cas64: swapping(m.load64, m.cas64),
  casWeak8: swapping(m.load8, m.casWeak8),
  casWeak16: swapping(m.load16, m.casWeak16),
  casWeak32: swapping(m.load32, m.casWeak32),
  casWeak64: swapping(m.load64, m.casWeak64),
  exchange32: passing(m.exchange32, (me) => 101 + me),
  exchange64: passing(m.exchange64, (me) => 2 ** 40 * (me + 1) + 7),
  "storePair and load64": tearing((h, cell, half) => m.storePair(h, cell, 0, half, half), torn64),
  "store64 and load64": tearing((h, cell, half) => m.store64(h, cell, 0, twice(half)), torn64),
  "storeF64 and loadF64": tearing((h, cell, half) => m.storeF64(h, cell, 0, asDouble(half)), tornF64),
  movnt64: tearing((h, cell, half) => m.movnt64(h, cell, 0, half, half), torn64),
  "movnt32 and load32": tearing(
    (h, cell, half) => m.movnt32(h, cell, 0, (half & 0xffff) * 0x10001),
    (h, cell) => {
      const word = m.load32(h, cell, 0);
      return word >>> 16 !== (word & 0xffff);
    },
  ),
  "store32 whole": tearing(
    (h, cell, half) => m.store32(h, cell, 0, (half & 0xffff) * 0x10001),
    (h, cell) => {
      const word = m.load32(h, cell, 0);
      return word >>> 16 !== (word & 0xffff);
    },
  ),
  "store16 whole": tearing(
    (h, cell, half) => m.store16(h, cell, 0, (half & 0xff) * 0x101),
    (h, cell) => {
      const word = m.load16(h, cell, 0);
      return word >>> 8 !== (word & 0xff);
    },
  ),
  "store8 and load8": publishing(m.store8, m.load8),
  "store16 and load16": publishing(m.store16, m.load16),
  "store32 and load32": publishing(m.store32, m.load32),
  enterEpoch: announcing((h, cell, off, v) => {
    // The epoch lies in the half of the line that nobody else uses, so that the announcement carries the number.
    m.store32(h, cell, off + 32, v);
    m.enterEpoch(h, cell, off + 32, cell, off);
  }),
  "exchange32 as a store": announcing((h, cell, off, v) => {
    m.exchange32(h, cell, off, v);
  }),
  "exchange64 as a store": announcing((h, cell, off, v) => {
    m.exchange64(h, cell, off, v);
  }),
  "store32 and fence": announcing((h, cell, off, v) => {
    m.store32(h, cell, off, v);
    m.fence();
  }),
  "movnt32 and fence": announcing((h, cell, off, v) => {
    m.movnt32(h, cell, off, v);
    m.fence();
  }),
  /** Each sets bytes of its own in one word, under a lock; how often a byte of its own was lost. */
  setN48Key: (p) => {
    const { h, me, cell } = p;
    let lost = 0;
    often(p, (i) => {
      const off = me * 4 + (i & 3);
      locked(h, cell, 64, () => m.setN48Key(h, cell, off, i & 255));
      if (i >= 3 && m.load8(h, cell, me * 4 + ((i + 1) & 3)) !== ((i - 3) & 255)) lost++;
    });
    return lost;
  },
  /** The weak exclusion is as good as the strong one: a counter that is not atomic, under a lock by casWeak. */
  "casWeak32 as a lock": (p) => {
    const { h, cell } = p;
    often(p, () => {
      for (let tries = 0; m.casWeak32(h, cell, 64, 0, 1) === 0; tries++) breathe(tries);
      m.store32(h, cell, 8, m.load32(h, cell, 8) + 1);
      m.store32(h, cell, 64, 0);
    });
    return TIMES;
  },
  // Last: from here on `enterEpoch` has no fence of its own in these processes.
  "enterEpoch, fenced by the other": announcing((h, cell, off, v) => {
    m.letOthersFence();
    m.store32(h, cell, off + 32, v);
    if (off === 0) m.enterEpoch(h, cell, off + 32, cell, off);
    else {
      m.store32(h, cell, off, v);
      m.fenceOthers();
    }
  }),
};

/** Does all rounds as process `me`, together with the other. */
export function hammer(h: number, me: number): void {
  for (const [index, round] of Object.values(ROUNDS).entries()) {
    meet(h, me);
    m.storeF64(h, resultCell(index, me), 0, round({ h, me, cell: roundCell(index) }));
  }
  meet(h, me);
}
