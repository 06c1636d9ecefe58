/**
 * Tries mutants: `child.ts IMAGES FOLDER SEED FROM STEP MILLISECONDS MOST [READONLY]`.
 *
 * Mutants FROM, FROM + STEP, and so on, until the time is over, or there have been MOST that differ. Of a third of them
 * the file is damaged and then opened; of the others it is damaged beneath a store that reads it. The file `progress` in
 * FOLDER says how many there have been, and the number, plus 1, of the one under way; on the standard output come a line
 * `WRONG` where an answer was wrong, and at the end a line of figures. READONLY is FOLDER where it can't be written, if
 * there is such a place.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Key, KeyEncoding, OpenOptions, Store, Value } from "../../src/index.ts";
import { SB_CLEAN } from "../../src/memory/layout.ts";
import { Hints } from "../../src/rowex/hints.ts";
import { random } from "../random.ts";
import { Attempt, contentOf, newFigures, openAny, type Sample } from "./attempt.ts";
import { everWritten, keyAt, keysOf, type Size } from "./content.ts";
import { type Image, mutate, reboot, surveyed } from "./mutate.ts";
import { Target } from "./target.ts";

const [images = "", folder = "", seedText = "", from = "", stepText = "", time = "", most = "", readOnly] =
  process.argv.slice(2);
const seed = Number(seedText);
const step = Number(stepText);
const until = performance.now() + Number(time);
/** No mutant may take so many milliseconds; one that does is tried again, since the machine may be busy. */
const TOO_SLOW = 1000;

/** One mutant in so many is of a large image: they cost several times as much. */
const SMALL_TO_LARGE = 8;

/** One row in so many is of closed files: to open and close a store is most of what a mutant costs. */
const CLOSED = 3;

/** So many mutants are of the same image, since then most of it is in the caches. */
const IN_A_ROW = 32;

const written = new Map<string, Map<string, Set<string>>>();
function sampleOf(name: string): Sample {
  const [, kind = ""] = name.split("-");
  const [size, encoding] = kind.split(".") as [Size, KeyEncoding];
  if (!written.has(kind)) written.set(kind, everWritten(encoding, size));
  const target = new Target(join(folder, name), readFileSync(join(images, name)), readOnly);
  const image = surveyed(name, target.image);
  const store = openAny(target.path);
  const content = contentOf(store);
  const { ok } = store.verify();
  const { found } = store.stats().recovery;
  store.close();
  target.restore();
  const asExpected = found === "clean" || found === "unclean";
  if (!ok || !asExpected || content.size < keysOf(size).length / 2)
    throw new Error(`the image ${name} is ${found}, ${ok}, ${content.size} keys`);
  return { size, encoding, image, target, written: written.get(kind)!, content };
}

const samples = readdirSync(images).sort().map(sampleOf);
const bySize = Object.groupBy(samples, ({ size }) => size) as Record<Size, Sample[]>;
const progress = new Int32Array(Bun.mmap(join(folder, "progress")).buffer);
const figures = newFigures();
const seen = new Set<number>();

/** Mutants of one image that come one after the other. */
interface Row {
  readonly number: number;
  readonly sample: Sample;
  /** The image as it is; where the row's mutants are made beneath an open store, as it was when that was opened. */
  readonly image: Image;
  readonly store: Store<Value, Key> | null;
}

/** No two children have mutants of the same image, lest they try the same ones. */
function rowOf(own: number, number: number): Row {
  const pick = random(Math.imul(seed + own, 0x632be5ab) ^ Math.imul(number, 0x85157af5));
  const some = bySize[pick(SMALL_TO_LARGE) === 0 ? "large" : "small"].filter((_, i) => i % step === own);
  const sample = some[pick(some.length)]!;
  if (pick(CLOSED) === 0) return { number, sample, image: sample.image, store: null };
  const store = openAny(sample.target.path, { readOnly: true });
  return { number, sample, image: surveyed(sample.image.name, sample.target.rebase()), store };
}

let row: Row | null = null;

function endRow(): void {
  row?.store?.close();
  row?.sample.target.reset();
  row = null;
}

function report(number: number, trial: Attempt, image: Image, what: readonly string[], how: string): void {
  for (const problem of new Set(trial.problems)) {
    process.stdout.write(`WRONG ${JSON.stringify({ number, image: image.name, how, what, problem })}\n`);
  }
}

/** Tries mutant `number`; returns how many milliseconds that took. */
async function attempt(number: number): Promise<number> {
  const rowNumber = Math.floor(number / step / IN_A_ROW);
  if (row?.number !== rowNumber) {
    endRow();
    row = rowOf(number % step, rowNumber);
  }
  const { sample, image, store } = row;
  const { target } = sample;
  const pick = random(Math.imul(seed, 0x2545f491) + number);
  if (store !== null) setHints(store, sample, number % 2 === 0);
  const mutant = mutate(image, target.bytes, seed, number);
  const isDisowned = store === null && mutant.length > SB_CLEAN + 4 && pick(6) === 0;
  if (isDisowned) reboot(target.bytes);
  const fingerprint = target.fingerprint(mutant);
  // What was there was put there once more: no mutant. And to cut a file that is mapped kills who reads it.
  if (fingerprint === null || (store !== null && mutant.length !== image.bytes.length)) {
    target.restore();
    return 0;
  }
  seen.add(fingerprint);
  figures.mutants++;
  const trial = new Attempt(sample, mutant, figures, pick);
  const started = performance.now();
  if (store !== null) {
    figures.beneath++;
    trial.read(store, mutant.forged);
    report(number, trial, image, mutant.what, "beneath an open store");
  } else {
    target.setLength(mutant);
    const how = await tryClosed(trial, target, pick, isDisowned);
    report(number, trial, image, mutant.what, isDisowned ? `${how}, from another boot` : how);
  }
  const milliseconds = performance.now() - started;
  target.restore();
  return milliseconds;
}

/**
 * What an open store knows of where keys are, before its file is damaged: that of all of them, or nothing. Not what it
 * took from the mutants before, so that each can be tried again alone.
 */
function setHints(store: Store<Value, Key>, { size, encoding }: Sample, all: boolean): void {
  (store as unknown as { hints: Hints }).hints = new Hints();
  if (all) for (const i of keysOf(size)) store.get(keyAt(encoding, i));
}

/** What is done with a mutant of a file that nobody has open. */
async function tryClosed(
  trial: Attempt,
  target: Target,
  pick: (below: number) => number,
  isDisowned: boolean,
): Promise<string> {
  const how = pick(20);
  // A repair costs as much as three others, for its new file above all.
  if (how < 1) {
    await trial.repair();
    return "repaired";
  }
  const recover = pick(2) === 0 ? "rebuild" : "auto";
  if (how < 3 && target.readOnlyPath !== undefined) {
    figures.readOnly++;
    await trial.open(target.readOnlyPath, { readOnly: true, recover }, isDisowned);
    return `read without a slot, ${recover}`;
  }
  const options: OpenOptions = how < 6 ? { recover: "rebuild" } : how < 8 ? { readOnly: true } : {};
  await trial.open(target.path, options, isDisowned);
  return `opened with ${JSON.stringify(options)}`;
}

for (let number = Number(from); ; number += step) {
  progress[1] = number + 1;
  let milliseconds = await attempt(number);
  if (milliseconds > TOO_SLOW) {
    milliseconds = Math.min(milliseconds, await attempt(number));
    if (milliseconds > TOO_SLOW) process.stdout.write(`WRONG ${JSON.stringify({ number, milliseconds })}\n`);
  }
  figures.slowest = Math.max(figures.slowest, Math.round(milliseconds));
  progress[0] = seen.size;
  if (seen.size >= Number(most) || performance.now() >= until) break;
}
endRow();
for (const { target } of samples) target.close();
console.log(`DONE ${JSON.stringify(figures)}`);
