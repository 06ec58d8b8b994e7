import { generateKeyPairSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { type Family, hostPrefix } from './family.js';
import { lanIp, podBlock, tunnelIp } from './node-address.js';
import type { LabShape } from './options.js';
import { type RunOptions, runIn } from './run-command.js';
import { LAB_DIRECTORY } from './state.js';
import { type LabNode, NODES, otherNode } from './topology.js';
import { tunnelsOf, WIREGUARD_MARK } from './tunnels.js';

/** Felix's ports. */
export const WIREGUARD_PORT: Readonly<Record<Family, number>> = { ipv4: 51820, ipv6: 51821 };

export interface WireguardKeys {
  readonly secret: string;
  readonly public: string;
}

/** A Curve25519 key pair in `wg`'s text form (base64 of the 32 bytes). */
export function wireguardKeys(): WireguardKeys {
  const { privateKey } = generateKeyPairSync('x25519');
  const jwk = privateKey.export({ format: 'jwk' });
  return { secret: toBase64(jwk.d), public: toBase64(jwk.x) };
}

function toBase64(base64url: string | undefined): string {
  return Buffer.from(base64url ?? '', 'base64url').toString('base64');
}

/** Gives the nodes' WireGuard devices their keys and each other as peer. */
export async function configureWireguard(shape: LabShape, options?: RunOptions): Promise<void> {
  for (const { family, device } of tunnelsOf(shape)) {
    const keys = { node111: wireguardKeys(), node112: wireguardKeys() };
    for (const node of NODES) {
      const peer = otherNode(node.name);
      const text = configuration(keys[node.name].secret, keys[peer.name].public, peer, family);
      // A file, for wg opens it by name; a pipe of Node's is a socket and has none.
      const file = `${LAB_DIRECTORY}/${node.name}-${device}.conf`;
      await writeFile(file, text, { mode: 0o600 });
      try {
        await runIn(node.name, 'wg', ['setconf', device, file], options);
      } finally {
        await rm(file, { force: true });
      }
    }
  }
}

function configuration(secret: string, peerKey: string, peer: LabNode, family: Family): string {
  const port = WIREGUARD_PORT[family];
  const ip = lanIp(peer, family);
  const allowed = [podBlock(peer, family), hostPrefix(tunnelIp(peer, family), family)];
  return [
    '[Interface]',
    `PrivateKey = ${secret}`,
    `ListenPort = ${port}`,
    `FwMark = ${WIREGUARD_MARK}`,
    '[Peer]',
    `PublicKey = ${peerKey}`,
    `Endpoint = ${family === 'ipv6' ? `[${ip}]` : ip}:${port}`,
    `AllowedIPs = ${allowed.join(', ')}`,
    '',
  ].join('\n');
}
