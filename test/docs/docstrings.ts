/** What the tests of the documents read out of TypeScript: the examples in doc comments. */
import { codeBlocks } from "./markdown.ts";
import type { NamedBlock } from "./project.ts";

/** The examples in the doc comments of the file `path`, each with the name of what it explains. */
export function examplesOf(path: string, source: string): NamedBlock[] {
  return [...source.matchAll(/^([ \t]*)\/\*\*[ \t]*\n([\s\S]*?)\*\/\n(.*)$/gm)].flatMap((found) => {
    const [, , body = "", next = ""] = found;
    const at = body.indexOf("@example");
    if (at < 0) return [];
    const line = source.slice(0, found.index).split("\n").length + body.slice(0, at).split("\n").length;
    const text = body
      .slice(at)
      .split("\n")
      .map((each) => each.replace(/^\s*\* ?/, ""))
      .join("\n");
    const subject = subjectOf(next);
    return codeBlocks(text, "ts").map((block) => ({
      ...block,
      line: line + block.line - 1,
      heading: subject,
      name: `${path}:${line + block.line - 1}, ${subject}`,
    }));
  });
}

/** What a declaration declares, as far as its first line tells. */
const subjectOf = (line: string): string =>
  /(?:export )?(?:async )?(?:(?:function|class|interface|type|const|get)\b )?\*?([\w[\].]+)/.exec(
    line.trim(),
  )?.[1] ?? line.trim();
