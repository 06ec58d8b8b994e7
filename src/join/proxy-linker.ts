import { PROTO_TCP } from '../packet/proto.js';
import { isReply } from './direction.js';
import type { Path } from './path.js';
import type { Tuple } from './tuple.js';

/** Sockets known at once; one past it the one known longest is forgotten. */
export const SOCKET_LIMIT = 65_536;
/** Threads and processes known at once; one past it the one quiet longest is forgotten. */
export const THREAD_LIMIT = 16_384;
export const PROCESS_LIMIT = 4_096;
/** Connections of one process that may wait for what it makes of them. */
export const WAITING_LIMIT = 256;

/** Who acts on a socket; struct hs_actor of bpf/wire.h. */
export interface Actor {
  readonly process: number;
  readonly thread: number;
  readonly sleeps: number;
}

/** A connection as its receiving socket knows it. */
export interface Received {
  readonly tuple: Tuple;
  /** Number of the socket's namespace. */
  readonly netns: number;
}

interface Socket {
  /** What it is sent, as it arrives; null until it is known. */
  tuple: Tuple | null;
  netns: number;
  /** Whether its own process opened the connection, rather than accepted it. */
  isOpener: boolean;
  /** The process that has read from it and neither answered nor opened anything since. */
  reader: Process | null;
  /** The connection that caused it to be opened; null where that is not known. */
  clientConnection: Received | null;
}

interface Process {
  readonly waiting: Set<Socket>;
  /** Some that wait were forgotten, so one left alone proves nothing until all are gone. */
  isAmbiguous: boolean;
}

interface Thread {
  /** The accepted connection it read last; null when it read something else since. */
  newest: Socket | null;
  /** How often it had slept by then. */
  sleeps: number;
}

/**
 * Finds the connections that a process opens because of one it has accepted, as a proxy
 * does. Pure.
 *
 * The proof is what the process does, never when. A connection is opened for another
 * when the thread has just read from that other and nothing else since, has not slept
 * in between, and no other connection waits that the process might mean: one it has
 * read from, and not answered or opened anything for. So a loop that handles one event
 * to its end is followed among any number of clients, and one that first reads many
 * and then opens many is not followed, rather than wrongly.
 */
export class ProxyLinker {
  /** Connections removed from a full table that might still have been linked. */
  forgotten = 0;
  readonly #sockets = new Map<number, Socket>();
  readonly #threads = new Map<number, Thread>();
  readonly #processes = new Map<number, Process>();

  get sockets(): number {
    return this.#sockets.size;
  }

  /** A socket of a namespace is given a packet. */
  received(address: number, tuple: Tuple, netns: number, path: Path): void {
    const known = this.#sockets.get(address);
    if (known !== undefined && (known.tuple === null || known.tuple.equals(tuple))) {
      known.tuple = tuple;
      return;
    }
    if (known !== undefined) {
      // The address is that of another socket now.
      this.#forget(address, known);
    }
    this.#add(address, {
      tuple,
      netns,
      isOpener: isReply(path),
      reader: null,
      clientConnection: null,
    });
  }

  /** A process reads what came last to a socket, 0 for one that is not known. */
  read(address: number, actor: Actor): void {
    const socket = this.#sockets.get(address);
    const thread = this.#thread(actor.thread);
    thread.sleeps = actor.sleeps;
    thread.newest = null;
    if (socket === undefined || socket.isOpener || socket.tuple?.protocol !== PROTO_TCP) {
      return;
    }
    thread.newest = socket;
    const process = this.#process(actor.process);
    if (socket.reader === process) {
      return;
    }
    this.#stopWaiting(socket);
    if (process.waiting.size >= WAITING_LIMIT) {
      process.isAmbiguous = true;
      this.forgotten += 1;
      return;
    }
    socket.reader = process;
    process.waiting.add(socket);
  }

  /** A process opens a connection. */
  connect(address: number, netns: number, actor: Actor): void {
    const known = this.#sockets.get(address);
    if (known !== undefined) {
      this.#forget(address, known);
    }
    const clientConnection = this.#clientConnection(netns, actor);
    this.#add(address, { tuple: null, netns, isOpener: true, reader: null, clientConnection });
  }

  /**
   * A socket sends its SYN.
   *
   * @param answer what will come back to it
   * @returns the connection because of which it was opened
   */
  opened(address: number, answer: Tuple): Received | null {
    const socket = this.#sockets.get(address);
    if (socket === undefined || !socket.isOpener) {
      return null;
    }
    socket.tuple ??= answer;
    return socket.tuple.equals(answer) ? socket.clientConnection : null;
  }

  /** A socket sends data, or its last. */
  sent(address: number, isLast: boolean): void {
    const socket = this.#sockets.get(address);
    if (socket === undefined) {
      return;
    }
    this.#stopWaiting(socket);
    if (isLast) {
      this.#sockets.delete(address);
    }
  }

  #clientConnection(netns: number, actor: Actor): Received | null {
    const thread = this.#threads.get(actor.thread);
    const process = this.#processes.get(actor.process);
    const socket = thread?.newest ?? null;
    if (
      thread === undefined ||
      process === undefined ||
      socket === null ||
      socket.tuple === null ||
      socket.netns !== netns ||
      process.isAmbiguous ||
      process.waiting.size !== 1 ||
      !process.waiting.has(socket)
    ) {
      return null;
    }
    // After a sleep it is likely meant and not proven: nothing is said, yet it waits no more.
    this.#stopWaiting(socket);
    return thread.sleeps === actor.sleeps ? { tuple: socket.tuple, netns } : null;
  }

  #stopWaiting(socket: Socket): void {
    const process = socket.reader;
    if (process === null) {
      return;
    }
    socket.reader = null;
    process.waiting.delete(socket);
    if (process.waiting.size === 0) {
      process.isAmbiguous = false;
    }
  }

  #forget(address: number, socket: Socket): void {
    this.#sockets.delete(address);
    this.#stopWaiting(socket);
  }

  #add(address: number, socket: Socket): void {
    if (this.#sockets.size >= SOCKET_LIMIT) {
      const [oldest] = this.#sockets;
      if (oldest !== undefined) {
        const [oldAddress, { reader }] = oldest;
        if (reader !== null) {
          this.forgotten += 1;
          reader.isAmbiguous = true;
        }
        this.#forget(oldAddress, oldest[1]);
      }
    }
    this.#sockets.set(address, socket);
  }

  #thread(id: number): Thread {
    const thread = this.#threads.get(id) ?? { newest: null, sleeps: 0 };
    // A thread that so many others came after has slept since, or is no more.
    makeNewest(this.#threads, id, thread, THREAD_LIMIT);
    return thread;
  }

  #process(id: number): Process {
    const process = this.#processes.get(id) ?? { waiting: new Set(), isAmbiguous: false };
    this.forgotten += makeNewest(this.#processes, id, process, PROCESS_LIMIT)?.waiting.size ?? 0;
    return process;
  }
}

/** Makes an entry the newest of a map; returns the oldest when that was removed for it. */
function makeNewest<T>(map: Map<number, T>, id: number, entry: T, limit: number): T | undefined {
  map.delete(id);
  map.set(id, entry);
  const [oldest] = map;
  if (map.size <= limit || oldest === undefined) {
    return undefined;
  }
  map.delete(oldest[0]);
  return oldest[1];
}
