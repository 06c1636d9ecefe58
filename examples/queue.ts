/**
 * A queue of jobs in a file, worked off by several processes. Urgent jobs first, then the older ones. A worker leases a
 * job, does it, removes it; if the worker dies, its lease runs out and another one takes the job: here one of them is
 * killed on purpose. So each job is done once, or in such a case perhaps twice.
 *
 *     bun examples/queue.ts [JOBS] [WORKERS] [FILE]
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "bancos";

/** Under ["job", urgency, number]; urgency 0 before 1. */
type Job = { task: string; leasedUntil: number; by: number };
type JobKey = ["job", number, number];

const LEASE = 300;

const openQueue = (path: string) => open<Job | number>(path, { keyEncoding: "ordered" });
type Queue = ReturnType<typeof openQueue>;

function put(queue: Queue, task: string, urgency: number): void {
  // The counter is atomic between processes: no two jobs get one number.
  const number = queue.add("jobs put", 1) as number;
  queue.set(["job", urgency, number], { task, leasedUntil: 0, by: 0 });
}

/** Leases the first job that nobody has; undefined if there is none now. */
function take(queue: Queue): [JobKey, Job] | undefined {
  for (const [key, value] of queue.entries({ prefix: ["job"] })) {
    const job = value as Job;
    if (job.leasedUntil > Date.now()) continue;
    const leased: Job = { ...job, leasedUntil: Date.now() + LEASE, by: process.pid };
    // Two may have seen the same job: the file decides who has it.
    if (queue.compareAndSet(key, job, leased)) return [key as JobKey, leased];
  }
  return undefined;
}

/** Removes a job that was done, unless the lease ran out and another one has it. */
const finish = (queue: Queue, key: JobKey, job: Job) => queue.compareAndSet(key, job, undefined);

async function work(path: string, workers: number, dies: boolean): Promise<void> {
  using queue = openQueue(path);
  queue.add("workers here", 1);
  while ((queue.get("workers here") as number) < workers) await Bun.sleep(1);
  for (let done = 0; queue.count({ prefix: ["job"] }) > 0; ) {
    const taken = take(queue);
    if (taken === undefined) {
      await Bun.sleep(10);
      continue;
    }
    if (dies && done === 3) process.kill(process.pid, "SIGKILL");
    await Bun.sleep(2); // The work itself.
    if (finish(queue, ...taken)) done = queue.add(["done by", process.pid], 1) as number;
  }
}

const [jobs = "200", workers = "3", path = join(tmpdir(), "queue.bancos"), role = "start"] =
  process.argv.slice(2);
if (role !== "start") {
  await work(path, Number(workers), role === "die");
} else {
  using queue = openQueue(path);
  queue.set("workers here", 0);
  for (let i = 0; i < Number(jobs); i++) put(queue, `task ${i}`, i % 10 === 0 ? 0 : 1);
  console.log(`${queue.count({ prefix: ["job"] })} jobs in ${path}`);
  const started = performance.now();
  const children = Array.from({ length: Number(workers) }, (_, i) =>
    Bun.spawn([process.execPath, import.meta.path, jobs, workers, path, i === 0 ? "die" : "work"], {
      stdout: "inherit",
      stderr: "inherit",
    }),
  );
  await Promise.all(children.map((child) => child.exited));
  for (const [i, { pid, signalCode }] of children.entries()) {
    const end = signalCode === null ? "" : `, died of ${signalCode} with a job in its hands`;
    console.log(`worker ${i + 1}: ${queue.get(["done by", pid]) ?? 0} jobs${end}`);
    queue.delete(["done by", pid]);
  }
  const left = queue.count({ prefix: ["job"] });
  console.log(`${left} jobs left after ${Math.round(performance.now() - started)} ms`);
  process.exitCode = left === 0 ? 0 : 1;
}
