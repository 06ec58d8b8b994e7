import { createContext } from 'svelte';

export interface Binding {
  /** `KeyboardEvent.key` values. */
  readonly keys: readonly string[];
  /** How the help spells them. */
  readonly shown: string;
  readonly help: string;
  /** Returns false when it had nothing to do, so that the key does what it else would. */
  readonly run: () => unknown;
}

/** Where typing is writing, keys are letters. Escape alone gets through. */
function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
  );
}

/** A control that has the focus takes its own keys: Enter, and Space unless it is a link. */
function isTaken(event: KeyboardEvent): boolean {
  if (!(event.target instanceof HTMLElement)) return false;
  if (event.key === 'Enter') return event.target.closest('button, a, summary') !== null;
  return event.key === ' ' && event.target.closest('button, summary') !== null;
}

/** Keys of whatever is on screen. Views add theirs while they are shown; later ones win. */
export class Keyboard {
  #layers = $state.raw<readonly (readonly Binding[])[]>([]);
  readonly bindings: readonly Binding[] = $derived.by(() => {
    const seen = new Set<string>();
    return [...this.#layers]
      .reverse()
      .flat()
      .filter(({ shown }) => !seen.has(shown) && seen.add(shown));
  });

  /** Adds bindings and returns what removes them. */
  add(bindings: readonly Binding[]): () => void {
    this.#layers = [...this.#layers, bindings];
    return () => {
      this.#layers = this.#layers.filter((layer) => layer !== bindings);
    };
  }

  handle(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isWriting(event.target) && event.key !== 'Escape') return;
    if (isTaken(event)) return;
    for (const layer of [...this.#layers].reverse()) {
      for (const binding of layer) {
        if (!binding.keys.includes(event.key) || binding.run() === false) continue;
        event.preventDefault();
        return;
      }
    }
  }
}

export const [getKeyboard, setKeyboard] = createContext<Keyboard>();
