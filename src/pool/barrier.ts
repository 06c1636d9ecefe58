/**
 * Waiting for all that was begun before, and for nothing that begins later: groups of what is under way, the oldest
 * first. Whoever waits closes the present group; it is told when that and all older ones are empty.
 */

/** Those who began between two waits. */
export interface Group {
  left: number;
  readonly waiting: (() => void)[];
}

const newGroup = (): Group => ({ left: 0, waiting: [] });

export class Barrier {
  private readonly groups: Group[] = [newGroup()];

  /** Something begins. */
  enter(): Group {
    const group = this.groups[this.groups.length - 1]!;
    group.left++;
    return group;
  }

  /** Something that began as one of `group` has ended. */
  leave(group: Group): void {
    if (--group.left > 0) return;
    while (this.groups.length > 1 && this.groups[0]!.left === 0) {
      for (const tell of this.groups.shift()!.waiting) tell();
    }
  }

  /** Calls `then` when all that has begun has ended; at once if nothing is under way. */
  wait(then: () => void): void {
    const present = this.groups[this.groups.length - 1]!;
    if (this.groups.length === 1 && present.left === 0) {
      then();
      return;
    }
    present.waiting.push(then);
    this.groups.push(newGroup());
  }
}
