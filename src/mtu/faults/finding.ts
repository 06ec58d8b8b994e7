import type { FaultDevice, FaultRecord } from 'hopscope-protocol';
import type { Device } from '../../network/machine.js';
import type { AuditInput } from '../input.js';

/** What one audit of the configuration says; flows and packets are added by who watches them. */
export type Finding = Omit<FaultRecord, 'type' | 'flows'>;

/** Looks for one kind of fault. */
export type Detector = (input: AuditInput) => Finding[];

export function faultDevice({ namespace, link }: Device): FaultDevice {
  return { netns: namespace.name, dev: link.name };
}

/** `dev` of the namespace, as people write it. */
export function deviceText({ namespace, link }: Device): string {
  return `${namespace.name}/${link.name}`;
}
