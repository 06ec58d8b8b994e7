import type { Place } from '../join/place.js';
import * as layout from '../wire/layout.gen.js';

const VETH = 'veth';

/** Learns which devices are the two ends of one pair, from packets that left by one and came in by the other. */
export function learnFacing(places: readonly Place[], length = places.length): void {
  for (let at = 1; at < length; at++) {
    const out = places[at - 1] as Place;
    const into = places[at] as Place;
    if (
      out.stage === layout.STAGE_EGRESS &&
      into.stage === layout.STAGE_INGRESS &&
      out.device.kind === VETH &&
      into.device.kind === VETH &&
      out.device !== into.device
    ) {
      out.device.facing = into.device;
      into.device.facing = out.device;
    }
  }
}
