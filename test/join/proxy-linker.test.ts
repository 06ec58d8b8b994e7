import { beforeEach, describe, expect, test } from 'vitest';
import { HopColumns } from '../../src/join/hop-columns.js';
import { Path } from '../../src/join/path.js';
import {
  type Actor,
  PROCESS_LIMIT,
  ProxyLinker,
  SOCKET_LIMIT,
  THREAD_LIMIT,
  WAITING_LIMIT,
} from '../../src/join/proxy-linker.js';
import type { Tuple } from '../../src/join/tuple.js';
import { TupleTable } from '../../src/join/tuple-table.js';
import { PROTO_TCP, PROTO_UDP } from '../../src/packet/proto.js';

const NETNS = 4026532102;
const PROXY = '10.244.153.201';
/** Addresses of sockets: those accepted from clients, and those opened to servers. */
const accepted = (client: number): number => 0x1000 + client;
const opened = (client: number): number => 0x100_0000 + client;

let tuples: TupleTable;
let proxyLinker: ProxyLinker;

beforeEach(() => {
  tuples = new TupleTable();
  proxyLinker = new ProxyLinker();
});

function words(address: string): number {
  return address.split('.').reduce((word, part) => word * 256 + Number(part), 0);
}

function tuple(src: string, sport: number, dst: string, dport: number, proto = PROTO_TCP): Tuple {
  tuples.words.fill(0);
  tuples.words[3] = words(src);
  tuples.words[7] = words(dst);
  return tuples.intern(4, proto, sport, dport);
}

const ofClient = (client: number): Tuple => tuple('172.20.151.77', client, PROXY, 8081);
const fromServer = (client: number): Tuple => tuple('10.107.161.3', 8080, PROXY, 40_000 + client);

function run(sleeps = 1, thread = 71, process = 7): Actor {
  return { process, thread, sleeps };
}

/** A request arrives on the connection of a client, and is read. */
function request(client: number, actor = run(), netns = NETNS): void {
  proxyLinker.received(accepted(client), ofClient(client), netns, new Path(0, new HopColumns()));
  proxyLinker.read(accepted(client), actor);
}

/** The process opens a connection; the port of the client for whose sake, or `null`. */
function open(at: number, actor = run(), netns = NETNS): number | null {
  proxyLinker.connect(opened(at), netns, actor);
  return proxyLinker.opened(opened(at), fromServer(at))?.tuple.sport ?? null;
}

/** The server's answer is read, and the client answered. */
function answer(client: number, actor = run()): void {
  proxyLinker.received(opened(client), fromServer(client), NETNS, new Path(0, new HopColumns()));
  proxyLinker.read(opened(client), actor);
  proxyLinker.sent(accepted(client), false);
}

describe('a connection is linked', () => {
  test('to the one that its thread has just read', () => {
    request(1);
    expect(open(1)).toBe(1);
  });

  test('and says in which namespace that one was received', () => {
    request(1);
    proxyLinker.connect(opened(1), NETNS, run());
    expect(proxyLinker.opened(opened(1), fromServer(1))).toEqual({
      tuple: ofClient(1),
      netns: NETNS,
    });
  });

  test('by its SYN, the first and those sent again, and by nothing else of the socket', () => {
    request(1);
    expect(open(1)).toBe(1);
    expect(proxyLinker.opened(opened(1), fromServer(1))?.tuple.sport).toBe(1);
    // The kernel gave the address to another connection, whose beginning was not seen.
    expect(proxyLinker.opened(opened(1), fromServer(2))).toBeNull();
    expect(proxyLinker.opened(opened(3), fromServer(3))).toBeNull();
  });

  test('when the request came in several fragments', () => {
    request(1, run(1));
    request(1, run(2));
    expect(open(1, run(2))).toBe(1);
  });

  test('for each of many clients of a loop that takes one after the other', () => {
    const linked = Array.from({ length: 50 }, (_, client) => {
      request(client);
      return open(client);
    });
    expect(linked).toEqual(Array.from({ length: 50 }, (_, client) => client));
  });

  test('for each request of a connection that is kept open', () => {
    request(1);
    expect(open(1)).toBe(1);
    answer(1);
    request(1, run(5));
    expect(open(2, run(5))).toBe(1);
  });

  test('for each of the processes that serve, and each of their threads, by itself', () => {
    request(1, run(1, 71, 7));
    request(2, run(1, 81, 8));
    expect(open(1, run(1, 71, 7))).toBe(1);
    expect(open(2, run(1, 81, 8))).toBe(2);
  });

  test('after a request that the process answered by itself', () => {
    request(1);
    proxyLinker.sent(accepted(1), false);
    request(2);
    expect(open(2)).toBe(2);
  });
});

describe('a connection is not linked', () => {
  test('when nothing was read before', () => {
    expect(open(1)).toBeNull();
  });

  test('when the thread slept in between: a timer may have woken it', () => {
    request(1, run(1));
    expect(open(1, run(2))).toBeNull();
    // That does not keep the next one from being linked.
    request(2, run(2));
    expect(open(2, run(2))).toBe(2);
  });

  test('when another thread opens it', () => {
    request(1, run(1, 71));
    expect(open(1, run(1, 72))).toBeNull();
  });

  test('when two clients wait: either may be meant', () => {
    request(1);
    request(2);
    expect(open(1)).toBeNull();
    expect(open(2)).toBeNull();
  });

  test('when a client of another thread of the process waits', () => {
    request(1, run(1, 71));
    request(2, run(1, 72));
    expect(open(1, run(1, 71))).toBeNull();
    expect(open(2, run(1, 72))).toBeNull();
  });

  test('when the thread has read something else since: an answer, a datagram', () => {
    request(1);
    expect(open(1)).toBe(1);
    request(2);
    answer(1);
    expect(open(2)).toBeNull();
    request(3);
    const dns = tuple('10.96.0.10', 53, PROXY, 5555, PROTO_UDP);
    proxyLinker.received(0x77, dns, NETNS, new Path(0, new HopColumns()));
    proxyLinker.read(0x77, run());
    expect(open(3)).toBeNull();
  });

  test('a second time for one request: it may be a check of health', () => {
    request(1);
    expect(open(1)).toBe(1);
    expect(open(2)).toBeNull();
  });

  test('when the request was answered already, or its connection is over', () => {
    request(1);
    proxyLinker.sent(accepted(1), false);
    expect(open(1)).toBeNull();
    request(2);
    proxyLinker.sent(accepted(2), true);
    expect(open(2)).toBeNull();
  });

  test('to one of another namespace', () => {
    request(1, run(), NETNS);
    expect(open(1, run(), NETNS + 1)).toBeNull();
  });

  test('to one that the process itself opened', () => {
    expect(open(1)).toBeNull();
    answer(1);
    expect(open(2)).toBeNull();
  });

  test('to a socket that has the address of one that was read before', () => {
    request(1);
    proxyLinker.received(accepted(1), ofClient(9), NETNS, new Path(0, new HopColumns()));
    expect(open(1)).toBeNull();
  });
});

test('when those that waited have stopped, the next is linked again', () => {
  request(1);
  request(2);
  expect(open(1)).toBeNull();
  proxyLinker.sent(accepted(1), false);
  proxyLinker.sent(accepted(2), true);
  request(3);
  expect(open(3)).toBe(3);
});

describe('limits', () => {
  test('one client past what may wait makes the process silent until none waits', () => {
    for (let client = 0; client <= WAITING_LIMIT; client++) {
      request(client);
    }
    expect(proxyLinker.forgotten).toBe(1);
    for (let client = 1; client < WAITING_LIMIT; client++) {
      proxyLinker.sent(accepted(client), false);
    }
    // One is left, but the one that was forgotten may be meant as well.
    proxyLinker.read(accepted(0), run());
    expect(open(0)).toBeNull();
    proxyLinker.sent(accepted(0), false);
    request(1000);
    expect(open(1000)).toBe(1000);
  });

  test('one socket past the limit: the one known longest is forgotten, and counted if it waited', () => {
    request(0);
    for (let at = 1; at < SOCKET_LIMIT; at++) {
      proxyLinker.connect(opened(at), NETNS, run(9, 99, 9));
    }
    expect([proxyLinker.sockets, proxyLinker.forgotten]).toEqual([SOCKET_LIMIT, 0]);
    proxyLinker.connect(opened(SOCKET_LIMIT), NETNS, run(9, 99, 9));
    expect([proxyLinker.sockets, proxyLinker.forgotten]).toEqual([SOCKET_LIMIT, 1]);
    expect(open(0)).toBeNull();
    proxyLinker.connect(opened(SOCKET_LIMIT + 1), NETNS, run(9, 99, 9));
    expect([proxyLinker.sockets, proxyLinker.forgotten]).toEqual([SOCKET_LIMIT, 1]);
  });

  test('one thread past the limit: the one quiet longest is forgotten', () => {
    request(1, run(1, 71));
    for (let thread = 1000; thread < 1000 + THREAD_LIMIT - 1; thread++) {
      proxyLinker.read(0, run(1, thread));
    }
    proxyLinker.read(accepted(1), run(1, 71));
    proxyLinker.read(0, run(1, 5000));
    proxyLinker.read(0, run(1, 999));
    expect(open(1, run(1, 71))).toBe(1);
    request(2, run(1, 72));
    for (let thread = 100_000; thread < 100_000 + THREAD_LIMIT; thread++) {
      proxyLinker.read(0, run(1, thread));
    }
    expect(open(2, run(1, 72))).toBeNull();
  });

  test('one process past the limit: the one quiet longest is forgotten with who waits there', () => {
    for (let process = 0; process < PROCESS_LIMIT; process++) {
      request(process, run(1, process, process));
    }
    expect(proxyLinker.forgotten).toBe(0);
    request(60_000, run(1, 60_000, 60_000));
    expect(proxyLinker.forgotten).toBe(1);
    expect(open(0, run(1, 0, 0))).toBeNull();
    expect(open(1, run(1, 1, 1))).toBe(1);
  });
});
