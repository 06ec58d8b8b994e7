import * as v from 'valibot';
import type { Infer } from './scalars.js';

export const stageSchema = v.picklist(['egress', 'ingress', 'netfilter', 'deliver', 'drop']);
export type Stage = Infer<typeof stageSchema>;

export const hookSchema = v.picklist(['prerouting', 'input', 'forward', 'output', 'postrouting']);
export type Hook = Infer<typeof hookSchema>;

export const pathVerdictSchema = v.picklist(['delivered', 'dropped', 'forwarded', 'unknown']);
export type PathVerdict = Infer<typeof pathVerdictSchema>;

export const mtuVerdictSchema = v.picklist(['fits', 'fragments', 'blackhole', 'pmtu', 'unknown']);
export type MtuVerdict = Infer<typeof mtuVerdictSchema>;

export const directionSchema = v.picklist(['original', 'reply']);
export type Direction = Infer<typeof directionSchema>;

export const encapsulationTypeSchema = v.picklist([
  'ipip',
  'vxlan',
  'wireguard',
  'gre',
  'geneve',
  'ip6tnl',
  'sit',
]);
export type EncapsulationType = Infer<typeof encapsulationTypeSchema>;
