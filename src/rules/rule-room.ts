/** Rules of one namespace that are kept; a table with those past it is not followed to its end. */
export const RULES_LIMIT = 500_000;

/** Room for the rules of one namespace. */
export class RuleRoom {
  /** Rules that found none. */
  leftOut = 0;
  #left: number;

  constructor(limit = RULES_LIMIT) {
    this.#left = limit;
  }

  /** Whether there is room for one more. */
  take(): boolean {
    if (this.#left === 0) {
      this.leftOut += 1;
      return false;
    }
    this.#left -= 1;
    return true;
  }
}
