/** A pool's Worker on which certain keys have certain effects, for tests. */
import { BancosError } from "../../src/errors.ts";
import { serve, type WorkerScope } from "../../src/pool/serve.ts";
import { Flusher } from "../../src/store/flusher.ts";
import { Store } from "../../src/store/store.ts";

const { get, set } = Store.prototype;
const { flushSync } = Flusher.prototype;
let failSyncs = false;

Store.prototype.get = function (key: unknown) {
  if (key === "corrupt") throw new BancosError("CORRUPT", "damaged on purpose", { offset: 4096 });
  if (key === "bug") throw new RangeError("not a BancosError");
  if (key === "exit") process.exit(7);
  return get.call(this, key as never);
};
Store.prototype.set = function (key: unknown, value: unknown) {
  if (key === "exit before") process.exit(7);
  set.call(this, key as never, value);
  if (key === "exit after") process.exit(7);
  if (key === "throw later") {
    queueMicrotask(() => {
      throw new Error("thrown on purpose");
    });
  }
  if (key === "spin") for (;;) Bun.sleepSync(1000);
  if (key === "fail syncs") failSyncs = true;
  return this;
};
Flusher.prototype.flushSync = function () {
  if (failSyncs) throw new BancosError("IO_ERROR", "a sync that fails on purpose");
  flushSync.call(this);
};

serve(globalThis as unknown as WorkerScope);
