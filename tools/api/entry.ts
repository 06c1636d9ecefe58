/** What docs/api.md describes: the public interface of all entries, as one. */
export * from "../../src/index.ts";
export * from "../../src/keyv.ts";
export * from "../../src/level.ts";
export * from "../../src/pool.ts";
export * from "../../src/unstorage.ts";
