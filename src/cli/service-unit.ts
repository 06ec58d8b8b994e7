import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EXIT } from './exit-status.js';
import { KEPT_DESCRIPTORS_LIMIT } from './kept-descriptors.js';

/** The program that runs now. */
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

export interface ServiceUnitOptions {
  /** Absolute path of the configuration file; null for none. */
  readonly config: string | null;
  readonly node?: string;
  readonly main?: string;
  /** Release of the kernel it is for. */
  readonly kernel?: string;
}

/**
 * Loading programs; reading kernel memory in them; attaching to the network; entering network
 * namespaces; names of kernel functions.
 */
const CAPABILITIES = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN', 'CAP_SYS_ADMIN', 'CAP_SYSLOG'];
/** For a moment: so that what parses and serves has a user of its own. */
const CHANGE_OF_USER = ['CAP_SETUID', 'CAP_SETGID'];
/** Where there is no tcx, packet sockets count. */
const PACKET_SOCKETS = 'CAP_NET_RAW';
const TCX_SINCE = [6, 6] as const;

/**
 * A unit of systemd for `hopscope serve`. It is made, not shipped as a file, since it has to name
 * the Node and the hopscope that are here, and the statuses that no restart changes.
 */
export function serviceUnit(options: ServiceUnitOptions): string {
  const { config, node = process.execPath, main = MAIN, kernel = release() } = options;
  const command = [node, main, 'serve', ...(config === null ? [] : ['--config', config])];
  const counting = hasTcx(kernel) ? [] : [PACKET_SOCKETS];
  const capabilities = [...CAPABILITIES, ...counting, ...CHANGE_OF_USER].join(' ');
  return `[Unit]
Description=hopscope: every hop of a packet, live
After=network.target

[Service]
Type=notify
ExecStart=${command.map(quoted).join(' ')}
NotifyAccess=main
# It says that it lives only when the kernel's ring was drained since it last said so.
WatchdogSec=30
Restart=on-failure
RestartSec=2
# Bad usage, and what this kernel or these privileges do not have: no restart changes it.
RestartPreventExitStatus=${EXIT.usage} ${EXIT.unsupported}
TimeoutStartSec=60
TimeoutStopSec=20
# What counts is kept across a restart, so that no packet is missing from a flow's counts.
FileDescriptorStoreMax=${KEPT_DESCRIPTORS_LIMIT}
# The process that serves is ended by the one that watches.
KillMode=mixed
# Its memory is bounded by --memory, 512M by default; this is for what nobody thought of.
MemoryMax=2G
TasksMax=128

# Loading programs; reading kernel memory in them; attaching to the network; entering network
# namespaces; names of kernel functions; before Linux 6.6 packet sockets. The last two are given up at
# the start, once the processes that parse and serve have a user of their own.
CapabilityBoundingSet=${capabilities}
AmbientCapabilities=
NoNewPrivileges=yes
LockPersonality=yes
# Left out, since it needs what they take: MemoryDenyWriteExecute (V8 compiles), ProtectKernelLogs
# (takes CAP_SYSLOG), PrivateNetwork, PrivateUsers, ProtectProc and ProcSubset (namespaces of other
# processes), DynamicUser.
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=${isTemporary(main) || isTemporary(config) ? 'no' : 'yes'}
ProtectClock=yes
ProtectHostname=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectKernelTunables=yes
RestrictNamespaces=net mnt
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_PACKET
SystemCallArchitectures=native
SystemCallFilter=~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap
SystemCallErrorNumber=EPERM
UMask=0077
KeyringMode=private
DevicePolicy=closed

[Install]
WantedBy=multi-user.target
`;
}

function hasTcx(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major > TCX_SINCE[0] || (major === TCX_SINCE[0] && minor >= TCX_SINCE[1]);
}

/** Whether a folder of its own in the place of /tmp would hide it. */
function isTemporary(path: string | null): boolean {
  return path !== null && /^\/(?:var\/)?tmp\//u.test(path);
}

/** As an argument in ExecStart= (systemd.service(5), systemd.syntax(7)). */
function quoted(word: string): string {
  const escaped = word
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$')
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"');
  return /^[\w@%+=:,./-]+$/u.test(escaped) ? escaped : `"${escaped}"`;
}
