import type { Seen } from 'hopscope-protocol';
import type { Catalog } from '../../src/name/catalog.js';
import type { HookDetail } from '../../src/source/hook-places.js';
import type { SourceSink } from '../../src/source/source.js';

/** Takes what a source gives, as text in the order it came. */
export class Collector implements SourceSink {
  readonly events: string[] = [];

  batch(records: Uint8Array, length: number): void {
    this.events.push(`batch ${Buffer.from(records.subarray(0, length)).toString('hex')}`);
  }

  tick(now: bigint): void {
    this.events.push(`tick ${now}`);
  }

  detail(at: bigint, detail: HookDetail): void {
    this.events.push(`detail ${at} ${detail}`);
  }

  window(at: bigint, sees: Seen, detail: HookDetail): void {
    this.events.push(`window ${at} ${sees} ${detail}`);
  }

  catalog(catalog: Catalog): void {
    this.events.push(`catalog ${catalog.host}`);
  }

  end(): void {
    this.events.push('end');
  }
}
