import type { FaultRecord, Severity } from '../model/fault.js';
import type { Colour, Paint } from './colour.js';
import type { WayLimitRecord, WayRecord } from './mtu-record.js';

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

/** Ways from one pod that lead over the same devices are one line. */
export function renderWays(ways: readonly WayRecord[], paint: Paint): string[] {
  const groups = new Map<string, { way: WayRecord; routes: string[] }>();
  for (const way of ways) {
    const hops = way.hops.map(({ netns, dev, room }) => `${netns}/${dev}/${room}`);
    const key = JSON.stringify([way.netns, way.dev, hops, way.end]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { way, routes: [way.route] });
    else group.routes.push(way.route);
  }
  return [...groups.values()].flatMap(({ way, routes }) => renderWay(way, routes, paint));
}

/** Routes that one line names. */
const ROUTES_SHOWN = 4;

function renderWay(way: WayRecord, routes: readonly string[], paint: Paint): string[] {
  const { setBy } = way;
  const more = routes.length > ROUTES_SHOWN ? ` and ${routes.length - ROUTES_SHOWN} more` : '';
  const to = `${routes.slice(0, ROUTES_SHOWN).join(', ')}${more}`;
  const end = ENDS[way.end] === '' ? '' : `, ${ENDS[way.end]}`;
  const chain = way.hops
    .map(({ netns, dev, room, by, tunnels }) => {
      const inside = tunnels.length === 0 ? '' : ` in ${tunnels.join(' in ')}`;
      return `${netns}/${dev}${by === 'route' ? ' route' : ''}${inside} ${room}`;
    })
    .join(' → ');
  return [
    `${way.netns}/${way.dev} → ${to}  ${paint('bold', `${way.mtu}`)}  ` +
      `set by ${setBy.netns}/${setBy.dev} (${BY[setBy.by]})${end}`,
    paint('dim', `    ${chain}`),
  ];
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
