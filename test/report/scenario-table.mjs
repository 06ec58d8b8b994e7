// @ts-check
import { SetupError } from '../../src/setup/setup-error.mjs';

/**
 * Which scenario holds on which kernel, from the reports of the runs themselves.
 *
 * @typedef {import('./vitest-report.mjs').FileReport} FileReport
 *
 * @typedef {object} KernelRun
 * @property {string} kernel heading of its column
 * @property {readonly FileReport[]} files
 */

/** @type {Readonly<Record<string, string>>} */
const SCENARIOS = {
  S1: 'pod to pod, same node',
  S2: 'pod to pod, other node, IPIP',
  S3: 'node process to a pod of its own',
  S4: 'node process to a pod of the other node',
  S5: 'service, endpoint on the same node',
  S6: 'service, endpoint on the other node',
  S7: 'node process to a service, endpoint on its node',
  S8: 'node process to a service, endpoint on the other node',
  S9: 'NodePort from outside, endpoint on the node',
  S10: 'NodePort from outside, endpoint on the other node',
  S11: 'externalTrafficPolicy Local',
  S12: 'network policy, allowed and denied',
  S13: 'kube-proxy in IPVS mode',
  S14: 'hostPort by the CNI portmap plugin',
  S15: 'two flows through an ingress proxy, linked',
  S16: 'pod to pod, other node, BGP',
  S17: "a pod's first packet: proxy ARP",
  S18: 'an unassigned address: blackhole route',
  S19: 'a pod MTU the tunnel has no room for',
  S20: 'pod to pod, other node, VXLAN and WireGuard',
  S21: 'dual stack',
};

const IN_ORDER = [
  ...['ipip', 'vxlan', 'wireguard', 'bgp', 'cross-subnet'],
  ...['iptables-legacy', 'nftables', 'ipvs'],
];

/**
 * @param {readonly KernelRun[]} runs
 * @returns {{ markdown: string, problems: string[] }} problems: cells that do not hold
 */
export function scenarioTable(runs) {
  /** @type {string[]} */
  const problems = [];
  const rows = Object.entries(SCENARIOS).map(([id, title]) => {
    const cells = runs.map((run) => {
      const cell = cellOf(id, run);
      if (!cell.holds) problems.push(`${id} on ${run.kernel}: ${cell.text}`);
      return cell.text;
    });
    return `| ${id} | ${title} | ${cells.join(' | ')} |`;
  });
  const head = ['', 'scenario', ...runs.map(({ kernel }) => kernel)];
  const lines = [`| ${head.join(' | ')} |`, `|${' --- |'.repeat(head.length)}`, ...rows];
  return { markdown: lines.join('\n'), problems };
}

/**
 * @param {string} id
 * @param {KernelRun} run
 * @returns {{ text: string, holds: boolean }}
 */
function cellOf(id, run) {
  /** @type {Set<string>} */
  const passed = new Set();
  /** @type {Set<string>} */
  const failed = new Set();
  /** @type {Set<string>} */
  const lacking = new Set();
  for (const file of run.files) {
    const configuration = configurationOf(file.name);
    for (const test of file.assertionResults) {
      if (!scenariosOf(test.title ?? '').includes(id)) continue;
      if (test.status === 'passed') passed.add(configuration);
      else if (test.status === 'failed') failed.add(configuration);
      else if (isLackedByKernel(test)) lacking.add(configuration);
    }
  }
  if (failed.size > 0) return { text: `**fails**: ${list(failed)}`, holds: false };
  if (passed.size > 0) return { text: list(passed), holds: true };
  if (lacking.size > 0) return { text: `kernel has no ${list(lacking)}`, holds: true };
  return { text: '**not run**', holds: false };
}

/**
 * Whether a test was left out because the kernel cannot, as its group's title then says,
 * and not by a choice of who ran it.
 *
 * @param {FileReport['assertionResults'][number]} test
 */
function isLackedByKernel({ ancestorTitles = [] }) {
  return ancestorTitles.some((title) => title.startsWith('this kernel cannot'));
}

/** @param {string} title `S5, S6: …` */
function scenariosOf(title) {
  const ids = /^((?:S\d+(?:, )?)+):/.exec(title)?.[1];
  return ids === undefined ? [] : ids.split(', ');
}

/** @param {string} file a test file is one configuration of the cluster */
function configurationOf(file) {
  const name = /([^/]+)\.test\.ts$/.exec(file)?.[1] ?? file;
  return name === 'proxy' ? 'bgp' : name;
}

/** @param {ReadonlySet<string>} configurations */
function list(configurations) {
  const place = (/** @type {string} */ name) => {
    const at = IN_ORDER.indexOf(name);
    return at < 0 ? IN_ORDER.length : at;
  };
  return [...configurations].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1)).join(', ');
}

const BEGIN = '<!-- scenarios: written by npm run scenarios -->';
const END = '<!-- /scenarios -->';

/**
 * @param {string} document
 * @returns {string | null} the table in it, if there is a place for one
 */
export function tableIn(document) {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  return begin < 0 || end < begin ? null : document.slice(begin + BEGIN.length, end).trim();
}

/**
 * @param {string} document
 * @param {string} markdown
 * @returns {string} the document with this table in place of its own
 * @throws {SetupError} `SCENARIO_TABLE` when it has no place for one
 */
export function withTable(document, markdown) {
  if (tableIn(document) === null) {
    throw new SetupError('SCENARIO_TABLE', `there is no place for the table: ${BEGIN} … ${END}`);
  }
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  return `${document.slice(0, begin + BEGIN.length)}\n\n${markdown}\n\n${document.slice(end)}`;
}

/**
 * Whether two tables say the same of the kernels that both have: on a machine with a
 * kernel of its own, that one's column is not to be compared.
 *
 * @param {string} one
 * @param {string} other
 */
export function sameTables(one, other) {
  const [left, right] = [columnsOf(one), columnsOf(other)];
  return [...left].every(([kernel, cells]) => {
    const theirs = right.get(kernel);
    return theirs === undefined || theirs.join('|') === cells.join('|');
  });
}

/** @param {string} markdown @returns {Map<string, string[]>} cells below a heading */
function columnsOf(markdown) {
  const rows = markdown.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  const [head = [], , ...body] = rows;
  return new Map(head.map((kernel, at) => [kernel, body.map((row) => row[at] ?? '')]));
}
