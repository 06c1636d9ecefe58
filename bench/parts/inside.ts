/** A store's inside, for parts that have no public verb. The tree's own verbs filled it. */
import { rmSync } from "node:fs";
import type { Utf8KeyCodec } from "../../src/codec/index.ts";
import type { Participant } from "../../src/reclaim/participant.ts";
import { closeOpened, type Opened, openFileAsStore } from "../../src/store/open.ts";
import { checkOptions } from "../../src/store/options.ts";
import { open } from "../../src/store/store.ts";
import { generatedKey } from "../data.ts";

export interface Inside {
  readonly participant: Participant;
  /** Number of keys: `generatedKey(0 … keys - 1)`. */
  readonly keys: number;
  /** Makes `key` the key of the operation under way. */
  readonly say: (key: string) => void;
  /** Closes the store, verifies and deletes it. Throws if a part has left damage. */
  readonly close: () => void;
}

/** Makes a store of `keys` keys at `path` and opens it once more, by the layers below. */
export function inside(path: string, keys: number): Inside {
  const store = open<number>(path);
  for (let i = 0; i < keys; i++) store.set(generatedKey(i), i);
  store.close();
  const opened: Opened = openFileAsStore(path, checkOptions({ flushEvery: 0 }));
  const { participant } = opened;
  const codec = opened.codec as Utf8KeyCodec;
  return {
    participant,
    keys,
    say: (key) => {
      participant.keyLength = codec.encode(key, participant.key);
    },
    close: () => {
      closeOpened(opened);
      const again = open(path);
      const { ok, problems } = again.verify();
      again.close();
      rmSync(path);
      if (!ok) throw new Error(`the parts have left damage: ${problems[0]?.message}`);
    },
  };
}
