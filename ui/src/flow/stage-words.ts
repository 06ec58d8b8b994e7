import type { Hook, Stage } from 'hopscope-protocol';

export interface StagePlace {
  readonly stage: Stage;
  readonly hook: Hook | null;
}

const HOOK_WORDS: Readonly<Record<Hook, string>> = {
  prerouting: 'Rules for what came in, before the kernel decides where it goes',
  input: 'Rules for what is for this namespace itself, before a socket takes it',
  forward: 'Rules for what is passed on from one device to another',
  output: 'Rules for what a process of this namespace sends',
  postrouting: 'Rules for what is about to leave, after the route was chosen',
};

const STAGE_WORDS: Readonly<Record<Exclude<Stage, 'netfilter'>, string>> = {
  egress: 'The device sends it: the time before is queueing and the kernel’s way to the device',
  ingress: 'The device received it: the time before is the wire, the other end or a tunnel',
  deliver: 'A socket took it: the time before is the protocol and the socket’s queue',
  drop: 'The kernel threw it away here',
};

/** What happens at a hop, and what the time before it is, in words. */
export function stageWords({ stage, hook }: StagePlace): string {
  if (stage !== 'netfilter') return STAGE_WORDS[stage];
  return hook === null ? 'Rules of netfilter' : HOOK_WORDS[hook];
}

/** The legend: each stage by the name that the page has for it. */
export const STAGE_LEGEND: readonly (readonly [name: string, words: string])[] = [
  ['egress', STAGE_WORDS.egress],
  ['ingress', STAGE_WORDS.ingress],
  ...Object.entries(HOOK_WORDS),
  ['socket', STAGE_WORDS.deliver],
  ['dropped', STAGE_WORDS.drop],
];
