import type { FaultRecord, Severity, WayLimitRecord, WayRecord } from 'hopscope-protocol';
import type { Colour, Paint } from './colour.js';

const COLOURS: Readonly<Record<Severity, Colour>> = {
  error: 'red',
  warning: 'yellow',
  note: 'cyan',
};
const BY: Readonly<Record<WayLimitRecord['by'], string>> = {
  device: 'its MTU',
  route: 'the MTU of its route',
  peer: 'at the other end of the pair',
  port: 'a port of the bridge',
  below: 'the device below',
};
const ENDS: Readonly<Record<WayRecord['end'], string>> = {
  delivered: '',
  leaves: 'leaves this machine there',
  refused: 'goes no further',
  unknown: 'not known further',
};

/** Pods and routes that one line names. */
const NAMES_SHOWN = 4;

interface Group {
  readonly way: WayRecord;
  readonly pods: Set<string>;
  readonly routes: Set<string>;
}

/**
 * Ways over the same devices are one line, whichever routes lead there; so are those of all pods
 * of a node whose own devices are alike.
 */
export function renderWays(
  ways: readonly WayRecord[],
  faults: readonly FaultRecord[],
  paint: Paint,
): string[] {
  return grouped(grouped(ways.map(alone), sameDevices), samePods).flatMap((group) => [
    ...renderGroup(group, paint),
    ...faultsOn(group.way, faults, paint),
  ]);
}

function alone(way: WayRecord): Group {
  const pod = `${way.netns}/${way.dev}`;
  return { way, pods: new Set([pod]), routes: new Set([way.route]) };
}

function grouped(groups: readonly Group[], keyOf: (group: Group) => string): Group[] {
  const merged = new Map<string, Group>();
  for (const group of groups) {
    const key = keyOf(group);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, group);
    else {
      for (const pod of group.pods) known.pods.add(pod);
      for (const route of group.routes) known.routes.add(route);
    }
  }
  return [...merged.values()];
}

function sameDevices({ way }: Group): string {
  return JSON.stringify([way.netns, way.dev, way.hops.map(placeText), way.end]);
}

/** After the pod's own pair everything is the same, and so are the MTUs of the pair. */
function samePods({ way, routes }: Group): string {
  const own = way.hops.filter(({ netns }) => netns === way.netns).length + 1;
  const pair = way.hops.slice(0, own).map(({ room, by }) => [room, by]);
  return JSON.stringify([
    pair,
    way.hops[own - 1]?.netns,
    way.hops.slice(own).map(placeText),
    way.end,
    [...routes],
  ]);
}

function placeText({ netns, dev, room, by, tunnels }: WayLimitRecord): string {
  const inside = tunnels.length === 0 ? '' : ` in ${tunnels.join(' in ')}`;
  return `${netns}/${dev}${by === 'route' ? ' route' : ''}${inside} ${room}`;
}

function renderGroup({ way, pods, routes }: Group, paint: Paint): string[] {
  const { setBy } = way;
  const end = ENDS[way.end] === '' ? '' : `, ${ENDS[way.end]}`;
  return [
    `${someOf(pods)} → ${someOf(routes)}  ${fitText(way, paint)}  ` +
      `set by ${setBy.netns}/${setBy.dev} (${BY[setBy.by]})${end}`,
    paint('dim', `    ${way.hops.map(placeText).join(' → ')}`),
  ];
}

/** What is wrong on a way, in a word: below is why, and what to do. */
function faultsOn(way: WayRecord, faults: readonly FaultRecord[], paint: Paint): string[] {
  const places = new Set([way, ...way.hops].map(({ netns, dev }) => `${netns}/${dev}`));
  const texts = faults
    .filter(({ netns, dev }) => places.has(`${netns}/${dev}`))
    .map(({ id, netns, dev, severity }) => paint(COLOURS[severity], `${id} at ${netns}/${dev}`));
  return texts.length === 0 ? [] : [`    ${[...new Set(texts)].join(', ')}`];
}

function fitText({ mtu, sent }: WayRecord, paint: Paint): string {
  const fits = paint('bold', `${mtu}`);
  return sent <= mtu ? fits : `${fits} ${paint('yellow', `of ${sent} sent`)}`;
}

function someOf(names: ReadonlySet<string>): string {
  const more = names.size > NAMES_SHOWN ? ` and ${names.size - NAMES_SHOWN} more` : '';
  return `${[...names].slice(0, NAMES_SHOWN).join(', ')}${more}`;
}

/** A block a fault: what does not fit, why, what to do. */
export function renderFault(fault: FaultRecord, paint: Paint): string[] {
  const { severity, id, netns, dev, peer, found, expected, because, evidence, remedy } = fault;
  const at = dev === null ? netns : `${netns}/${dev}`;
  const other = peer === null ? '' : `  with ${peer.netns}/${peer.dev}`;
  return [
    `${paint(COLOURS[severity], severity)}  ${paint('bold', id)}  ${at}${other}`,
    `    found ${valuesText(found)}, expected ${valuesText(expected)}`,
    `    because ${because} (read from: ${evidence.join(', ')})`,
    `    remedy ${remedy}`,
  ];
}

function valuesText(values: FaultRecord['found']): string {
  const texts = Object.entries(values).map(([key, value]) => `${key} ${value ?? 'unknown'}`);
  return texts.length === 0 ? 'nothing' : texts.join(', ');
}

/** `2 errors, 1 warning` and the like. */
export function countText(faults: readonly FaultRecord[]): string {
  if (faults.length === 0) return 'no fault found';
  const severities: readonly Severity[] = ['error', 'warning', 'note'];
  return severities
    .map((severity) => [severity, faults.filter((f) => f.severity === severity).length] as const)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => `${count} ${severity}${count === 1 ? '' : 's'}`)
    .join(', ');
}
