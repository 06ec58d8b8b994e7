import { createHash } from 'node:crypto';
import { comment } from './kube-iptables.js';

/** Felix's mark on a packet that a policy or profile has accepted. */
export const ACCEPT_MARK = '0x10000';
/** Felix's mark on a packet that a policy leaves to what comes next. */
export const PASS_MARK = '0x20000';
/** Every mark bit Felix uses of its own. */
export const ALL_MARKS = '0xf0000';

export interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}

/** The hash by which Felix distinguishes long names and rules. */
export function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A rule as Felix writes it: with a comment `cali:` and a hash of the rule. */
export function rule(chain: string, match: string, said?: string): string {
  const hash = shortHash(`${chain} ${match}`).slice(0, 16);
  const words = said === undefined ? '' : ` ${comment(said)}`;
  return `-A ${chain} ${comment(`cali:${hash}`)}${words} ${match}`;
}

/** Felix puts itself before what others wrote. */
export function first(chain: string, match: string): string {
  return rule(chain, match).replace(/^-A (\S+)/, '-I $1 1');
}
