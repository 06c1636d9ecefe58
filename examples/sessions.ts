/**
 * Sessions of a web site, shared by two server processes: whichever gets a request finds the session that the other one
 * wrote a moment ago. No server for the sessions is needed, and none is asked over a socket.
 *
 *     bun examples/sessions.ts [PORT] [FILE]
 *     curl -c jar -b jar http://localhost:3000/     # again and again: the counts go on, the processes take turns
 *
 * With port 0 each process takes a free port of its own.
 */
import { tmpdir } from "node:os";
import { join } from "node:path";
import { open } from "bancos";

/** What is kept under `session:<id>`. */
type Session = { visits: number; since: number; by: number };

const MINUTE = 60_000;
const LIFETIME = 30 * MINUTE;

function serve(port: number, path: string): void {
  const sessions = open<Session | string>(path);
  const keyOf = (id: string) => `session:${id}`;
  /** Sorts by time: all that has expired is the range before `expires:<now>`. */
  const expiry = (time: number) => `expires:${String(time).padStart(15, "0")}`;

  /** Counts a visit. Another process may do so at the same moment: who comes second tries again. */
  function visit(id: string): Session {
    for (;;) {
      const before = sessions.get(keyOf(id)) as Session | undefined;
      const after: Session = {
        visits: (before?.visits ?? 0) + 1,
        since: before?.since ?? Date.now(),
        by: process.pid,
      };
      if (!sessions.compareAndSet(keyOf(id), before, after)) continue;
      if (before === undefined) sessions.set(`${expiry(Date.now() + LIFETIME)}:${id}`, id);
      return after;
    }
  }

  /** Removes what has expired. All processes may do it at once. */
  function sweep(): void {
    for (const [key, id] of sessions.entries({ prefix: "expires:", lt: expiry(Date.now()) })) {
      sessions.delete(keyOf(id as string));
      sessions.delete(key);
    }
  }
  setInterval(sweep, MINUTE).unref();

  const server = Bun.serve({
    port,
    // Two processes on one port: the kernel spreads the connections.
    reusePort: port !== 0,
    routes: {
      "/": (request) => {
        const id = request.cookies.get("id") ?? crypto.randomUUID();
        request.cookies.set("id", id, { httpOnly: true, maxAge: LIFETIME / 1000 });
        return Response.json(visit(id));
      },
      "/logout": (request) => {
        const id = request.cookies.get("id");
        if (id !== null) sessions.delete(keyOf(id));
        request.cookies.delete("id");
        return Response.json({ bye: true });
      },
    },
  });
  console.log(`process ${process.pid} serves ${server.url}`);
  process.on("SIGTERM", () => {
    sessions.close();
    process.exit();
  });
}

const [port = "3000", path = join(tmpdir(), "sessions.bancos"), role = "start"] = process.argv.slice(2);
if (role === "serve") {
  serve(Number(port), path);
} else {
  const command = [process.execPath, import.meta.path, port, path, "serve"];
  const servers = [1, 2].map(() => Bun.spawn(command, { stdout: "inherit", stderr: "inherit" }));
  const stop = () => {
    for (const server of servers) server.kill();
  };
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
  await Promise.all(servers.map((server) => server.exited));
}
