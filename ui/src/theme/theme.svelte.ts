import { readSetting, writeSetting } from '../settings/settings.js';

export type ThemeChoice = 'auto' | 'light' | 'dark';

const CHOICES: readonly ThemeChoice[] = ['auto', 'light', 'dark'];
const NAME = 'theme';

/** Light or dark: as the system has it, or as was chosen here, which is remembered. */
class Theme {
  choice = $state<ThemeChoice>('auto');
  #isSystemDark = $state(true);

  /** What is shown now. */
  readonly shown = $derived<'light' | 'dark'>(
    this.choice === 'auto' ? (this.#isSystemDark ? 'dark' : 'light') : this.choice,
  );

  /** Applies what is remembered, and follows the system. */
  begin(): void {
    const system = window.matchMedia('(prefers-color-scheme: dark)');
    this.#isSystemDark = system.matches;
    system.addEventListener('change', ({ matches }) => {
      this.#isSystemDark = matches;
    });
    this.#apply(CHOICES.find((choice) => choice === readSetting(NAME)) ?? 'auto');
  }

  /** The next of auto, light and dark. */
  next(): void {
    const at = CHOICES.indexOf(this.choice);
    this.#apply(CHOICES[(at + 1) % CHOICES.length] ?? 'auto');
    writeSetting(NAME, this.choice);
  }

  #apply(choice: ThemeChoice): void {
    this.choice = choice;
    const { dataset } = document.documentElement;
    if (choice === 'auto') delete dataset['theme'];
    else dataset['theme'] = choice;
  }
}

export const theme = new Theme();
