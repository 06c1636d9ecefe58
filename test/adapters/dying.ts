/** Children that are killed in the middle of what adapters do as several writes: `dying.ts level|keyv|unstorage PATH`. */
import { BancosKeyv } from "../../src/keyv.ts";
import { BancosLevel } from "../../src/level.ts";
import { bancosDriver } from "../../src/unstorage.ts";

const [what, path = ""] = process.argv.slice(2);
/** In one call. */
const MANY = 20_000;
/** Far more than is done before the parent has seen enough; if it is gone, that must have an end, too. */
const ALL = 5_000_000;
const name = (i: number): string => String(i).padStart(7, "0");
const several = (from: number) =>
  Array.from({ length: MANY }, (_, i) => ({ key: name(from + i), value: `${from + i}` }));

if (what === "level") {
  const db = new BancosLevel(path);
  for (let from = 0; from < ALL; from += MANY) {
    await db.batch(several(from).map((entry) => ({ type: "put" as const, ...entry })));
  }
} else if (what === "keyv") {
  const adapter = new BancosKeyv({ path });
  // Set again and again with other times: what finds them by the old ones must not be all there is.
  for (let i = 0; i < ALL; i++) await adapter.set(name(i % 1000), `${i}`, 60_000 + i);
} else {
  const driver = bancosDriver({ path });
  for (let from = 0; from < ALL; from += MANY) await driver.setItems?.(several(from));
}
