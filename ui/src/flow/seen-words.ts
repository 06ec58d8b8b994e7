import type { FlowRecord, MtuVerdict } from 'hopscope-protocol';
import { formatExact } from '../format/quantity.js';

const MTU_MEANING: Readonly<Record<Exclude<MtuVerdict, 'pmtu'>, string>> = {
  fits: 'every packet fits the way',
  fragments: 'too large for a device on the way: fragmented',
  blackhole: 'too large, may not be fragmented, and the sender was not notified: they vanish',
  unknown: 'not known',
};

/** What the MTU verdict of a flow means; of what the sender does only what was seen. */
export function mtuMeaning({ mtu, mtuEvidence }: FlowRecord): string {
  if (mtu.verdict !== 'pmtu') return MTU_MEANING[mtu.verdict];
  const isSmallerSeen =
    mtuEvidence?.errors.some(({ obeyed }) => obeyed === 'smaller-seen') ?? false;
  return `too large once; the sender was notified by ICMP${
    isSmallerSeen ? ' and sends smaller ones since' : ', and sent no smaller one yet'
  }`;
}

/** What a reply tuple is where no reply was seen; `null` where one was. */
export function answerWords({ reply, packets }: FlowRecord): string | null {
  return reply !== null && packets.reply === '0'
    ? 'as connection tracking expects it; no reply seen'
    : null;
}

/** How many packets were followed hop by hop. Where more were traced than counted, there is no sum. */
export function followedWords({ sampled }: FlowRecord): string {
  const { paths, of } = sampled;
  return BigInt(paths) > BigInt(of)
    ? `${formatExact(paths)} packets followed; ${formatExact(of)} counted by the kernel so far`
    : `${formatExact(paths)} of ${formatExact(of)} packets followed`;
}
