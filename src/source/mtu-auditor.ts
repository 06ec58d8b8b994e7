import { faultRecord, wayRecord } from '../export/mtu-record.js';
import { audit } from '../mtu/audit.js';
import type { ConfiguredMtu } from '../mtu/configured-mtu.js';
import { readMachine } from './machine-reader.js';
import { MissingCauses } from './missing-causes.js';
import { pauseAfter, READING_REST } from './pause.js';

/** Ways that are passed on; an audit on the command line shows all. */
export const WAYS_SHOWN = 1_024;
/** What is missing holds in one place. */
const PLACE = 'machine';

/** Audits the machine from time to time, while somebody shows it. */
export class MtuAuditor {
  readonly #netns: readonly string[] | null;
  readonly #onNews: (configured: ConfiguredMtu) => void;
  #timer: NodeJS.Timeout | null = null;
  #newest = '';
  #isStopped = false;
  readonly #missing = new MissingCauses();

  /** @param netns as readMachine */
  constructor(netns: readonly string[] | null, onNews: (configured: ConfiguredMtu) => void) {
    this.#netns = netns;
    this.#onNews = onNews;
  }

  /** Why devices and routes are not known, in words; empty while they are. */
  get missing(): readonly string[] {
    return this.#missing.texts();
  }

  start(): void {
    void this.#audit();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #audit(): Promise<void> {
    const begun = performance.now();
    try {
      const description = await readMachine(this.#netns);
      const { ways, findings, leftOut } = audit(description);
      const others = Math.max(0, ways.length - WAYS_SHOWN);
      const configured: ConfiguredMtu = {
        faults: findings.map(faultRecord),
        ways: ways.slice(0, WAYS_SHOWN).map(wayRecord),
        namespaces: description.namespaces.map(({ name, given, isOwn, path }) => ({
          ...{ name, given, isOwn, path },
        })),
        leftOut: leftOut.ways + leftOut.findings + leftOut.tunnelEnds + others,
      };
      const text = JSON.stringify(configured);
      if (!this.#isStopped && text !== this.#newest) this.#onNews(configured);
      this.#newest = text;
      this.#missing.withdraw(PLACE);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#missing.replace(`MTUs of devices and routes: ${message}`, PLACE, '');
    }
    if (this.#isStopped) return;
    const wait = pauseAfter(performance.now() - begun, READING_REST);
    this.#timer = setTimeout(() => void this.#audit(), wait);
    this.#timer.unref();
  }
}
