/** Keys to digits and back, values to bytes and back. Imports only `src/errors.ts`; knows no store and no memory. */
import { BancosError } from "../errors.ts";
import { BinaryKeyCodec } from "./binary.ts";
import { KEY_ENCODINGS, type KeyCodec, type KeyEncoding } from "./digits.ts";
import { OrderedKeyCodec } from "./ordered.ts";
import { Utf8KeyCodec } from "./utf8.ts";

export { BinaryKeyCodec } from "./binary.ts";
export {
  DIGITS_CAPACITY,
  KEY_ENCODINGS,
  type KeyCodec,
  type KeyEncoding,
  MAX_KEY_BYTES,
  MAX_KEY_DIGITS,
  TERMINATOR,
} from "./digits.ts";
export { type OrderedKey, OrderedKeyCodec } from "./ordered.ts";
export { Utf8KeyCodec } from "./utf8.ts";
export { decodeValue, int64FromHalves, MAX_VALUE_BYTES, ValueEncoder, ValueType } from "./value.ts";

/**
 * A new codec for the encoding; each store has its own, since a codec keeps a little scratch memory.
 *
 * @throws BancosError `INVALID_OPTION` for another name
 */
export function codecFor(name: "utf8"): Utf8KeyCodec;
export function codecFor(name: "binary"): BinaryKeyCodec;
export function codecFor(name: "ordered"): OrderedKeyCodec;
export function codecFor(name: KeyEncoding): KeyCodec;
export function codecFor(name: KeyEncoding): KeyCodec {
  switch (name) {
    case "utf8":
      return new Utf8KeyCodec();
    case "binary":
      return new BinaryKeyCodec();
    case "ordered":
      return new OrderedKeyCodec();
    default:
      throw new BancosError(
        "INVALID_OPTION",
        `keyEncoding must be one of ${KEY_ENCODINGS.map((known) => `"${known}"`).join(", ")}`,
      );
  }
}

/** The encoding that a file records as `id`; `undefined` if there is none. */
export function encodingOf(id: number): KeyEncoding | undefined {
  return KEY_ENCODINGS[id];
}
