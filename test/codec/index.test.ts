/** Promises of the table of codecs: what the file records and what the option says mean the same. */
import { describe, expect, test } from "bun:test";
import { codecFor, encodingOf, KEY_ENCODINGS, type KeyEncoding } from "../../src/codec/index.ts";
import { codeOf } from "./support.ts";

describe("codecs", () => {
  test("names and ids are those the file format fixes", () => {
    expect(KEY_ENCODINGS.map((name) => [name, codecFor(name).id, codecFor(name).name])).toEqual([
      ["utf8", 0, "utf8"],
      ["binary", 1, "binary"],
      ["ordered", 2, "ordered"],
    ]);
    for (const name of KEY_ENCODINGS) expect(encodingOf(codecFor(name).id)).toBe(name);
    for (const id of [-1, 3, 255, 0.5]) expect(encodingOf(id)).toBe(undefined);
  });

  test("another name is INVALID_OPTION", () => {
    for (const name of ["utf-8", "", "toString", undefined, 0]) {
      expect(codeOf(() => codecFor(name as KeyEncoding))).toBe("INVALID_OPTION");
    }
  });
});
