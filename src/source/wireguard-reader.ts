import { BpfError, queryNetns } from 'ebpf-ts';
import { HopscopeError } from '../model/errors.js';
import type { DecodedLink } from '../network/decode-links.js';
import {
  decodeFamilyId,
  decodeWireguard,
  type WireguardDevice,
} from '../network/decode-wireguard.js';
import type { ReadingProblem } from '../network/description.js';
import { NLM_F_DUMP } from './namespace-query.js';
import type { FoundNamespace } from './namespace-watcher.js';

const NETLINK_GENERIC = 16;
const GENL_ID_CTRL = 16;
/** struct genlmsghdr: CTRL_CMD_GETFAMILY, version 1; then CTRL_ATTR_FAMILY_NAME. */
const FAMILY = Buffer.from([3, 1, 0, 0, 14, 0, 2, 0, ...Buffer.from('wireguard\0'), 0, 0]);
/** WG_CMD_GET_DEVICE, version 1; then WGDEVICE_A_IFINDEX. */
const DEVICE = [0, 1, 0, 0, 8, 0, 1, 0] as const;

/**
 * Peers and mark of the WireGuard devices of a namespace, by ifindex. The kernel's answer has
 * their private keys too: it is overwritten as soon as it is read.
 */
export async function readWireguard(
  { path }: FoundNamespace,
  name: string,
  links: readonly DecodedLink[],
  problems: ReadingProblem[],
): Promise<ReadonlyMap<number, WireguardDevice>> {
  const devices = links.filter(({ kind }) => kind === 'wireguard');
  const read = new Map<number, WireguardDevice>();
  if (devices.length === 0) return read;
  const problem = (message: string): void => {
    problems.push({ code: 'WIREGUARD_NOT_READ', netns: name, message });
  };
  try {
    const asked = { protocol: NETLINK_GENERIC, type: GENL_ID_CTRL, flags: 0, body: FAMILY };
    const [family] = (await queryNetns(path, [asked])).answers;
    const type = family?.code === null ? decodeFamilyId(family.data) : null;
    if (type === null) {
      problem(`the kernel does not answer for WireGuard (${family?.code ?? 'no family'})`);
      return read;
    }
    const requests = devices.map(({ ifindex }) => {
      const body = Buffer.alloc(DEVICE.length + 4);
      body.set(DEVICE);
      body.writeUInt32LE(ifindex, DEVICE.length);
      return { protocol: NETLINK_GENERIC, type, flags: NLM_F_DUMP, body };
    });
    const { answers } = await queryNetns(path, requests);
    for (const [i, { code, data }] of answers.entries()) {
      const device = devices[i];
      try {
        if (code !== null) problem(`${device?.name}: ${code}`);
        else if (device !== undefined) read.set(device.ifindex, decodeWireguard(data));
      } finally {
        data.fill(0);
      }
    }
  } catch (error) {
    if (!(error instanceof BpfError || error instanceof HopscopeError)) throw error;
    problem(error.message);
  }
  return read;
}
