/**
 * docs/api.md is what the doc comments say today, and they say what a user has to know: of each function, method and
 * accessor what it throws, and an example; of each type and its fields, and each method of an adapter, what it is. The examples run in examples.test.ts.
 */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { generate, type Reflection } from "../../scripts/docs.ts";
import { ROOT, textOf } from "../architecture/files.ts";

const { markdown, project } = generate();

/** TypeDoc's kinds. */
const VARIABLE = 32;
const FUNCTION = 64;
const CLASS = 128;
const INTERFACE = 256;
const PROPERTY = 1024;
const METHOD = 2048;
const ACCESSOR = 262_144;
const ALIAS = 2_097_152;

const summary = ({ comment }: Reflection): string =>
  (comment?.summary ?? []).map(({ text }) => text).join("");
const hasTag = ({ comment }: Reflection, tag: string): boolean =>
  (comment?.blockTags ?? []).some((block) => block.tag === tag);
const isInherited = (it: Reflection): boolean =>
  it.flags?.isInherited === true || it.inheritedFrom !== undefined;

/** Names that can't throw, or whose errors those of another page are. */
const THROWS_NOTHING: ReadonlySet<string> = new Set(["Pool.pending", "Pool.ready"]);

/** Whose methods another project names, and explains with examples. */
const ADAPTERS: ReadonlySet<string> = new Set(["BancosKeyv", "BancosLevel"]);

/** What is missing in the comments of `it`, which is `path`. */
function lacks(it: Reflection, path: string, ofInterface = false): string[] {
  const missing: string[] = [];
  if (it.kind === FUNCTION || it.kind === METHOD || it.kind === ACCESSOR) {
    const [told] = it.signatures ?? [it.getSignature ?? it];
    if (told === undefined || summary(told) === "") missing.push(`${path}: what it does`);
    else if (!ofInterface) {
      if (!hasTag(told, "@example")) missing.push(`${path}: @example`);
      if (!hasTag(told, "@throws") && !THROWS_NOTHING.has(path)) missing.push(`${path}: @throws`);
    }
  } else if (it.kind === CLASS || it.kind === INTERFACE || it.kind === ALIAS || it.kind === VARIABLE) {
    if (summary(it) === "") missing.push(`${path}: what it is`);
    if (it.kind !== INTERFACE && !hasTag(it, "@example")) missing.push(`${path}: @example`);
    const byOthers = it.kind === INTERFACE || ADAPTERS.has(it.name);
    for (const child of it.children ?? []) {
      if (!isInherited(child)) missing.push(...lacks(child, `${path}.${child.name}`, byOthers));
    }
  } else if (it.kind === PROPERTY) {
    // The name of an error is always the same.
    if (summary(it) === "" && path !== "BancosError.name") missing.push(`${path}: what it is`);
    for (const child of it.type?.declaration?.children ?? [])
      missing.push(...lacks(child, `${path}.${child.name}`));
  }
  return missing;
}

describe("docs/api.md", () => {
  test("is made of the doc comments as they are: `make docs` writes it", () => {
    expect(textOf("docs/api.md")?.split("\n")).toEqual(markdown.split("\n"));
  });

  test("has every export of every entry", async () => {
    const names = (project.children ?? []).map(({ name }) => name);
    const { exports } = JSON.parse(textOf("package.json") ?? "{}") as {
      exports: Record<string, string | Record<string, string>>;
    };
    const entries = Object.values(exports).flatMap((entry) =>
      typeof entry === "string" ? [] : (Object.values(entry).at(-1) ?? []),
    );
    expect(entries).toContain("./src/pool.ts");
    for (const entry of entries) {
      for (const name of Object.keys((await import(join(ROOT, entry))) as object)) {
        if (name !== "default")
          expect({ entry, names }).toEqual({ entry, names: expect.arrayContaining([name]) });
      }
    }
    expect(names).toContain("OpenOptions");
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) expect(markdown).toContain(`${name.replaceAll("_", "\\_")}`);
  });
});

describe("doc comments", () => {
  test("say of each export what it does, what it throws, and how it is used", () => {
    expect((project.children ?? []).flatMap((it) => lacks(it, it.name))).toEqual([]);
  });

  test("that say nothing are noticed", () => {
    const bare: Reflection = { name: "f", kind: FUNCTION, signatures: [{ name: "f", kind: 4096 }] };
    expect(lacks(bare, "f")).toEqual(["f: what it does"]);
    const field: Reflection = { name: "a", kind: PROPERTY };
    const told = { summary: [{ text: "An interface." }] };
    expect(lacks({ name: "I", kind: INTERFACE, comment: told, children: [field] }, "I")).toEqual([
      "I.a: what it is",
    ]);
    const silent: Reflection = {
      name: "m",
      kind: METHOD,
      signatures: [{ name: "m", kind: 4096, comment: told }],
    };
    expect(lacks(silent, "C.m")).toEqual(["C.m: @example", "C.m: @throws"]);
  });
});
