/**
 * Values and keys as text, and back without loss.
 *
 * JSON says numbers, strings, booleans, null, objects and arrays. What it cannot say is an object with one name:
 *
 * | value | JSON |
 * |---|---|
 * | bigint | `{"$bigint":"42"}` |
 * | bytes | `{"$bytes":"3q2+7w=="}` (base64) |
 * | NaN, Infinity, -Infinity | `{"$number":"NaN"}` |
 * | an object that looks like one of these | `{"$json":{"$bigint":"42"}}` |
 *
 * On the command line, and in CSV, text that is JSON is what it says, digits with an `n` behind them are a bigint, and
 * all other text is a string: `42`, `true`, `{"a":1}`, `42n`, `hello`, `"42"`.
 */
import type { Key, KeyEncoding, Value } from "../index.ts";
import { UsageError } from "./exit.ts";

export const TYPES = ["auto", "number", "bigint", "string", "json", "bytes"] as const;
/** What `--type` can be. */
export type TypeName = (typeof TYPES)[number];

// ---- JSON ----------------------------------------------------------------------------------------------------------

const WRAPPERS: ReadonlySet<string> = new Set(["$bigint", "$bytes", "$number", "$json"]);

/** The only name of an object with one name, if it is a wrapper's. */
function wrapperOf(value: object): string | undefined {
  const names = Object.keys(value);
  return names.length === 1 && WRAPPERS.has(names[0]!) ? names[0] : undefined;
}

/** JSON of a value, in one line. */
export function jsonOfValue(value: Value): string {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value)) return Object.is(value, -0) ? "-0" : String(value);
      return `{"$number":"${value}"}`;
    case "bigint":
      return `{"$bigint":"${value}"}`;
    case "object": {
      if (value === null) return "null";
      if (value instanceof Uint8Array) return `{"$bytes":"${Buffer.from(value).toString("base64")}"}`;
      const text = JSON.stringify(value);
      return !Array.isArray(value) && wrapperOf(value) !== undefined ? `{"$json":${text}}` : text;
    }
    default:
      return JSON.stringify(value);
  }
}

/** JSON of a key, in one line. */
export function jsonOfKey(key: Key): string {
  if (Array.isArray(key)) return `[${key.map((element: Key) => jsonOfKey(element)).join(",")}]`;
  return jsonOfValue(key as Value);
}

function wrapped(name: string, content: unknown): Value {
  if (name === "$json") return content as Value;
  if (typeof content === "string") {
    if (name === "$bigint" && /^-?\d+$/.test(content)) return BigInt(content);
    if (name === "$bytes") return fromBase64(content);
    if (name === "$number" && /^(NaN|-?Infinity)$/.test(content)) return Number(content);
  }
  throw new UsageError(
    `{"${name}":${JSON.stringify(content)}} is no value; see \`bancos help set\` for the forms`,
  );
}

/** The value that parsed JSON stands for. */
export function valueOfJson(json: unknown): Value {
  if (typeof json === "object" && json !== null && !Array.isArray(json)) {
    const name = wrapperOf(json);
    if (name !== undefined) return wrapped(name, (json as Record<string, unknown>)[name]);
  }
  return json as Value;
}

/** The key that parsed JSON stands for. */
export function keyOfJson(encoding: KeyEncoding, json: unknown): Key {
  if (typeof json === "string" && encoding === "binary") return parseBytes(json);
  if (Array.isArray(json)) return json.map((element: unknown) => keyOfJson("ordered", element));
  return valueOfJson(json) as Key;
}

// ---- bytes -----------------------------------------------------------------------------------------------------------

function fromBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text)) throw new UsageError(`${JSON.stringify(text)} is not base64`);
  return Uint8Array.from(Buffer.from(text, "base64"));
}

/** `0x…`, `base64:…`, `text:…`; anything else is the UTF-8 of the text itself. */
export function parseBytes(text: string): Uint8Array {
  if (text.startsWith("0x")) {
    if (!/^0x([0-9a-fA-F]{2})*$/.test(text)) {
      throw new UsageError(
        `${text} is not hexadecimal: two digits a byte (text:${text} for the text itself)`,
      );
    }
    return Uint8Array.from(Buffer.from(text.slice(2), "hex"));
  }
  if (text.startsWith("base64:")) return fromBase64(text.slice(7));
  return Uint8Array.from(Buffer.from(text.startsWith("text:") ? text.slice(5) : text, "utf8"));
}

export const hexOf = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;

// ---- text to values ----------------------------------------------------------------------------------------------------

/** What JSON can begin with. Everything else needs no trial. */
const MAYBE_JSON = /^[\s"{[\-0-9tfn]/;

/** What `json` makes of text that is JSON, a bigint of digits with an n; all other text is a string. */
function parseAuto<T>(text: string, json: (parsed: unknown) => T): T | bigint | string {
  if (!MAYBE_JSON.test(text)) return text;
  if (/^-?\d+n$/.test(text)) return BigInt(text.slice(0, -1));
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return text;
  }
  if (
    typeof parsed === "number" &&
    (!Number.isFinite(parsed) || (!Number.isSafeInteger(parsed) && /^-?\d+$/.test(text.trim())))
  ) {
    throw new UsageError(
      `${text} is more than a number holds exactly: write ${text.trim()}n for a bigint, "${text.trim()}" in quotes for a string, or say --type`,
    );
  }
  return json(parsed);
}

/** A value given as text. */
export function parseValue(text: string, type: TypeName): Value {
  switch (type) {
    case "auto":
      return parseAuto(text, valueOfJson);
    case "string":
      return text;
    case "number":
      return parseNumber(text);
    case "bigint":
      if (!/^-?\d+n?$/.test(text.trim())) throw new UsageError(`${JSON.stringify(text)} is not a bigint`);
      return BigInt(text.trim().replace(/n$/, ""));
    case "json":
      try {
        return JSON.parse(text) as Value;
      } catch (error) {
        throw new UsageError(`${shorten(text)} is not JSON: ${(error as Error).message}`);
      }
    case "bytes":
      return parseBytes(text);
  }
}

function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || (Number.isNaN(number) && text.trim() !== "NaN")) {
    throw new UsageError(`${JSON.stringify(text)} is not a number`);
  }
  return number;
}

/** A key, or the prefix of one, given as text. */
export function parseKey(encoding: KeyEncoding, text: string): Key {
  if (encoding === "utf8") return text;
  if (encoding === "binary") return parseBytes(text);
  return parseAuto(text, (json) => keyOfJson("ordered", json));
}

// ---- values to text ----------------------------------------------------------------------------------------------------

// Control characters, lone surrogates, and what reorders or breaks lines: nothing of the file may steer a terminal.
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/u;
const UNPRINTABLES = new RegExp(UNPRINTABLE.source, "gu");

/** A JSON string in which nothing is unprintable. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    UNPRINTABLES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Would the text be taken for something else than a string? */
function isAmbiguous(text: string): boolean {
  if (text === "") return false;
  if (!MAYBE_JSON.test(text)) return false;
  if (/^-?\d+n$/.test(text)) return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** A number as text; an integer past 2^53 with an exponent, since digits alone do not say what is meant. */
function textOfNumber(value: number): string {
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? value.toExponential() : jsonOfValue(value);
}

/** A value as text that `--type auto` reads back as the same value. Strings stay as they are where they can. */
export function textOfValue(value: Value): string {
  if (typeof value === "string") return isAmbiguous(value) ? JSON.stringify(value) : value;
  if (typeof value === "number") return textOfNumber(value);
  return typeof value === "bigint" ? `${value}n` : jsonOfValue(value);
}

/** The same for people: in one line, printable; still read back as the same value. */
export function showValue(value: Value): string {
  if (typeof value === "string") {
    return value === "" || value.startsWith('"') || UNPRINTABLE.test(value) || isAmbiguous(value)
      ? quote(value)
      : value;
  }
  return textOfValue(value).replace(
    UNPRINTABLES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A key as text that `parseKey` reads back. */
export function textOfKey(encoding: KeyEncoding, key: Key): string {
  if (encoding === "utf8") return key as string;
  if (encoding === "binary") return hexOf(key as Uint8Array);
  if (typeof key === "string") return isAmbiguous(key) ? JSON.stringify(key) : key;
  if (typeof key === "number") return textOfNumber(key);
  return typeof key === "bigint" ? `${key}n` : jsonOfKey(key);
}

/** The same for people: in one line, printable. */
export function showKey(encoding: KeyEncoding, key: Key): string {
  if (typeof key === "string" && (key === "" || key.startsWith('"') || UNPRINTABLE.test(key)))
    return quote(key);
  return textOfKey(encoding, key).replace(
    UNPRINTABLES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Text at not more than `most` characters. */
export function shorten(text: string, most = 60): string {
  return text.length <= most ? text : `${text.slice(0, Math.max(0, most - 1))}…`;
}

const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
/** Bytes for people. */
export function showBytes(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  while (Math.abs(amount) >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? amount : amount.toFixed(amount < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A number for people. */
export const showCount = (count: number): string => Math.round(count).toLocaleString("en-US");

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${showCount(count)} ${count === 1 ? one : many}`;
