import type { PathRecord } from 'hopscope-protocol';

/*
 * Sightings: a packet of IPv4 on a device, as a line. Those of tcpdump, which wrote its text while
 * the recording was made, and those of hopscope's paths are to be the same.
 */

/** `1795853863.378285 lan-node111 P   IP (…`; what is in for another host is in. */
const FRAME = /^\d+\.\d+ (\S+)\s+(\S+)\s+IP \(/u;
const HEADER = /id (\d+), offset (\d+), .*?length (\d+)\)/u;
const LINK_HEADER = 14;

/** @param text of `tcpdump -nn -tt -v -i any ip` in each namespace, after a line `== NAMESPACE` */
export function sightingsOf(text: string): string[] {
  const seen: string[] = [];
  let netns = '';
  let frame: { dev: string; way: string; length: number; id: number; offset: number } | null = null;
  const end = (): void => {
    if (frame === null) return;
    const { dev, way, length, id, offset } = frame;
    seen.push(`${netns}/${dev} ${way} ${length} bytes id ${id} offset ${offset}`);
    frame = null;
  };
  for (const line of text.split('\n')) {
    if (line.startsWith('== ')) {
      end();
      netns = line.slice(3);
      continue;
    }
    const starts = FRAME.exec(line);
    const header = HEADER.exec(line);
    if (starts !== null) {
      end();
      const [, dev = '', direction] = starts;
      const way = direction === 'Out' ? 'egress' : 'ingress';
      frame = { dev, way, length: Number(header?.[3]), id: Number(header?.[1]), offset: 0 };
      frame.offset = Number(header?.[2]);
    } else if (frame !== null && header !== null && / IP \(/u.test(line) && !isQuoted(line)) {
      // In a tunnel: hopscope names a packet by the id of the innermost one.
      frame.id = Number(header[1]);
      frame.offset = Number(header[2]);
    }
  }
  end();
  return seen.sort();
}

/** The packet in an ICMP error is printed on a line of its own, indented by a tab. */
function isQuoted(line: string): boolean {
  return line.startsWith('\t');
}

/** The same of paths: each packet once on each device, however many paths share it. */
export function sightingsIn(paths: readonly PathRecord[]): string[] {
  const seen = new Map<string, string>();
  for (const { start, hops } of paths) {
    let time = BigInt(start);
    for (const { netns, dev, stage, len, mac, ipId, fragment, sincePrevNs, tuple } of hops) {
      time += BigInt(sincePrevNs ?? 0);
      if ((stage !== 'egress' && stage !== 'ingress') || ipId == null || tuple === null) continue;
      const length = (len ?? 0) - (mac === null ? 0 : LINK_HEADER);
      const offset = fragment?.offset ?? 0;
      const text = `${netns}/${dev} ${stage} ${length} bytes id ${ipId} offset ${offset}`;
      seen.set(`${time} ${text}`, text);
    }
  }
  return [...seen.values()].sort();
}
