/** Stores that nobody closes. */
import { closeHandle } from "../memory/platform.ts";

/**
 * Stores that were forgotten without being closed (`bun --hot` does that at each reload): when one is collected its file
 * is let go, and the next to open it recovers the slot as that of the dead. Kept by the global object, which outlives a
 * reload. It holds nothing but the number of the handle.
 */
const REGISTRY = Symbol.for("bancos.forgotten");
const globals = globalThis as { [REGISTRY]?: FinalizationRegistry<number> };
globals[REGISTRY] ??= new FinalizationRegistry<number>((h) => closeHandle(h));
/** To register each store with, under the number of its handle. */
export const forgotten: FinalizationRegistry<number> = globals[REGISTRY];
