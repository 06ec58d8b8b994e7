import { type MtuReport, parseMtuReport } from 'hopscope-protocol';

const PERIOD_MS = 5_000;
/** Points of a cost over time that are kept: ten minutes. */
const POINTS_LIMIT = 120;

/** What the daemon knows of encapsulation and MTUs, asked for again and again while it is shown. */
export class MtuReports {
  report = $state.raw<MtuReport | null>(null);
  /** Why there is none; null while all is well. */
  problem = $state<string | null>(null);
  /** Bytes on the wire a byte of payload, by encapsulation, the newest last. */
  ratios = $state.raw<ReadonlyMap<string, readonly number[]>>(new Map());
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isOpen = false;
  readonly #isPaused: () => boolean;

  constructor(isPaused: () => boolean) {
    this.#isPaused = isPaused;
  }

  open(): void {
    this.#isOpen = true;
    void this.#ask();
  }

  close(): void {
    this.#isOpen = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #ask(): Promise<void> {
    if (!this.#isPaused() || this.report === null) await this.#fetch();
    if (this.#isOpen) this.#timer = setTimeout(() => void this.#ask(), PERIOD_MS);
  }

  async #fetch(): Promise<void> {
    try {
      const response = await fetch('/api/mtu');
      if (!response.ok) throw new Error(`the daemon answers ${response.status}`);
      const parsed = parseMtuReport(await response.text());
      if (!parsed.ok) throw new Error(`what the daemon answers cannot be read: ${parsed.message}`);
      this.report = parsed.value;
      this.problem = null;
      this.#note(parsed.value);
    } catch (error) {
      this.problem = error instanceof Error ? error.message : String(error);
    }
  }

  #note({ costs }: MtuReport): void {
    const ratios = new Map(this.ratios);
    for (const { by, encapsulation, ratio } of costs) {
      if (by !== 'encapsulation' || ratio === null) continue;
      ratios.set(encapsulation, [...(ratios.get(encapsulation) ?? []), ratio].slice(-POINTS_LIMIT));
    }
    this.ratios = ratios;
  }
}
