import { generateKeyPairSync } from 'node:crypto';
import { WIREGUARD_MARK, WIREGUARD_PORT } from './network.js';
import { TUNNEL_DEVICE } from './options.js';
import { type RunOptions, runIn } from './run-command.js';
import { NODES, otherNode } from './topology.js';

interface KeyPair {
  readonly secret: string;
  readonly public: string;
}

/** A Curve25519 key pair in `wg`'s text form (base64 of the 32 bytes). */
export function wireguardKeys(): KeyPair {
  const { privateKey } = generateKeyPairSync('x25519');
  const jwk = privateKey.export({ format: 'jwk' });
  return { secret: toBase64(jwk.d), public: toBase64(jwk.x) };
}

function toBase64(base64url: string | undefined): string {
  return Buffer.from(base64url ?? '', 'base64url').toString('base64');
}

/** Gives both nodes' WireGuard devices their keys and each other as peer. */
export async function configureWireguard(dualStack: boolean, options?: RunOptions): Promise<void> {
  const keys = new Map(NODES.map((node) => [node.name, wireguardKeys()]));
  for (const node of NODES) {
    const peer = otherNode(node.name);
    const own = keys.get(node.name);
    const theirs = keys.get(peer.name);
    if (own === undefined || theirs === undefined) throw new RangeError('a node without keys');
    const allowed = [peer.block, `${peer.tunnelIp}/32`];
    if (dualStack) allowed.push(peer.block6, `${peer.tunnelIp6}/128`);
    const text = [
      '[Interface]',
      `PrivateKey = ${own.secret}`,
      `ListenPort = ${WIREGUARD_PORT}`,
      `FwMark = ${WIREGUARD_MARK}`,
      '[Peer]',
      `PublicKey = ${theirs.public}`,
      `Endpoint = ${peer.lan.ip}:${WIREGUARD_PORT}`,
      `AllowedIPs = ${allowed.join(', ')}`,
      '',
    ].join('\n');
    const device = TUNNEL_DEVICE.wireguard ?? '';
    await runIn(node.name, 'wg', ['setconf', device, '/dev/stdin'], { ...options, input: text });
  }
}
