/**
 * Loaded before every test file. Bun gives a test five seconds; on a busy machine that is a test of the machine. The
 * limit here is only meant to end what hangs.
 */
import { setDefaultTimeout } from "bun:test";

setDefaultTimeout(300_000);
