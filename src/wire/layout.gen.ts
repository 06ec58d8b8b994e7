// Generated from the BTF of the tracer by `npm run generate`; do not edit.
// Byte offsets and sizes of the records of bpf/wire.h.

export const RECORD_TRAIL = 1;
export const RECORD_DEVICE = 2;
export const RECORD_DELIVER = 3;
export const RECORD_CONNECT = 4;

export const STAGE_EGRESS = 1;
export const STAGE_INGRESS = 2;
export const STAGE_NETFILTER = 3;
export const STAGE_DELIVER = 4;
export const STAGE_DROP = 5;

export const HOP_LINK = 1;
export const HOP_SNAPSHOT = 2;
export const HOP_CONNTRACK = 4;
export const HOP_DROP = 8;
export const HOP_DELIVER = 16;

export const END_NONE = 0;
export const END_FREE = 1;
export const END_DROP = 2;
export const END_DELIVER = 3;

export const LENGTH_LINK = 14;
export const LENGTH_SNAPSHOT = 176;

export const COUNTER_PASSED = 0;
export const COUNTER_LOST_RING = 1;
export const COUNTER_LOST_NESTED = 2;
export const COUNTER_LOST_EVENT = 3;
export const COUNTER_OWN = 4;
export const COUNTER_TRAILS = 5;
export const COUNTER_BYTES = 6;
export const COUNTER_LOST_DROP = 7;
export const COUNTER_FILTERED = 8;
export const COUNTER_MARKS_EVICTED = 9;
export const COUNTER_PAST_SHARE = 10;
export const COUNTER_BUSY_FLOWS = 11;
export const COUNTER_DROPS = 12;
export const COUNTER_MAX = 13;

export const SIZEOF_HEADER = 24;
export const HEADER_TYPE = 0;
export const HEADER_SIZE = 2;
export const HEADER_CPU = 4;
export const HEADER_TIME = 8;
export const HEADER_SKB = 16;

export const SIZEOF_TRAIL = 40;
export const TRAIL_HEADER = 0;
export const TRAIL_SOCK = 24;
export const TRAIL_END_DELTA = 32;
export const TRAIL_HOPS = 36;
export const TRAIL_END = 38;
export const TRAIL_RESERVED = 39;

export const SIZEOF_HOP = 32;
export const HOP_DELTA = 0;
export const HOP_NETNS = 4;
export const HOP_IFINDEX = 8;
export const HOP_MARK = 12;
export const HOP_LEN = 16;
export const HOP_FLAGS = 20;
export const HOP_PRIORITY = 24;
export const HOP_STAGE = 26;
export const HOP_HOOK = 27;
export const HOP_TTL = 28;
export const HOP_CT_INFO = 29;
export const HOP_RESERVED = 30;

export const SIZEOF_SNAPSHOT = 24;
export const SNAPSHOT_HEAD = 0;
export const SNAPSHOT_L3_OFFSET = 8;
export const SNAPSHOT_LENGTH = 10;
export const SNAPSHOT_PROTOCOL = 12;
export const SNAPSHOT_GSO_SIZE = 14;
export const SNAPSHOT_GSO_SEGS = 16;
export const SNAPSHOT_VLAN_TCI = 18;
export const SNAPSHOT_VLAN_PROTO = 20;
export const SNAPSHOT_RESERVED = 22;

export const SIZEOF_CONNTRACK = 16;
export const CONNTRACK_CT = 0;
export const CONNTRACK_STATUS = 8;
export const CONNTRACK_ZONE = 12;
export const CONNTRACK_L3NUM = 14;
export const CONNTRACK_PROTONUM = 15;

export const SIZEOF_TUPLE4 = 12;
export const TUPLE4_SRC = 0;
export const TUPLE4_DST = 4;
export const TUPLE4_SPORT = 8;
export const TUPLE4_DPORT = 10;

export const SIZEOF_TUPLE6 = 36;
export const TUPLE6_SRC = 0;
export const TUPLE6_DST = 16;
export const TUPLE6_SPORT = 32;
export const TUPLE6_DPORT = 34;

export const SIZEOF_CONNTRACK4 = 40;
export const CONNTRACK4_ENTRY = 0;
export const CONNTRACK4_ORIGINAL = 16;
export const CONNTRACK4_REPLY = 28;

export const SIZEOF_CONNTRACK6 = 88;
export const CONNTRACK6_ENTRY = 0;
export const CONNTRACK6_ORIGINAL = 16;
export const CONNTRACK6_REPLY = 52;

export const SIZEOF_DROP = 16;
export const DROP_LOCATION = 0;
export const DROP_REASON = 8;
export const DROP_DATAREF = 12;

export const SIZEOF_DEVICE = 80;
export const DEVICE_HEADER = 0;
export const DEVICE_NETNS = 24;
export const DEVICE_INODE = 28;
export const DEVICE_IFINDEX = 32;
export const DEVICE_MTU = 36;
export const DEVICE_DEV_TYPE = 40;
export const DEVICE_RESERVED = 44;
export const DEVICE_NAME = 48;
export const DEVICE_KIND = 64;

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
