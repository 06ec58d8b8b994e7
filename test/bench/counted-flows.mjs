// @ts-check
import { setImmediate as turn } from 'node:timers/promises';
import { noSource } from '../fixtures/no-source.mjs';
import { compiled } from './cluster.mjs';

/*
 * Connections that nobody traces, as the kernel's counter gives them: each is counted at the
 * device where its packets come in and where they leave, both ways, and again when it goes on.
 */

/** @type {typeof import('../../src/pipeline.js')} */
const { Pipeline } = await compiled('pipeline.js');
/** @type {typeof import('../../src/name/catalog.js')} */
const { EMPTY_CATALOG } = await compiled('name/catalog.js');

/** Rows between two turns of the event loop: what one read of the counter's map gives. */
const ROWS_A_TURN = 1_024;
/** Time of the source between two new flows: 100,000 a second. */
const FLOW_NS = 10_000;
const PROTO_TCP = 6;
const SYN_ACK = 0x12;
const NODE_NETNS = 4_026_532_000;
/** How often a reader looks for what has changed, as the server does. */
const READ_MS = 1_000;
/** How often readings are made, in a tick of the source. */
const TICK_NS = 5e6;
/** Every so many flows one counted earlier is counted again. */
const AGAIN = 4;

/** @param {import('../../src/pipeline.js').PipelineOptions} options */
export const emptyPipeline = (options) => new Pipeline(noSource(0n, EMPTY_CATALOG), options);

/**
 * @typedef {object} Counting
 * @property {number} rows
 * @property {number} longestMs of one turn's work
 */

/**
 * @param {import('../../src/pipeline.js').Pipeline} pipeline
 * @param {number} flows
 * @param {{ pause?: (() => Promise<void>) | null, read?: boolean }} [how]
 * @returns {Promise<Counting>}
 */
export async function fillCounted(pipeline, flows, { pause = null, read = true } = {}) {
  const row = new Row();
  let rows = 0;
  let longest = 0;
  let begun = performance.now();
  let tick = 0;
  let changed = 0;
  let looked = begun;
  const endTurn = async () => {
    longest = Math.max(longest, performance.now() - begun);
    await (pause === null ? turn() : pause());
    begun = performance.now();
  };
  for (let n = 0; n < flows; n += 1) {
    const now = (n + 1) * FLOW_NS;
    rows += count(pipeline, row, n, now, 1);
    if (n % AGAIN === AGAIN - 1) {
      rows += count(pipeline, row, (n * 7_919) % n, now, 2);
    }
    if (now - tick >= TICK_NS) {
      tick = now;
      pipeline.tick(BigInt(now));
      if (read && performance.now() - looked >= READ_MS) {
        const { newest } = pipeline.flows;
        changed = Math.max(changed, newest?.version ?? 0);
        looked = performance.now();
      }
    }
    if (rows % ROWS_A_TURN < 4) await endTurn();
  }
  await endTurn();
  return { rows, longestMs: longest };
}

/**
 * The four counts of one connection.
 *
 * @param {import('../../src/pipeline.js').Pipeline} pipeline
 * @param {Row} row
 * @param {number} n
 * @param {number} now
 * @param {number} packets
 */
function count(pipeline, row, n, now, packets) {
  const first = (n + 1) * FLOW_NS;
  row.set(n, false);
  row.packets = 5 * packets;
  row.bytes = 400 * packets;
  row.last = now;
  for (const [ifindex, direction, reply, late] of /** @type {const} */ ([
    [5, 'in', false, 0],
    [6, 'out', false, 1],
    [6, 'in', true, 2],
    [5, 'out', true, 3],
  ])) {
    if (late === 2) row.set(n, true);
    row.ifindex = ifindex;
    row.direction = direction;
    row.first = first + late * 1_000;
    void reply;
    pipeline.count(/** @type {any} */ (row));
  }
  return 4;
}

/** What CountCursor is while it stands on an entry. */
class Row {
  constructor() {
    this.family = 4;
    this.protocol = PROTO_TCP;
    this.src = new Uint32Array(4);
    this.dst = new Uint32Array(4);
    this.sport = 0;
    this.dport = 443;
    this.netns = NODE_NETNS;
    this.ifindex = 5;
    this.direction = 'in';
    this.packets = 0;
    this.bytes = 0;
    this.largest = 1_400;
    this.tcpFlags = SYN_ACK;
    this.first = 0;
    this.last = 0;
    this.gone = false;
    this.ctOriginal = tuple();
    this.ctReply = tuple();
  }

  /**
   * @param {number} n
   * @param {boolean} reply
   */
  set(n, reply) {
    // 64,000 ports of each of some addresses, to some servers.
    const client = 0x0b000000 + Math.floor(n / 64_000);
    const port = 1_024 + (n % 64_000);
    const server = 0x0a000001 + (n % 251);
    fill(this.ctOriginal, client, port, server, 443);
    fill(this.ctReply, server, 443, client, port);
    const from = reply ? this.ctReply : this.ctOriginal;
    this.src.set(from.src);
    this.dst.set(from.dst);
    this.sport = from.sport;
    this.dport = from.dport;
  }
}

function tuple() {
  const words = () => new Uint32Array(4);
  return { family: 4, protocol: PROTO_TCP, src: words(), dst: words(), sport: 0, dport: 0 };
}

/**
 * @param {ReturnType<typeof tuple>} to
 * @param {number} src
 * @param {number} sport
 * @param {number} dst
 * @param {number} dport
 */
function fill(to, src, sport, dst, dport) {
  to.src[3] = src;
  to.dst[3] = dst;
  to.sport = sport;
  to.dport = dport;
}
