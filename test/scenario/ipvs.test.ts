import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { ADDRESS, FAR_SOURCE } from './cluster.js';
import { describeInLab } from './in-lab.js';
import { missingFor } from './missing.js';
import { roundTrip } from './round-trip.js';
import { judgeServiceCall } from './service-call.js';
import { tuplesAt } from './translation.js';

const ENCAP = 'ipip';

/**
 * A packet to a virtual server is one to this node, for its address is on kube-ipvs0. In
 * INPUT ip_vs rewrites it and sends it on itself, through OUTPUT and POSTROUTING.
 */
const BALANCED = [
  'node111 prerouting',
  'node111 input',
  'node111 output',
  'node111 postrouting',
] as const;

const missing = await missingFor({ encap: ENCAP, proxy: 'ipvs' });

describe.skipIf(missing !== null)(missing ?? 'ipvs', () =>
  describeInLab({ encap: ENCAP, proxy: 'ipvs' }, scenes),
);

function scenes(): void {
  it('S13: pod1 to a service whose endpoint is pod2', async () => {
    const devices = await runIn('node111', 'ip', ['-o', 'address', 'show', 'dev', 'kube-ipvs0']);
    expect(devices).toContain('10.107.161.2/32');
    const { back, names } = await judgeServiceCall({
      caller: 'pod1',
      sourcePort: 41013,
      to: { address: '10.107.161.2', port: 8080 },
      service: 'default/nginx-pod2',
      pod: 'pod2',
      balanced: true,
      ways: await roundTrip(ENCAP, 'pod1', 'pod2', BALANCED),
    });
    for (const path of back) {
      // The answer is to a pod: it is forwarded, and ip_vs rewrites it on its way through.
      const { endpoint, caller, to } = names;
      expect(tuplesAt(path, 'node111', 'prerouting')).toEqual([`tcp ${endpoint} > ${caller}`]);
      expect(tuplesAt(path, 'node111', 'postrouting')).toEqual([`tcp ${to} > ${caller}`]);
    }
  });

  it('S13: the client outside to a node port, endpoint pod3', async () => {
    const sets = await runIn('node111', 'ipset', ['list', 'KUBE-NODE-PORT-TCP']);
    expect(sets).toContain('bitmap:port');
    expect(sets).toContain('30083');
    await judgeServiceCall({
      caller: 'client',
      sourcePort: 41113,
      to: { address: ADDRESS.node111, port: 30083 },
      service: 'default/nginx-pod3',
      pod: 'pod3',
      balanced: true,
      masquerade: FAR_SOURCE[ENCAP],
      ways: await roundTrip(ENCAP, 'client', 'pod3', BALANCED),
    });
  });
}
