import type { DecodedPacket } from '../packet/decoded-packet.js';
import { rememberInvariants } from './identity.js';
import type { Path } from './path.js';

/** Takes over from a decoded packet what is reported of it as a whole. */
export function describePacket(path: Path, p: DecodedPacket): void {
  rememberInvariants(path, p);
  path.ipLength = p.ipLength;
  path.headerLength = p.ipLength - p.payloadLength;
  path.tcpAck = p.tcpAck;
  path.tcpFlags = p.tcpFlags;
  path.tcpWindow = p.tcpWindow;
  path.tcpMss = p.tcpMss;
  path.tcpWindowScale = p.tcpWindowScale;
  path.icmpCode = p.icmpCode;
  path.icmpMtu = p.icmpMtu;
  path.dontFragment = p.dontFragment;
  path.malformed = p.error;
  path.truncated = p.truncated;
}
