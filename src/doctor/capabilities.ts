/**
 * Bit numbers of the capabilities tracing rests on (include/uapi/linux/capability.h).
 */
const CAPABILITY_BITS = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof CAPABILITY_BITS;

/**
 * The effective ones among them, from the text of /proc/PID/status (proc(5): `CapEff`
 * is a mask in hexadecimal). Empty when the line is not there.
 */
export function effectiveCapabilities(status: string): ReadonlySet<Capability> {
  const mask = /^CapEff:\s*([0-9a-f]+)$/im.exec(status)?.[1];
  const held = new Set<Capability>();
  if (mask === undefined) return held;
  const bits = BigInt(`0x${mask}`);
  for (const [name, bit] of Object.entries(CAPABILITY_BITS)) {
    if ((bits >> BigInt(bit)) & 1n) held.add(name as Capability);
  }
  return held;
}
