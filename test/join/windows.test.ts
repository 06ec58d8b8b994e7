import { describe, expect, it } from 'vitest';
import { ORIGINAL } from '../../src/flow/direction-index.js';
import { CUT_END, CUT_START } from '../../src/join/path.js';
import { isComplete, verdictOf } from '../../src/join/verdict.js';
import { FRONT_NS } from '../../src/join/windows.js';
import { Joining, nth, REASONS } from '../fixtures/joined.js';
import type { PacketDescription } from '../fixtures/packet-bytes.js';
import {
  ADDRESSES,
  CALI1,
  CALI2,
  NETNS,
  NIC111,
  POD1_ETH0,
  POD2_ETH0,
} from '../fixtures/places.js';
import { type Journey, Tape } from '../fixtures/tape.js';

const DATAGRAM: PacketDescription = {
  proto: 'udp',
  src: ADDRESSES.pod1,
  dst: ADDRESSES.pod2,
  sport: 33333,
  dport: 5353,
  id: 500,
  payload: 32,
};

function fromSocket(tape: Tape, id: number): Journey {
  return tape
    .packet({ ...DATAGRAM, id })
    .set({ sock: 0xabcn })
    .cross(POD1_ETH0, CALI1);
}

function toSocket(journey: Journey): Journey {
  return journey.set({ sock: 0n }).cross(CALI2, POD2_ETH0).hook(POD2_ETH0, 'input');
}

/** A joiner whose source has been open since the tape began. */
function opened(tape: Tape, namespaceFiltered = false, grouped?: boolean): Joining {
  const joining = new Joining({ namespaceFiltered, ...(grouped === undefined ? {} : { grouped }) });
  joining.joiner.window(tape.now, 'all', false);
  return joining;
}

describe('a window that opens', () => {
  it('leaves whole what a socket sends from then on', () => {
    const tape = new Tape();
    const joining = opened(tape);
    toSocket(fromSocket(tape, 1));
    const path = nth(joining.end(tape).paths, 0);
    expect([path.cutByWindow, isComplete(path), verdictOf(path, false)]).toEqual([
      ...[0, true, 'delivered'],
    ]);
    expect(joining.joiner.counters.cutByWindow).toBe(0);
  });

  it('marks what was under way: its end is seen, its beginning is not', () => {
    const tape = new Tape();
    const joining = opened(tape);
    toSocket(tape.packet(DATAGRAM).hook(CALI1, 'forward'));
    const path = nth(joining.end(tape).paths, 0);
    expect([path.cutByWindow, isComplete(path), verdictOf(path, false)]).toEqual([
      ...[CUT_START, false, 'delivered'],
    ]);
    expect(joining.joiner.counters.cutByWindow).toBe(1);
    const flow = nth(joining.allFlows(), 0);
    expect(flow.paths).toBe(0);
    // Where it was first seen says nothing of where it came from, nor how long that took.
    expect(flow.traced?.starts[ORIGINAL]).toBe(0);
    expect(flow.latency(ORIGINAL)).toBeNull();
    expect(flow.legs(ORIGINAL).length).toBeGreaterThan(0);
    expect(flow.legs(ORIGINAL).every(({ latency }) => latency === null)).toBe(true);
  });

  it('leaves whole what is sent in a buffer that it saw another packet in', () => {
    const tape = new Tape();
    const joining = opened(tape, false, true);
    // Nothing says that the first has ended, so the second lies in its trail, without a sender.
    const first = fromSocket(tape, 1);
    const second = tape
      .packet({ ...DATAGRAM, id: 2, dport: 53 }, { skb: first.skb })
      .set({ sock: 0xabdn })
      .hook(POD1_ETH0, 'output')
      .cross(POD1_ETH0, CALI1);
    toSocket(second);
    const { paths } = joining.end(tape);
    expect(paths.map(({ cutByWindow }) => cutByWindow)).toEqual([0, 0]);
  });

  it('marks what is first seen past OUTPUT in a buffer that it saw another packet in', () => {
    const tape = new Tape();
    const joining = opened(tape, false, true);
    const first = fromSocket(tape, 1);
    tape.packet({ ...DATAGRAM, id: 2, dport: 53 }, { skb: first.skb }).hook(CALI2, 'forward');
    const { paths } = joining.end(tape);
    expect(paths.map(({ cutByWindow }) => cutByWindow)).toEqual([0, CUT_START]);
  });

  it('leaves whole what a network card receives, and all that comes later', () => {
    const tape = new Tape();
    const joining = opened(tape);
    toSocket(tape.packet(DATAGRAM).ingress(NIC111));
    tape.wait(FRONT_NS);
    toSocket(tape.packet({ ...DATAGRAM, id: 2 }).ingress(CALI1));
    expect(joining.end(tape).paths.map(({ cutByWindow }) => cutByWindow)).toEqual([0, 0]);
  });

  it('marks what was first seen while it was opening', () => {
    const tape = new Tape();
    const joining = new Joining();
    joining.joiner.window(tape.now, 'drops', false);
    toSocket(fromSocket(tape, 1));
    joining.read(tape).joiner.window(tape.now, 'all', false);
    const path = nth(joining.end(tape).paths, 0);
    expect([path.cutByWindow, isComplete(path)]).toEqual([CUT_START | CUT_END, false]);
  });
});

describe('a window that closes', () => {
  it('marks what is under way, whose end is unknown even where others do not look', () => {
    const tape = new Tape();
    const joining = opened(tape, true);
    fromSocket(tape, 1).egress(CALI2);
    joining.read(tape).joiner.window(tape.now, 'drops', false);
    const { path, verdict } = nth(joining.end(tape).finished, 0);
    expect([path.cutByWindow, isComplete(path), verdict]).toEqual([CUT_END, false, 'unknown']);
  });

  it('leaves whole what has come to its end', () => {
    const tape = new Tape();
    const joining = opened(tape);
    toSocket(fromSocket(tape, 1));
    toSocket(fromSocket(tape, 2)).deliver(NETNS.pod2);
    fromSocket(tape, 3).drop(CALI2, REASONS.NETFILTER_DROP);
    fromSocket(tape, 4).egress(NIC111);
    joining.read(tape).joiner.window(tape.now, 'drops', false);
    const { finished } = joining.end(tape);
    expect(finished.map(({ path }) => isComplete(path))).toEqual([true, true, true, true]);
    expect(finished.map(({ verdict }) => verdict)).toEqual([
      ...['delivered', 'delivered', 'dropped', 'forwarded'],
    ]);
  });

  it('marks what came to its end while it was closing', () => {
    const tape = new Tape();
    const joining = opened(tape);
    const closing = tape.now;
    toSocket(fromSocket(tape, 1)).deliver(NETNS.pod2);
    joining.read(tape).joiner.window(closing, 'drops', false);
    const { path, verdict } = nth(joining.end(tape).finished, 0);
    expect([path.cutByWindow, verdict]).toEqual([CUT_END, 'delivered']);
  });

  it('shows drops: of what was under way, and of what was not seen before', () => {
    const tape = new Tape();
    const joining = opened(tape);
    const known = fromSocket(tape, 1);
    joining.read(tape).joiner.window(tape.now, 'drops', false);
    known.drop(CALI2, REASONS.NETFILTER_DROP);
    tape.packet({ ...DATAGRAM, id: 9 }).drop(CALI2, REASONS.NETFILTER_DROP);
    const { finished, joiner } = joining.end(tape);
    expect(finished.map(({ path, verdict }) => [path.length, isComplete(path), verdict])).toEqual([
      [3, false, 'dropped'],
      [1, false, 'dropped'],
    ]);
    expect(joiner.counters.cutByWindow).toBe(2);
  });

  it('an echo reply that ping has read is no drop, though nothing else was seen of it', () => {
    const tape = new Tape();
    const joining = opened(tape);
    joining.joiner.window(tape.now, 'drops', false);
    const reply = { proto: 'icmp', src: ADDRESSES.pod2, dst: ADDRESSES.pod1, icmpType: 0 } as const;
    tape.packet({ ...reply, icmpId: 1, icmpSeq: 1 }).drop(POD1_ETH0, REASONS.NO_SOCKET);
    tape.packet(DATAGRAM).drop(POD1_ETH0, REASONS.NO_SOCKET);
    const { paths, joiner } = joining.end(tape);
    expect(paths.map(({ protocol }) => protocol)).toEqual([17]);
    expect(joiner.counters.hopsReleased).toBe(1);
  });
});

describe('a source that sees new flows alone', () => {
  const among = (tape: Tape, namespaceFiltered = false): Joining => {
    const joining = opened(tape, namespaceFiltered);
    tape.wait(FRONT_NS);
    joining.joiner.window(tape.now, 'new-flows', true);
    return joining;
  };
  const cuts = ({ paths }: Joining): number[] => paths.map(({ cutByWindow }) => cutByWindow);

  it('leaves whole what a socket sends, or a network card receives', () => {
    const tape = new Tape();
    const joining = among(tape);
    toSocket(fromSocket(tape, 1));
    toSocket(tape.packet({ ...DATAGRAM, id: 2 }).ingress(NIC111));
    expect(cuts(joining.end(tape))).toEqual([0, 0]);
    expect(joining.finished.map(({ verdict }) => verdict)).toEqual(['delivered', 'delivered']);
  });

  it('marks what was first seen under way, at any time', () => {
    const tape = new Tape();
    const joining = among(tape);
    tape.wait(2 * FRONT_NS);
    toSocket(tape.packet(DATAGRAM).hook(CALI1, 'forward'));
    expect(cuts(joining.end(tape))).toEqual([CUT_START]);
  });

  it('marks what has no end, also where others do not look', () => {
    const tape = new Tape();
    const joining = among(tape, true);
    fromSocket(tape, 1).egress(CALI2);
    const { finished } = joining.end(tape);
    expect(finished.map(({ path }) => [path.cutByWindow, isComplete(path)])).toEqual([
      [CUT_END, false],
    ]);
  });

  it('shows a drop of a packet that was left out, and one of a packet that was not', () => {
    const tape = new Tape();
    const joining = among(tape);
    tape.packet({ ...DATAGRAM, id: 9 }).drop(CALI2, REASONS.NETFILTER_DROP);
    fromSocket(tape, 1).drop(CALI2, REASONS.NETFILTER_DROP);
    const { finished } = joining.end(tape);
    expect(finished.map(({ path, verdict }) => [verdict, isComplete(path)])).toEqual([
      ['dropped', false],
      ['dropped', true],
    ]);
  });

  it('goes on seeing what it chose when it sees everything again', () => {
    const tape = new Tape();
    const joining = among(tape);
    const sent = fromSocket(tape, 1);
    joining.read(tape).joiner.window(tape.now, 'all', true);
    toSocket(sent);
    expect(cuts(joining.end(tape))).toEqual([0]);
  });

  it('marks what is under way when it sees drops alone again', () => {
    const tape = new Tape();
    const joining = among(tape);
    fromSocket(tape, 1);
    joining.read(tape).joiner.window(tape.now, 'drops', true);
    expect(cuts(joining.end(tape))).toEqual([CUT_END]);
  });
});

describe('a source that stays open and changes its detail', () => {
  it('cuts no path; what begins later, and what is under way at a change to edges, is at edges', () => {
    const tape = new Tape();
    const joining = opened(tape);
    toSocket(fromSocket(tape, 1)).free();
    const underWay = fromSocket(tape, 2);
    joining.read(tape).joiner.detail(true);
    toSocket(underWay);
    toSocket(fromSocket(tape, 3));
    joining.read(tape).joiner.detail(false);
    toSocket(fromSocket(tape, 4));
    const { paths } = joining.end(tape);
    expect(paths.map((path) => [path.ipId, path.atEdges, isComplete(path)])).toEqual([
      [1, false, true],
      [2, true, true],
      [3, true, true],
      [4, false, true],
    ]);
  });
});
