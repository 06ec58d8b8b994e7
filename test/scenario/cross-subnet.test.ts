import { describe, expect, it } from 'vitest';
import { runIn } from '../../src/lab/run-command.js';
import { POD_MTU, TUNNEL } from './cluster.js';
import { EMULATED } from './cluster-scenes.js';
import { describeInLab } from './in-lab.js';
import { missingFor } from './missing.js';
import { healthyAuditScene } from './scenes/mtu-audit.js';
import { nodePortScenes } from './scenes/node-port.js';
import { otherNodeScene } from './scenes/other-node.js';
import { serviceScenes } from './scenes/service.js';

for (const encap of ['ipip', 'vxlan'] as const) {
  const missing = await missingFor({ encap });
  const device = TUNNEL[encap] ?? '';
  describe.skipIf(missing !== null)(missing ?? 'CrossSubnet', () => {
    describeInLab({ encap, crossSubnet: true }, () => {
      it('has a tunnel that no route to a pod leads into', async () => {
        const link = await runIn('node111', 'ip', ['-o', 'link', 'show', 'up', device]);
        expect(link).toContain(device);
        expect(await runIn('node111', 'ip', ['route', 'show', 'dev', device])).toBe('');
      });
      otherNodeScene('none', { podMtu: POD_MTU[encap] });
      healthyAuditScene();
      if (EMULATED) return;
      serviceScenes('none');
      nodePortScenes('none');
    });
    describeInLab({ encap, crossSubnet: true, subnets: 2 }, () => {
      otherNodeScene(encap, { routed: true });
      if (EMULATED) return;
      serviceScenes(encap);
      nodePortScenes(encap);
    });
  });
}
