import { release } from 'node:os';
import { decimalCounts } from '../model/decimal-counts.js';
import { VERSION } from '../version.js';
import { layoutFingerprint } from './recording-format.js';
import { RecordingWriter } from './recording-writer.js';
import type { Source } from './source.js';

/** A source of a running kernel, which resolves functions as drops come from them. */
export interface RecordedSource extends Source {
  readonly isThinned: boolean;
  /** Called with each function that drops come from, as it is resolved. */
  onSymbol: (address: bigint, name: string) => void;
  /** Every address asked for so far, with its function. */
  resolvedSymbols(): ReadonlyMap<bigint, string>;
}

/**
 * Begins a recording of what a source of this machine's kernel will give: the tap of its pipeline.
 *
 * @param namespaceFiltered whether some namespaces are left out on purpose
 * @throws RecordingError `RECORDING_NOT_WRITABLE`
 */
export function beginRecording(
  source: RecordedSource,
  file: string,
  namespaceFiltered: boolean,
): RecordingWriter {
  const writer = new RecordingWriter(file, {
    format: 1,
    version: VERSION,
    layout: layoutFingerprint(),
    epochNs: String(source.epochNs),
    kernel: release(),
    missing: source.missing,
    thinned: source.isThinned,
    namespaceFiltered,
  });
  source.onSymbol = (address, name) => writer.symbol(address, name);
  return writer;
}

/**
 * Ends it, after the source has stopped.
 *
 * @throws RecordingError `RECORDING_NOT_WRITABLE` when not everything was written
 */
export function endRecording(source: RecordedSource, writer: RecordingWriter): void {
  writer.finish({
    lost: String(source.lost()),
    losses: decimalCounts(Object.entries(source.losses())),
    own: String(source.own()),
    missing: source.missing,
    symbols: [...source.resolvedSymbols()].map(([address, name]) => [String(address), name]),
  });
}
