/** What must hold for every file that is committed. */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { projectFiles, ROOT, textOf } from "./files.ts";
import { anchorOf, brokenLinks } from "./links.ts";

const files = projectFiles();

describe("links", () => {
  test("in Markdown lead to files and headings that are there", () => {
    const problems = files
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) =>
        brokenLinks(
          path,
          (target) => existsSync(join(ROOT, target)),
          (target) => textOf(target) ?? "",
        ),
      );
    expect(problems).toEqual([]);
  });

  test("that are broken are found, and code is left alone", () => {
    const pages: Record<string, string> = {
      "README.md": [
        "# The name",
        "[a](docs/a.md) [b](docs/a.md#two-words) [c](#the-name) [d](https://example.org/x) ![e](docs/e.svg)",
        "[f](docs/none.md) [g](docs/a.md#none) [h](../outside.md)",
        "`[i](in-code.md)`",
        "```md",
        "[j](in-a-block.md)",
        "```",
        "[k]: docs/gone.md",
        '<img src="docs/gone.svg">',
      ].join("\n"),
      "docs/a.md": "# A\n## Two words\n[back](../README.md)\n",
      "docs/e.svg": "",
    };
    const check = (path: string) =>
      brokenLinks(
        path,
        (target) => target in pages,
        (target) => pages[target] ?? "",
      );
    expect(check("docs/a.md")).toEqual([]);
    expect(check("README.md").map((problem) => problem.split(": ")[1])).toEqual([
      "docs/none.md",
      "docs/a.md#none",
      "../outside.md",
      "docs/gone.md",
      "docs/gone.svg",
    ]);
  });

  test("name headings as GitHub does", () => {
    expect(anchorOf("What `get()` costs, in ns")).toBe("what-get-costs-in-ns");
    expect(anchorOf("Node4 / Node16 – kinds")).toBe("node4--node16--kinds");
  });
});

describe("no file names", () => {
  // Put together from pieces, so that this file passes its own test.
  const machinePath = new RegExp(`(?<![\\w.~$}*-])/(?:${["work", "root", "home"].join("|")})/[\\w.]`);
  const registry = new RegExp(
    [
      "\\bregistry\\.[a-z0-9-]+\\.[a-z]{2,}",
      "\\bnpm\\.pkg\\.github",
      "/artifactor[y]/",
      "/repositor[y]/npm",
    ].join("|"),
  );

  function linesWith(pattern: RegExp): string[] {
    return files.flatMap((path) =>
      (textOf(path) ?? "")
        .split("\n")
        .flatMap((line, at) =>
          pattern.test(line) ? [`${path}:${at + 1}: ${line.trim().slice(0, 120)}`] : [],
        ),
    );
  }

  test("a path of the machine it was written on", () => {
    expect(linesWith(machinePath)).toEqual([]);
    for (const top of ["work", "root", "home"]) expect(machinePath.test(`see "/${top}/me/notes"`)).toBe(true);
    expect(machinePath.test("../root/node.ts, src/work/x and https://example.org/home/x")).toBe(false);
  });

  test("a package registry", () => {
    expect(linesWith(registry)).toEqual([]);
    expect(registry.test(`"https://${"registry"}.example.org/bun"`)).toBe(true);
  });

  test("an address in a lock file", () => {
    const locks = files.filter((path) => path.endsWith("bun.lock"));
    expect(locks).toContain("bun.lock");
    for (const path of locks) expect(textOf(path)).not.toContain("://");
  });
});

describe("package.json", () => {
  const manifest: {
    dependencies?: Record<string, string>;
    peerDependencies: Record<string, string>;
    peerDependenciesMeta: Record<string, { optional?: boolean }>;
    devDependencies: Record<string, string>;
    exports: Record<string, string | Record<string, string>>;
    bin: Record<string, string>;
  } = JSON.parse(textOf("package.json") ?? "{}");

  test("asks for no package at run time, and for exact versions in development", () => {
    expect(manifest.dependencies).toBeUndefined();
    expect(
      // Two versions of one package need another name for one of them.
      Object.values(manifest.devDependencies).filter(
        (version) => !/^(npm:[\w@/-]+@)?\d+\.\d+\.\d+$/.test(version),
      ),
    ).toEqual([]);
  });

  test("asks for the packages of the adapters only where they are used, and tests with one that it allows", () => {
    const peers = Object.entries(manifest.peerDependencies);
    expect(peers.map(([name]) => manifest.peerDependenciesMeta[name]?.optional)).toEqual(
      peers.map(() => true),
    );
    const tested = peers.filter(
      ([name, range]) => !Bun.semver.satisfies(manifest.devDependencies[name] ?? "", range),
    );
    expect(tested).toEqual([]);
  });

  test("exports files that are there", () => {
    const targets = [
      ...Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === "string" ? [entry] : Object.values(entry),
      ),
      ...Object.values(manifest.bin),
    ];
    expect(targets.filter((target) => !existsSync(join(ROOT, target)))).toEqual([]);
  });
});
