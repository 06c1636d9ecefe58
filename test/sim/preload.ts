/** Puts the simulated machine under the tree. Loaded before every file in this folder, hence before the tree. */
import { mock, setSystemTime } from "bun:test";
import { join } from "node:path";
import * as platform from "./platform.ts";
import * as primitives from "./primitives.ts";

const SRC = join(import.meta.dir, "../../src");

// The declared types make the compiler complain of an export that is missing or of another shape.
const simulatedPrimitives: typeof import("../../src/memory/primitives.ts") = primitives;
const simulatedPlatform: Omit<typeof import("../../src/memory/platform.ts"), "PlatformError"> = platform;
mock.module(join(SRC, "memory/primitives.ts"), () => simulatedPrimitives);
mock.module(join(SRC, "memory/platform.ts"), () => simulatedPlatform);

// This one imports the tree, so only now.
const open = await import("./open.ts");
const simulatedOpen: typeof import("../../src/store/open.ts") = open;
mock.module(join(SRC, "store/open.ts"), () => simulatedOpen);

// The time of day is written into the file; states are compared by their bytes.
setSystemTime(new Date("2026-01-01T00:00:00Z"));
