/**
 * Tries mutants: `child.ts IMAGES FOLDER SEED FROM STEP MILLISECONDS MOST [READONLY]`.
 *
 * Mutants FROM, FROM + STEP, and so on, until the time is over, or there have been MOST that differ. The file `progress` in
 * FOLDER says how many there have been, and the number, plus 1, of the one under way; on the standard output come a line `WRONG` where an answer was wrong,
 * and at the end a line of figures. READONLY is FOLDER where it can't be written, if there is such a place.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { KeyEncoding } from "../../src/index.ts";
import { SB_CLEAN } from "../../src/memory/layout.ts";
import { random } from "../random.ts";
import { Attempt, contentOf, newFigures, openAny, type Sample } from "./attempt.ts";
import { everWritten, keysOf, type Size } from "./content.ts";
import { mutate, reboot, surveyed } from "./mutate.ts";
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

/** The sample of mutant `number`. No two children have mutants of the same image, lest they try the same ones. */
function sampleOfMutant(number: number): Sample {
  const own = number % step;
  const row = Math.floor(number / step / IN_A_ROW);
  const pick = random(Math.imul(seed + own, 0x632be5ab) ^ Math.imul(row, 0x85157af5));
  const some = bySize[pick(SMALL_TO_LARGE) === 0 ? "large" : "small"].filter((_, i) => i % step === own);
  return some[pick(some.length)]!;
}

/** Tries mutant `number`; returns how many milliseconds that took. */
async function attempt(number: number): Promise<number> {
  const pick = random(Math.imul(seed, 0x2545f491) + number);
  const sample = sampleOfMutant(number);
  const { target, image } = sample;
  const mutant = mutate(image, target.bytes, seed, number);
  const isDisowned = mutant.length > SB_CLEAN + 4 && pick(6) === 0;
  if (isDisowned) reboot(target.bytes);
  const fingerprint = target.fingerprint(mutant);
  // What was there was put there once more: no mutant.
  if (fingerprint === null) return 0;
  seen.add(fingerprint);
  figures.mutants++;
  target.setLength(mutant);
  const trial = new Attempt(sample, mutant, figures, pick);
  // A repair costs as much as three others, for its new file above all.
  const how = pick(20);
  const started = performance.now();
  if (how < 1) await trial.repair();
  else if (how < 3 && target.readOnlyPath !== undefined) {
    figures.readOnly++;
    const recover = pick(2) === 0 ? "rebuild" : "auto";
    await trial.open(target.readOnlyPath, { readOnly: true, recover }, isDisowned);
  } else if (how < 6) await trial.open(target.path, { recover: "rebuild" }, isDisowned);
  else if (how < 8) await trial.open(target.path, { readOnly: true }, isDisowned);
  else await trial.open(target.path, {}, isDisowned);
  const milliseconds = performance.now() - started;
  target.restore();
  for (const problem of new Set(trial.problems)) {
    const what = { number, image: image.name, how, isDisowned, what: mutant.what, problem };
    process.stdout.write(`WRONG ${JSON.stringify(what)}\n`);
  }
  return milliseconds;
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
for (const { target } of samples) target.close();
console.log(`DONE ${JSON.stringify(figures)}`);
