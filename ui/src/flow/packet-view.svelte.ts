import {
  type Direction,
  type FlowRecord,
  PATHS_PER_FLOW,
  PATHS_PER_MESSAGE,
  type PathRecord,
} from 'hopscope-protocol';
import { hopKeys } from '../store/leg-window.js';
import {
  byDirection,
  directionThatMatters,
  newestDropped,
  type PathsByDirection,
  packetThatMatters,
  slowest,
  typical,
} from './packet-choice.js';

/** What a link to a flow may say of what is shown. */
export interface PacketLink {
  readonly direction: string;
  readonly packet: string;
}

export type PacketPick = 'typical' | 'slowest' | 'dropped' | 'newest';

/** By then all packets that the daemon keeps have come, but of a flow that goes on fast. */
const MESSAGES_FOR_ALL = Math.ceil(PATHS_PER_FLOW / PATHS_PER_MESSAGE) + 1;

/** Which direction and which packet of a flow are shown, and the hop that something led to. */
export class PacketView {
  direction = $state<Direction>('original');
  /** The packet that is held; `null` to follow the newest. */
  held = $state.raw<PathRecord | null>(null);
  target = $state<number | null>(null);
  /** A packet that a link asked for, and that is kept no longer. */
  gone = $state(false);
  /** The packet that a link asks for, until it has come or is known to be gone; else empty. */
  awaited = $state('');
  #flow = $state.raw<FlowRecord | null>(null);
  #paths = $state.raw<readonly PathRecord[]>([]);
  #isOpened = false;
  /** Messages with packets so far. */
  #messages = 0;
  #link: PacketLink = { direction: '', packet: '' };

  readonly byDirection: PathsByDirection = $derived(
    this.#flow === null ? { original: [], reply: [] } : byDirection(this.#flow, this.#paths),
  );
  readonly paths = $derived(this.byDirection[this.direction]);
  readonly path = $derived(this.held ?? this.paths[0] ?? null);
  readonly dropped = $derived(newestDropped(this.paths));
  readonly slowest = $derived(slowest(this.paths));
  /** One packet of each direction: the one shown, and of the other direction what matters. */
  readonly both: Readonly<Record<Direction, PathRecord | null>> = $derived.by(() => {
    const other = this.direction === 'original' ? 'reply' : 'original';
    const flow = this.#flow;
    const beside = flow === null ? null : packetThatMatters(flow, this.byDirection[other], other);
    return this.direction === 'original'
      ? { original: this.path, reply: beside }
      : { original: beside, reply: this.path };
  });

  /** Begins with another flow, as a link to it says. */
  open(link: PacketLink): void {
    this.#flow = null;
    this.#paths = [];
    this.#isOpened = false;
    this.#messages = 0;
    this.#link = link;
    this.awaited = link.packet;
    this.direction = link.direction === 'reply' ? 'reply' : 'original';
    this.held = null;
    this.target = null;
    this.gone = false;
  }

  /**
   * Takes what the daemon said. With the first packets it chooses what to show; the one that a link
   * asks for may come with a later message, since a few come with each.
   */
  update(flow: FlowRecord, paths: readonly PathRecord[]): void {
    this.#flow = flow;
    this.#paths = paths;
    if (this.#isOpened || paths.length === 0) return;
    const { direction, packet } = this.#link;
    const asked = packet === '' ? undefined : paths.find(({ id }) => id === packet);
    this.#messages += 1;
    if (packet !== '' && asked === undefined && this.#messages < MESSAGES_FOR_ALL) return;
    this.#isOpened = true;
    this.awaited = '';
    this.gone = packet !== '' && asked === undefined;
    if (asked !== undefined) this.hold(asked);
    else {
      const isGiven = direction === 'original' || direction === 'reply';
      this.choose(isGiven ? direction : directionThatMatters(flow, this.byDirection));
    }
  }

  /** Shows the other direction, at the packet of it that matters. */
  choose(direction: Direction): void {
    this.direction = direction;
    this.target = null;
    const flow = this.#flow;
    this.held = flow === null ? null : packetThatMatters(flow, this.paths, direction);
  }

  /** Holds a packet, in whichever direction it goes. */
  hold(path: PathRecord | null): void {
    this.target = null;
    if (path !== null && !this.paths.some(({ id }) => id === path.id)) {
      const other = this.direction === 'original' ? 'reply' : 'original';
      if (this.byDirection[other].some(({ id }) => id === path.id)) this.direction = other;
    }
    this.held = path;
  }

  pick(pick: PacketPick): void {
    const p50 = this.#flow?.latencyNs?.[this.direction]?.p50 ?? null;
    const found = {
      typical: () => typical(this.paths, p50),
      slowest: () => this.slowest,
      dropped: () => this.dropped,
      newest: () => null,
    }[pick]();
    if (found !== null || pick === 'newest') this.hold(found);
  }

  /** Towards older packets by 1, towards newer by −1; before the newest is following. */
  step(by: number): void {
    const { held, paths } = this;
    const at = held === null ? -1 : paths.findIndex(({ id }) => id === held.id);
    const next = Math.max(-1, Math.min(paths.length - 1, (held === null ? 0 : at) + by));
    this.hold(next < 0 ? null : (paths[next] ?? null));
  }

  /** Leads to the first hop of a leg in the packet that is shown, which then stays. */
  leadToLeg(key: string): void {
    const { path } = this;
    if (path === null) return;
    const at = hopKeys(path, this.direction).indexOf(key);
    this.leadTo(at < 0 ? null : at);
  }

  leadTo(hop: number | null): void {
    if (this.held === null) this.held = this.path;
    this.target = hop;
  }
}
