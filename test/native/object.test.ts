import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { BpfObject } from 'ebpf-ts';
import { afterEach, expect, test } from 'vitest';
import { describeAsRoot } from './as-root.js';
import { compileProgram } from './compile-program.js';
import { bpfErrorOf } from './expect-bpf-error.js';

const opened: BpfObject[] = [];

function open(source: string | Uint8Array = compileProgram('sample')): BpfObject {
  const object = BpfObject.open(source);
  opened.push(object);
  return object;
}

afterEach(() => {
  for (const object of opened.splice(0)) object.close();
});

test('lists programs and maps of an object file', () => {
  const object = open();
  expect(object.programs.map((program) => [program.name, program.section])).toContainEqual([
    'on_tcx',
    'tcx/ingress',
  ]);
  const table = object.map('table');
  expect([table.typeName, table.keySize, table.valueSize, table.maxEntries]).toEqual([
    'hash',
    4,
    8,
    64,
  ]);
  expect(object.loaded).toBe(false);
});

test('opens the bytes of an object file, under a given name', () => {
  const bytes = readFileSync(compileProgram('sample'));
  const object = BpfObject.open(bytes, { name: 'renamed' });
  opened.push(object);
  expect(object.maps.map((map) => map.name)).toContain('renamed.rodata');
});

test('reports what is wrong with a source', () => {
  bpfErrorOf(() => BpfObject.open('/nowhere/at-all.o'), 'ENOENT');
  bpfErrorOf(() => BpfObject.open(new Uint8Array(0)), 'BPF_BAD_ARGUMENT');
  const error = bpfErrorOf(() => BpfObject.open(new Uint8Array(200)), 'LIBBPF_FORMAT');
  expect(error.operation).toBe('open');
  expect(error.errno).toBe(4001);
  expect(error.log).toMatch(/elf/i);
});

test('refuses every truncation of an object file, and survives it', () => {
  const bytes = readFileSync(compileProgram('sample'));
  for (let length = 1; length < bytes.length; length += 97) {
    expect(() => BpfObject.open(bytes.subarray(0, length)), `${length} bytes`).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^LIBBPF_|^E/) }),
    );
  }
});

test('refuses arguments of the wrong kind, naming them', () => {
  const wrong = (value: unknown) => value as never;
  bpfErrorOf(() => BpfObject.open(wrong(7)), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => BpfObject.open(''), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => BpfObject.open('a\0b'), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => BpfObject.open('x'.repeat(5000)), 'BPF_BAD_ARGUMENT');
  const object = open();
  bpfErrorOf(() => object.setConstant(wrong(null), 1), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wanted_mark', wrong('7')), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wanted_mark', 1.5), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wanted_mark', Number.NaN), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wanted_mark', 2 ** 32), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wanted_mark', -1), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('small_signed', 32_768), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('enabled', 2), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('wide', 1n << 64n), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('pair', 3), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setConstant('pair', new Uint8Array(3)), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.setMapMaxEntries('table', 0), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.program('on_tcx').setAutoload(wrong('yes')), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.program('on_tcx').setType(wrong('packet')), 'BPF_BAD_ARGUMENT');
  bpfErrorOf(() => object.program('on_tcx').setType(wrong('constructor')), 'BPF_BAD_ARGUMENT');
});

test('names what an object does not have', () => {
  const object = open();
  bpfErrorOf(() => object.setConstant('no_such_constant', 1), 'BPF_NOT_FOUND');
  bpfErrorOf(() => object.program('no_such_program'), 'BPF_NOT_FOUND');
  bpfErrorOf(() => object.map('no_such_map'), 'BPF_NOT_FOUND');
  bpfErrorOf(() => object.setMapMaxEntries('no_such_map', 4), 'BPF_NOT_FOUND');
});

test('needs a load before programs run and maps are read', () => {
  const object = open();
  bpfErrorOf(() => object.program('on_receive').attachBtf(), 'BPF_NOT_LOADED');
  bpfErrorOf(() => object.program('on_receive').info(), 'BPF_NOT_LOADED');
  bpfErrorOf(() => object.map('table').get(new Uint8Array(4)), 'BPF_NOT_LOADED');
});

describeAsRoot('a loaded object', () => {
  test('has the constants that were set, in their types', () => {
    const object = open();
    object.setConstant('wanted_mark', 0xffff_ffff);
    object.setConstant('small_signed', -32_768);
    object.setConstant('wide', 0xfedc_ba98_7654_3210n);
    object.setConstant('enabled', true);
    object.setConstant('pair', new Uint8Array(new Uint16Array([500, 600]).buffer));
    object.load();
    object.program('show_constants').run();
    const seen = [...object.map('counters').entries()].map(([, value]) =>
      new DataView(value.buffer).getBigUint64(0, true),
    );
    expect(seen.slice(0, 6)).toEqual([
      0xffff_ffffn,
      BigInt.asUintN(64, -32_768n),
      0xfedc_ba98_7654_3210n,
      1n,
      500n,
      600n,
    ]);
  });

  test('keeps the constants of the source where none was set', () => {
    const object = open();
    object.load();
    object.program('show_constants').run();
    const first = object.map('counters').get(new Uint8Array(4));
    expect(first?.[0]).toBe(7);
  });

  test('is fixed: what belongs before load is refused after it', () => {
    const object = open();
    object.load();
    expect(object.loaded).toBe(true);
    bpfErrorOf(() => object.load(), 'BPF_LOADED');
    bpfErrorOf(() => object.setConstant('wanted_mark', 1), 'BPF_LOADED');
    bpfErrorOf(() => object.setMapMaxEntries('table', 1), 'BPF_LOADED');
    bpfErrorOf(() => object.program('on_tcx').setAutoload(false), 'BPF_LOADED');
    bpfErrorOf(() => object.program('on_tcx').setType('xdp'), 'BPF_LOADED');
    bpfErrorOf(() => object.program('on_receive').setAttachTarget('kfree_skb'), 'BPF_LOADED');
  });

  test('has maps of the size that was set', () => {
    const object = open();
    object.setMapMaxEntries('table', 2);
    object.setMapMaxEntries('ring', 5000);
    expect(object.map('ring').maxEntries).toBe(8192);
    object.load();
    const table = object.map('table');
    expect(table.maxEntries).toBe(2);
    const key = (n: number) => new Uint8Array([n, 0, 0, 0]);
    table.put(key(1), new Uint8Array(8));
    table.put(key(2), new Uint8Array(8));
    bpfErrorOf(() => table.put(key(3), new Uint8Array(8)), 'E2BIG');
  });

  test("shares a map with another object, beyond that one's end", () => {
    const first = open();
    first.load();
    const second = open();
    second.reuseMap('counters', first.map('counters'));
    second.setConstant('wanted_mark', 9);
    second.load();
    second.program('show_constants').run();
    const zero = new Uint8Array(4);
    expect(first.map('counters').get(zero)?.[0]).toBe(9);
    first.close();
    expect(second.map('counters').get(zero)?.[0]).toBe(9);
    // The other maps are its own.
    expect(second.map('table').get(zero)).toBeNull();
  });

  test('takes no map of another kind, nor one that is not loaded', () => {
    const first = open();
    const second = open();
    bpfErrorOf(() => second.reuseMap('ring', first.map('ring')), 'BPF_NOT_LOADED');
    first.load();
    bpfErrorOf(() => second.reuseMap('ring', first.map('counters')), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => second.reuseMap('ring', 'ring' as never), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(() => second.reuseMap('no_such', first.map('ring')), 'BPF_NOT_FOUND');
    second.load();
    bpfErrorOf(() => second.reuseMap('ring', first.map('ring')), 'BPF_LOADED');
  });

  test('leaves out programs whose autoload is off', () => {
    const object = open();
    object.program('on_receive').setAutoload(false);
    object.load();
    bpfErrorOf(() => object.program('on_receive').attachBtf(), 'BPF_NOT_LOADED');
    // Its section begins with "?".
    bpfErrorOf(() => object.program('on_request').info(), 'BPF_NOT_LOADED');
    expect(object.program('on_raw').info().type).toBe(17);
  });

  test('takes the type it was given over that of its section', () => {
    const object = open();
    object.program('on_tcx').setType('sched_cls');
    object.load();
    expect(object.program('on_tcx').info().type).toBe(3);
  });

  test('fails to load with the log of the verifier', () => {
    const object = open(compileProgram('refused'));
    const error = bpfErrorOf(() => object.load(), 'EACCES');
    expect(error.operation).toBe('load');
    expect(error.errno).toBe(13);
    expect(error.message).toContain("prog 'careless'");
    expect(error.log).toContain('BEGIN PROG LOAD LOG');
    expect(error.log).toContain("invalid mem access 'map_value_or_null'");
    bpfErrorOf(() => object.load(), 'BPF_LOADED');
    bpfErrorOf(() => object.program('careless').info(), 'BPF_NOT_LOADED');
    bpfErrorOf(() => object.map('numbers').get(new Uint8Array(4)), 'BPF_NOT_LOADED');
  });

  test('may be retargeted where the kernel lacks the tracepoint of its section', () => {
    const failing = open(compileProgram('missing-target'));
    const error = bpfErrorOf(() => failing.load(), 'ESRCH');
    expect(error.log).toContain('no_such_tracepoint');
    const corrected = open(compileProgram('missing-target'));
    bpfErrorOf(() => corrected.program('lost').setAttachTarget('nor_this_one'), 'ESRCH');
    corrected.program('lost').setAttachTarget('kfree_skb');
    corrected.load();
    corrected.program('lost').attachBtf().close();
  });

  test('reports of a program what bpftool reports', () => {
    const object = open();
    object.load();
    const info = object.program('on_receive').info();
    const shown = JSON.parse(
      execFileSync('bpftool', ['-j', 'prog', 'show', 'id', String(info.id)], { encoding: 'utf8' }),
    );
    expect(shown).toMatchObject({
      id: info.id,
      type: 'tracing',
      name: 'on_receive',
      tag: info.tag,
      bytes_xlated: info.translatedBytes,
      bytes_jited: info.jitedBytes,
    });
    expect(info.verifiedInstructions).toBeGreaterThan(5);
  });

  test('runs a program on a packet', () => {
    const object = open();
    object.load();
    const packet = new Uint8Array(64).fill(0xab);
    const result = object.program('on_tcx').run({ data: packet, repeat: 3 });
    expect(result.returnValue).toBe(0xffff_ffff);
    expect(result.data).toEqual(packet);
    bpfErrorOf(() => object.program('on_tcx').run({ data: new Uint8Array(4) }), 'EINVAL');
    bpfErrorOf(() => object.program('on_tcx').run({ repeat: -1 }), 'BPF_BAD_ARGUMENT');
    bpfErrorOf(
      () => object.program('on_tcx').run({ data: new Uint8Array(2 ** 20 + 1) }),
      'BPF_BAD_ARGUMENT',
    );
  });
});
