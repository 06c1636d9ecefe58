/** The module that a pool's Workers run. */
import { serve, type WorkerScope } from "./serve.ts";

serve(globalThis as unknown as WorkerScope);
