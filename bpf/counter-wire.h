/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the counter keeps of a flow: the key and value of its map, which user space
 * reads in batches. src/wire/count-layout.gen.ts is generated from the BTF of the
 * compiled object. Natural alignment, no packing; every size is a multiple of 8.
 */
#ifndef HOPSCOPE_COUNTER_WIRE_H
#define HOPSCOPE_COUNTER_WIRE_H

enum hs_count_direction {
	HS_COUNT_IN = 1,	/* what the device receives, seen from its namespace */
	HS_COUNT_OUT = 2,
};

/* What the two port fields of a key hold. */
enum hs_count_ports {
	HS_COUNT_PORTS_NONE = 0,	/* nothing: the protocol has none */
	HS_COUNT_PORTS_REAL = 1,
	HS_COUNT_PORTS_ECHO = 2,	/* the identifier of an ICMP echo, twice */
	HS_COUNT_PORTS_LOST = 3,	/* nothing: a fragment without its first */
};

/* Addresses and ports in network order; an IPv4 address is the last word of four. */
struct hs_count_key {
	__u32 src[4];
	__u32 dst[4];
	__u32 netns;		/* number of the device's namespace: netns_number() */
	__u32 ifindex;
	__u16 sport;
	__u16 dport;
	__u8 family;		/* 4 or 6 */
	__u8 protocol;		/* IP protocol number of the transport header */
	__u8 direction;		/* enum hs_count_direction */
	__u8 ports;		/* enum hs_count_ports */
};

/* struct nf_conntrack_tuple byte for byte, as hs_tuple of wire.h. */
struct hs_count_tuple {
	__u8 src[16];
	__u16 sport;
	__u16 l3num;
	__u8 dst[16];
	__u16 dport;
	__u8 protonum;
	__u8 dir;
};

/* Counts are of all CPUs together, since the entry was made. */
struct hs_count {
	__u64 packets;		/* a GSO packet is one, and so are all fragments of one */
	__u64 bytes;		/* of IP packets, a GSO packet as it is, fragments as if whole */
	__u64 first;		/* CLOCK_MONOTONIC, ns */
	__u64 last;		/* to a tick of the clock, up to 10 ms early */
	__u32 largest;		/* bytes; of a GSO packet its largest segment */
	__u32 syn;		/* TCP segments with the flag */
	__u32 fin;
	__u32 rst;
	__u32 repeated;		/* TCP segments that end where an earlier one did, or before */
	__u32 seq_end;		/* the highest end of a TCP segment so far */
	__u8 tcp_flags;		/* all that were seen, as in the header's 14th byte */
	__u8 pad;
	__u16 zone;		/* of the conntrack entry */
	__u32 status;		/* IPS_* of it */
	/*
	 * The conntrack entry is whole when both versions are the same and not 0: a
	 * writer takes it by counting the first one up, and ends with the second.
	 */
	__u32 ct_begun;
	__u32 ct_ended;
	__u64 ct;		/* address of the struct nf_conn */
	struct hs_count_tuple original;
	struct hs_count_tuple reply;
};

/* Indices of the per-CPU map of what the counter did, packets unless said. */
enum hs_tally {
	HS_TALLY_PACKETS = 0,		/* counted in an entry */
	HS_TALLY_BYTES = 1,		/* bytes of those */
	HS_TALLY_UNCOUNTED = 2,		/* IP packets that no entry was free for */
	HS_TALLY_UNCOUNTED_BYTES = 3,
	HS_TALLY_OTHER = 4,		/* neither IPv4 nor IPv6: no flow */
	HS_TALLY_MALFORMED = 5,		/* too short for their headers */
	HS_TALLY_ENCAPSULATED = 6,	/* of a tunnel, on an uplink: no flow of its own */
	HS_TALLY_LOST_FRAGMENT = 7,	/* counted without ports: first fragment not seen */
	HS_TALLY_CT_BUSY = 8,		/* conntrack entry left for a later packet */
	HS_TALLY_BEGUN = 9,		/* entries made */
	HS_TALLY_TROUBLE = 10,		/* TCP segments with RST, and repeated ones */
	HS_TALLY_MAX,
};

/* A first fragment's ports, for those that follow it. */
struct hs_fragment_key {
	__u32 src[4];
	__u32 dst[4];
	__u32 id;
	__u32 netns;
	__u32 ifindex;
	__u8 protocol;
	__u8 direction;
	__u8 family;
	__u8 pad;
};

struct hs_fragment {
	__u16 sport;
	__u16 dport;
	__u8 protocol;		/* after the extension headers of the first fragment */
	__u8 ports;
	__u16 pad;
};

/* Puts all types above into the object's BTF; see struct hs_wire. */
struct hs_count_wire {
	enum hs_count_direction direction;
	enum hs_count_ports ports;
	enum hs_tally tally;
	struct hs_count_key key;
	struct hs_count_tuple tuple;
	struct hs_count count;
};

_Static_assert(sizeof(struct hs_count_key) == 48, "hs_count_key");
_Static_assert(sizeof(struct hs_count_tuple) == 40, "hs_count_tuple");
_Static_assert(sizeof(struct hs_count) == 160, "hs_count");
_Static_assert(sizeof(struct hs_fragment_key) == 48, "hs_fragment_key");

#endif
