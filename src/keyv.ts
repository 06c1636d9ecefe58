/**
 * bancos/keyv: a storage adapter for Keyv.
 *
 * @module
 */
export { BancosKeyv, BancosKeyv as default, type BancosKeyvOptions } from "./adapters/keyv.ts";
