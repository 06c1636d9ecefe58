/**
 * bancos: a persistent, ordered key-value store for Bun.
 *
 * @module
 */
export { KEY_ENCODINGS, type KeyEncoding } from "./codec/index.ts";
export { BancosError, ERROR_CODES, type ErrorCode, type ErrorDetails } from "./errors.ts";
export type { ParticipantInfo } from "./reclaim/registry.ts";
export type { RebuildReport, RecoveryReport } from "./recovery/lifecycle.ts";
export type { LostLeaf, RepairReport } from "./recovery/repair.ts";
export type { Problem, VerifyReport } from "./recovery/verify.ts";
export { type CopyOptions, type CopyReport, compact } from "./store/backup.ts";
export {
  type CellInspection,
  type ChildView,
  inspectAt,
  inspectKey,
  type KeyInspection,
  type LeafView,
  type NodeView,
  type PathStep,
  type SlabView,
} from "./store/inspect.ts";
export type { OpenOptions } from "./store/options.ts";
export type { Range } from "./store/range.ts";
export { type RepairOptions, repair } from "./store/repair.ts";
export type { CellFigures, Stats } from "./store/stats.ts";
export { open, Store } from "./store/store.ts";
export type { Json, Key, Reader, Value, Writer } from "./store/types.ts";
