import { GROUPING_LIMIT, type Grouping, type GroupsMessage } from 'hopscope-protocol';

export interface WantedGrouping {
  readonly by: Grouping;
  readonly filter: string;
}

function nameOf({ by, filter }: WantedGrouping): string {
  return `${by} ${filter}`;
}

/** The groupings that views look at, and the newest of each. */
export class GroupStore {
  /** By name; at most GROUPING_LIMIT. */
  #answers = $state.raw<ReadonlyMap<string, GroupsMessage>>(new Map());
  wanted: readonly WantedGrouping[] = [];

  of(grouping: WantedGrouping): GroupsMessage | null {
    return this.#answers.get(nameOf(grouping)) ?? null;
  }

  want(groupings: readonly WantedGrouping[]): void {
    this.wanted = groupings.slice(0, GROUPING_LIMIT);
    const names = new Set(this.wanted.map(nameOf));
    this.#answers = new Map([...this.#answers].filter(([name]) => names.has(name)));
  }

  apply(message: GroupsMessage): void {
    const name = nameOf(message);
    if (!this.wanted.some((one) => nameOf(one) === name)) return;
    this.#answers = new Map([...this.#answers, [name, message]]);
  }
}
