/**
 * A process or a Worker that plays a role of roles.ts. The task comes as an argument, or for a Worker in its
 * environment. An error ends it with exit code 3, or as a message to who started it.
 */
import { isMainThread } from "node:worker_threads";
import { play } from "./roles.ts";
import type { Task } from "./support.ts";

const text = isMainThread ? process.argv[2] : process.env["BANCOS_TASK"];
const task = JSON.parse(text ?? "{}") as Task;

function say(line: string): void {
  if (isMainThread) process.stdout.write(`${line}\n`);
  else postMessage({ say: line });
}

try {
  await play(task, say);
  if (!isMainThread) process.exit(0);
} catch (error) {
  const message = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : String(error);
  if (isMainThread) {
    process.stderr.write(`${message}\n`);
    process.exit(3);
  }
  postMessage({ error: message });
  await Bun.sleep(10);
  process.exit(3);
}
