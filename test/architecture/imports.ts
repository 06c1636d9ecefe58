/**
 * Who imports whom, and whether the layers allow it.
 *
 * A folder of `src/` is a layer. A file imports from its own layer and from layers below it, never from above, and no
 * chain of imports leads back to where it began. Imports of types count like all others: they too say what a reader
 * has to know.
 */
import { posix } from "node:path";

/** The layers from the ground up. `errors` is the file `src/errors.ts`, the others are folders. */
export const LAYERS = [
  "errors",
  "codec",
  "memory",
  "node",
  "reclaim",
  "rowex",
  "recovery",
  "store",
  "pool",
  "adapters",
  "entry",
  "cli",
] as const;

export type Layer = (typeof LAYERS)[number];

/** What the command line may use: what users of the library have, and the store. */
const CLI_MAY_IMPORT: readonly Layer[] = ["store", "entry", "cli"];

/** Files outside `src/` that a layer may name, as prefixes of paths. */
const OUTSIDE: Partial<Record<Layer, readonly string[]>> = {
  memory: ["c/", "build/", "native/"],
  entry: ["package.json"],
  cli: ["package.json"],
};

/** The one package that an adapter is for. */
const PACKAGES: Readonly<Record<string, string>> = {
  "src/adapters/level.ts": "abstract-level",
  "src/adapters/unstorage.ts": "unstorage",
};

const CLAUSE = String.raw`[\w$*{},\s]+?`;
const STATIC = new RegExp(String.raw`^(?:import|export)\s+(?:${CLAUSE}\s*from\s*)?"([^"\n]+)"`, "gm");
const DYNAMIC = /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\(\s*"([^"\n]+)"/gm;

/**
 * The modules that a source names in `import`, `export … from`, `import()` and `import("…").Type`.
 * It relies on the project's format: statements begin their line, strings have double quotes.
 */
export function importsOf(source: string): string[] {
  const found = new Set<string>();
  for (const pattern of [STATIC, DYNAMIC]) {
    for (const [, name] of source.matchAll(pattern)) if (name !== undefined) found.add(name);
  }
  return [...found];
}

/** The layer of a file such as `src/rowex/insert.ts`; `undefined` if it is in none. */
export function layerOf(path: string): Layer | undefined {
  const parts = path.split("/");
  if (parts[0] !== "src") return undefined;
  // Files right in src/ are what the package exports, but for the ground of everything.
  if (parts.length === 2) return parts[1] === "errors.ts" ? "errors" : "entry";
  return LAYERS.find((layer) => layer === parts[1] && layer !== "errors" && layer !== "entry");
}

function problemOf(
  path: string,
  layer: Layer,
  name: string,
  files: ReadonlyMap<string, string>,
): string | undefined {
  if (!name.startsWith(".")) {
    if (name === "bun:ffi" && layer !== "memory") return "only src/memory may use bun:ffi";
    if (/^(node|bun):|^bun$/.test(name) || layer === "cli") return undefined;
    if (PACKAGES[path] === name) return undefined;
    return "only src/cli may use other packages, and an adapter the one that it is for";
  }
  const target = posix.normalize(posix.join(posix.dirname(path), name));
  if (!target.startsWith("src/")) {
    const allowed = OUTSIDE[layer] ?? [];
    return allowed.some((prefix) => target.startsWith(prefix)) ? undefined : "it lies outside of src/";
  }
  if (!files.has(target)) return "there is no such file";
  const below = layerOf(target);
  if (below === undefined) return "it is in no layer";
  if (layer === "cli")
    return CLI_MAY_IMPORT.includes(below) ? undefined : "src/cli uses the entries and src/store";
  // So that whoever doesn't use an adapter needs no package for it.
  if (layer === "entry" && below === "adapters" && target !== path.replace("src/", "src/adapters/"))
    return "an adapter has an entry of its own";
  if (LAYERS.indexOf(below) > LAYERS.indexOf(layer)) return `${layer} lies below ${below}`;
  return undefined;
}

/** One sentence for each import that breaks a rule. `files`: path from the project's folder → source. */
export function layerProblems(files: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [path, source] of files) {
    const layer = layerOf(path);
    if (layer === undefined) {
      problems.push(`${path}: its folder is no layer`);
      continue;
    }
    for (const name of importsOf(source)) {
      const problem = problemOf(path, layer, name, files);
      if (problem !== undefined) problems.push(`${path} imports ${name}: ${problem}`);
    }
  }
  return problems;
}

/** Every cycle that a walk along the imports meets, as `a → b → a`. */
export function importCycles(files: ReadonlyMap<string, string>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  function visit(path: string): void {
    const at = trail.indexOf(path);
    if (at >= 0) {
      cycles.push([...trail.slice(at), path].join(" → "));
      return;
    }
    const source = files.get(path);
    if (done.has(path) || source === undefined) return;
    trail.push(path);
    for (const name of importsOf(source)) {
      if (name.startsWith(".")) visit(posix.normalize(posix.join(posix.dirname(path), name)));
    }
    trail.pop();
    done.add(path);
  }
  for (const path of files.keys()) visit(path);
  return cycles;
}
