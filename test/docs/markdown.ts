/** What the tests of the documents read out of Markdown: code blocks and tables. */

/** A fenced block of code. */
export interface Block {
  readonly code: string;
  /** Of its first line of code, from 1. */
  readonly line: number;
  /** The heading that it stands under. */
  readonly heading: string;
}

/** A table, its cells without back-quotes. */
export interface Table {
  readonly heading: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

interface Line {
  readonly text: string;
  readonly number: number;
  readonly heading: string;
  /** The language of the block of code it is in, its fences included; `undefined` outside. */
  readonly language: string | undefined;
}

function linesOf(markdown: string): Line[] {
  let heading = "";
  let language: string | undefined;
  return markdown.split("\n").map((text, at) => {
    const fence = /^```(\w*)/.exec(text);
    const closes = fence !== null && language !== undefined;
    if (fence !== null && !closes) language = fence[1] ?? "";
    if (language === undefined) heading = /^#+ (.*)/.exec(text)?.[1] ?? heading;
    const line = { text, number: at + 1, heading, language };
    if (closes) language = undefined;
    return line;
  });
}

/** The blocks of code in `language`, in order. */
export function codeBlocks(markdown: string, language: string): Block[] {
  const blocks: { code: string; line: number; heading: string }[] = [];
  let open = false;
  for (const line of linesOf(markdown)) {
    if (line.text.startsWith("```")) {
      open = !open && line.language === language;
      if (open) blocks.push({ code: "", line: line.number + 1, heading: line.heading });
    } else if (open) blocks.at(-1)!.code += `${line.text}\n`;
  }
  return blocks;
}

function cellsOf(row: string): string[] {
  return row
    .replace(/^\|/, "")
    .replace(/\|$/, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.replaceAll("`", "").replaceAll("\\|", "|").trim());
}

/** All tables, in order. */
export function tablesOf(markdown: string): Table[] {
  const tables: { heading: string; header: string[]; rows: string[][] }[] = [];
  let open = false;
  for (const { text, heading, language } of linesOf(markdown)) {
    const isRow = text.startsWith("|") && language === undefined;
    if (isRow && !open) tables.push({ heading, header: cellsOf(text), rows: [] });
    else if (isRow && !/^[|\s:-]+$/.test(text)) tables.at(-1)!.rows.push(cellsOf(text));
    open = isRow;
  }
  return tables;
}

/** A number as the documents write it: 1,024. */
export const numberIn = (text: string): number => Number(text.replaceAll(",", ""));
