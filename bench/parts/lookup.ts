/** The way to a leaf, and what is done when it has been found. */
import { hasKey, isSound, keyLengthOf, leafBytes, typeOf } from "../../src/node/leaf.ts";
import { enter, leave } from "../../src/reclaim/epoch.ts";
import { lookup } from "../../src/rowex/place.ts";
import { generatedKey } from "../data.ts";
import { random } from "../random.ts";
import type { Inside } from "./inside.ts";
import type { Part } from "./part.ts";

export function lookupParts({ participant: p, keys, say }: Inside): Part[] {
  const next = random(3);
  const count = 1 << 14;
  const texts = Array.from({ length: count }, () => generatedKey(Math.floor(next() * keys)));
  let i = 0;
  enter(p);
  say(texts[0] as string);
  const leaf = lookup(p);
  const tag = p.leafTag;
  leave(p);
  if (leaf === 0 || !hasKey(p.h, leaf, tag, p.keyLength)) throw new Error("a key is lost");
  const digits = keyLengthOf(tag);
  const type = typeOf(tag);
  const bytes = leafBytes(digits, type, 0);
  const { length } = texts[0] as string;
  return [
    {
      group: "lookup",
      name: "encode the key (in the next line as well)",
      run: () => say(texts[i++ & (count - 1)] as string),
    },
    {
      group: "lookup",
      name: "encode, descend to a random leaf",
      run: () => {
        say(texts[i++ & (count - 1)] as string);
        return lookup(p);
      },
    },
    {
      group: "lookup",
      name: "descend to the same leaf again",
      run: () => lookup(p),
    },
    {
      group: "lookup",
      name: `compare ${length} digits with a leaf's`,
      run: () => hasKey(p.h, leaf, tag, digits),
    },
    {
      group: "lookup",
      name: "check a leaf's checksum",
      run: () => isSound(p.h, p.region.salt, leaf, tag, digits, type, bytes),
    },
  ];
}
