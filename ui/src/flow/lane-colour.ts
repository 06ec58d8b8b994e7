/** Colours of namespaces; CSS has them for light and dark. */
const LANE_COLOURS = 6;

/** A colour for each namespace, in the order in which a packet comes to them. */
export function laneColours(netns: Iterable<string>): (name: string) => string {
  const order = [...new Set(netns)];
  return (name) => `var(--lane-${(Math.max(0, order.indexOf(name)) % LANE_COLOURS) + 1})`;
}
