interface Place {
  readonly name: string;
  readonly since: Date;
}

/**
 * What cannot be seen, one entry a cause, however many places it holds in, with the time since
 * when; an entry is withdrawn when it holds in none any more.
 */
export class MissingCauses {
  readonly #places = new Map<string, Map<string, Place>>();
  readonly #now: () => Date;

  constructor(now = (): Date => new Date()) {
    this.#now = now;
  }

  /** `cause` holds in `place`, which is called `name`; without a place it is of the machine. */
  add(cause: string, place = '', name = place): void {
    const places = this.#places.get(cause) ?? new Map<string, Place>();
    const since = places.get(place)?.since ?? this.#now();
    places.set(place, { name, since });
    this.#places.set(cause, places);
  }

  /** `cause` holds in `place`, and no other one does. */
  replace(cause: string, place: string, name = place): void {
    for (const other of this.#places.keys()) {
      if (other !== cause) this.#withdraw(other, place);
    }
    this.add(cause, place, name);
  }

  /** Whatever held in `place` is over. */
  withdraw(place: string): void {
    for (const cause of this.#places.keys()) this.#withdraw(cause, place);
  }

  /** In words, in the order they came. */
  texts(): readonly string[] {
    return [...this.#places].map(([cause, places]) => {
      const [first] = places.values();
      if (first === undefined || first.name === '') return cause;
      const more = places.size > 1 ? ` and ${places.size - 1} more` : '';
      return `${cause}, in ${first.name}${more}, since ${secondText(earliest(places.values()))}`;
    });
  }

  #withdraw(cause: string, place: string): void {
    const places = this.#places.get(cause);
    if (places?.delete(place) === true && places.size === 0) this.#places.delete(cause);
  }
}

function earliest(places: Iterable<Place>): Date {
  return [...places].reduce((a, b) => (b.since < a.since ? b : a)).since;
}

/** `2026-11-27T08:46:10Z` */
function secondText(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
