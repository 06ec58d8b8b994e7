import { join, relative } from 'node:path';

/** Where a child process finds the folder; its first four are input, output and a channel. */
const CHILD_DESCRIPTOR = 4;

/** How this process, and its children, come to files that their user may not have a way to. */
export class Reach {
  /** Of the folder, for children as their fifth; null where paths need no help. */
  readonly descriptor: number | null;
  readonly #folder: string;

  constructor(folder: string, descriptor: number | null) {
    this.#folder = folder;
    this.descriptor = descriptor;
  }

  here(file: string): string {
    return this.descriptor === null ? file : this.#below(this.descriptor, file);
  }

  inChild(file: string): string {
    return this.descriptor === null ? file : this.#below(CHILD_DESCRIPTOR, file);
  }

  #below(descriptor: number, file: string): string {
    return join(`/proc/self/fd/${descriptor}`, relative(this.#folder, file));
  }
}
