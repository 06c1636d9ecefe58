/** Finds links in Markdown that lead nowhere. */
import { posix } from "node:path";

/** The name that a heading has in a link, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}

/** Leaves out what is code, where brackets mean something else. */
function prose(markdown: string): string {
  return markdown
    .replace(/^( *)(```+|~~~+)[^\n]*\n[\s\S]*?^ *\2`*~*[ \t]*$/gm, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/(`+)[^`\n]*?\1/g, "");
}

function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  const text = markdown.replace(/^( *)(```+|~~~+)[^\n]*\n[\s\S]*?^ *\2`*~*[ \t]*$/gm, "");
  for (const [, heading = ""] of text.matchAll(/^#{1,6}[ \t]+(.+?)[ \t]*#*$/gm)) {
    const anchor = anchorOf(heading);
    let name = anchor;
    for (let copy = 1; anchors.has(name); copy++) name = `${anchor}-${copy}`;
    anchors.add(name);
  }
  for (const [, name = ""] of text.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(name);
  return anchors;
}

/**
 * One sentence for each relative link of the file `path` whose file or heading is missing.
 *
 * @param exists whether the project has this file or folder
 * @param read the text of a Markdown file of the project
 */
export function brokenLinks(
  path: string,
  exists: (path: string) => boolean,
  read: (path: string) => string,
): string[] {
  const text = prose(read(path));
  const targets = [
    ...[...text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)].map((match) => match[1] ?? ""),
    ...[...text.matchAll(/^\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/gm)].map((match) => match[1] ?? ""),
    ...[...text.matchAll(/<(?:img|a|source)\s[^>]*?(?:src|href|srcset)="([^"]+)"/g)].map(
      (match) => match[1] ?? "",
    ),
  ];
  const problems: string[] = [];
  for (const target of targets) {
    if (/^[a-z][a-z0-9+.-]*:|^\/\//i.test(target)) continue;
    const [file = "", anchor] = target.split("#", 2);
    const there =
      file === "" ? path : posix.normalize(posix.join(posix.dirname(path), decodeURIComponent(file)));
    if (there.startsWith("..") || there.startsWith("/") || !exists(there)) {
      problems.push(`${path}: ${target}: no such file`);
    } else if (anchor !== undefined && there.endsWith(".md") && !anchorsOf(read(there)).has(anchor)) {
      problems.push(`${path}: ${target}: no such heading`);
    }
  }
  return problems;
}
