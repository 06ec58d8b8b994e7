// Generated from the BTF of the counter by `npm run generate`; do not edit.
// Byte offsets and sizes of the records of bpf/counter-wire.h.

export const COUNT_IN = 1;
export const COUNT_OUT = 2;

export const COUNT_PORTS_NONE = 0;
export const COUNT_PORTS_REAL = 1;
export const COUNT_PORTS_ECHO = 2;
export const COUNT_PORTS_LOST = 3;

export const TALLY_PACKETS = 0;
export const TALLY_BYTES = 1;
export const TALLY_UNCOUNTED = 2;
export const TALLY_UNCOUNTED_BYTES = 3;
export const TALLY_OTHER = 4;
export const TALLY_MALFORMED = 5;
export const TALLY_ENCAPSULATED = 6;
export const TALLY_LOST_FRAGMENT = 7;
export const TALLY_CT_BUSY = 8;
export const TALLY_BEGUN = 9;
export const TALLY_TROUBLE = 10;
export const TALLY_MAX = 11;

export const SIZEOF_COUNT_KEY = 48;
export const COUNT_KEY_SRC = 0;
export const COUNT_KEY_DST = 16;
export const COUNT_KEY_NETNS = 32;
export const COUNT_KEY_IFINDEX = 36;
export const COUNT_KEY_SPORT = 40;
export const COUNT_KEY_DPORT = 42;
export const COUNT_KEY_FAMILY = 44;
export const COUNT_KEY_PROTOCOL = 45;
export const COUNT_KEY_DIRECTION = 46;
export const COUNT_KEY_PORTS = 47;

export const SIZEOF_COUNT_TUPLE = 40;
export const COUNT_TUPLE_SRC = 0;
export const COUNT_TUPLE_SPORT = 16;
export const COUNT_TUPLE_L3NUM = 18;
export const COUNT_TUPLE_DST = 20;
export const COUNT_TUPLE_DPORT = 36;
export const COUNT_TUPLE_PROTONUM = 38;
export const COUNT_TUPLE_DIR = 39;

export const SIZEOF_COUNT = 160;
export const COUNT_PACKETS = 0;
export const COUNT_BYTES = 8;
export const COUNT_FIRST = 16;
export const COUNT_LAST = 24;
export const COUNT_LARGEST = 32;
export const COUNT_SYN = 36;
export const COUNT_FIN = 40;
export const COUNT_RST = 44;
export const COUNT_REPEATED = 48;
export const COUNT_SEQ_END = 52;
export const COUNT_TCP_FLAGS = 56;
export const COUNT_PAD = 57;
export const COUNT_ZONE = 58;
export const COUNT_STATUS = 60;
export const COUNT_CT_BEGUN = 64;
export const COUNT_CT_ENDED = 68;
export const COUNT_CT = 72;
export const COUNT_ORIGINAL = 80;
export const COUNT_REPLY = 120;
