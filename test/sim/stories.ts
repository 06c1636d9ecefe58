/** Many stories, until enough has been looked at. */
import { Failures, Random, SEED, told } from "./report.ts";
import { type Manner, nothingSeen } from "./scene.ts";
import { Story } from "./story.ts";

/** Seconds that `BANCOS_SIM_SECONDS` gives, 0 if it gives none; and the limit of a test that takes them, in milliseconds. */
const SECONDS = Number(process.env.BANCOS_SIM_SECONDS ?? 0);
export const LIMIT = 300_000 + SECONDS * 1000;

/** Chapters of one story. */
const CHAPTERS = 4;

/**
 * Tells stories until `images` different images of the file were opened, or for as many seconds as
 * `BANCOS_SIM_SECONDS` says. Story n of seed s is story 0 of the seed that a failure names. Returns what went wrong.
 */
export function tell(name: string, manner: Manner, images: number): string[] {
  const end = performance.now() + SECONDS * 1000;
  const failures = new Failures();
  const seen = nothingSeen();
  let stories = 0;
  const more = (): boolean => (SECONDS > 0 ? performance.now() < end : seen.images.size < images);
  while (more() && failures.count < 2) {
    const seed = (SEED + Math.imul(stories, 0x9e3779b1)) >>> 0;
    let story: Story | null = null;
    try {
      story = new Story(new Random(seed), manner, seen);
      for (let chapter = 0; chapter < CHAPTERS && story.scene.problems.length === 0; chapter++)
        story.chapter();
    } catch (error) {
      story?.scene.problems.push(`${told(error)}:${story.scene.text}`);
      if (story === null) throw error;
    }
    failures.note(`BANCOS_SIM_SEED=${seed}`, story.scene.problems);
    stories++;
  }
  const { losses, again, invalid, superseded, deaths, closed } = seen;
  console.log(
    `${name}: ${seen.images.size} different images, ${losses} losses gone on from, ${again} in a rebuild, in ${stories} files; ` +
      `${deaths} deaths, ${closed} closed in order; ${invalid} invalid cells, ${superseded} superseded; seed ${SEED}`,
  );
  return failures.report();
}
