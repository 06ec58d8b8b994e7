import { describe } from 'vitest';
import type { Mode } from './cluster.js';
import { describeInLab } from './in-lab.js';
import { nodePortScenes } from './scenes/node-port.js';
import { nodeProcessScenes } from './scenes/node-process.js';
import { payloadScenes } from './scenes/payload.js';
import { podToPodScenes } from './scenes/pod-to-pod.js';
import { policyScenes } from './scenes/policy.js';
import { serviceScenes } from './scenes/service.js';

/** What must hold in the reference cluster, however its pods reach the other node. */
export function describeCluster(encap: Mode): void {
  describeInLab({ encap }, () => {
    podToPodScenes(encap);
    nodeProcessScenes(encap);
    serviceScenes(encap);
    nodePortScenes(encap);
    payloadScenes(encap);
    describe('network policy', () => policyScenes(encap));
  });
}
