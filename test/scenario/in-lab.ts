import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import { labDown } from '../../src/lab/down.js';
import type { LabUpOptions } from '../../src/lab/options.js';
import { runIn } from '../../src/lab/run-command.js';
import { NODES } from '../../src/lab/topology.js';
import { labUp } from '../../src/lab/up.js';
import { stopObserving } from './scene.js';

/** A suite with the reference cluster up, in the namespaces of this machine. */
export function describeInLab(options: LabUpOptions, suite: () => void): void {
  describe(`encapsulation ${options.encap}`, () => {
    beforeAll(async () => {
      expect(process.getuid?.(), 'these tests load kernel programs: run them as root').toBe(0);
      await labUp(options);
      // What was closed is looked up afterwards, which may be late on an emulated machine.
      for (const { name } of NODES) {
        await runIn(name, 'sysctl', [
          '-q',
          '-w',
          'net.netfilter.nf_conntrack_tcp_timeout_close=120',
        ]);
      }
    });
    // What an earlier test left in conntrack must not decide how this one's packets go.
    beforeEach(async () => {
      for (const node of NODES) await runIn(node.name, 'conntrack', ['-F']);
    });
    afterAll(async () => {
      await stopObserving();
      await labDown();
    });
    suite();
  });
}
