/** Rates over less than this say little, milliseconds. */
const LEAST_MS = 500;

/** Events a second, and what share of a core this process uses, over the time since it was last asked. */
export class PipelineRate {
  eventsPerSecond = 0;
  cpuShare = 0;
  #events = 0;
  #at = 0;
  #cpu = process.cpuUsage();

  /** @param events all so far */
  measure(events: number): void {
    const now = performance.now();
    const elapsed = now - this.#at;
    if (elapsed < LEAST_MS) return;
    const cpu = process.cpuUsage();
    const used = cpu.user + cpu.system - this.#cpu.user - this.#cpu.system;
    const isFirst = this.#at === 0;
    this.eventsPerSecond = isFirst ? 0 : Math.round(((events - this.#events) * 1000) / elapsed);
    this.cpuShare = isFirst ? 0 : used / 1000 / elapsed;
    this.#events = events;
    this.#at = now;
    this.#cpu = cpu;
  }
}
