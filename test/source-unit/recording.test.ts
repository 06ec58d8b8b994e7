import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { EMPTY_CATALOG } from '../../src/name/catalog.js';
import type { NameChange } from '../../src/name/cluster-names.js';
import { Recording } from '../../src/source/recording.js';
import {
  CHUNK_BATCH,
  CHUNK_CATALOG,
  CHUNK_FOOTER,
  CHUNK_HEADER_TYPE,
  CHUNK_LIMIT,
  CHUNK_SYMBOLS,
  catalogOf,
  layoutFingerprint,
  RECORDING_LIMIT,
  RecordingError,
  type RecordingFooter,
  type RecordingHeader,
} from '../../src/source/recording-format.js';
import { RecordingWriter } from '../../src/source/recording-writer.js';
import { ReplaySource } from '../../src/source/replay-source.js';
import { CLUSTER } from '../fixtures/catalog.js';

const folder = mkdtempSync(join(tmpdir(), 'hopscope-recording-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEADER: RecordingHeader = {
  format: 1,
  layout: layoutFingerprint(),
  epochNs: '1000',
  kernel: '6.18.0',
  missing: ['something'],
  thinned: true,
  namespaceFiltered: false,
};
const FOOTER: RecordingFooter = { lost: '3', own: '4', symbols: [['4096', 'ip_error']] };

function written(name: string): string {
  const file = join(folder, name);
  const writer = new RecordingWriter(file, HEADER);
  writer.catalog(CLUSTER);
  writer.batch(Uint8Array.of(1, 2, 3, 4, 5), 4);
  writer.tick(30_000_000n);
  writer.finish(FOOTER);
  return file;
}

/** A recording of chunks as the format has them, whatever is in them. */
function assembled(...chunks: readonly (readonly [number, unknown])[]): Buffer {
  const parts: Uint8Array[] = [Buffer.from('HOPSREC1', 'latin1')];
  for (const [type, value] of chunks) {
    const payload = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value), 'utf8');
    const header = Buffer.alloc(8);
    header.writeUInt32LE(type, 0);
    header.writeUInt32LE(payload.length, 4);
    parts.push(header, payload);
  }
  return Buffer.concat(parts);
}

function fault(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof RecordingError) return error.code;
    throw error;
  }
  return 'none';
}

describe('a recording', () => {
  it('is read as it was written', () => {
    const recording = Recording.read(written('whole.hops'));
    expect(recording.header).toEqual(HEADER);
    expect(recording.footer).toEqual(FOOTER);
    expect(recording.catalog).toEqual(CLUSTER);
    expect(recording.finished).toBe(true);
    const batch = [...recording.chunks()].find(({ type }) => type === CHUNK_BATCH);
    expect([...(batch?.payload ?? [])]).toEqual([1, 2, 3, 4]);
  });

  it('has the names of a cluster as they changed', async () => {
    const file = join(folder, 'cluster.hops');
    const writer = new RecordingWriter(file, HEADER);
    const pod = { ip: '10.0.0.1', name: 'web-1', kind: 'pod', node: 'n1' } as const;
    const changes: NameChange[] = [
      { anew: true, endpoints: [['10.0.0.1', [pod]]], services: [] },
      { stale: true, endpoints: [['10.0.0.1', []]], services: [] },
    ];
    for (const change of changes) writer.clusterNames(change);
    writer.finish(FOOTER);
    const played: NameChange[] = [];
    const ignore = (): void => undefined;
    const source = new ReplaySource(Recording.read(file), { paced: false });
    await source.start({
      ...{ batch: ignore, tick: ignore, catalog: ignore, end: ignore },
      clusterNames: (change) => played.push(change),
    });
    await source.finished;
    expect(played).toEqual(changes);
    const damaged = assembled([1, HEADER], [9, { endpoints: [['10.0.0.1', [{ ip: 1 }]]] }]);
    expect(fault(() => Recording.parse(damaged))).toBe('RECORDING_DAMAGED');
  });

  it('counts its bytes', () => {
    const file = join(folder, 'counted.hops');
    const writer = new RecordingWriter(file, HEADER);
    writer.batch(new Uint8Array(1000), 1000);
    expect(writer.bytes).toBe(readFileSync(file).length);
    writer.finish(FOOTER);
  });

  it('leaves out ticks closer than 20 ms', () => {
    const file = join(folder, 'ticks.hops');
    const writer = new RecordingWriter(file, HEADER);
    for (const now of [20_000_000n, 39_999_999n, 40_000_000n]) writer.tick(now);
    writer.finish(FOOTER);
    expect([...Recording.read(file).chunks()].length).toBe(2 + 1);
  });

  it('ends where replay would refuse it, with its footer', () => {
    const file = join(folder, 'full.hops');
    let full = 0;
    const writer = new RecordingWriter(file, HEADER, 1_900);
    writer.onFull = () => {
      full += 1;
    };
    for (let i = 0; i < 5; i++) writer.batch(new Uint8Array(600), 600);
    expect(full).toBe(1);
    writer.finish(FOOTER);
    const recording = Recording.read(file);
    const batches = [...recording.chunks()].filter(({ type }) => type === CHUNK_BATCH);
    expect([batches.length, recording.footer]).toEqual([2, FOOTER]);
    expect(statSync(file).size).toBeLessThan(1_900 + 200);
  });

  it('of a hundred thousand empty chunks takes no room for each', () => {
    const empty = assembled([99, Buffer.alloc(0)]).subarray(8);
    const bytes = Buffer.concat([
      assembled([CHUNK_HEADER_TYPE, HEADER]),
      Buffer.concat(Array.from({ length: 100_000 }, () => empty)),
    ]);
    const recording = Recording.parse(bytes);
    let count = 0;
    for (const { type } of recording.chunks()) count += type === 99 ? 1 : 0;
    expect(count).toBe(100_000);
    // Nothing of them is held but the bytes.
    expect(Object.values(recording).filter((value) => Array.isArray(value))).toEqual([]);
  });

  it('is for the eyes of its owner only, also where a file was before', () => {
    const file = join(folder, 'private.hops');
    writeFileSync(file, 'something else', { mode: 0o644 });
    written('private.hops');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(written('new.hops')).mode & 0o777).toBe(0o600);
  });

  it('names functions when they are resolved, so that one cut off has them too', () => {
    const file = join(folder, 'symbols.hops');
    const writer = new RecordingWriter(file, HEADER);
    writer.symbol(0xffff_ffff_8100_1000n, 'ip_error');
    writer.batch(Uint8Array.of(1, 2, 3, 4), 4);
    writer.symbol(0xffff_ffff_8100_2000n, 'nf_hook_slow');
    const cut = Recording.parse(readFileSync(file));
    expect(cut.finished).toBe(false);
    expect([...cut.symbols]).toEqual([
      [0xffff_ffff_8100_1000n, 'ip_error'],
      [0xffff_ffff_8100_2000n, 'nf_hook_slow'],
    ]);
    writer.finish({ ...FOOTER, losses: { 'ring-full-hops': '1', 'program-recursion': '2' } });
    const whole = Recording.read(file);
    expect([...whole.symbols.values()]).toEqual(['ip_error', 'nf_hook_slow', 'ip_error']);
    expect(whole.footer.losses).toEqual({ 'ring-full-hops': '1', 'program-recursion': '2' });
  });

  it('may be compressed', () => {
    const file = written('plain.hops');
    const packed = join(folder, 'packed.hops.gz');
    writeFileSync(packed, gzipSync(readFileSync(file)));
    const [plain, unpacked] = [Recording.read(file), Recording.read(packed)];
    expect(unpacked.header).toEqual(plain.header);
    expect([...unpacked.chunks()]).toEqual([...plain.chunks()]);
  });

  it('may have catalogs of several moments: the first is that of its beginning', () => {
    const recording = Recording.parse(
      assembled(
        [CHUNK_HEADER_TYPE, HEADER],
        [CHUNK_CATALOG, CLUSTER],
        [CHUNK_CATALOG, { ...CLUSTER, host: 'later' }],
      ),
    );
    expect(recording.catalog.host).toBe(CLUSTER.host);
    const catalogs = [...recording.chunks()].filter(({ type }) => type === CHUNK_CATALOG);
    expect(catalogs.map(({ payload }) => catalogOf(payload).host)).toEqual([CLUSTER.host, 'later']);
  });

  it('may have chunks of a later version', () => {
    const recording = Recording.parse(
      assembled([CHUNK_HEADER_TYPE, { ...HEADER, more: 1 }], [99, {}], [CHUNK_FOOTER, FOOTER]),
    );
    expect(recording.header).toEqual(HEADER);
    expect(recording.finished).toBe(true);
  });

  it('that was cut off anywhere is good up to there', () => {
    const bytes = readFileSync(written('cut.hops'));
    const whole = [...Recording.parse(bytes).chunks()];
    const headerEnd = 16 + JSON.stringify(HEADER).length;
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length);
      if (length < headerEnd) {
        expect(fault(() => Recording.parse(cut))).toBe(
          length < 8 ? 'RECORDING_NOT_ONE' : 'RECORDING_NO_HEADER',
        );
        continue;
      }
      const recording = Recording.parse(cut);
      const { finished, footer } = recording;
      const chunks = [...recording.chunks()];
      expect(chunks).toEqual(whole.slice(0, chunks.length));
      expect(finished).toBe(false);
      expect(footer).toEqual({ lost: '0', own: '0', symbols: [] });
    }
  });

  it('without names has none', () => {
    const { catalog } = Recording.parse(assembled([CHUNK_HEADER_TYPE, HEADER]));
    expect(catalog).toEqual(EMPTY_CATALOG);
  });
});

describe('is refused with a code:', () => {
  it.each<[string, string, Buffer]>([
    ['nothing', 'RECORDING_NOT_ONE', Buffer.alloc(0)],
    ['something else', 'RECORDING_NOT_ONE', Buffer.from('HOPSREC2 and more of it')],
    ['no header', 'RECORDING_NO_HEADER', assembled()],
    ['no header first', 'RECORDING_NO_HEADER', assembled([CHUNK_CATALOG, CLUSTER])],
    ['a later format', 'RECORDING_VERSION', assembled([CHUNK_HEADER_TYPE, { format: 2 }])],
    [
      'another layout',
      'RECORDING_LAYOUT',
      assembled([CHUNK_HEADER_TYPE, { ...HEADER, layout: '0123456789abcdef' }]),
    ],
    ['a header of another kind', 'RECORDING_DAMAGED', assembled([CHUNK_HEADER_TYPE, null])],
    [
      'no time',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, { ...HEADER, epochNs: 'soon' }]),
    ],
    [
      'no list of what is missing',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, { ...HEADER, missing: [1] }]),
    ],
    [
      'a header that is not JSON',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, Buffer.from('{')]),
    ],
    [
      'names of another kind',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_CATALOG, { ...CLUSTER, services: null }]),
    ],
    [
      'a footer of another kind',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_FOOTER, []]),
    ],
    [
      'a count that is none',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_FOOTER, { ...FOOTER, lost: '-1' }]),
    ],
    [
      'an address that is none',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_FOOTER, { ...FOOTER, symbols: [['x', 'y']] }]),
    ],
    [
      'functions of another kind',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_SYMBOLS, [['x', 'y']]]),
    ],
    [
      'counts by cause that are none',
      'RECORDING_DAMAGED',
      assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_FOOTER, { ...FOOTER, losses: { a: -1 } }]),
    ],
  ])('%s', (_, code, bytes) => {
    expect(fault(() => Recording.parse(bytes))).toBe(code);
  });

  it('what is no regular file, which may never end', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const file of [pipe, '/dev/zero', folder]) {
      expect(fault(() => Recording.read(file))).toBe('RECORDING_NOT_READABLE');
    }
  });

  it('another layout, saying which version wrote it and what to do', () => {
    const other = { ...HEADER, version: '0.7.0', layout: '0123456789abcdef' };
    const read = (header: object) => () => Recording.parse(assembled([CHUNK_HEADER_TYPE, header]));
    expect(read(other)).toThrow(
      /0123456789abcdef of hopscope 0\.7\.0.*replay it with that version/,
    );
    expect(read({ ...other, format: 2 })).toThrow(/format 2 of hopscope 0\.7\.0/);
    expect(read({ ...HEADER, layout: '0' })).toThrow(/an older hopscope/);
  });

  it('a chunk one byte past the limit, however short the file', () => {
    const bytes = assembled([CHUNK_HEADER_TYPE, HEADER], [CHUNK_BATCH, Buffer.alloc(0)]);
    bytes.writeUInt32LE(CHUNK_LIMIT + 1, bytes.length - 4);
    expect(fault(() => Recording.parse(bytes))).toBe('RECORDING_DAMAGED');
    // At the limit it is a chunk that was cut off.
    bytes.writeUInt32LE(CHUNK_LIMIT, bytes.length - 4);
    expect([...Recording.parse(bytes).chunks()]).toEqual([]);
  });

  it('a file that is not there', () => {
    expect(fault(() => Recording.read(join(folder, 'none')))).toBe('RECORDING_NOT_READABLE');
    expect(fault(() => Recording.read(folder))).toBe('RECORDING_NOT_READABLE');
  });

  it('a compressed file that is damaged', () => {
    const file = join(folder, 'damaged.gz');
    writeFileSync(file, gzipSync(Buffer.from('HOPSREC1')).subarray(0, 12));
    expect(fault(() => Recording.read(file))).toBe('RECORDING_DAMAGED');
  });

  it('a file larger than the limit', () => {
    const file = join(folder, 'large.hops');
    writeFileSync(file, '');
    // Sparse: it takes no room on the disk.
    truncateSync(file, RECORDING_LIMIT + 1);
    expect(fault(() => Recording.read(file))).toBe('RECORDING_TOO_LARGE');
  });
});

describe('writing', () => {
  it('to where nothing can be written is refused at once', () => {
    expect(fault(() => new RecordingWriter(join(folder, 'no', 'such'), HEADER))).toBe(
      'RECORDING_NOT_WRITABLE',
    );
  });

  it('to a full disk is reported once, and again at the end', () => {
    const writer = new RecordingWriter('/dev/full', HEADER);
    const reported: string[] = [];
    writer.onFailure = ({ code }) => reported.push(code);
    writer.batch(new Uint8Array(8), 8);
    writer.tick(30_000_000n);
    expect(fault(() => writer.finish(FOOTER))).toBe('RECORDING_NOT_WRITABLE');
    expect(reported.length).toBeLessThanOrEqual(1);
    expect(writer.bytes).toBe(0);
  });
});
