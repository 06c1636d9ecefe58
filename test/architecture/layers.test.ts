/** The layers of `src/` import one way: see `imports.ts` beside this file. */
import { describe, expect, test } from "bun:test";
import { projectFiles, textOf } from "./files.ts";
import { importCycles, importsOf, LAYERS, layerOf, layerProblems } from "./imports.ts";

function sources(): Map<string, string> {
  const files = new Map<string, string>();
  for (const path of projectFiles()) {
    if (path.startsWith("src/") && path.endsWith(".ts")) files.set(path, textOf(path) ?? "");
  }
  return files;
}

describe("src/", () => {
  const files = sources();

  test("has files", () => {
    expect(files.has("src/errors.ts")).toBe(true);
  });

  test("imports from its own layer and below only", () => {
    expect(layerProblems(files)).toEqual([]);
  });

  test("has no cycle of imports", () => {
    expect(importCycles(files)).toEqual([]);
  });

  test("names no import that our own reader of imports overlooks", () => {
    // Bun's parser cannot be fooled by layout, but leaves out imports of types; ours must find all that Bun finds.
    const transpiler = new Bun.Transpiler({ loader: "ts" });
    const overlooked: string[] = [];
    for (const [path, source] of files) {
      const ours = new Set(importsOf(source));
      // The line by which a shell finds Bun is none of its syntax here.
      for (const { path: name } of transpiler.scanImports(source.replace(/^#!.*/, ""))) {
        if (!ours.has(name)) overlooked.push(`${path}: ${name}`);
      }
    }
    expect(overlooked).toEqual([]);
  });
});

describe("the check itself", () => {
  const good = new Map([
    ["src/errors.ts", "export const a = 1;\n"],
    ["src/codec/keys.ts", 'import { a } from "../errors.ts";\nexport const k = a;\n'],
    ["src/memory/mapped.ts", 'import { dlopen } from "bun:ffi";\nimport { a } from "../errors.ts";\n'],
    ["src/store/store.ts", 'import { k } from "../codec/keys.ts";\nimport fs from "node:fs";\n'],
    ["src/index.ts", 'export { k } from "./store/store.ts";\n'],
    ["src/adapters/level.ts", 'import { AbstractLevel } from "abstract-level";\n'],
    ["src/level.ts", 'export * from "./adapters/level.ts";\n'],
    ["src/cli/main.ts", 'import { k } from "../index.ts";\nimport { Command } from "commander";\n'],
  ]);
  const withFile = (path: string, source: string) => new Map([...good, [path, source]]);

  test("passes what is allowed", () => {
    expect(layerProblems(good)).toEqual([]);
    expect(importCycles(good)).toEqual([]);
  });

  const offences: [string, string, string][] = [
    ["an import from above", "src/codec/x.ts", 'import { s } from "../store/store.ts";'],
    ["an import of a type from above", "src/codec/x.ts", 'import type { S } from "../store/store.ts";'],
    ["an inline type from above", "src/codec/x.ts", 'export type S = import("../store/store.ts").S;'],
    ["a re-export from above", "src/memory/x.ts", 'export * from "../store/store.ts";'],
    ["an import() from above", "src/node/x.ts", 'const s = await import("../store/store.ts");'],
    [
      "an import over several lines",
      "src/node/x.ts",
      'import {\n  a,\n  type B,\n} from "../store/store.ts";',
    ],
    ["an entry used from inside", "src/store/x.ts", 'import "../index.ts";'],
    ["bun:ffi outside of memory", "src/node/x.ts", 'import { dlopen } from "bun:ffi";'],
    ["a package in the library", "src/store/x.ts", 'import pc from "picocolors";'],
    ["an adapter used from inside", "src/pool/x.ts", 'import "../adapters/level.ts";'],
    ["an adapter in another's entry", "src/x.ts", 'export * from "./adapters/level.ts";'],
    ["another's package in an adapter", "src/adapters/x.ts", 'import { A } from "abstract-level";'],
    ["a deep import by the command line", "src/cli/x.ts", 'import { m } from "../memory/mapped.ts";'],
    ["a file that is not there", "src/store/x.ts", 'import { n } from "./nothing.ts";'],
    ["a test used by the library", "src/store/x.ts", 'import { h } from "../../test/setup.ts";'],
    ["a folder that is no layer", "src/util/x.ts", "export const x = 1;"],
  ];
  for (const [what, path, source] of offences) {
    test(`reports ${what}`, () => {
      expect(layerProblems(withFile(path, `${source}\n`))).toHaveLength(1);
    });
  }

  test("reports a cycle, through types too", () => {
    const files = new Map([
      ["src/node/a.ts", 'import { b } from "./b.ts";\n'],
      ["src/node/b.ts", 'import { c } from "./c.ts";\n'],
      ["src/node/c.ts", 'import type { A } from "./a.ts";\n'],
    ]);
    expect(importCycles(files)).toEqual(["src/node/a.ts → src/node/b.ts → src/node/c.ts → src/node/a.ts"]);
  });

  test("does not take an example in a comment for an import", () => {
    expect(
      importsOf('/**\n * import { open } from "bancos";\n */\n// await import("x");\nexport const a = 1;\n'),
    ).toEqual([]);
  });

  test("knows every layer", () => {
    expect(layerOf("src/errors.ts")).toBe("errors");
    expect(layerOf("src/pool.ts")).toBe("entry");
    for (const layer of LAYERS) {
      if (layer !== "errors" && layer !== "entry") expect(layerOf(`src/${layer}/deep/x.ts`)).toBe(layer);
    }
    expect(layerOf("src/entry/x.ts")).toBeUndefined();
    expect(layerOf("test/x.ts")).toBeUndefined();
  });
});
