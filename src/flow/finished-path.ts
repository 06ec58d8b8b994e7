import type { PathVerdict } from 'hopscope-protocol';
import type { Path } from '../join/path.js';
import type { DirectionIndex } from './direction-index.js';
import type { Flow } from './flow.js';

/** A finished path with what was made of it. */
export interface FinishedPath {
  readonly path: Path;
  readonly verdict: PathVerdict;
  readonly flow: Flow | null;
  readonly direction: DirectionIndex;
  /** Its place in RecentPaths; -1 when it has none. */
  slot: number;
}
