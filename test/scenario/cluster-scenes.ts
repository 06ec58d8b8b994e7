import { describe } from 'vitest';
import { ETHERNET_MTU } from '../../src/lab/options.js';
import { type Mode, TUNNEL } from './cluster.js';
import { describeInLab } from './in-lab.js';
import { missingFor } from './missing.js';
import { dualStackScenes } from './scenes/dual-stack.js';
import { hostPortScenes } from './scenes/host-port.js';
import { mtuScenes } from './scenes/mtu.js';
import { healthyAuditScene, podsAboveAuditScene } from './scenes/mtu-audit.js';
import { localPolicyScenes, nodePortScenes } from './scenes/node-port.js';
import { nodeProcessScenes, nodeServiceScenes } from './scenes/node-process.js';
import { otherNodeScene } from './scenes/other-node.js';
import { payloadScenes } from './scenes/payload.js';
import { podToPodScenes } from './scenes/pod-to-pod.js';
import { policyScenes } from './scenes/policy.js';
import { proxyScenes } from './scenes/proxy.js';
import { serviceScenes, sharedServiceScenes } from './scenes/service.js';

/**
 * Under emulation a scene takes ten times as long, so there only the cluster that most
 * kernels are proven with goes through all of them; the others differ between the nodes.
 */
export const EMULATED = process.env['HOPSCOPE_EMULATED'] === '1';
const THOROUGH: Mode = 'ipip';

/**
 * What must hold in the reference cluster, however its pods reach the other node. A kernel
 * that lacks what it takes says so in the place of the scenes.
 */
export async function describeCluster(encap: Mode): Promise<void> {
  const missing = await missingFor({ encap });
  const all = !EMULATED || encap === THOROUGH;
  describe.skipIf(missing !== null)(missing ?? 'cluster', () => {
    describeInLab({ encap }, () => {
      if (!all) {
        healthyAuditScene();
        otherNodeScene(encap);
        // It alone hides what it carries.
        if (encap === 'wireguard') payloadScenes(encap);
        return;
      }
      podToPodScenes(encap);
      payloadScenes(encap);
      everyScene(encap);
      healthyAuditScene();
    });
    if (!all) return;
    describeInLab({ encap, dualStack: true }, () => {
      dualStackScenes(encap);
      healthyAuditScene();
    });
    // With pods that know nothing of the tunnel.
    if (TUNNEL[encap] !== null) {
      describeInLab({ encap, podMtu: ETHERNET_MTU, dualStack: true }, () => {
        mtuScenes(encap);
        podsAboveAuditScene(encap);
      });
    }
  });
}

function everyScene(encap: Mode): void {
  nodeProcessScenes(encap);
  nodeServiceScenes(encap);
  serviceScenes(encap);
  sharedServiceScenes();
  nodePortScenes(encap);
  localPolicyScenes(encap);
  hostPortScenes();
  proxyScenes(encap);
  describe('network policy', () => policyScenes(encap));
}
