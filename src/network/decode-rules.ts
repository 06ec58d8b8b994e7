/** RTM_NEWRULE: which routing table a packet is looked up in. */
import type { Rule } from './description.js';
import type { Family, Prefix } from './ip-address.js';
import { addressAt, FAMILY_OF } from './netlink-address.js';
import {
  type Attributes,
  attributesOf,
  messagesOf,
  requireBytes,
  text,
  u8,
  u32,
} from './netlink-message.js';

const RTM_NEWRULE = 32;
/** struct fib_rule_hdr: family, lengths of destination and source, tos, table, reserved, action, flags. */
const HEADER = 12;
const FRA = {
  ...{ dst: 1, src: 2, iifname: 3, goto: 4, priority: 6, fwmark: 10, tunId: 12 },
  ...{ suppressPrefixlen: 14, table: 15, fwmask: 16, oifname: 17, l3mdev: 19, uidRange: 20 },
  ...{ ipProto: 22, sportRange: 23, dportRange: 24 },
} as const;
const FIB_RULE_INVERT = 2;
/** FR_ACT_TO_TBL, FR_ACT_GOTO, FR_ACT_NOP; those after it refuse. */
const ACTION = { table: 1, goto: 2, nop: 3 } as const;
/** FR_ACT_BLACKHOLE and what follows it. */
const REFUSALS = { 6: 'blackhole', 7: 'unreachable', 8: 'prohibit' } as const;
const NO_LENGTH = 0xffff_ffff;

/** In the order of their priorities. Errors: NetlinkError `NETLINK_MALFORMED`. */
export function decodeRules(data: Uint8Array): Rule[] {
  const rules: Rule[] = [];
  for (const { type, body } of messagesOf(data)) {
    if (type !== RTM_NEWRULE) continue;
    requireBytes(body, HEADER);
    const family = FAMILY_OF[body.getUint8(0)];
    if (family !== undefined) rules.push(decodeRule(body, family));
  }
  return rules.sort((a, b) => a.priority - b.priority);
}

function decodeRule(body: DataView, family: Family): Rule {
  const attributes = attributesOf(body, HEADER);
  const mark = u32(attributes, FRA.fwmark) ?? 0;
  const action = body.getUint8(7);
  const suppressed = u32(attributes, FRA.suppressPrefixlen);
  return {
    family,
    priority: u32(attributes, FRA.priority) ?? 0,
    src: prefixAt(attributes, FRA.src, body.getUint8(2)),
    dst: prefixAt(attributes, FRA.dst, body.getUint8(1)),
    incoming: text(attributes, FRA.iifname),
    outgoing: text(attributes, FRA.oifname),
    mark,
    mask: u32(attributes, FRA.fwmask) ?? (mark === 0 ? 0 : 0xffff_ffff),
    isInverted: (body.getUint32(8, true) & FIB_RULE_INVERT) !== 0,
    action: actionOf(action),
    ...(action in REFUSALS ? { refusal: REFUSALS[action as keyof typeof REFUSALS] } : {}),
    table: u32(attributes, FRA.table) ?? body.getUint8(4),
    target: u32(attributes, FRA.goto),
    suppressedLength: suppressed === null || suppressed === NO_LENGTH ? null : suppressed,
    isVrf: u8(attributes, FRA.l3mdev) === 1,
    isSelective: isSelective(attributes, body),
  };
}

function actionOf(action: number): Rule['action'] {
  if (action === ACTION.table) return 'table';
  if (action === ACTION.goto) return 'goto';
  return action === ACTION.nop ? 'nop' : 'refuse';
}

function isSelective(attributes: Attributes, body: DataView): boolean {
  return (
    body.getUint8(3) !== 0 ||
    [FRA.tunId, FRA.uidRange, FRA.sportRange, FRA.dportRange].some((each) =>
      attributes.has(each),
    ) ||
    (u8(attributes, FRA.ipProto) ?? 0) !== 0
  );
}

function prefixAt(attributes: Attributes, type: number, length: number): Prefix | null {
  const address = addressAt(attributes, type);
  return address === null ? null : { ...address, length };
}
