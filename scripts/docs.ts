/**
 * `make docs`: docs/api.md, made of the doc comments by TypeDoc.
 *
 * TypeDoc needs the programming interface of an older TypeScript than the one this project compiles with, so it lives in
 * a folder of its own, `tools/api/`, and is installed when it is first needed. What it writes is complete and wordy;
 * `condense` takes out what the signatures say already.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./suites.ts";

const TOOL = join(ROOT, "tools/api");
const TARGET = join(ROOT, "docs/api.md");

const HEAD = `# API

Everything that \`bancos\`, \`bancos/pool\` and the adapters \`bancos/level\`, \`bancos/keyv\` and \`bancos/unstorage\` export;
the examples say what comes from where. Made of the doc comments in \`src/\` by \`make docs\`: change those, not
this page. All examples run as tests; a comment \`// → x\` says what is printed. The [guide](guide.md) explains how it
all belongs together.
`;

/** What TypeDoc knows of a declaration, as far as it is looked at here and in the tests. */
export interface Reflection {
  readonly name: string;
  /** A number for class, function, property and so on: TypeDoc's \`ReflectionKind\`. */
  readonly kind: number;
  readonly flags?: { readonly isInherited?: boolean; readonly isExternal?: boolean };
  readonly comment?: Comment;
  readonly children?: readonly Reflection[];
  readonly signatures?: readonly Reflection[];
  readonly getSignature?: Reflection;
  readonly inheritedFrom?: unknown;
  readonly type?: { readonly declaration?: Reflection };
}

/** A doc comment. */
export interface Comment {
  readonly summary: readonly { readonly text: string }[];
  readonly blockTags?: readonly { readonly tag: string }[];
}

/** What a run of TypeDoc gives. */
export interface Api {
  /** The text of docs/api.md. */
  readonly markdown: string;
  /** All that is exported. */
  readonly project: Reflection;
}

function run(command: readonly string[], cwd: string): void {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], {
    cwd,
    env: { ...process.env, NO_COLOR: "1" },
    stdin: "ignore",
  });
  if (exitCode !== 0) throw new Error(`${command.slice(1).join(" ")} failed:\n${stdout}${stderr}`);
}

/** Runs TypeDoc, and installs it before if it is not there. Takes some seconds. */
export function generate(): Api {
  if (!existsSync(join(TOOL, "node_modules/typedoc-plugin-markdown"))) {
    run([process.execPath, "install", "--frozen-lockfile"], TOOL);
  }
  const scratch = mkdtempSync(join(tmpdir(), "bancos-api-"));
  try {
    const json = join(scratch, "api.json");
    const outputs = [
      { name: "markdown", path: join(scratch, "pages") },
      { name: "json", path: json },
    ];
    const options = join(scratch, "typedoc.json");
    writeFileSync(options, JSON.stringify({ extends: [join(TOOL, "typedoc.json")], outputs }));
    run([process.execPath, "node_modules/typedoc/bin/typedoc", "--options", options], TOOL);
    return {
      markdown: condense(readFileSync(join(scratch, "pages/api.md"), "utf8")),
      project: JSON.parse(readFileSync(json, "utf8")) as Reflection,
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// ---- what TypeDoc wrote, shorter ---------------------------------------------------------------------------------------

interface Section {
  readonly level: number;
  readonly title: string;
  /** What stands before the first heading below it. */
  body: string;
  readonly parts: Section[];
}

/** The headings as a tree. Lines in blocks of code are no headings. */
function sectionsOf(markdown: string): Section {
  const root: Section = { level: 0, title: "", body: "", parts: [] };
  const path = [root];
  let inCode = false;
  // An anchor belongs to the heading after it.
  let anchor = "";
  for (const line of markdown.split("\n")) {
    if (line.startsWith("```")) inCode = !inCode;
    const [, marks, title] = (inCode ? null : /^(#+) (.*)$/.exec(line)) ?? [];
    if (marks !== undefined && title !== undefined) {
      while (path.at(-1)!.level >= marks.length) path.pop();
      const section: Section = { level: marks.length, title: anchor + title, body: "", parts: [] };
      anchor = "";
      path.at(-1)!.parts.push(section);
      path.push(section);
    } else if (/^<a id="[^"]*"><\/a>$/.test(line)) anchor = line;
    else if (line !== "***") path.at(-1)!.body += `${line}\n`;
  }
  return root;
}

/** What the signature, or the page it leads to, says better. */
const SAID_ALREADY: ReadonlySet<string> = new Set([
  "Implementation of",
  "Implements",
  "Extends",
  "Extended by",
  "Overrides",
  "Type Parameters",
  "Type Declaration",
]);

const titleOf = (section: Section): string => section.title.replace(/^<a [^>]*><\/a>/, "");

function render(section: Section): string {
  const title = titleOf(section);
  if (SAID_ALREADY.has(title) && section.title === title) return "";
  // A method that an interface has from another one is told there.
  if (section.parts.some((part) => titleOf(part) === "Inherited from")) return "";
  const body = section.body.trim();
  const parts = (): string => renderAll(section.parts);
  switch (title) {
    case "Parameters":
      return body.includes("| Description |") ? `${body}\n\n` : "";
    case "Returns": {
      const [, ...told] = body.split("\n\n");
      // A sentence with a capital is the description over again.
      const text = told.join("\n\n");
      return /^[a-z`]/.test(text) ? `**Returns** ${text}\n\n` : "";
    }
    case "Throws":
      return `**Throws** ${body}\n\n`;
    case "Default Value":
    case "Example":
    case "Get Signature":
      return `${body}\n\n${parts()}`;
  }
  const overloads = section.parts.filter((part) => titleOf(part) === "Call Signature");
  const [first, ...others] = overloads;
  const inside = first === undefined ? `${body}\n\n${parts()}` : renderOverloads(first, others);
  const anchor = section.title.slice(0, section.title.length - title.length);
  return `${anchor === "" ? "" : `${anchor}\n\n`}${"#".repeat(section.level)} ${title}\n\n${inside}`;
}

/** Signatures together, and one description for all of them. */
function renderOverloads(first: Section, others: readonly Section[]): string {
  const signatures = [first, ...others].map((part) => part.body.trim().split("\n\n")[0]).join("\n\n");
  const [, ...told] = first.body.trim().split("\n\n");
  return [signatures.replaceAll("\n```\n\n```ts\n", "\n"), told.join("\n\n"), renderAll(first.parts)].join(
    "\n\n",
  );
}

const renderAll = (sections: readonly Section[]): string => sections.map(render).join("");

/** What the page is about, with links. */
function contentsOf(root: Section): string {
  return root.parts
    .map((group) => {
      const links = group.parts.map((item) => {
        const anchor = /id="([^"]*)"/.exec(item.title)?.[1] ?? "";
        return `[${titleOf(item)}](#${anchor})`;
      });
      return `**${titleOf(group)}**: ${links.join(" · ")}\n\n`;
    })
    .join("");
}

/** Types whose names TypeScript forgets: their members are written out wherever they are used. */
const FORGOTTEN: readonly (readonly [members: RegExp, name: string])[] = [
  [/`"utf8"` \\\| `"binary"` \\\| `"ordered"`/g, "[`KeyEncoding`](#keyencoding)"],
  [/"utf8" \| "binary" \| "ordered"/g, "KeyEncoding"],
  [/`"DUPLICATE_KEY"`(?: \\\| `"[A-Z_]+"`)*/g, "[`ErrorCode`](#errorcode)"],
  [/"DUPLICATE_KEY"(?:\s*\| "[A-Z_]+")*/g, "ErrorCode"],
];

/** What a reader looks for first; the rest by name. */
const FIRST = [
  "open()",
  "openPool()",
  "Store",
  "Pool",
  "OpenOptions",
  "Range",
  "Reader",
  "Writer",
  "PoolOptions",
];

function byInterest(a: Section, b: Section): number {
  const [x, y] = [titleOf(a), titleOf(b)];
  const place = (title: string): number => (FIRST.includes(title) ? FIRST.indexOf(title) : FIRST.length);
  return place(x) - place(y) || (x < y ? -1 : 1);
}

function condense(markdown: string): string {
  const root = sectionsOf(markdown);
  for (const group of root.parts) group.parts.sort(byInterest);
  let text = `${HEAD}\n${contentsOf(root)}${renderAll(root.parts)}`;
  for (const [members, name] of FORGOTTEN) text = text.replace(members, name);
  return `${text
    .replace(/[ \t]+$/gm, "")
    .replace(/\n{3,}/g, "\n\n")
    .trimEnd()}\n`;
}

if (import.meta.main) {
  const { markdown } = generate();
  writeFileSync(TARGET, markdown);
  console.log(`docs: docs/api.md, ${markdown.split("\n").length} lines`);
}
