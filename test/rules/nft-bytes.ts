/** Rules of iptables as nf_tables dumps them, for tests. */
import { ascii, attribute, message, u32 } from '../network/netlink-bytes.js';

const NEW_CHAIN = (10 << 8) | 3;
const NEW_RULE = (10 << 8) | 6;
/** struct nfgenmsg of IPv4. */
const HEAD = [2, 0, 0, 1];

export function be32(value: number): number[] {
  return u32(value).reverse();
}

const data = (...bytes: readonly number[]): number[] => attribute(1, ...bytes);

/** NFTA_LIST_ELEM with the name of an expression, and what belongs to it. */
export function expression(name: string, ...attributes: readonly (readonly number[])[]): number[] {
  return attribute(1, ...attribute(1, ...ascii(name)), ...attribute(2, ...attributes.flat()));
}

export const payload = (base: number, offset: number, length: number): number[] =>
  expression('payload', attribute(1, ...be32(1)), attribute(2, ...be32(base)), [
    ...attribute(3, ...be32(offset)),
    ...attribute(4, ...be32(length)),
  ]);

export const meta = (key: number): number[] =>
  expression('meta', attribute(2, ...be32(key)), attribute(1, ...be32(1)));

export const compare = (operation: number, ...value: readonly number[]): number[] =>
  expression('cmp', attribute(1, ...be32(1)), attribute(2, ...be32(operation)), [
    ...attribute(3, ...data(...value)),
  ]);

export const bitwise = (...mask: readonly number[]): number[] =>
  expression('bitwise', attribute(1, ...be32(1)), attribute(2, ...be32(1)), [
    ...attribute(3, ...be32(mask.length)),
    ...attribute(4, ...data(...mask)),
    ...attribute(5, ...data(...mask.map(() => 0))),
  ]);

export const match = (name: string, revision: number, ...info: readonly number[]): number[] =>
  expression('match', attribute(1, ...ascii(name)), attribute(2, ...be32(revision)), [
    ...attribute(3, ...info),
  ]);

export const target = (name: string, revision: number, ...info: readonly number[]): number[] =>
  expression('target', attribute(1, ...ascii(name)), attribute(2, ...be32(revision)), [
    ...attribute(3, ...info),
  ]);

export const counter = (packets: number): number[] =>
  expression('counter', attribute(1, 0, 0, 0, 0, ...be32(60 * packets)), [
    ...attribute(2, 0, 0, 0, 0, ...be32(packets)),
  ]);

export const verdict = (code: number, chain?: string): number[] =>
  expression('immediate', attribute(1, ...be32(0)), [
    ...attribute(
      2,
      ...attribute(
        2,
        ...attribute(1, ...be32(code)),
        ...(chain === undefined ? [] : attribute(2, ...ascii(chain))),
      ),
    ),
  ]);

/** So many bytes that begin with these. */
export function padded(size: number, ...bytes: readonly number[]): number[] {
  return [...bytes, ...Array<number>(size - bytes.length).fill(0)];
}

export function rule(chain: string, ...expressions: readonly (readonly number[])[]): Uint8Array {
  return message(
    NEW_RULE,
    ...[...HEAD, ...attribute(1, ...ascii('filter')), ...attribute(2, ...ascii(chain))],
    ...attribute(4, ...expressions.flat()),
  );
}

export function chain(name: string, hook: readonly [number, number] | null): Uint8Array {
  const hooked =
    hook === null
      ? []
      : [
          ...attribute(4, ...attribute(1, ...be32(hook[0])), ...attribute(2, ...be32(hook[1]))),
          ...attribute(5, ...be32(0)),
          ...attribute(7, ...ascii('filter')),
        ];
  return message(
    NEW_CHAIN,
    ...[...HEAD, ...attribute(1, ...ascii('filter')), ...attribute(3, ...ascii(name)), ...hooked],
  );
}

const JUMP = 0xfffffffd;

/** Rules, each with the line that iptables writes for it. */
export const WRITTEN: readonly (readonly [Uint8Array, string])[] = [
  [
    rule(
      'FORWARD',
      ...[payload(1, 12, 1), compare(0, 10), payload(1, 16, 4), bitwise(255, 255, 128, 0)],
      ...[compare(1, 10, 1, 128, 0), counter(3), verdict(JUMP, 'X')],
    ),
    '-A FORWARD -s 10.0.0.0/8 ! -d 10.1.128.0/17 -j X',
  ],
  [
    rule(
      'X',
      ...[meta(16), compare(0, 6), match('comment', 0, ...padded(256, ...ascii('a b')))],
      ...[payload(2, 2, 2), compare(0, 0, 80), counter(0), verdict(0)],
    ),
    '-A X -p tcp -m comment --comment "a b" -m tcp --dport 80 -j DROP',
  ],
  [
    rule('X', match('statistic', 0, ...padded(24, 0, 0, 0, 0, 0, 0, 0, 0x40)), counter(1), [
      ...target('MARK', 2, 0, 0x40, 0, 0, 0, 0x40, 0, 0),
    ]),
    '-A X -m statistic --mode random --probability 0.50000000000 -j MARK --set-xmark 0x4000/0x4000',
  ],
  [
    rule('X', meta(6), compare(0, ...ascii('eth0')), meta(7), [
      ...compare(1, ...Buffer.from('cali')),
      ...counter(1),
    ]),
    '-A X -i eth0 ! -o cali+',
  ],
];
