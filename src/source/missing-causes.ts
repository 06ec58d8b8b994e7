/**
 * What cannot be seen, one entry a cause, however many places it holds in; an entry is
 * withdrawn when it holds in none any more.
 */
export class MissingCauses {
  readonly #places = new Map<string, Map<string, string>>();

  /** `cause` holds in `place`, which is called `name`. */
  add(cause: string, place = '', name = place): void {
    const places = this.#places.get(cause) ?? new Map<string, string>();
    places.set(place, name);
    this.#places.set(cause, places);
  }

  /** Whatever held in `place` is over. */
  withdraw(place: string): void {
    for (const [cause, places] of this.#places) {
      if (places.delete(place) && places.size === 0) this.#places.delete(cause);
    }
  }

  /** In words, in the order they came. */
  texts(): readonly string[] {
    return [...this.#places].map(([cause, places]) => {
      const [first = ''] = places.values();
      const more = places.size > 1 ? ` and ${places.size - 1} more` : '';
      return first === '' ? cause : `${cause}, in ${first}${more}`;
    });
  }
}
