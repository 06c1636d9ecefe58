/**
 * bancos/unstorage: a driver for unstorage.
 *
 * @module
 */
export { type BancosDriverOptions, bancosDriver, bancosDriver as default } from "./adapters/unstorage.ts";
