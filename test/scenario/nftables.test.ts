import { beforeAll, describe } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { EMULATED } from './cluster-scenes.js';
import { describeInLab } from './in-lab.js';
import { anyTunnel, missingFor } from './missing.js';
import { localPolicyScenes, nodePortScenes } from './scenes/node-port.js';
import { nodeServiceScenes } from './scenes/node-process.js';
import { policyScenes } from './scenes/policy.js';
import { serviceScenes, sharedServiceScenes } from './scenes/service.js';

const CHAIN = ['ip', 'kube-proxy', 'nodeport-endpoints-check'];

const encap = await anyTunnel();
const missing = await missingFor({ encap, proxy: 'nftables' });

describe.skipIf(missing !== null)(missing ?? 'kube-proxy in its nftables mode', () =>
  describeInLab({ encap, proxy: 'nftables' }, () => {
    serviceScenes(encap);
    nodePortScenes(encap);
    if (!EMULATED) {
      sharedServiceScenes();
      nodeServiceScenes(encap);
      describe('counted', () => {
        // kube-proxy counts nothing, so a rule in front of its own does.
        beforeAll(async () => {
          await runIn('node112', 'nft', ['insert', 'rule', ...CHAIN, 'tcp dport 30081 counter']);
        });
        localPolicyScenes(encap, dropped);
      });
    }
    describe('network policy', () => policyScenes(encap));
  }),
);

async function dropped(): Promise<number> {
  const text = await runIn('node112', 'nft', ['list', 'chain', ...CHAIN]);
  return Number(/counter packets (\d+)/.exec(text)?.[1]);
}
