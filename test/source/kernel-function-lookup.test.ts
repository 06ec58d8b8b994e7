import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommand } from '../../src/lab/run-command.js';
import {
  functionObjectBeside,
  KernelFunctionLookup,
} from '../../src/source/kernel-function-lookup.js';
import { KernelFunctions } from '../../src/source/kernel-functions.js';
import { KernelSource } from '../../src/source/kernel-source.js';
import { TRACER_OBJECT } from './tracer-object.js';

const OBJECT = functionObjectBeside(TRACER_OBJECT);
const COMPILED = fileURLToPath(
  new URL('../../dist/source/kernel-function-lookup.js', import.meta.url),
);
/** Functions that are asked for, of the kernel and of all modules. */
const SAMPLE = 300;
/** A module that nothing here needs; Debian's kernels have it as one. */
const MODULE = 'dummy';

interface Symbol {
  readonly address: bigint;
  readonly type: string;
  readonly name: string;
  readonly module: string | null;
}

/** What the kernel says of itself, in its order: modules as they were loaded. */
function kernelSymbols(): Symbol[] {
  return readFileSync('/proc/kallsyms', 'latin1')
    .split('\n')
    .flatMap((line): Symbol[] => {
      const [, address, type = '', name = '', module = null] =
        /^([0-9a-f]{16}) (\S) (\S+)(?:\t\[(.+)\])?$/u.exec(line) ?? [];
      return address === undefined ? [] : [{ address: BigInt(`0x${address}`), type, name, module }];
    });
}

function sampleOf(symbols: readonly Symbol[]): Symbol[] {
  const step = Math.max(1, Math.floor(symbols.length / SAMPLE));
  return symbols.filter((_, index) => index % step === 0);
}

const symbols = kernelSymbols();
const namesAt = new Map<bigint, string[]>();
for (const { address, name } of symbols) {
  namesAt.set(address, [...(namesAt.get(address) ?? []), name]);
}
const addresses = BigUint64Array.from(namesAt.keys()).sort();
const nextOf = new Map(Array.from(addresses, (address, i) => [address, addresses[i + 1]]));
const textEnd = symbols.find(({ name }) => name === '_etext')?.address ?? 0n;
const isFunction = ({ type }: Symbol): boolean => 'tTwW'.includes(type);
const own = symbols.filter((symbol) => isFunction(symbol) && symbol.address < textEnd);
const ofModules = symbols.filter(
  (symbol) => isFunction(symbol) && !/^$|^bpf$|^__builtin/u.test(symbol.module ?? ''),
);
const variables = symbols.filter(
  ({ type, module, address }) => 'dDbB'.includes(type) && module === null && address > textEnd,
);
const isLoadable = await runCommand('modinfo', ['-n', MODULE]).then(
  (file) => !file.includes('builtin'),
  () => false,
);

let lookup: KernelFunctionLookup;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
  lookup = await KernelFunctionLookup.open(OBJECT);
});
afterAll(() => lookup?.close());

function expectNames(sample: readonly Symbol[]): void {
  for (const { address, module } of sample) {
    const next = nextOf.get(address) ?? 0n;
    const within = next > address + 1n ? [address + 1n] : [];
    // A module's last function does not reach up to the next name, which is another module's.
    if (module === null) within.push(next - 1n);
    for (const one of [address, ...within]) {
      expect(namesAt.get(address)).toContain(lookup.name(one));
    }
  }
}

it('names the kernel’s functions, from their first byte to their last, static ones too', () => {
  const sample = sampleOf(own);
  expect(sample.length).toBeGreaterThanOrEqual(SAMPLE);
  expect(sample.filter(({ type }) => type === 't').length).toBeGreaterThan(SAMPLE / 10);
  expectNames(sample);
});

it('names what drops packets', () => {
  const address = symbols.find(({ name }) => name === 'ip_error')?.address ?? 0n;
  expect(lookup.name(address + 20n)).toBe('ip_error');
});

const noModules = ofModules.length === 0;
it.skipIf(noModules)(`names functions of modules${noModules ? ' (none is loaded)' : ''}`, () =>
  expectNames(sampleOf(ofModules)),
);

it('knows where the kernel’s text ends, and names nothing beyond it but modules', () => {
  expect(lookup.textEnd).toBe(textEnd);
  expect(lookup.name(textEnd - 1n)).not.toBeNull();
  expect(lookup.name(textEnd)).toBeNull();
  for (const { address } of sampleOf(variables)) expect(lookup.name(address)).toBeNull();
});

it('names no BPF program, its own neither', () => {
  const programs = kernelSymbols().filter(({ module }) => module === 'bpf');
  // Where the JIT is on and says so (net.core.bpf_jit_kallsyms).
  const isShown = readFileSync('/proc/sys/net/core/bpf_jit_kallsyms', 'latin1').trim() === '1';
  const isOwn = programs.some(({ name }) => name.endsWith('_name_function'));
  expect(isOwn).toBe(isShown);
  for (const { address } of programs) expect(lookup.name(address)).toBeNull();
});

it.each([
  ['0', 0n],
  ['a process', 0x7fff_0000_1000n],
  // "%ps" has the last variable's name for it.
  ['the vsyscall page', 0xffff_ffff_ff60_0000n],
  ['the last address', 0xffff_ffff_ffff_ffffn],
])('no function is at %s', (_, address) => {
  expect(lookup.name(address)).toBeNull();
});

it('is right again after an address of no function, whose text is longer', () => {
  const [first] = own.filter(({ name }) => name === 'ip_rcv');
  expect(first).toBeDefined();
  lookup.name(0xffff_ffff_ffff_ffffn);
  expect(lookup.name(first?.address ?? 0n)).toBe('ip_rcv');
});

const notLoadable = isLoadable ? '' : ` (${MODULE} is no module on this kernel)`;
it.skipIf(!isLoadable)(`forgets a module that was unloaded${notLoadable}`, async () => {
  const functions = new KernelFunctions();
  await functions.load(() => KernelFunctionLookup.open(OBJECT));
  try {
    await runCommand('modprobe', [MODULE, 'numdummies=0']);
    expect(functions.refresh()).toBe(true);
    const { address, name } = kernelSymbols().find(
      (symbol) => symbol.module === MODULE && isFunction(symbol),
    ) as Symbol;
    expect(functions.name(address)).toBe(name);
    await runCommand('rmmod', [MODULE]);
    expect(functions.refresh()).toBe(true);
    expect(functions.name(address)).toBeNull();
    await delay(120);
    expect(lookup.name(address)).toBeNull();
  } finally {
    functions.close();
  }
});

it('names functions where the kernel keeps their addresses secret', () => {
  const address = symbols.find(({ name }) => name === 'ip_error')?.address ?? 0n;
  const script = `
    import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
    import { KernelFunctionLookup } from ${JSON.stringify(COMPILED)};
    const lookup = await KernelFunctionLookup.open(${JSON.stringify(OBJECT)});
    const shown = /^0*[1-9a-f]/mu.test(readFileSync('/proc/kallsyms', 'latin1').slice(0, 1e5));
    console.log(JSON.stringify([shown, lookup.textEnd, lookup.name(${address}n)]));
    lookup.close();`;
  // Without CAP_SYSLOG, which nothing else here needs (kallsyms_show_value of kernel/ksyms_common.c).
  const out = execFileSync('setpriv', [
    ...['--bounding-set', '-syslog', '--inh-caps', '-syslog', process.execPath],
    ...['--input-type=module', '--eval', script],
  ]);
  expect(JSON.parse(out.toString())).toEqual([false, null, 'ip_error']);
});

it('says so when it is closed, and when its object is missing', async () => {
  const closed = await KernelFunctionLookup.open(OBJECT);
  closed.close();
  closed.close();
  expect(() => closed.name(0n)).toThrow(expect.objectContaining({ code: 'BPF_CLOSED' }));
  await expect(KernelFunctionLookup.open('/absent/object.o')).rejects.toMatchObject({
    code: 'ENOENT',
  });
});

it('a source without it warns once, and its drops have no place', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopscope-objects-'));
  const warnings: string[] = [];
  try {
    cpSync(dirname(OBJECT), folder, { recursive: true });
    rmSync(join(folder, basename(OBJECT)));
    const objectFile = join(folder, basename(TRACER_OBJECT));
    const onWarning = (message: string): unknown => warnings.push(message);
    const source = new KernelSource({ objectFile, hooks: 'none', onWarning });
    const ignore = (): void => undefined;
    await source.start({ batch: ignore, tick: ignore, catalog: ignore, end: ignore });
    const address = own.find(({ name }) => name === 'ip_error')?.address ?? 0n;
    await expect.poll(() => warnings.length).toBe(1);
    expect(source.symbol(address)).toBeNull();
    await source.stop();
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(warnings).toEqual([expect.stringMatching(/^drops have no place: .*ENOENT/u)]);
});
