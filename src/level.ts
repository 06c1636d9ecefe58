/**
 * bancos/level: a database class of the Level family.
 *
 * @module
 */
export { BancosLevel, type BancosLevelOptions, type SyncOption } from "./adapters/level.ts";
