// @ts-check
import { setImmediate as turn } from 'node:timers/promises';
import { compiled } from './cluster.mjs';

/*
 * A million connections without a million packets: the records of a few flows, as a
 * real kernel gave them, are played again and again, each time from another source
 * address, with another IP id and a little later. A trail's hops move with the time in its
 * header; packet headers and conntrack tuples are found by the address, wherever a record has
 * one. Buffers are the same ones in each round, as they are in a kernel that uses them anew.
 */

/** @type {typeof import('../../src/pipeline.js')} */
const { Pipeline } = await compiled('pipeline.js');
/** @type {typeof import('../../src/source/recording.js')} */
const { Recording } = await compiled('source/recording.js');
/** @type {typeof import('../../src/source/recording-format.js')} */
const { CHUNK_BATCH } = await compiled('source/recording-format.js');
/** @type {typeof import('../../src/source/replay-source.js')} */
const { ReplaySource } = await compiled('source/replay-source.js');
/** @type {typeof import('../../src/wire/clock.js')} */
const { Epoch } = await compiled('wire/clock.js');
/** @type {typeof import('../../src/wire/layout.gen.js')} */
const { HEADER_TIME, RECORD_TRAIL, SIZEOF_HEADER } = await compiled('wire/layout.gen.js');
/** @type {typeof import('../../src/wire/record-cursor.js')} */
const { FRAME_HEADER } = await compiled('wire/record-cursor.js');
/** @type {typeof import('../../src/wire/record-queue.js')} */
const { RecordQueue } = await compiled('wire/record-queue.js');
/** @type {typeof import('../../src/wire/trail-cursor.js')} */
const { TrailCursor } = await compiled('wire/trail-cursor.js');

/** First byte of the addresses that stand in for the sender's: 11.0.0.0/8 is nobody's here. */
const STAND_IN = 11;
/** Offsets in an IPv4 header (RFC 791), and what stands in it. */
const IPV4_ID = 4;
const IPV4_PROTOCOL = 9;
const IPV4_SOURCE = 12;
/** Version 4 and no options. */
const IPV4_PLAIN = 0x45;
const PROTO_UDP = 17;
/** Time between two rounds: packets still under way at the end of one come to their end. */
const GAP_NS = 100_000n;
/** After the last, all that waits for its end has met it. */
const SETTLE_NS = 3_000_000_000n;
/** Rounds between two turns of the event loop. */
const ROUNDS_A_TURN = 50;
/** How often a reader looks for what has changed, as the server does. */
const READ_MS = 1_000;

/**
 * @typedef {object} Filled
 * @property {number} wanted
 * @property {number} flows in the table
 * @property {number} hops
 * @property {import('../../src/pipeline.js').Pipeline} pipeline
 */

/**
 * What `fillFlows` plays.
 *
 * @param {string} file a recording of datagrams from `source`, one of each flow
 * @param {string} source IPv4 address
 */
export function readTemplate(file, source) {
  const recording = Recording.read(file);
  const address = Uint8Array.from(source.split('.').map(Number));
  const batches = [...recording.chunks()]
    .filter((chunk) => chunk.type === CHUNK_BATCH)
    .map((chunk) => editable(new Uint8Array(chunk.payload), address));
  const epochNs = BigInt(recording.header.epochNs);
  const { first, last } = timesOf(batches, epochNs);
  return { recording, batches, last: epochNs + BigInt(last), span: BigInt(last - first) + GAP_NS };
}

/**
 * When the first record begins and the last hop is over, nanoseconds since `epochNs`.
 *
 * @param {readonly { readonly bytes: Uint8Array }[]} batches
 * @param {bigint} epochNs
 */
function timesOf(batches, epochNs) {
  const queue = new RecordQueue(new Epoch(epochNs));
  const trail = new TrailCursor();
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const { bytes } of batches) {
    queue.add(bytes, bytes.byteLength);
    queue.flush((record) => {
      first = Math.min(first, record.time);
      last = Math.max(last, record.time);
      if (record.type !== RECORD_TRAIL) return;
      trail.begin(record);
      while (trail.next()) last = Math.max(last, trail.time);
      last = Math.max(last, trail.endTime);
    });
  }
  if (last === 0) throw new Error('nothing in the recording to play');
  return { first, last };
}

/**
 * Gives a pipeline the records of so many rounds at once, each of other packets, and lets time
 * pass for a moment in between only: they wait, and then are under way, all together.
 *
 * @param {ReturnType<typeof readTemplate>} template
 * @param {import('../../src/pipeline.js').Pipeline} pipeline
 * @param {number} rounds
 */
export async function playUnended({ batches, last, span }, pipeline, rounds) {
  for (let round = 0; round < rounds; round += 1) {
    next(batches, round, 1n);
    for (const { bytes } of batches) pipeline.batch(bytes, bytes.byteLength);
    if (round % ROUNDS_A_TURN === 0) await turn();
  }
  pipeline.tick(last + span + BigInt(rounds));
  await turn();
  pipeline.tick(last + BigInt(rounds) + SETTLE_NS);
}

/**
 * Makes other packets of those in the batches.
 *
 * @param {readonly ReturnType<typeof editable>[]} batches
 * @param {number} round
 * @param {bigint} span time since the round before
 */
function next(batches, round, span) {
  for (const batch of batches) {
    for (const at of batch.addresses) {
      batch.view.setUint32(at, STAND_IN * 0x1000000 + round + 1, false);
    }
    // The same id in the same buffer would be the same packet, translated.
    for (const at of batch.ids) {
      batch.view.setUint16(at, (batch.view.getUint16(at, false) + 1) & 0xffff, false);
    }
    if (round === 0) continue;
    for (const at of batch.times) {
      batch.view.setBigUint64(at, batch.view.getBigUint64(at, true) + span, true);
    }
  }
}

/**
 * A pipeline that has met `n` flows of one packet each.
 *
 * @param {ReturnType<typeof readTemplate>} template
 * @param {number} n
 * @param {number} flowsARound flows in the recording
 * @returns {Promise<Filled>}
 */
export async function fillFlows({ recording, batches, last, span }, n, flowsARound) {
  const rounds = Math.ceil(n / flowsARound);

  /** Where records come from, as the pipeline has it: names and clock of the recording. */
  const base = new ReplaySource(recording, { paced: false });
  const pipeline = new Pipeline(base, { flowLimit: n + 2 * flowsARound });
  pipeline.catalog(recording.catalog);
  let changed = 0;
  let read = performance.now();
  for (let round = 0; round < rounds; round += 1) {
    next(batches, round, span);
    for (const batch of batches) {
      pipeline.batch(batch.bytes, batch.bytes.byteLength);
    }
    pipeline.tick(last + BigInt(round) * span);
    if (performance.now() - read >= READ_MS) {
      changed = pipeline.flows.changedSince(changed).at(-1)?.version ?? changed;
      read = performance.now();
    }
    await turn();
  }
  pipeline.tick(last + BigInt(rounds) * span + SETTLE_NS);
  const { flows, events } = pipeline.quality();
  return { wanted: n, flows, hops: Number(events), pipeline };
}

/**
 * A batch with the places in it that change from round to round.
 *
 * @param {Uint8Array} bytes
 * @param {Uint8Array} address
 */
function editable(bytes, address) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  /** @type {number[]} */
  const times = [];
  for (let at = 0; at + FRAME_HEADER + SIZEOF_HEADER <= bytes.byteLength; ) {
    const length = view.getUint32(at, true);
    times.push(at + FRAME_HEADER + HEADER_TIME);
    at += FRAME_HEADER + ((length + 7) & ~7);
  }
  /** @type {number[]} */
  const addresses = [];
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(address); at >= 0; at = buffer.indexOf(address, at + 4)) {
    addresses.push(at);
  }
  const ids = addresses
    .map((at) => at - IPV4_SOURCE)
    .filter((at) => bytes[at] === IPV4_PLAIN && bytes[at + IPV4_PROTOCOL] === PROTO_UDP)
    .map((at) => at + IPV4_ID);
  return { bytes, view, times, addresses, ids };
}
