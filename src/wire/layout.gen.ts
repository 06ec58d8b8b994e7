// Generated from the BTF of the tracer by `npm run generate`; do not edit.
// Byte offsets and sizes of the records of bpf/wire.h.

export const RECORD_HOP = 1;
export const RECORD_HOP_CT = 2;
export const RECORD_FREE = 3;
export const RECORD_DELIVER = 4;
export const RECORD_CONNECT = 5;

export const STAGE_EGRESS = 1;
export const STAGE_INGRESS = 2;
export const STAGE_NETFILTER = 3;
export const STAGE_DELIVER = 4;
export const STAGE_DROP = 5;

export const COUNTER_LOST_HOP = 0;
export const COUNTER_LOST_END = 1;
export const COUNTER_OWN = 2;
export const COUNTER_MAX = 3;

export const SIZEOF_HEADER = 24;
export const HEADER_TYPE = 0;
export const HEADER_SIZE = 2;
export const HEADER_CPU = 4;
export const HEADER_TIME = 8;
export const HEADER_SKB = 16;

export const SIZEOF_HOP = 312;
export const HOP_HEADER = 0;
export const HOP_HEAD = 24;
export const HOP_LOCATION = 32;
export const HOP_NETNS = 40;
export const HOP_IFINDEX = 44;
export const HOP_MTU = 48;
export const HOP_LEN = 52;
export const HOP_MARK = 56;
export const HOP_REASON = 60;
export const HOP_PRIORITY = 64;
export const HOP_DATAREF = 68;
export const HOP_L3_OFFSET = 72;
export const HOP_SNAP_LEN = 74;
export const HOP_GSO_SIZE = 76;
export const HOP_GSO_SEGS = 78;
export const HOP_VLAN_TCI = 80;
export const HOP_VLAN_PROTO = 82;
export const HOP_PROTOCOL = 84;
export const HOP_DEV_TYPE = 86;
export const HOP_STAGE = 88;
export const HOP_HOOK = 89;
export const HOP_FAMILY = 90;
export const HOP_CT_INFO = 91;
export const HOP_IFINDEX_IN = 92;
export const HOP_DEV = 96;
export const HOP_KIND = 112;
export const HOP_SOCK = 128;
export const HOP_SNAP = 136;

export const SIZEOF_TUPLE = 40;
export const TUPLE_SRC = 0;
export const TUPLE_SPORT = 16;
export const TUPLE_L3NUM = 18;
export const TUPLE_DST = 20;
export const TUPLE_DPORT = 36;
export const TUPLE_PROTONUM = 38;
export const TUPLE_DIR = 39;

export const SIZEOF_HOP_CT = 408;
export const HOP_CT_HOP = 0;
export const HOP_CT_CT = 312;
export const HOP_CT_STATUS = 320;
export const HOP_CT_ZONE = 324;
export const HOP_CT_PAD = 326;
export const HOP_CT_ORIGINAL = 328;
export const HOP_CT_REPLY = 368;

export const SIZEOF_FREE = 24;
export const FREE_HEADER = 0;

export const SIZEOF_ACTOR = 12;
export const ACTOR_PROCESS = 0;
export const ACTOR_THREAD = 4;
export const ACTOR_SLEEPS = 8;

export const SIZEOF_DELIVER = 56;
export const DELIVER_HEADER = 0;
export const DELIVER_SOCK = 24;
export const DELIVER_HEAD = 32;
export const DELIVER_NETNS = 40;
export const DELIVER_READER = 44;

export const SIZEOF_CONNECT = 48;
export const CONNECT_HEADER = 0;
export const CONNECT_SOCK = 24;
export const CONNECT_NETNS = 32;
export const CONNECT_OPENER = 36;

export const SNAP_LENGTH = 176;
