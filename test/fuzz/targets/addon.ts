import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cwd } from 'node:process';
import * as ebpf from 'ebpf-ts';
import type { Random } from '../random.js';
import type { Era, Target } from '../target.js';

/** Not called: the first two change the process or the machine, the third takes seconds. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  ...['boundMalloc', 'enableStats', 'probe', 'constructor'],
]);
const MOST_CALLS = 12;

type Callable = (...values: unknown[]) => unknown;

/**
 * The native addon by all it exports: an input is an ELF object, damaged, and what is called
 * on it, and on one that is whole, comes from the run's numbers. Run under AddressSanitizer by asan.mjs.
 */
export const ADDON_TARGET: Target = {
  name: 'addon',
  kind: 'bytes',
  longest: 64 << 10,
  era: 1000,
  lanes: 1,
  leastGood: 0.05,
  seeds: objectSeeds,
  begin: () => new AddonEra(),
};

class AddonEra implements Era {
  good = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), 'hopscope-fuzz-'));
  readonly #file = join(this.#folder, 'object.o');
  readonly #objects = objectSeeds();
  readonly #closed: unknown[] = [];
  readonly #kernel: ebpf.Btf | null = kernelTypes();

  async check(input: Uint8Array, random: Random): Promise<void> {
    const open: { close(): void }[] = [];
    const values = this.#values(input, random);
    try {
      attempt(() => {
        const object = ebpf.BpfObject.open(isElf(input) ? random.pick(this.#objects) : input);
        open.push(object);
        this.good += 1;
        values.push(object, ...object.programs, ...object.maps);
      });
      if (random.below(4) === 0) {
        writeFileSync(this.#file, input);
        attempt(() => {
          const types = ebpf.Btf.fromObject(this.#file);
          open.push(types);
          values.push(types);
          for (const name of NAMES) attempt(() => types.structLayout(name));
        });
      }
      for (let i = random.below(MOST_CALLS); i > 0; i--) {
        const made = call(values, random);
        const result = made instanceof Promise ? await made.catch(known) : made;
        if (closable(result)) open.push(result);
        if (typeof result === 'object' && result !== null) values.push(result);
      }
    } finally {
      for (const one of open) one.close();
      this.#closed.push(...open);
      this.#closed.splice(0, Math.max(0, this.#closed.length - 8));
    }
  }

  /** What arguments are made of: of wrong types, too large, detached, closed. */
  #values(input: Uint8Array, random: Random): unknown[] {
    const detached = new Uint8Array(16);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    return [
      ...[undefined, null, true, -1, 0, 1, 4, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 0.5, Number.NaN, 1n],
      ...[2n ** 64n, '', 'x', 'a\0b', 'é'.repeat(200), Symbol.iterator, {}, [], () => 1],
      ...[
        new Uint8Array(0),
        new Uint8Array(4),
        new Uint8Array(48),
        detached,
        new DataView(input.buffer),
      ],
      ...[new Uint8Array(new SharedArrayBuffer(8)), input.subarray(random.below(input.length))],
      ...[{ limit: 2 ** 32 - 1 }, { cursor: detached }, { data: new Uint8Array(64), repeat: 1 }],
      ...[{ linkType: 'ethernet' }, { linkType: 'raw', snapLength: -1 }, { direction: 'ingress' }],
      ...NAMES,
      ...this.#closed,
      ...(this.#kernel === null ? [] : [this.#kernel]),
    ];
  }

  end(): void {
    this.#kernel?.close();
    rmSync(this.#folder, { recursive: true });
  }
}

const NAMES: readonly string[] = [
  ...[
    'ip',
    'struct',
    'sk_buff',
    'hs_count',
    'hs_header',
    'task_struct',
    'skb_drop_reason',
    '.rodata',
  ],
  ...['tcp port 80', '(', 'xdp', 'netfilter', 'schedCls', 'enum', '/proc/self/ns/net', '/dev/null'],
];

function kernelTypes(): ebpf.Btf | null {
  return existsSync('/sys/kernel/btf/vmlinux') ? ebpf.Btf.kernel() : null;
}

/**
 * libbpf 1.1 reads outside a damaged object while it opens it, which no caller can prevent:
 * the addon's are opened whole, and what is damaged is their BTF, and all that is no ELF.
 */
function isElf(input: Uint8Array): boolean {
  return Buffer.from(input.subarray(0, 4)).toString('latin1') === '\x7fELF';
}

/** Calls anything that is exported, or is on one of the values, with any of them. */
function call(values: readonly unknown[], random: Random): unknown {
  const target = random.below(3) === 0 ? ebpf : random.pick(values.filter(isTarget));
  const holder = target === ebpf ? ebpf : Object.getPrototypeOf(target);
  const names = Object.getOwnPropertyNames(holder).filter((name) => !LEFT_OUT.has(name));
  const name = random.pick(names);
  const args = Array.from({ length: random.below(4) }, () => random.pick(values));
  return attempt(() => {
    const member = (target as Record<string, unknown>)[name];
    if (!isCallable(member)) return member;
    if (Object.is(member, ebpf.RingBuffer)) return Reflect.construct(ebpf.RingBuffer, args);
    if (/^class/u.test(String(member))) return ofClass(member, args, random);
    const result = Reflect.apply(member, target, args);
    return isGenerator(result) ? result.next().value : result;
  });
}

/** The other classes are made by functions of their own. */
function ofClass(made: Callable, args: readonly unknown[], random: Random): unknown {
  const names = Object.getOwnPropertyNames(made).filter(
    (name) => typeof Reflect.get(made, name) === 'function',
  );
  return names.length === 0
    ? undefined
    : Reflect.apply(Reflect.get(made, random.pick(names)), made, args);
}

function isTarget(value: unknown): boolean {
  return Object.values(ebpf).some((one) => typeof one === 'function' && value instanceof one);
}

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function';
}

function isGenerator(value: unknown): value is Generator {
  return typeof value === 'object' && value !== null && 'next' in value;
}

function closable(value: unknown): value is { close(): void } {
  return (
    typeof value === 'object' && value !== null && typeof Reflect.get(value, 'close') === 'function'
  );
}

/** What was said to be wrong has a code, or is JavaScript's own word on a type. */
function known(error: unknown): void {
  if (error instanceof ebpf.BpfError && error.code !== '') return;
  if (error instanceof TypeError || error instanceof RangeError) return;
  throw error;
}

function attempt(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    known(error);
    return undefined;
  }
}

/** Small objects whole; of a kernel object of a megabyte a campaign would make little else. */
function objectSeeds(): Uint8Array[] {
  const folder = join(cwd(), 'dist', 'bpf');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.o'))
    .map((name) => new Uint8Array(readFileSync(join(folder, name))))
    .filter(({ length }) => length <= ADDON_TARGET.longest);
}
