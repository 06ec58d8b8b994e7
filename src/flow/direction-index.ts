/** The two directions of a flow, as conntrack calls them. */
export const ORIGINAL = 0;
export const REPLY = 1;
export type DirectionIndex = typeof ORIGINAL | typeof REPLY;

export function opposite(direction: DirectionIndex): DirectionIndex {
  return direction === ORIGINAL ? REPLY : ORIGINAL;
}
