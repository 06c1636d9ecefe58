/** Changing and deleting what is there. Each verb in single calls and in the store's best way. */
import type { Key } from "../data.ts";
import { ABILITIES, type Contender, type Value } from "../stores/index.ts";
import type { RowName } from "./rows.ts";
import type { Subject } from "./subject.ts";

export async function changeRows(subject: Subject, store: Contender<Key>): Promise<void> {
  const { each } = ABILITIES[subject.name];
  const few = (): Key[] => subject.askFresh().slice(0, Math.min(each, subject.effort.each));

  const update = async (eachRow: RowName, allRow: RowName, value: (i: number) => Value): Promise<void> => {
    const single = few();
    const singleValues = single.map((_, i) => value(i));
    await subject.time(eachRow, single.length, () => store.setEach(single, singleValues));
    const asked = subject.askFresh();
    const values = asked.map((_, i) => value(i));
    await subject.time(allRow, asked.length, () => store.setAll(asked, values));
  };
  await update("updateEach", "updateAll", (i) => i * 3);

  const single = few();
  await subject.time("addEach", single.length, () => store.addEach(single));
  const asked = subject.askFresh();
  await subject.time("addAll", asked.length, () => store.addAll(asked));

  await update("textEach", "textAll", (i) => `${i}`.padStart(100, "value "));

  // In random order; each key once, since deleting what is gone costs less.
  const doomed = [...new Set(subject.askFresh())];
  const alone = doomed.slice(0, Math.min(each, subject.effort.each, doomed.length >> 1));
  await subject.time("deleteEach", alone.length, () => store.deleteEach(alone));
  const rest = doomed.slice(alone.length);
  await subject.time("deleteAll", rest.length, () => store.deleteAll(rest));
}
