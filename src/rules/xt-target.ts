/** Targets of x_tables, as `iptables-save` writes them. */
import { type Blob, hex, quoted, rangeText } from './xt-blob.js';

type Write = (blob: Blob, revision: number) => string | null;

/** NF_NAT_RANGE_* of include/uapi/linux/netfilter/nf_nat.h. */
const NAT = { addresses: 1, ports: 2, random: 4, persistent: 8, fully: 16, offset: 32 } as const;
const REJECT4 = [
  ...['icmp-net-unreachable', 'icmp-host-unreachable', 'icmp-proto-unreachable'],
  ...['icmp-port-unreachable', null, 'icmp-net-prohibited', 'icmp-host-prohibited'],
  ...['tcp-reset', 'icmp-admin-prohibited'],
];
const REJECT6 = [
  ...['icmp6-no-route', 'icmp6-adm-prohibited', null, 'icmp6-addr-unreachable'],
  ...['icmp6-port-unreachable', null, 'tcp-reset', 'icmp6-policy-fail', 'icmp6-reject-route'],
];
const LOG_FLAGS: readonly (readonly [number, string])[] = [
  ...([
    [1, ' --log-tcp-sequence'],
    [2, ' --log-tcp-options'],
    [4, ' --log-ip-options'],
  ] as const),
  ...([
    [8, ' --log-uid'],
    [32, ' --log-macdecode'],
  ] as const),
];

interface NatRange {
  readonly flags: number;
  readonly addresses: string;
  readonly ports: string;
}

/** nf_nat_ipv4_multi_range_compat, nf_nat_range or nf_nat_range2. Null where it shifts ports. */
function natRange(blob: Blob, isCompat: boolean): NatRange | null {
  const flags = blob.u32(isCompat ? 4 : 0);
  if ((flags & NAT.offset) !== 0) return null;
  const [first, last] = isCompat
    ? [blob.ipv4(8), blob.ipv4(12)]
    : [blob.address(4), blob.address(20)];
  const at = isCompat ? 16 : 36;
  const hasPorts = (flags & NAT.ports) !== 0;
  return {
    flags,
    addresses: (flags & NAT.addresses) === 0 ? '' : first === last ? first : `${first}-${last}`,
    ports: hasPorts ? rangeText(blob.be16(at), blob.be16(at + 2), '-') : '',
  };
}

function nat(option: string): Write {
  return (blob, revision) => {
    const range = natRange(blob, blob.family === 4 && revision === 0);
    if (range === null) return null;
    const { flags, addresses, ports } = range;
    const isBracketed = blob.family === 6 && ports !== '' && addresses !== '';
    const address = isBracketed ? `[${addresses}]` : addresses;
    const to = ports === '' ? address : `${address}:${ports}`;
    return ` ${option} ${to}${natFlags(flags)}`;
  };
}

function natFlags(flags: number): string {
  const fully = (flags & NAT.fully) !== 0 ? ' --random-fully' : '';
  const random = (flags & NAT.random) !== 0 ? ' --random' : '';
  return `${random}${fully}${(flags & NAT.persistent) !== 0 ? ' --persistent' : ''}`;
}

/** MASQUERADE, REDIRECT: ports alone. */
const toPorts: Write = (blob, revision) => {
  const range = natRange(blob, blob.family === 4 && revision === 0);
  if (range === null) return null;
  return `${range.ports === '' ? '' : ` --to-ports ${range.ports}`}${natFlags(range.flags)}`;
};

const connmark: Write = (blob, revision) => {
  const [mark, mask, own] = [blob.u32(0), blob.u32(4), blob.u32(8)];
  const isShifted = revision === 2 && blob.u8(13) !== 0;
  if (revision < 1 || revision > 2 || isShifted) return null;
  const mode = blob.u8(revision === 2 ? 14 : 12);
  if (mode === 0) return ` --set-xmark ${hex(mark)}/${hex(mask)}`;
  const name = [null, '--save-mark', '--restore-mark'][mode] ?? null;
  return name === null ? null : ` ${name} --nfmask ${hex(own)} --ctmask ${hex(mask)}`;
};

const reject: Write = (blob) => {
  const name = (blob.family === 4 ? REJECT4 : REJECT6)[blob.u32(0)] ?? null;
  return name === null ? null : ` --reject-with ${name}`;
};

const log: Write = (blob) => {
  const [level, flags] = [blob.u8(0), blob.u8(1)];
  const prefix = blob.text(2, 30);
  return [
    prefix === '' ? '' : ` --log-prefix ${quoted(prefix)}`,
    level === 4 ? '' : ` --log-level ${level}`,
    ...LOG_FLAGS.map(([bit, text]) => ((flags & bit) !== 0 ? text : '')),
  ].join('');
};

const tcpmss: Write = (blob) => {
  const mss = blob.u16(0);
  return mss === 0xffff ? ' --clamp-mss-to-pmtu' : ` --set-mss ${mss}`;
};

const tproxy: Write = (blob, revision) => {
  if (revision !== 1) return null;
  const [mask, value] = [blob.u32(0), blob.u32(4)];
  const mark = mask === 0 ? '' : ` --tproxy-mark ${hex(value)}/${hex(mask)}`;
  return ` --on-port ${blob.be16(24)} --on-ip ${blob.address(8)}${mark}`;
};

const TARGETS: Readonly<Record<string, Write>> = {
  ...{ DNAT: nat('--to-destination'), SNAT: nat('--to-source'), MASQUERADE: toPorts },
  ...{ REDIRECT: toPorts, CONNMARK: connmark, REJECT: reject, LOG: log, TCPMSS: tcpmss },
  MARK: (blob, revision) =>
    revision === 2 ? ` --set-xmark ${hex(blob.u32(0))}/${hex(blob.u32(4))}` : null,
  TPROXY: tproxy,
};

/** A target as `-j NAME …`; null for one that only its own tool can write. */
export function targetText(name: string, revision: number, blob: Blob): string | null {
  if (name === 'CT') {
    const flags = blob.u16(0);
    // XT_CT_NOTRACK, XT_CT_NOTRACK_ALIAS: what the rule was written as.
    return flags === 1 ? '-j CT --notrack' : flags === 3 || flags === 2 ? '-j NOTRACK' : null;
  }
  const write = Object.hasOwn(TARGETS, name) ? TARGETS[name] : undefined;
  const options = write?.(blob, revision) ?? null;
  return options === null ? null : `-j ${name}${options}`;
}
