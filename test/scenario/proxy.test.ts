import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FlowRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { ALL_NETNS } from '../../src/lab/topology.js';
import { ADDRESS } from './cluster.js';
import { HopscopeProcess } from './hopscope-process.js';
import { describeInLab } from './in-lab.js';
import { tupleText } from './judge-flow.js';

const NODE_PORT = 30084;
const CALLERS = 20;

describeInLab({ encap: 'none' }, () => {
  it('S15: many clients at once, each linked to its own connection', async () => {
    const { right, wrong } = await linksOf(() => callers('client', ADDRESS.node111, NODE_PORT));
    expect(wrong).toEqual([]);
    expect(right.length).toBeGreaterThan(CALLERS / 2);
  });

  it('S15: many clients whose requests come in pieces, none linked to another', async () => {
    const { wrong } = await linksOf(() =>
      callers('client', ADDRESS.node111, NODE_PORT, ['pieces']),
    );
    expect(wrong).toEqual([]);
  });

  it('S15: a proxy that reads all requests before it opens anything is not guessed at', async () => {
    const proxy = spawn(
      'ip',
      [
        ...['netns', 'exec', 'pod2', process.execPath, program('hesitant-proxy.mjs')],
        ...['8090', '10.107.161.3', '8080', `${CALLERS}`],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    try {
      await once(proxy.stdout, 'data');
      const { right, wrong } = await linksOf(() => callers('pod1', ADDRESS.pod2, 8090));
      expect({ right, wrong }).toEqual({ right: [], wrong: [] });
    } finally {
      proxy.kill();
      await once(proxy, 'close');
    }
  });
});

function program(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Pairs of ports: the caller's, and the one that the proxy used for its sake. */
type Pair = readonly [caller: number, onwards: number];

async function callers(
  netns: string,
  host: string,
  port: number,
  how: readonly string[] = [],
): Promise<readonly Pair[]> {
  const args = [program('parallel-callers.mjs'), host, `${port}`, `${CALLERS}`, ...how];
  return JSON.parse(await runIn(netns, process.execPath, args)) as readonly Pair[];
}

/** The links that are seen while `traffic` runs, held against its own account. */
async function linksOf(
  traffic: () => Promise<readonly Pair[]>,
): Promise<{ right: string[]; wrong: string[] }> {
  const flows = await HopscopeProcess.ready(['flows', '--json']);
  let truth: Set<string>;
  try {
    truth = new Set((await traffic()).map(([caller, onwards]) => `${caller} ⇢ ${onwards}`));
  } finally {
    // It prints what has changed, and last all that it knows.
    await flows.stop();
  }
  expect(truth.size).toBe(CALLERS);
  // Another proxy on the machine is none of the callers' account.
  const lab = flows
    .records<FlowRecord>()
    .filter(({ legs }) => legs.some(({ netns }) => ALL_NETNS.includes(netns)));
  const newest = new Map(lab.map((flow) => [flow.id, flow]));
  const right: string[] = [];
  const wrong: string[] = [];
  for (const flow of newest.values()) {
    if (flow.proxied.from === null) continue;
    const from = newest.get(flow.proxied.from);
    expect(from?.proxied.to, tupleText(flow.original)).toContain(flow.id);
    const link = `${from?.original.sport} ⇢ ${flow.original.sport}`;
    (truth.has(link) ? right : wrong).push(link);
  }
  const onwards = [...newest.values()].filter(({ service }) => service === 'default/nginx-pod3');
  expect(onwards.length, 'connections that the proxy opened').toBe(CALLERS);
  return { right, wrong };
}
