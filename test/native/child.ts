/** What the child processes of these tests do: `child.ts WHAT PATH …`. One line of output for each step. */
import {
  closeFile,
  futexWait,
  futexWake,
  lockByte,
  lockHeld,
  monotonicNs,
  openFile,
  threadId,
  threadStartTime,
  unlockByte,
} from "../../src/memory/platform.ts";
import { fetchAdd32, load32, store32 } from "../../src/memory/primitives.ts";
import { hammer } from "./hammer.ts";
import { mapFile } from "./support.ts";

const [what = "", path = "", first = "", second = ""] = process.argv.slice(2);

function say(line: string | number | boolean): void {
  process.stdout.write(`${line}\n`);
}

async function* lines(): AsyncGenerator<string> {
  for await (const line of console) yield line;
}

switch (what) {
  case "hammer": {
    const mapped = mapFile(path, Number(first));
    hammer(mapped.h, Number(second));
    mapped.close();
    break;
  }
  case "locks": {
    // Each line of input is one step: KIND BYTE, and what came of it is the answer.
    const fd = openFile(path, { write: true });
    say("ready");
    for await (const line of lines()) {
      const [step, byte] = line.split(" ");
      const at = Number(byte);
      if (step === "read" || step === "write") say(lockByte(fd, at, step, false));
      else if (step === "wait") say(lockByte(fd, at, "write", true));
      else if (step === "unlock") say(String(unlockByte(fd, at)));
      else if (step === "held") say(lockHeld(fd, at));
      else if (step === "close") say(String(closeFile(fd)));
    }
    break;
  }
  case "futex": {
    const mapped = mapFile(path, 4096);
    fetchAdd32(mapped.h, 2, 0, 1);
    let result = "";
    while (load32(mapped.h, 1, 4) === 0) result = futexWait(mapped.h, 1, 4, 0, 60_000);
    say(result);
    store32(mapped.h, 3, 0, 1);
    futexWake(mapped.h, 3, 0, 1);
    mapped.close();
    break;
  }
  case "who":
    say(`${process.pid} ${threadId()} ${threadStartTime(process.pid, threadId())} ${monotonicNs()}`);
    for await (const _ of lines()) break;
    break;
  default:
    throw new Error(`child.ts does not know ${what}`);
}
