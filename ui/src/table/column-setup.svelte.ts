import { readSetting, writeSetting } from '../settings/settings.js';
import type { Column } from './column.js';
import { type ColumnChoice, clampWidth, DEFAULT_CHOICES, parseChoices } from './column-choices.js';
import { COLUMNS } from './columns.js';

const NAME = 'columns';
/** Which columns the table has, in what order and how wide; the browser remembers it. */
export class ColumnSetup {
  list = $state.raw<readonly ColumnChoice[]>(parseChoices(readSetting(NAME)));

  readonly columns: readonly Column[] = $derived(
    this.list.flatMap(({ id, isShown, width }) => {
      const column = COLUMNS.find((one) => one.id === id);
      if (column === undefined || !isShown) return [];
      return [width === null ? column : { ...column, width, grow: 0 }];
    }),
  );

  toggle(id: string): void {
    const shown = this.list.filter(({ isShown }) => isShown);
    // A table without columns cannot be set up again by eye.
    if (shown.length === 1 && shown[0]?.id === id) return;
    this.#change(id, ({ isShown }) => ({ isShown: !isShown }));
  }

  resize(id: string, width: number | null): void {
    this.#change(id, () => ({ width: width === null ? null : clampWidth(width) }));
  }

  move(id: string, by: 1 | -1): void {
    const list = [...this.list];
    const at = list.findIndex((one) => one.id === id);
    const [moved] = list.splice(at, 1);
    if (moved === undefined) return;
    list.splice(Math.max(0, Math.min(list.length, at + by)), 0, moved);
    this.#set(list);
  }

  reset(): void {
    this.#set(DEFAULT_CHOICES);
  }

  #change(id: string, to: (choice: ColumnChoice) => Partial<ColumnChoice>): void {
    this.#set(this.list.map((one) => (one.id === id ? { ...one, ...to(one) } : one)));
  }

  #set(list: readonly ColumnChoice[]): void {
    this.list = list;
    writeSetting(NAME, JSON.stringify(list));
  }
}
