/** What a rule was written for: by the comments and chain names of the programs that write rules. */
import type { RuleSource } from 'hopscope-protocol';
import type { Met } from './met.js';

/** What a rule means, and for which object it is; null where nobody said. */
export function sourceOf(met: Met): RuleSource | null {
  return kubeProxy(met) ?? kubeNftables(met) ?? calico(met) ?? portMap(met) ?? plain(met);
}

/** `default/nginx-service:http cluster IP`; what follows the name says what of it. */
const SERVICE = /(?:^|\s)([a-z0-9][a-z0-9.-]*\/[a-z0-9][a-z0-9.-]*)(?::([a-z0-9-]+))?(?=\s|$)/u;
const ENDPOINT = / -> (\S+)$/u;

function kubeProxy(met: Met): RuleSource | null {
  const { chain, rule, verdict } = met;
  if (rule === null) return null;
  const comment = rule.comment ?? '';
  const name = SERVICE.exec(comment)?.[1] ?? null;
  const source = (text: string): RuleSource => ({
    kind: name === null ? null : 'Service',
    name,
    text,
  });
  if (!chain.name.startsWith('KUBE-') && !verdict.includes('KUBE-')) return null;
  if (verdict === 'jump KUBE-MARK-MASQ')
    return source(`will be masqueraded: ${masqueradeCause(met)}`);
  if (/ has no (?:local )?endpoints$/u.test(comment))
    return source(`${refusalOf(met)}: ${comment}`);
  if (chain.name === 'KUBE-POSTROUTING') return postrouting(met);
  if (chain.name === 'KUBE-MARK-MASQ') return source('marked to be masqueraded');
  if (chain.name === 'KUBE-FIREWALL' && met.effect === 'drop') {
    return source(comment === '' ? 'dropped by kube-proxy' : `dropped: ${comment}`);
  }
  const endpoint = ENDPOINT.exec(comment)?.[1];
  if (endpoint !== undefined) {
    const { index, count } = place(met);
    return source(`picked endpoint ${index} of ${count} of ${name}: ${endpoint}`);
  }
  if (met.effect === 'nat') return source(`${name ?? 'service'}: ${verdict}`);
  if (comment.endsWith('cluster IP')) return source(`to the cluster IP of ${name}`);
  if (chain.name === 'KUBE-NODEPORTS') return source(`to a node port of ${name}`);
  return comment === '' ? null : source(comment);
}

/** `service-PIOJ4VP5-default/nginx-service/tcp/http`, as kube-proxy calls chains in its nftables mode. */
const NFT_CHAIN =
  /(service|external|local|endpoint|firewall)-[A-Z0-9]{8}-([^/\s]+\/[^/\s]+)\/(?:tcp|udp|sctp)\/(\S*)$/u;

function kubeNftables({ table, chain, rule, verdict, comment, effect }: Met): RuleSource | null {
  if (rule === null || table.backEnd !== 'nft' || table.name !== 'kube-proxy') return null;
  const [, to, target = null] = NFT_CHAIN.exec(verdict) ?? [];
  const [, , own = null] = NFT_CHAIN.exec(chain.name) ?? [];
  // Of a service without endpoints only the map's element has the name.
  const name = target ?? own ?? (comment !== null && SERVICE.test(comment) ? comment : null);
  const source = (text: string): RuleSource => ({
    kind: name === null ? null : 'Service',
    name,
    text,
  });
  if (comment !== null && target === null) return source(`${comment} has no endpoints: ${verdict}`);
  if (effect === 'nat') {
    return source(own === null ? verdict : `picked an endpoint of ${own}: ${verdict}`);
  }
  if (to === 'external') return source(`to ${target} by an address for traffic from outside`);
  if (to === 'endpoint') return source(`picked an endpoint of ${target}`);
  if (to === 'local') return source(`to an endpoint of ${target} on this node`);
  if (to === 'service') return source(`to ${target}`);
  return rule.comment === null ? null : source(rule.comment);
}

function masqueradeCause({ chain, rule }: Met): string {
  const text = rule?.text ?? '';
  if (chain.name.startsWith('KUBE-SEP-')) return 'the endpoint reaches itself through its service';
  if (/ ! -s /u.test(text)) return 'it comes from outside the cluster';
  if (rule?.comment?.startsWith('masquerade LOCAL traffic') === true)
    return 'it comes from the node';
  return 'it came by an address for traffic from outside';
}

function refusalOf({ verdict }: Met): string {
  return verdict.startsWith('reject') ? 'rejected' : 'dropped';
}

function postrouting({ verdict }: Met): RuleSource {
  const texts: Readonly<Record<string, string>> = {
    return: 'not masqueraded: kube-proxy has not marked it',
    masquerade: 'masqueraded, since kube-proxy has marked it',
  };
  return { kind: null, name: null, text: texts[verdict] ?? 'takes the mark away again' };
}

/** Which of the endpoints of its chain a rule leads to. */
function place({ chain, verdict }: Met): { readonly index: number; readonly count: number } {
  const targets: string[] = [];
  for (let i = 0; i < chain.rules.length; i++) {
    const { comment, text } = chain.rules.at(i);
    const target = / -j (KUBE-SEP-\S+)/u.exec(text)?.[1];
    if (target === undefined || !ENDPOINT.test(comment ?? '')) continue;
    if (!targets.includes(target)) targets.push(target);
  }
  return { index: targets.indexOf(verdict.replace('jump ', '')) + 1, count: targets.length };
}

/** `Policy default/knp.default.allow-tcp-80 ingress`, as Felix comments the rules of a policy. */
const POLICY = /(?:^|; )Policy (\S+) (ingress|egress)$/u;

function calico(met: Met): RuleSource | null {
  const { chain, rule, verdict } = met;
  if (rule === null || !(chain.name.startsWith('cali') || verdict.includes(' cali'))) return null;
  const comment = (rule.comment ?? '').replace(/^cali:\S+(?:; )?/u, '').trim();
  const policy = POLICY.exec(comment);
  if (policy !== null) {
    const [, said = '', way] = policy;
    const name = policyName(said);
    const number = ruleOfPolicy(met);
    const kind = name.includes('/') ? 'NetworkPolicy' : 'GlobalNetworkPolicy';
    return { kind, name, text: `${kind} ${name}, ${way} rule ${number}` };
  }
  const device = /^(?:cali-(?:tw|fw)-)(\S+)$/u.exec(chain.name)?.[1];
  if (device !== undefined && met.effect === 'drop') {
    const why = comment.replace(/^Drop /u, '');
    const way = chain.name.startsWith('cali-tw-') ? 'to' : 'from';
    return { kind: 'Workload', name: device, text: `dropped ${way} ${device}: ${why}` };
  }
  const profile = /^Profile (\S+) (ingress|egress)$/u.exec(comment);
  if (profile !== null) {
    const [, name = '', way] = profile;
    return { kind: 'Profile', name, text: `profile ${name}, ${way}` };
  }
  return comment === '' ? null : { kind: null, name: null, text: comment };
}

/** Calico writes a Kubernetes policy `namespace/knp.default.name`. */
function policyName(said: string): string {
  return said.replace(/\/knp\.default\./u, '/');
}

/** Felix writes for each rule of a policy one that marks or drops, and one that returns. */
function ruleOfPolicy({ chain, rule }: Met): number {
  let number = 0;
  for (let i = 0; i < (rule?.position ?? 0); i++) {
    if (POLICY.test(chain.rules.at(i).comment ?? '')) number += 1;
  }
  return number;
}

/** `dnat name: "cbr0" id: "…"`, of the plugin portmap of CNI. */
const CONTAINER = /^dnat name: "([^"]*)" id: "([^"]*)"$/u;

function portMap(met: Met): RuleSource | null {
  const { chain, rule, verdict } = met;
  if (rule === null || !(chain.name.startsWith('CNI-') || verdict.includes(' CNI-'))) return null;
  const [, network, id] = CONTAINER.exec(rule.comment ?? '') ?? [];
  if (network !== undefined) {
    const text = `a hostPort of container ${id} in network ${network}`;
    return { kind: 'HostPort', name: id ?? null, text };
  }
  if (met.effect === 'nat') return { kind: 'HostPort', name: null, text: `hostPort: ${verdict}` };
  return null;
}

function plain({ rule, comment }: Met): RuleSource | null {
  const text = comment ?? rule?.comment ?? null;
  // Felix' own numbers of rules say nothing.
  return text === null || /^cali:\S+$/u.test(text) ? null : { kind: null, name: null, text };
}
