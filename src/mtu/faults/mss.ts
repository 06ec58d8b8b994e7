import type { FirewallHook } from '../../network/firewall.js';
import type { Family } from '../../network/ip-address.js';
import { deviceKey, type Namespace } from '../../network/machine.js';
import { commandIn } from '../command-text.js';
import type { AuditInput } from '../input.js';
import { sentBy, type Way } from '../ways.js';
import { deviceText, type Finding, faultDevice } from './finding.js';
import { TCP_HEADERS } from './route-mtu-disagrees.js';

const PASSING: readonly FirewallHook[] = ['prerouting', 'forward', 'postrouting'];
const SENDING: readonly FirewallHook[] = ['output', 'postrouting'];
const RECEIVING: readonly FirewallHook[] = ['prerouting', 'input'];

interface Clamp {
  readonly namespace: Namespace;
  /** Null: to what the route leaves. */
  readonly bytes: number | null;
  readonly text: string;
}

/**
 * TCP asks for segments that the way does not carry, where the sender would not be notified: no rule lowers
 * the MSS, or one does not lower it enough.
 */
export function findMss({ ways, drops }: AuditInput): Finding[] {
  const findings = new Map<string, Finding>();
  for (const way of ways) {
    const sent = Math.min(sentBy(way), offeredBy(way));
    if (sent <= way.mtu) continue;
    const { family } = way.towards;
    const fitting = way.mtu - TCP_HEADERS[family];
    const hidden = hiddenBy(way, family, drops);
    if (hidden === null) continue;
    const clamps = clampsOf(way, family);
    // A route's MTU is not that of a device which drops in silence.
    const isClamped = clamps.some(({ bytes }) =>
      bytes === null ? !hidden.isSilent : bytes <= fitting,
    );
    if (isClamped) continue;
    const tooBig = clamps.find(({ bytes }) => bytes !== null);
    const finding = tooBig === undefined ? unclamped(way, sent, fitting, hidden.by) : null;
    const found = finding ?? clampedTooBig(way, tooBig, fitting, hidden.by);
    const key = `${found.id} ${deviceKey(way.pod.device)} ${deviceKey(way.setBy.device)} ${family}`;
    if (!findings.has(key)) findings.set(key, found);
  }
  return [...findings.values()];
}

/** What the far end's own MTU has it ask for: a sender of TCP takes the lesser of both. */
function offeredBy({ trace }: Way): number {
  const last = trace.steps.at(-1);
  const isSeen = trace.end === 'delivered' && last?.device.namespace === trace.last;
  return isSeen ? last.device.link.mtu : Number.POSITIVE_INFINITY;
}

function unclamped(way: Way, sent: number, fitting: number, because: string): Finding {
  const { hostEnd } = way.pod;
  return {
    id: 'mss-not-clamped',
    severity: 'error',
    ...faultDevice(hostEnd),
    peer: faultDevice(way.setBy.device),
    found: { mss: sent - TCP_HEADERS[way.towards.family] },
    expected: { mss: fitting },
    because: `no rule lowers the MSS of TCP, and ${because}`,
    evidence: ['device', 'rule'],
    remedy: clampCommand(hostEnd.namespace, way.towards.family, fitting),
  };
}

function clampedTooBig(
  way: Way,
  clamp: Clamp | undefined,
  fitting: number,
  because: string,
): Finding {
  const { hostEnd } = way.pod;
  const namespace = clamp?.namespace ?? hostEnd.namespace;
  return {
    id: 'mss-too-big',
    severity: 'error',
    netns: namespace.name,
    dev: hostEnd.namespace === namespace ? hostEnd.link.name : null,
    peer: faultDevice(way.setBy.device),
    found: { mss: clamp?.bytes ?? null, rule: clamp?.text ?? null },
    expected: { mss: fitting },
    because: `a rule lowers the MSS of TCP to ${clamp?.bytes}, and ${because}`,
    evidence: ['device', 'rule'],
    remedy: clampCommand(namespace, way.towards.family, fitting),
  };
}

function clampCommand(namespace: Namespace, family: Family, mss: number): string {
  return commandIn(
    namespace,
    ...[family === 6 ? 'ip6tables' : 'iptables', '-t', 'mangle', '-A', 'FORWARD', '-p', 'tcp'],
    ...['--tcp-flags', 'SYN,RST', 'SYN', '-j', 'TCPMSS', '--set-mss', `${mss}`],
  );
}

/** Why the sender of a packet that is too large does not learn of it; null where it does. */
function hiddenBy(
  way: Way,
  family: Family,
  drops: AuditInput['drops'],
): { readonly by: string; readonly isSilent: boolean } | null {
  const { setBy, pod, trace, mtu } = way;
  const room = `${deviceText(setBy.device)} has room for ${mtu}`;
  if (setBy.kind === 'peer' || setBy.kind === 'port') {
    return { by: `${room} and drops what is larger without an ICMP error`, isSilent: true };
  }
  /** Whether errors get neither out of a namespace nor past it to who sent the packet. */
  const hides = (namespace: Namespace, hooks: readonly FirewallHook[]): boolean =>
    drops.get(namespace)?.some((drop) => drop.family === family && hooks.includes(drop.hook)) ??
    false;
  const limiting = setBy.device.namespace;
  const at = trace.steps.indexOf(setBy);
  const between = new Set(trace.steps.slice(0, at).map(({ device }) => device.namespace));
  between.delete(limiting);
  between.delete(pod.device.namespace);
  const hiding = [
    ...(hides(limiting, SENDING) ? [limiting] : []),
    ...[...between].filter((each) => hides(each, PASSING)),
    ...(hides(pod.device.namespace, RECEIVING) ? [pod.device.namespace] : []),
  ];
  const [first] = hiding;
  if (first === undefined) return null;
  return { by: `${room}, and ${first.name} drops the ICMP errors that say so`, isSilent: false };
}

/** Rules that lower the MSS of what passes a namespace of the way. */
function clampsOf({ trace, pod }: Way, family: Family): Clamp[] {
  const passed = new Set(trace.steps.map(({ device }) => device.namespace));
  passed.delete(pod.device.namespace);
  return [...passed].flatMap((namespace) =>
    namespace.description.firewall
      .filter((chain) => chain.family === null || chain.family === family)
      .flatMap(({ rules }) =>
        rules.flatMap(({ action, text, condition }) =>
          action.kind === 'mss' && (condition.family ?? family) === family
            ? [{ namespace, bytes: action.bytes, text }]
            : [],
        ),
      ),
  );
}
