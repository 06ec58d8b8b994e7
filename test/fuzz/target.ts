import type { Random } from './random.js';

/** What mutations know of a target's inputs. */
export type InputKind = 'bytes' | 'text' | 'json';

/** One way into hopscope for what others wrote. */
export interface Target {
  /** The name of its folder in the corpus too. */
  readonly name: string;
  readonly kind: InputKind;
  /** Longest input that mutations grow, bytes. */
  readonly longest: number;
  /** Words that mean something there. */
  readonly words?: readonly string[];
  /**
   * Runs after which it begins anew, with nothing left of those before: to see a failure
   * again, those of its era are run before it. Null where no run depends on another.
   */
  readonly era: number | null;
  /** Runs at a time, where they wait for something. */
  readonly lanes: number;
  /**
   * Share of inputs that have to get past the first look, at least: mutations that destroyed
   * everything would prove nothing.
   */
  readonly leastGood: number;
  /** Inputs in the test suite, where all others' number would take a minute by itself. */
  readonly suiteCount?: number;
  /** Beside those of the corpus: what is built, and too large to keep. */
  seeds?(): readonly Uint8Array[];
  begin(): Era | Promise<Era>;
}

/** From one beginning to the next. */
export interface Era {
  /** Inputs so far that got past the first look. */
  readonly good: number;
  /**
   * @param random the run's own numbers
   * @throws when anything is not as it has to be, whatever the input
   */
  check(input: Uint8Array, random: Random): void | Promise<void>;
  /** @throws when the sums do not add up */
  end?(): void | Promise<void>;
}
