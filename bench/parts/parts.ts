/** All parts, on one store. */
import { cellParts } from "./cells.ts";
import { chainParts } from "./chain.ts";
import { inside } from "./inside.ts";
import { keyParts } from "./keys.ts";
import { lookupParts } from "./lookup.ts";
import { memoryParts } from "./memory.ts";
import { nodeParts } from "./nodes.ts";
import { orderParts } from "./order.ts";
import type { Part } from "./part.ts";

/**
 * Calls `use` with every part, on a store of `keys` keys at `path`. Afterwards the store is verified and deleted.
 *
 * @throws Error if a part has damaged it
 */
export async function withParts(
  path: string,
  keys: number,
  use: (parts: readonly Part[]) => Promise<void>,
): Promise<void> {
  const store = inside(path, keys);
  const nodes = nodeParts(store);
  const cells = cellParts(store);
  const memory = memoryParts(`${path}.memory`);
  try {
    await use([
      ...memory.parts,
      ...keyParts(),
      ...nodes.parts,
      ...lookupParts(store),
      ...chainParts(store),
      ...orderParts(store),
      ...cells.parts,
    ]);
  } finally {
    memory.free();
    cells.free();
    nodes.free();
    store.close();
  }
}
