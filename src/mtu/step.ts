import type { Device, Namespace } from '../network/machine.js';

/**
 * What limits a packet at one place: the device it is sent by, the MTU of the route, the device
 * at the other end of the wire, or a port of a bridge.
 */
export type LimitKind = 'device' | 'route' | 'peer' | 'port' | 'below';

export interface Step {
  readonly device: Device;
  readonly kind: LimitKind;
  /** Bytes of the largest inner IP packet that it lets pass. */
  readonly room: number;
  /** Tunnels that the packet is inside of here, outermost last. */
  readonly tunnels: readonly Device[];
}

/**
 * How a way ends: at its destination, out of this machine, where a namespace does not pass it on,
 * or where the configuration does not say how it goes on.
 */
export type WayEnd = 'delivered' | 'leaves' | 'refused' | 'unknown';

/** The first place that lets no more pass than any other; null where there is none. */
export function narrowestOf(steps: readonly Step[]): Step | null {
  let narrowest: Step | null = null;
  for (const step of steps) {
    if (narrowest === null || step.room < narrowest.room) narrowest = step;
  }
  return narrowest;
}

export interface Trace {
  readonly steps: readonly Step[];
  readonly end: WayEnd;
  readonly last: Namespace;
}
