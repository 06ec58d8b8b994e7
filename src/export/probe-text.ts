import type { MtuDeviceRecord } from 'hopscope-protocol';
import type {
  ProbeEndRecord,
  ProbeRecord,
  ProbeRefusalRecord,
  SentProbeRecord,
} from '../model/probe-record.js';
import type { Paint } from './colour.js';

/** A block for one direction: what passed, and what stopped the next larger packet. */
export function renderProbe(record: ProbeRecord, paint: Paint): string[] {
  const { src, dst, largest, configured, refused, probes } = record;
  return [
    `${endText(src)} → ${endText(dst)}  ${paint('bold', `${largest}`)} bytes pass${comparedText(largest, configured, paint)}`,
    ...(refused === null ? ['    no IP packet is larger'] : refusalLines(refused)),
    paint('dim', `    probes: ${probes.map(sentText).join(', ')}`),
  ];
}

export function sentText({ size, outcome, answered }: SentProbeRecord): string {
  const how = outcome === 'passed' && !answered ? 'arrived, and nothing came back' : outcome;
  return `${size} ${how}`;
}

function comparedText(largest: number, configured: number | null, paint: Paint): string {
  if (configured === null) return '';
  if (largest === configured) return ', as the way is configured';
  return largest < configured
    ? `, ${paint('red', `${configured - largest} less than the ${configured} that the way is configured for`)}`
    : `, more than the ${configured} that the way is configured for`;
}

function refusalLines({ size, seenBy, refusedBy, reason, location, icmp }: ProbeRefusalRecord) {
  const by = refusedBy === null ? '' : ` by ${deviceText(refusedBy)}`;
  const seen = seenBy === null ? '' : `, last seen at ${deviceText(seenBy)}`;
  const why = reason === null ? '' : `: ${reason}${location === null ? '' : ` in ${location}`}`;
  const isKnown = refusedBy !== null || reason !== null || icmp !== null;
  const what = isKnown ? `refused${by}${seen}${why}` : `did not arrive${seen}`;
  const told =
    icmp === null
      ? seenBy === null && refusedBy !== null
        ? 'the sender’s own device does not send it'
        : 'no ICMP error came back'
      : `${icmp.from} says that ${icmp.mtu ?? 'an unknown number of'} bytes fit`;
  return [`    ${size} ${what}`, `    ${told}`];
}

function endText({ netns, address }: ProbeEndRecord): string {
  return netns === null ? address : `${netns} ${address}`;
}

function deviceText({ netns, dev, mtu }: MtuDeviceRecord): string {
  return `${netns}/${dev ?? '?'}${mtu === null ? '' : ` (MTU ${mtu})`}`;
}
