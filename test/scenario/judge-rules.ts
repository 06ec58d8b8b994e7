import type { HopRecord, PathRecord, RuleRecord } from 'hopscope-protocol';
import { expect } from 'vitest';
import { NODES } from '../../src/lab/topology.js';

const isOfNode = ({ stage, netns }: HopRecord): boolean =>
  stage === 'netfilter' && NODES.some(({ name }) => name === netns);

/**
 * What is not said for sure of a path's rules: nothing, where they stayed as they were. IPVS hands
 * a packet on inside a hook, so tables after it may have been passed in more than one way: that is
 * said as it is, and is no more than that.
 */
export function unsureRules(path: PathRecord): string[] {
  const isOfIpvs = path.hops.some(({ rules }) => rules?.some(({ backend }) => backend === 'ipvs'));
  return path.hops.filter(isOfNode).flatMap(({ netns, hook, priority, rules }) => {
    const at = `${netns} ${hook} ${priority}`;
    if (rules == null) return [`${at}: rules not known`];
    return rules
      .filter(({ certainty }) => certainty === 'unknown' || (certainty === 'one-of' && !isOfIpvs))
      .map(({ table, chain, verdict, certainty, source }) =>
        [at, table, chain, verdict, certainty, source?.text].join(' '),
      );
  });
}

/** The rules that a path met in a table of a node's hook, as `chain verdict`. */
export function rulesIn(
  path: PathRecord,
  netns: string,
  hook: HopRecord['hook'],
  table: string,
): RuleRecord[] {
  return path.hops
    .filter((hop) => hop.netns === netns && hop.hook === hook)
    .flatMap(({ rules }) => rules ?? [])
    .filter((rule) => rule.table === table);
}

/** The chains of these rules in their order, each once, without the hashes of kube-proxy. */
export function chainsOf(rules: readonly RuleRecord[]): string[] {
  return [...new Set(rules.map(({ chain }) => chain.replace(/-[A-Z2-7]{16}$/, '')))];
}

/** The first packet of a connection to a service: which rules chose its endpoint. */
export function judgeServiceRules(
  path: PathRecord | undefined,
  netns: string,
  hook: 'prerouting' | 'output',
  service: string,
): void {
  if (path === undefined) return;
  const ipvs = path.hops
    .flatMap(({ rules }) => rules ?? [])
    .filter(({ backend }) => backend === 'ipvs');
  if (ipvs.length > 0) {
    expect(ipvs).toMatchObject([{ certainty: 'seen', verdict: expect.stringMatching(/^dnat /) }]);
    return;
  }
  const iptables = rulesIn(path, netns, hook, 'nat');
  const nft = rulesIn(path, netns, hook, 'kube-proxy');
  const dnat = [...iptables, ...nft].find(({ verdict }) => verdict.startsWith('dnat '));
  expect(dnat?.certainty, 'the packet shows where it was sent').toBe('seen');
  expect(dnat?.source).toMatchObject({ kind: 'Service', name: service });
  if (nft.length > 0) return;
  const kube = chainsOf(iptables).filter((chain) => chain.startsWith('KUBE-'));
  const way = kube.filter((chain) => chain !== 'KUBE-MARK-MASQ').join(' ');
  expect(way).toMatch(
    /^KUBE-SERVICES (?:KUBE-NODEPORTS KUBE-EXT (?:KUBE-SVL|KUBE-SVC)|KUBE-SVC) KUBE-SEP$/,
  );
}
