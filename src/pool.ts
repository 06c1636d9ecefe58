/**
 * bancos/pool: a store's operations as promises, run by Worker threads.
 *
 * @module
 */
export { openPool, Pool, type PoolOptions } from "./pool/pool.ts";
