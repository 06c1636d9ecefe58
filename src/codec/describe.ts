/** Words for error messages: what a value is, short enough for one line and never running its code. */

/**
 * Names the type of `value` for an error message: "undefined", "a number", "an array", "a Float64Array".
 * Never throws.
 */
export function describeType(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return withArticle(typeof value);
  if (Array.isArray(value)) return "an array";
  // The built-in tag of a typed array is a getter on its prototype: no code of the caller runs.
  if (ArrayBuffer.isView(value)) return withArticle(value instanceof DataView ? "DataView" : viewName(value));
  if (value instanceof ArrayBuffer) return "an ArrayBuffer";
  if (value instanceof SharedArrayBuffer) return "a SharedArrayBuffer";
  if (value instanceof Date) return "a Date";
  return "an object";
}

const TypedArrayPrototype = Object.getPrototypeOf(Uint8Array.prototype) as object;
const typedArrayTag = Object.getOwnPropertyDescriptor(TypedArrayPrototype, Symbol.toStringTag)!.get!;

/** "Uint8Array", "Float64Array" and so on; a Buffer is a Uint8Array. */
function viewName(view: ArrayBufferView): string {
  return String(typedArrayTag.call(view));
}

function withArticle(noun: string): string {
  return `${/^[aeiou]|^[AI]/.test(noun) ? "an" : "a"} ${noun}`;
}

/** A key in a message, not at length. */
export function describeKey(key: unknown): string {
  const text = typeof key === "string" ? JSON.stringify(key) : String(key);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
