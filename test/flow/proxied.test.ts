import { expect, test } from 'vitest';
import type { Flow } from '../../src/flow/flow.js';
import { PROXIED_LIMIT } from '../../src/flow/proxied.js';
import { AT_POD1, AT_POD2, AT_POD3, Connection } from '../fixtures/connection.js';
import { Joining, nth } from '../fixtures/joined.js';
import { ADDRESSES, POD2_ETH0 } from '../fixtures/places.js';
import { Tape } from '../fixtures/tape.js';
import type { ActorDescription } from '../fixtures/wire-record.js';

const PROXY: ActorDescription = { process: 7, thread: 7, sleeps: 3 };
const NETNS = POD2_ETH0.netns;
const ACCEPTED = 0xffff_8880_1111_0000n;
const OPENED = 0xffff_8880_2222_0000n;

/** Connection A: pod1 to the proxy in pod2. */
function toProxy(tape: Tape, sport = 40_000): Connection {
  const ends = { src: ADDRESSES.pod1, dst: ADDRESSES.pod2, sport, dport: 8081 };
  return new Connection(tape, { proto: 'tcp', ...ends, from: AT_POD1, to: AT_POD2 });
}

/** Connection B: the proxy to the service, which is pod3. */
function onwards(tape: Tape, sport: number): Connection {
  return new Connection(tape, {
    proto: 'tcp',
    src: ADDRESSES.pod2,
    dst: ADDRESSES.service,
    sport,
    dport: 8080,
    dnat: { dst: ADDRESSES.pod3, dport: 80 },
    from: AT_POD2,
    to: AT_POD3,
    tunnelled: true,
  });
}

function shake(connection: Connection): void {
  connection.send('original', { id: 1, seq: 1000, flags: 'S' });
  connection.send('reply', { id: 0, seq: 5000, ack: 1001, flags: 'S.' });
}

/** The request arrives and is read by the proxy. */
function request(connection: Connection, id: number): void {
  const sent = connection.send('original', { id, seq: 900 + id, flags: 'P.', payload: 80 });
  sent.deliver(NETNS, ACCEPTED).deliver(NETNS, ACCEPTED, PROXY);
}

/**
 * A SYN of the proxy, whose socket the buffer is charged to; the first `unseen` of its
 * steps happen where nothing is observed.
 */
function open(tape: Tape, sport: number, sock = OPENED, unseen = 0): void {
  tape.connect(sock, NETNS, PROXY);
  const fields = { id: 1, seq: 1000, flags: 'S' };
  const [journey, steps] = onwards(tape, sport).steps('original', fields);
  journey.set({ sock });
  for (const step of steps.slice(unseen)) {
    step();
  }
}

function flowFrom(joining: Joining, address: string, sport: number): Flow {
  const found = joining
    .allFlows()
    .filter(({ original }) => original.src === address && original.sport === sport);
  return nth(found, 0);
}

test('the two connections of a proxy name each other', () => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  request(client, 101);
  open(tape, 50_000);
  const joining = new Joining().end(tape);
  const first = flowFrom(joining, ADDRESSES.pod1, 40_000);
  const second = flowFrom(joining, ADDRESSES.pod2, 50_000);
  expect([first.proxiedFrom, first.proxiedTo]).toEqual([null, [second.id]]);
  expect([second.proxiedFrom, second.proxiedTo]).toEqual([first.id, []]);
});

test.each([
  ['POSTROUTING, where no rule is at OUTPUT', 1],
  ['its device, where there is no hook at all', 2],
])('a SYN may be seen first at %s', (_, unseen) => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  request(client, 101);
  open(tape, 50_000, OPENED, unseen);
  const joining = new Joining().end(tape);
  const first = flowFrom(joining, ADDRESSES.pod1, 40_000);
  expect(flowFrom(joining, ADDRESSES.pod2, 50_000).proxiedFrom).toBe(first.id);
});

test('the first is reported anew to readers when its second appears, and is not younger for it', () => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  request(client, 101);
  const joining = new Joining();
  tape.wait(50_000_000);
  joining.sweep(tape);
  const first = flowFrom(joining, ADDRESSES.pod1, 40_000);
  const { version, last } = first;
  open(tape, 50_000);
  joining.end(tape);
  expect(first.version).toBeGreaterThan(version);
  expect(joining.flows.changedSince(version)).toContain(first);
  // Its SYN and the answer to it are finished late, and are all that moved it.
  expect(first.last).toBe(last);
});

test('a read long after the delivery counts as well', () => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  const sent = client.send('original', { id: 101, seq: 1001, flags: 'P.', payload: 80 });
  sent.deliver(NETNS, ACCEPTED);
  const joining = new Joining();
  tape.wait(400_000_000);
  joining.sweep(tape);
  expect(joining.joiner.openPaths).toBe(0);
  sent.deliver(NETNS, ACCEPTED, PROXY);
  open(tape, 50_000);
  joining.end(tape);
  const first = flowFrom(joining, ADDRESSES.pod1, 40_000);
  expect(flowFrom(joining, ADDRESSES.pod2, 50_000).proxiedFrom).toBe(first.id);
});

test('what an opener reads is an answer, and no cause of another connection', () => {
  const tape = new Tape();
  open(tape, 50_000);
  const server = onwards(tape, 50_000);
  const answer = server.send('reply', { id: 0, seq: 5000, flags: 'P.', payload: 10 });
  answer.deliver(NETNS, OPENED).deliver(NETNS, OPENED, PROXY);
  open(tape, 50_001, OPENED + 0x1000n);
  const joining = new Joining().end(tape);
  const sources = joining.allFlows().map(({ proxiedFrom }) => proxiedFrom);
  expect(sources).toEqual([null, null]);
});

test('a segment that only the kernel took is no cause', () => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  client
    .send('original', { id: 101, seq: 1001, flags: 'P.', payload: 80 })
    .deliver(NETNS, ACCEPTED);
  open(tape, 50_000);
  const joining = new Joining().end(tape);
  expect(flowFrom(joining, ADDRESSES.pod2, 50_000).proxiedFrom).toBeNull();
});

test('one past the limit: the newest are remembered, and the rest counted', () => {
  const tape = new Tape();
  const client = toProxy(tape);
  shake(client);
  for (let n = 0; n <= PROXIED_LIMIT; n++) {
    request(client, 101 + n);
    open(tape, 50_000 + n, OPENED + BigInt(n) * 0x1000n);
  }
  const joining = new Joining().end(tape);
  const first = flowFrom(joining, ADDRESSES.pod1, 40_000);
  const ids = Array.from(
    { length: PROXIED_LIMIT },
    (_, n) => flowFrom(joining, ADDRESSES.pod2, 50_001 + n).id,
  );
  expect(first.proxiedTo).toEqual(ids);
  expect(joining.flows.counters.proxiedRefused).toBe(1);
});
