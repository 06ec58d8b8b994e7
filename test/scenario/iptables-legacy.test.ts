import { describe } from 'vitest';
import { EMULATED } from './cluster-scenes.js';
import { describeInLab } from './in-lab.js';
import { anyTunnel, missingFor } from './missing.js';
import { hostPortScenes } from './scenes/host-port.js';
import { localPolicyScenes, nodePortScenes } from './scenes/node-port.js';
import { nodeServiceScenes } from './scenes/node-process.js';
import { policyScenes } from './scenes/policy.js';
import { serviceScenes, sharedServiceScenes } from './scenes/service.js';

const encap = await anyTunnel();
const missing = await missingFor({ encap, iptables: 'legacy' });

describe.skipIf(missing !== null)(missing ?? 'rules in the legacy back end', () =>
  describeInLab({ encap, iptables: 'legacy' }, () => {
    serviceScenes(encap);
    nodePortScenes(encap);
    if (!EMULATED) {
      sharedServiceScenes();
      nodeServiceScenes(encap);
      localPolicyScenes(encap);
      hostPortScenes();
    }
    describe('network policy', () => policyScenes(encap));
  }),
);
