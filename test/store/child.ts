/** What the child processes of these tests do: `child.ts WHAT PATH …`. */
const [what = "", path = "", ...rest] = process.argv.slice(2);

/** How a file answers to everything that a store is asked. */
async function probe(file: string): Promise<string> {
  const { open, BancosError } = await import("../../src/index.ts");
  try {
    const store = open(file, { flushEvery: 0 });
    try {
      for (const [key] of store.entries({ limit: 100_000 })) store.get(key);
      store.verify();
      store.set("probe", 1);
      store.delete("probe");
    } finally {
      store.close();
    }
    return "opened";
  } catch (error) {
    if (error instanceof BancosError) return error.code;
    throw error;
  }
}

switch (what) {
  case "network": {
    // The magic number of NFS, as statfs(2) would give it there. The store has not been loaded yet: it will see this.
    const fs = process.getBuiltinModule("node:fs");
    const real = fs.statfsSync;
    fs.statfsSync = ((...args: Parameters<typeof real>) =>
      Object.assign(real(...args), { type: 0x6969 })) as typeof real;
    const { open, BancosError } = await import("../../src/index.ts");
    try {
      open(path);
      console.log("opened");
    } catch (error) {
      if (error instanceof BancosError) console.log(`${error.code} ${error.message}`);
    }
    const store = open(path, { force: ["filesystem"] });
    console.log(`forced: ${store.set("a", 1).get("a")}`);
    store.close();
    break;
  }
  case "fill": {
    const { open, BancosError } = await import("../../src/index.ts");
    const store = open(path, { flushEvery: 0 });
    let code = "";
    for (let i = 0; code === ""; i++) {
      try {
        store.set(`key ${i}`, "v".repeat(100));
      } catch (error) {
        if (!(error instanceof BancosError)) throw error;
        code = error.code;
      }
    }
    const { size } = store;
    let sound = store.verify().ok;
    for (let i = 0; i < size; i += 2) sound &&= store.delete(`key ${i}`);
    store.collect();
    for (let i = 0; i < size; i += 2) store.set(`key ${i}`, "w".repeat(100));
    sound &&= store.verify().ok && store.size === size;
    store.close();
    console.log(`${code}, ${sound ? "and in order" : "and broken"}`);
    break;
  }
  case "probe":
    for (const file of [path, ...rest]) console.log(await probe(file));
    break;
  case "create": {
    const { open } = await import("../../src/index.ts");
    console.log("ready");
    // Creates stores until it is killed.
    for (let i = 0; ; i++) {
      const store = open(`${path}/${i}.bancos`, { flushEvery: 0 });
      store.set("made by", process.pid);
      store.close();
    }
  }
  default:
    throw new Error(`child.ts does not know ${what}`);
}
