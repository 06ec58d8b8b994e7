import { setTimeout as delay } from 'node:timers/promises';
import { BpfError, type EchoResult, sendEchoProbe } from 'ebpf-ts';
import type { PathRecord } from 'hopscope-protocol';
import { HopscopeError, UnsupportedError } from '../model/errors.js';
import type { ProbeRecord, SentProbeRecord } from '../model/probe-record.js';
import { narrowestOf } from '../mtu/step.js';
import { traceWay } from '../mtu/trace.js';
import { addressText, type Family } from '../network/ip-address.js';
import type { Machine, Namespace } from '../network/machine.js';
import type { LocalEnd, ProbeEnd } from './probe-ends.js';
import { probeRefusal, type Surroundings } from './probe-refusal.js';
import type { ProbeTrace } from './probe-trace.js';
import { SIZE_MAX, SizeSearch } from './size-search.js';

/** Between one probe and the next, ms. */
const INTERVAL_MS = 1_000;
/** For an answer. */
const ANSWER_MS = 900;
/** For the trace of a probe that nothing came back from: rules may be read first. */
const TRACE_MS = 4_000;
/** One that is lost may have been lost for another reason than its size. */
const ATTEMPTS = 2;
/** Every IPv4 host takes 576 bytes (RFC 791), every IPv6 link carries 1280 (RFC 8200). */
const LEAST: Readonly<Record<Family, number>> = { 4: 576, 6: 1_280 };
const NO_ROUTE = new Set(['ENETUNREACH', 'EHOSTUNREACH', 'EINVAL', 'EACCES']);

interface Sent {
  readonly size: number;
  readonly result: EchoResult;
  /** Null where it was not needed, or not seen. */
  readonly path: PathRecord | null;
  readonly outcome: SentProbeRecord['outcome'];
}

export interface ProberOptions {
  readonly machine: Machine;
  readonly byName: ReadonlyMap<string, Namespace>;
  readonly trace: ProbeTrace;
  readonly identifier: number;
  readonly stop: AbortSignal;
  /** Called when it is known what became of a probe. */
  readonly onProbe: (probe: SentProbeRecord) => void;
}

/** Looks for the largest packet that passes, one direction after the other, a probe a second. */
export class Prober {
  readonly #options: ProberOptions;
  #sequence = 0;
  #nextAt = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  /**
   * @throws HopscopeError `PROBE_NO_ROUTE`, `PROBE_UNREACHABLE`, `PROBE_NO_ANSWER`, `PROBE_STOPPED`;
   *   UnsupportedError `PROBE_NOT_PERMITTED`
   */
  async run(src: LocalEnd, dst: ProbeEnd): Promise<ProbeRecord> {
    const { machine, byName } = this.#options;
    const key = { dst: dst.address, src: src.address, mark: 0, incoming: 'lo', outgoing: null };
    const way = traceWay(machine, { namespace: src.namespace, ...key });
    const around = { machine, byName, way };
    const own = way.steps.find(({ kind }) => kind === 'device')?.room ?? SIZE_MAX;
    const configured = narrowestOf(way.steps)?.room ?? null;
    const least = LEAST[dst.address.family];
    const search = new SizeSearch({ least, most: own, expected: configured ?? own });
    const probes: SentProbeRecord[] = [];
    let failed: Sent | null = null;
    for (let size = search.next(); size !== null; size = search.next()) {
      const sent = await this.#probe(size, src, dst);
      const { outcome, result } = sent;
      const probe = { size, outcome, answered: result.outcome === 'answered' };
      probes.push(probe);
      this.#options.onProbe(probe);
      if (outcome === 'passed') search.passed(size);
      else {
        if (search.largest === null) refuseUnreachable(sent, src, dst);
        search.failed(size, fitsOf(sent, around));
        if (search.refused === size) failed = sent;
      }
    }
    const { largest } = search;
    if (largest === null) throw noAnswer(failed, src, dst, around, least);
    const refused =
      failed === null ? null : probeRefusal(failed.size, failed.path, failed.result, around);
    return {
      type: 'probe',
      src: { netns: src.namespace.name, address: addressText(src.address) },
      dst: { netns: dst.namespace?.name ?? null, address: addressText(dst.address) },
      ...{ configured, largest, refused, probes },
    };
  }

  async #probe(size: number, src: LocalEnd, dst: ProbeEnd): Promise<Sent> {
    let sent = await this.#send(size, src, dst);
    for (let attempt = 1; attempt < ATTEMPTS && sent.outcome === 'silent'; attempt++) {
      sent = await this.#send(size, src, dst);
    }
    return sent;
  }

  async #send(size: number, src: LocalEnd, dst: ProbeEnd): Promise<Sent> {
    const { identifier, stop, trace } = this.#options;
    await waitUntil(this.#nextAt, stop);
    this.#nextAt = performance.now() + INTERVAL_MS;
    this.#sequence += 1;
    const sequence = this.#sequence;
    const [source, destination] = [addressText(src.address), addressText(dst.address)];
    const { path: netns } = src.namespace.description;
    const probe = { source, destination, size, id: identifier, sequence, waitMs: ANSWER_MS };
    let result: EchoResult;
    try {
      result = await sendEchoProbe(netns, probe);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      throw notSent(error.code, error.message, src, destination);
    }
    if (result.outcome === 'answered') return { size, result, path: null, outcome: 'passed' };
    // A device or a queue dropped it while it was being sent: the trace says which.
    const isDropped = result.isLocal && result.error === 'ENOBUFS';
    if (result.isLocal && !isDropped) return { size, result, path: null, outcome: 'refused' };
    const path = await trace.pathOf(sequence, TRACE_MS);
    // The answer may have been lost on a way of its own.
    const isThere = path?.verdict === 'delivered' && result.outcome === 'silent';
    if (isThere) return { size, result, path, outcome: 'passed' };
    const isRefused = result.outcome === 'refused' || path?.verdict === 'dropped';
    return { size, result, path, outcome: isRefused ? 'refused' : 'silent' };
  }
}

/** What fits, as an error or the device that dropped it says; bytes of the packet as sent. */
function fitsOf({ size, result, path }: Sent, around: Surroundings): number | null {
  if (result.mtu !== null) return result.mtu;
  const { refusedBy } = probeRefusal(size, path, result, around);
  const step = around.way.steps.find(
    ({ device, room }) =>
      device.namespace.name === refusedBy?.netns &&
      device.link.name === refusedBy.dev &&
      room < size,
  );
  return step?.room ?? null;
}

/** Throws where the packet's size is not what stopped it. */
function refuseUnreachable({ result }: Sent, src: LocalEnd, dst: ProbeEnd): void {
  const { outcome, error, isLocal, from } = result;
  if (outcome !== 'refused' || error === 'EMSGSIZE' || error === 'ENOBUFS') return;
  const to = addressText(dst.address);
  if (isLocal && error === 'EPERM') {
    const what = `rules of ${src.namespace.name} drop what it sends to ${to}`;
    throw new HopscopeError('PROBE_DROPPED', what);
  }
  if (isLocal) throw notSent(error ?? 'EIO', `send: ${error}`, src, to);
  throw new HopscopeError(
    'PROBE_UNREACHABLE',
    `${to} is not reached: ${from ?? 'somebody'} answers ${error ?? 'with an error'}`,
  );
}

function notSent(code: string, message: string, src: LocalEnd, destination: string): HopscopeError {
  const { name } = src.namespace;
  if (code === 'EPERM') {
    return new UnsupportedError(
      'PROBE_NOT_PERMITTED',
      `this process may not send from ${name}: ${message}`,
      'run it as root: it needs CAP_NET_RAW and CAP_SYS_ADMIN',
    );
  }
  if (NO_ROUTE.has(code)) {
    return new HopscopeError('PROBE_NO_ROUTE', `${name} has no route to ${destination}: ${code}`);
  }
  return new HopscopeError('PROBE_NOT_SENT', `nothing can be sent from ${name}: ${message}`);
}

function noAnswer(
  failed: Sent | null,
  src: LocalEnd,
  dst: ProbeEnd,
  around: Surroundings,
  least: number,
): HopscopeError {
  const to = addressText(dst.address);
  let where = '';
  if (failed !== null) {
    const { seenBy, reason } = probeRefusal(failed.size, failed.path, failed.result, around);
    if (seenBy !== null) where = `; last seen at ${seenBy.netns}/${seenBy.dev ?? '?'}`;
    if (reason !== null) where += `, dropped: ${reason}`;
  }
  return new HopscopeError(
    'PROBE_NO_ANSWER',
    `of ${least} bytes from ${src.namespace.name} nothing was seen to arrive at ${to}, and nothing came back${where}`,
  );
}

async function waitUntil(time: number, stop: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, time - performance.now()), undefined, { signal: stop });
  } catch {
    throw new HopscopeError('PROBE_STOPPED', 'stopped before it was known what fits');
  }
}
