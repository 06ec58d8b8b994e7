import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { POD_MTU, TUNNEL } from './cluster.js';
import { EMULATED } from './cluster-scenes.js';
import { describeInLab } from './in-lab.js';
import { missingFor } from './missing.js';
import { nodePortScenes } from './scenes/node-port.js';
import { podToPodScenes } from './scenes/pod-to-pod.js';
import { serviceScenes } from './scenes/service.js';

for (const encap of ['ipip', 'vxlan'] as const) {
  const missing = await missingFor({ encap });
  describe.skipIf(missing !== null)(missing ?? 'nodes of one subnet', () =>
    describeInLab({ encap, crossSubnet: true }, () => {
      it('has a tunnel that no route to a pod leads into', async () => {
        const device = TUNNEL[encap] ?? '';
        expect(await runIn('node111', 'ip', ['-o', 'link', 'show', 'up', device])).toContain(
          device,
        );
        expect(await runIn('node111', 'ip', ['route', 'show', 'dev', device])).toBe('');
      });
      // All else is as it is without one.
      podToPodScenes('none', POD_MTU[encap]);
      if (EMULATED) return;
      serviceScenes('none');
      nodePortScenes('none');
    }),
  );
}
