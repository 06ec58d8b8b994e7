import { setTimeout as delay } from 'node:timers/promises';
import type { PathRecord } from 'hopscope-protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { RING_BYTES } from '../../src/source/tracer-object.js';
import { SIZEOF_HOP } from '../../src/wire/layout.gen.js';
import { HopscopeProcess } from '../scenario/hopscope-process.js';
import { LEFT, makePair, RIGHT, removePair } from './namespaces.js';

/** A record and its frame in the ring, bytes; the smallest kind of hop. */
const HOP_BYTES = SIZEOF_HOP + 8;
/** Hops of one datagram from one namespace to the other, fewer than there really are. */
const HOPS = 10;
/** So many fill the ring twice over. */
const DATAGRAMS = Math.ceil((2 * RING_BYTES) / (HOP_BYTES * HOPS));
const PORT = 9009;

const SENDER = `
const socket = require('node:dgram').createSocket('udp4');
let left = ${DATAGRAMS};
const next = () => {
  if (left-- > 0) socket.send('x', ${PORT}, '${RIGHT.address}', next);
  else socket.close();
};
next();
`;

beforeAll(async () => {
  expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
});
beforeEach(async () => {
  await removePair();
  await makePair();
});
afterEach(() => removePair());
afterAll(() => removePair());

describe('a daemon that stood still until its ring was full', () => {
  it('says how much it lost, and goes on joining as before', async () => {
    const args = ['--json', '--netns', LEFT.netns, '--netns', RIGHT.netns];
    let begin = 0n;
    const trace = await HopscopeProcess.ready(['trace', '--sample', 'all', ...args, 'icmp or udp']);
    try {
      trace.child.kill('SIGSTOP');
      await runIn(LEFT.netns, process.execPath, ['-e', SENDER]);
      trace.child.kill('SIGCONT');
      // It takes what is in the ring; only then there is room for what comes.
      do {
        await runIn(LEFT.netns, 'ping', ['-n', '-c', '1', RIGHT.address]);
        await delay(1_000);
      } while (!trace.out.includes('"icmp":{"type":8'));
      begin = BigInt(Date.now()) * 1_000_000n;
      await runIn(LEFT.netns, 'ping', ['-n', '-c', '5', '-i', '0.05', RIGHT.address]);
      await delay(500);
      expect(await trace.stop()).toBe(0);
    } finally {
      trace.child.kill('SIGKILL');
    }
    const lost = Number(/^hopscope: (\d+) events lost/m.exec(trace.err)?.[1] ?? 0);
    expect(lost).toBeGreaterThan(DATAGRAMS);
    const echoes = trace
      .records<PathRecord>()
      .filter(
        ({ start, hops }) =>
          BigInt(start) >= begin && [8, 0].includes(hops[0]?.tuple?.icmp?.type ?? -1),
      );
    expect(echoes.length).toBe(10);
    for (const { verdict, complete, hops } of echoes) {
      expect([verdict, complete]).toEqual(['delivered', true]);
      expect(hops.filter(({ stage }) => stage !== 'netfilter').map(({ stage }) => stage)).toEqual(
        expect.arrayContaining(['egress', 'ingress']),
      );
    }
  });
});
