import type { PathRecord } from 'hopscope-protocol';
import { expect, it } from 'vitest';
import { type Mode, OVERHEAD } from '../cluster.js';
import { framesOf } from '../judge.js';
import { podEnd } from '../place.js';
import { roundTrip } from '../round-trip.js';
import { observe } from '../scene.js';
import { judgeServiceCall } from '../service-call.js';
import { http } from '../traffic.js';
import { rewrittenBetween } from '../translation.js';

export function serviceScenes(encap: Mode): void {
  it('S5: pod1 to a service whose endpoint is pod2', async () => {
    const { there } = await judgeServiceCall({
      caller: 'pod1',
      sourcePort: 41005,
      to: { address: '10.107.161.2', port: 8080 },
      service: 'default/nginx-pod2',
      pod: 'pod2',
      ways: await roundTrip(encap, 'pod1', 'pod2'),
    });
    expectAtNat(there[0]);
  });

  it('S6: pod1 to a service whose endpoint is pod3', async () => {
    const { there } = await judgeServiceCall({
      caller: 'pod1',
      sourcePort: 41006,
      to: { address: '10.107.161.3', port: 8080 },
      service: 'default/nginx-pod3',
      pod: 'pod3',
      ways: await roundTrip(encap, 'pod1', 'pod3'),
    });
    for (const path of there) {
      const [sent] = framesOf(path);
      const wire = framesOf(path).find(({ place }) => place === 'node111/ens10');
      const added = (wire?.len ?? 0) - (sent?.len ?? 0);
      expect(wire?.outer?.overhead ?? 0).toBe(OVERHEAD[encap]);
      if (encap === 'wireguard') expect(added - OVERHEAD[encap]).toBeLessThan(16);
      else expect(added).toBe(OVERHEAD[encap]);
    }
  });
}

export function sharedServiceScenes(): void {
  it('S5, S6: one flow for each connection to the service of both pods', async () => {
    const ports = [41051, 41052, 41053, 41054, 41055, 41056];
    const answered = new Map<number, string | undefined>();
    const scene = await observe([podEnd('pod1')], async () => {
      for (const port of ports) {
        answered.set(port, (await http('pod1', port, '10.107.161.255', 8080))?.pod);
      }
    });
    const said = scene.flows.map(({ original, dst, service }) => ({
      port: original.sport,
      pod: dst.name,
      service,
    }));
    expect(said.sort((a, b) => Number(a.port) - Number(b.port))).toEqual(
      ports.map((port) => ({
        port,
        pod: answered.get(port),
        service: 'default/nginx-service',
      })),
    );
  });
}

/** Between mangle and filter: where the nat table is, or on a known connection conntrack. */
export function expectAtNat(path: PathRecord | undefined): void {
  const place = path === undefined ? null : rewrittenBetween(path, 'node111', 'prerouting');
  expect(place?.after).toBeLessThan(-100);
  expect(place?.after).toBeGreaterThan(-150);
  expect(place?.before).toBeGreaterThan(-100);
}
