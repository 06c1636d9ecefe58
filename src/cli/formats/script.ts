/**
 * The language of `run`: a command a line.
 *
 *     insert KEY INT      insert, or replace
 *     find KEY            look up (lookup is the same)
 *     remove KEY
 *     # comment
 *
 * A KEY has no white space, or is a JSON string: "two words". An INT is stored as a number up to 2^53, past that as a
 * bigint.
 */
import type { Key, KeyEncoding, Value } from "../../index.ts";
import { UsageError } from "../exit.ts";
import { parseKey, shorten, textOfKey } from "../text.ts";
import type { Entry, FormatReader, FormatWriter } from "./format.ts";

export interface Command {
  readonly verb: "insert" | "find" | "remove";
  readonly key: Key;
  /** For insert. */
  readonly value: number | bigint;
}

const LINE = /^(\S+)(?:\s+("(?:[^"\\]|\\.)*"|\S+))?(?:\s+(\S+))?(.*)$/;

/** The command in a line; undefined for an empty line or a comment. Throws UsageError. */
export function parseCommand(line: string, encoding: KeyEncoding): Command | undefined {
  const text = line.trim();
  if (text === "" || text.startsWith("#")) return undefined;
  const [, word = "", keyText, valueText, more = ""] = LINE.exec(text) ?? [];
  const verb = word === "lookup" ? "find" : word;
  if (verb !== "insert" && verb !== "find" && verb !== "remove") {
    throw new UsageError(
      `there is no command ${JSON.stringify(shorten(word))}; there are insert, find, lookup, remove`,
    );
  }
  const form = verb === "insert" ? "insert KEY INT" : `${word} KEY`;
  if (keyText === undefined) throw new UsageError(`the key is missing: ${form}`);
  if (more !== "" || (verb !== "insert" && valueText !== undefined)) {
    throw new UsageError(`too much in the line: ${form} (a key with white space goes in double quotes)`);
  }
  const key = parseScriptKey(keyText, encoding);
  if (verb !== "insert") return { verb, key, value: 0 };
  if (valueText === undefined) throw new UsageError(`the integer is missing: ${form}`);
  return { verb, key, value: parseInteger(valueText) };
}

function parseScriptKey(text: string, encoding: KeyEncoding): Key {
  if (!text.startsWith('"') || encoding === "ordered") return parseKey(encoding, text);
  try {
    return parseKey(encoding, JSON.parse(text) as string);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${shorten(text)} begins with a quote and is no JSON string`);
  }
}

function parseInteger(text: string): number | bigint {
  if (!/^[+-]?\d+$/.test(text)) throw new UsageError(`${JSON.stringify(shorten(text))} is not an integer`);
  const number = Number(text);
  if (Number.isSafeInteger(number)) return number;
  const integer = BigInt(text);
  if (BigInt.asIntN(64, integer) !== integer) throw new UsageError(`${shorten(text)} is not within 64 bits`);
  return integer;
}

export class ScriptReader implements FormatReader {
  private readonly encoding: KeyEncoding;

  constructor(encoding: KeyEncoding) {
    this.encoding = encoding;
  }

  line(line: string): Entry | undefined {
    const command = parseCommand(line, this.encoding);
    if (command === undefined || command.verb === "find") return undefined;
    return { key: command.key, value: command.verb === "insert" ? command.value : undefined };
  }

  end(): void {}
}

export class ScriptWriter implements FormatWriter {
  readonly head = "";
  private readonly encoding: KeyEncoding;

  constructor(encoding: KeyEncoding) {
    this.encoding = encoding;
  }

  entry(key: Key, value: Value): string {
    const isInteger = typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value));
    if (!isInteger) {
      throw new UsageError(
        `the value of ${shorten(textOfKey(this.encoding, key))} is no integer, and a script has only those; ` +
          "export as jsonl, csv or tsv",
      );
    }
    return `insert ${scriptKey(key, this.encoding)} ${value === 0 ? 0 : value}\n`;
  }
}

/** A key without white space, or as a JSON string. */
function scriptKey(key: Key, encoding: KeyEncoding): string {
  const text = textOfKey(encoding, key);
  if (typeof key !== "string") {
    // JSON in one line has white space only in its strings, which can write it otherwise.
    return text.replace(/\s/g, (space) => `\\u${space.charCodeAt(0).toString(16).padStart(4, "0")}`);
  }
  return text === key && /^$|^"|\s/.test(key) ? JSON.stringify(key) : text;
}
