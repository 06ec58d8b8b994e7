// @ts-check
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runChild } from './child-process.mjs';
import { SetupError } from './setup-error.mjs';

/**
 * What is needed from the system. `evidence` is how to see it on a system that is
 * not Debian: any one of the commands (bare names) or files (absolute paths).
 *
 * @typedef {'build' | 'run' | 'test' | 'bench'} Purpose
 * @typedef {object} SystemNeed
 * @property {string} package Debian's name
 * @property {Purpose} purpose
 * @property {string} why
 * @property {readonly string[]} evidence
 */

/** @type {readonly SystemNeed[]} */
export const SYSTEM_NEEDS = [
  { package: 'clang', purpose: 'build', why: 'compiles the kernel programs', evidence: ['clang'] },
  {
    package: 'libbpf-dev',
    purpose: 'build',
    why: 'loads the kernel programs',
    evidence: ['/usr/include/bpf/libbpf.h'],
  },
  {
    package: 'libelf-dev',
    purpose: 'build',
    why: 'reads their object files',
    evidence: ['/usr/include/libelf.h'],
  },
  {
    package: 'zlib1g-dev',
    purpose: 'build',
    why: 'libelf needs it',
    evidence: ['/usr/include/zlib.h'],
  },
  {
    package: 'libpcap-dev',
    purpose: 'build',
    why: 'compiles --filter expressions',
    evidence: ['/usr/include/pcap/pcap.h', '/usr/include/pcap.h'],
  },
  { package: 'g++', purpose: 'build', why: 'compiles the native addon', evidence: ['g++', 'c++'] },
  { package: 'make', purpose: 'build', why: 'builds the native addon', evidence: ['make'] },
  { package: 'pkg-config', purpose: 'build', why: 'finds the libraries', evidence: ['pkg-config'] },
  { package: 'python3', purpose: 'build', why: 'node-gyp runs on it', evidence: ['python3'] },
  {
    package: 'iproute2',
    purpose: 'run',
    why: 'namespaces and devices of the lab',
    evidence: ['ip'],
  },
  {
    package: 'iptables',
    purpose: 'run',
    why: "the lab's services and policies, names of services",
    evidence: ['iptables'],
  },
  { package: 'nftables', purpose: 'run', why: 'the lab in nftables mode', evidence: ['nft'] },
  { package: 'ipset', purpose: 'run', why: "the lab's address sets", evidence: ['ipset'] },
  { package: 'conntrack', purpose: 'run', why: "the lab's flow states", evidence: ['conntrack'] },
  { package: 'ipvsadm', purpose: 'run', why: 'the lab in IPVS mode', evidence: ['ipvsadm'] },
  {
    package: 'wireguard-tools',
    purpose: 'run',
    why: 'the lab in WireGuard mode',
    evidence: ['wg'],
  },
  {
    package: 'containernetworking-plugins',
    purpose: 'run',
    why: "the lab's host ports",
    evidence: ['/usr/lib/cni/portmap', '/opt/cni/bin/portmap'],
  },
  { package: 'iputils-ping', purpose: 'run', why: "the lab's traffic", evidence: ['ping'] },
  {
    package: 'kmod',
    purpose: 'run',
    why: 'loads tunnel modules for the lab',
    evidence: ['modprobe'],
  },
  { package: 'procps', purpose: 'run', why: "sets the lab's sysctls", evidence: ['sysctl'] },
  {
    package: 'iputils-tracepath',
    purpose: 'test',
    why: 'judges the MTU of ways',
    evidence: ['tracepath'],
  },
  {
    package: 'containerd',
    purpose: 'test',
    why: 'runs pods to be named',
    evidence: ['containerd'],
  },
  {
    package: 'podman',
    purpose: 'test',
    why: 'runs containers to be named',
    evidence: ['podman'],
  },
  {
    package: 'netavark',
    purpose: 'test',
    why: 'gives them a network',
    evidence: ['/usr/lib/podman/netavark'],
  },
  { package: 'runc', purpose: 'test', why: 'containerd runs on it', evidence: ['runc'] },
  {
    package: 'openssl',
    purpose: 'test',
    why: "the test API server's certificate",
    evidence: ['openssl'],
  },
  { package: 'tcpdump', purpose: 'test', why: 'judges every path', evidence: ['tcpdump'] },
  { package: 'bpftool', purpose: 'test', why: 'looks at what is attached', evidence: ['bpftool'] },
  { package: 'iperf3', purpose: 'test', why: 'loads the lab', evidence: ['iperf3'] },
  { package: 'netcat-openbsd', purpose: 'test', why: 'small connections', evidence: ['nc'] },
  {
    package: 'qemu-system-x86',
    purpose: 'test',
    why: 'runs other kernels',
    evidence: ['qemu-system-x86_64'],
  },
  {
    package: 'busybox-static',
    purpose: 'test',
    why: 'first programs of a guest',
    evidence: ['/bin/busybox'],
  },
  { package: 'cpio', purpose: 'test', why: "packs a guest's first files", evidence: ['cpio'] },
  { package: 'zstd', purpose: 'test', why: "unpacks a guest's kernel", evidence: ['zstd'] },
  { package: 'xz-utils', purpose: 'test', why: "unpacks a guest's modules", evidence: ['xz'] },
  { package: 'chromium', purpose: 'test', why: 'drives the dashboard', evidence: ['chromium'] },
  { package: 'bpftrace', purpose: 'bench', why: 'is compared with', evidence: ['bpftrace'] },
];

/** Where commands are looked for besides PATH: a root shell may lack the sbin folders. */
const SYSTEM_PATHS = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
];

/** @param {string} evidence a bare command or an absolute path */
export function isPresent(evidence) {
  if (evidence.startsWith('/')) return existsSync(evidence);
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_PATHS];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, evidence)));
}

/** @param {string} [file] in the format of os-release(5) */
export function isDebian(file = '/etc/os-release') {
  try {
    return /^ID="?debian"?$/m.test(readFileSync(file, 'utf8')) && isPresent('apt-get');
  } catch {
    return false;
  }
}

/**
 * Names of those of `packages` that dpkg does not have fully installed.
 *
 * @param {readonly string[]} packages
 * @returns {Promise<string[]>}
 */
export async function missingDebianPackages(packages) {
  // dpkg-query exits with 1 as soon as one name is unknown, and still lists the others.
  const { output } = await runChild('dpkg-query', [
    '--show',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the placeholders are dpkg-query's own.
    '--showformat=${binary:Package} ${db:Status-Status}\n',
    ...packages,
  ]);
  const installed = new Set();
  for (const line of output.split('\n')) {
    const match = /^([^\s:]+)(?::\S+)? installed$/.exec(line);
    if (match) installed.add(match[1]);
  }
  return packages.filter((name) => !installed.has(name));
}

/**
 * See to it that what the system must give for these purposes is there: on Debian
 * as root by installing it, elsewhere by naming what is missing.
 *
 * @param {readonly Purpose[]} purposes
 * @param {(line: string) => void} report
 * @throws {SetupError} `SETUP_SYSTEM_PACKAGES`, status 3, naming what is missing
 */
export async function provideSystemPackages(purposes, report) {
  const needs = SYSTEM_NEEDS.filter((need) => purposes.includes(need.purpose));
  if (!isDebian()) {
    const missing = needs.filter((need) => !need.evidence.some(isPresent));
    if (missing.length === 0) return;
    const lines = missing.map(
      (need) => `  ${need.evidence[0]} (Debian package ${need.package}): ${need.why}`,
    );
    throw new SetupError(
      'SETUP_SYSTEM_PACKAGES',
      `this system is not Debian, so nothing is installed by itself; missing:\n${lines.join('\n')}`,
      { status: 3 },
    );
  }
  const missing = await missingDebianPackages(needs.map((need) => need.package));
  if (missing.length === 0) return;
  const command = `apt-get install --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) {
    throw new SetupError(
      'SETUP_SYSTEM_PACKAGES',
      `Debian packages are missing and only root can install them:\n  sudo ${command}`,
      { status: 3 },
    );
  }
  report(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' };
  const wait = ['-o', 'DPkg::Lock::Timeout=300', '-q'];
  const update = await runChild('apt-get', [...wait, 'update'], { env });
  const install = await runChild(
    'apt-get',
    [...wait, 'install', '-y', '--no-install-recommends', ...missing],
    { env },
  );
  const left = await missingDebianPackages(missing);
  if (install.status !== 0 || left.length > 0) {
    throw new SetupError(
      'SETUP_SYSTEM_PACKAGES',
      `apt-get could not install ${left.join(' ') || missing.join(' ')} (status ${install.status});` +
        ` by hand: apt-get update && ${command}`,
      { status: 3, output: (update.status === 0 ? '' : update.output) + install.output },
    );
  }
}
