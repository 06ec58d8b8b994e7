/** The targets of iptables. */
import type { Family } from '../network/ip-address.js';
import { parseAddress } from './address.js';
import { parseMasked } from './iptables-match.js';
import type { OptionGroup, RuleWords } from './iptables-words.js';
import type { Nat, PortRange, Step } from './model.js';

/** Targets that change nothing that rules ask for, and let the packet go on. */
const NOTES = new Set([
  ...[
    'LOG',
    'NFLOG',
    'ULOG',
    'TRACE',
    'AUDIT',
    'TCPMSS',
    'TTL',
    'HL',
    'TOS',
    'DSCP',
    'ECN',
    'RATEEST',
  ],
  ...[
    'TCPOPTSTRIP',
    'CHECKSUM',
    'CLASSIFY',
    'SET',
    'LED',
    'IDLETIMER',
    'SECMARK',
    'CONNSECMARK',
    'HMARK',
  ],
  'TEE',
]);
const ALL = 0xffffffff;

/** What a rule does to a packet that meets its matches. */
export function targetSteps(
  target: RuleWords['target'],
  family: Family,
  isChain: (name: string) => boolean,
): Step[] {
  if (target === null) return [];
  const { name, isGoto, group } = target;
  if (isChain(name)) {
    return [{ kind: 'verdict', verdict: { kind: isGoto ? 'goto' : 'jump', chain: name } }];
  }
  if (NOTES.has(name)) return [{ kind: 'note', what: name }];
  switch (name) {
    case 'ACCEPT':
      return [{ kind: 'verdict', verdict: { kind: 'accept' } }];
    case 'DROP':
      return [{ kind: 'verdict', verdict: { kind: 'drop', reject: null } }];
    case 'REJECT':
      return [{ kind: 'verdict', verdict: { kind: 'drop', reject: rejectWith(group, family) } }];
    case 'RETURN':
      return [{ kind: 'verdict', verdict: { kind: 'return' } }];
    case 'NOTRACK':
      return [{ kind: 'note', what: 'notrack' }];
    case 'CT':
      return [{ kind: 'note', what: option(group, '--notrack') === null ? name : 'notrack' }];
    case 'MARK':
      return [marked(group, 'mark')];
    case 'CONNMARK':
      return [connmark(group)];
    case 'DNAT':
    case 'SNAT':
    case 'NETMAP':
    case 'MASQUERADE':
    case 'REDIRECT':
      return [natStep(name, group)];
    default:
      return [{ kind: 'unknown', what: `target ${name}` }];
  }
}

function option({ options }: OptionGroup, name: string): string | null {
  const found = options.find((each) => each.name === name);
  return found === undefined ? null : (found.values[0] ?? '');
}

function rejectWith(group: OptionGroup, family: Family): string {
  const fallback = family === 4 ? 'icmp-port-unreachable' : 'icmp6-port-unreachable';
  return option(group, '--reject-with') ?? fallback;
}

/** net/netfilter/xt_mark.c: `mark = (mark & ~mask) ^ value`. */
function marked(group: OptionGroup, kind: 'mark' | 'ctmark'): Step {
  for (const { name, values } of group.options) {
    const asked = parseMasked(values[0] ?? '');
    if (asked === null) continue;
    const { value, mask } = asked;
    if (name === '--set-xmark') return { kind, keep: ~mask >>> 0, flip: value };
    if (name === '--set-mark') return { kind, keep: ~(mask | value) >>> 0, flip: value };
    if (name === '--and-mark') return { kind, keep: value, flip: 0 };
    if (name === '--or-mark') return { kind, keep: ~value >>> 0, flip: value };
    if (name === '--xor-mark') return { kind, keep: ALL, flip: value };
  }
  return { kind: 'unknown', what: 'a mark' };
}

function connmark(group: OptionGroup): Step {
  for (const kind of ['save', 'restore'] as const) {
    if (option(group, `--${kind}-mark`) === null) continue;
    const whole = option(group, '--mask');
    const nf = Number(option(group, '--nfmask') ?? whole ?? ALL);
    const ct = Number(option(group, '--ctmask') ?? whole ?? ALL);
    return kind === 'save' ? { kind, mask: nf, toMask: ct } : { kind, mask: ct, toMask: nf };
  }
  return marked(group, 'ctmark');
}

function natStep(name: string, group: OptionGroup): Step {
  if (name === 'MASQUERADE' || name === 'REDIRECT') {
    const ports = parsePorts(option(group, '--to-ports') ?? '');
    const kind = name === 'MASQUERADE' ? 'masquerade' : 'redirect';
    return { kind: 'nat', nat: { kind, addresses: null, ports } };
  }
  const to = option(group, name === 'DNAT' ? '--to-destination' : '--to-source');
  const nat = to === null ? null : parseNat(name === 'DNAT' ? 'dnat' : 'snat', to);
  return nat === null ? { kind: 'unknown', what: `target ${name}` } : { kind: 'nat', nat };
}

/** `10.0.0.1-10.0.0.9:80-90`, IPv6 addresses with ports in brackets. */
export function parseNat(kind: 'dnat' | 'snat', text: string): Nat | null {
  const found = /^(?:\[(.+)\]|([^:[\]]*)|([^[\]]*))(?::([\d-]+))?$/u.exec(text);
  if (found === null) return null;
  const [, bracketed, plain, six, ports = ''] = found;
  const range = bracketed ?? plain ?? six ?? '';
  if (range === '') return { kind, addresses: null, ports: parsePorts(ports) };
  const [low = '', high = low] = range.split('-');
  const first = parseAddress(low);
  const last = parseAddress(high);
  if (first === null || last === null) return null;
  return { kind, addresses: { first, last }, ports: parsePorts(ports) };
}

export function parsePorts(text: string): PortRange | null {
  const found = /^(\d+)(?:-(\d+))?/u.exec(text);
  return found === null ? null : { first: Number(found[1]), last: Number(found[2] ?? found[1]) };
}
