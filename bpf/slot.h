/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where trails are collected: slots of a per-CPU array. */
#ifndef HOPSCOPE_SLOT_H
#define HOPSCOPE_SLOT_H

#include "observation.h"

#define NFCT_INFO_MASK 7UL
#define DST_PTR_MASK (~1UL)
#define TUPLE_SIZE 40
#define AF_INET 2

/* Packets under way on a CPU; a power of two, and the bits of it. */
#define SLOTS 512
#define SLOTS_BITS 9
#define SLOT_WORDS (SLOTS / 64)
/* Bytes of hops and blocks in a slot. */
#define TRAIL_DATA 3072
/* The most that one hop adds. */
#define HOP_MOST (sizeof(struct hs_hop) + 16 + sizeof(struct hs_snapshot) + HS_LENGTH_SNAPSHOT + 8 + \
		  sizeof(struct hs_conntrack6) + sizeof(struct hs_drop) + 8)
/* A filter may be shown what lies after the last bytes. */
#define FILTER_BEYOND 64
/*
 * A buffer not seen for this long has a trail of its own when it is seen again: its
 * address may be another packet's by now, and records are put in the order of their
 * first hops. Ten times what a packet takes from one place to the next here.
 */
#define TRAIL_GAP_NS 1000000ULL

/* struct nf_conntrack_tuple (include/net/netfilter/nf_conntrack_tuple.h), byte for byte */
struct raw_tuple {
	__u32 src[4];
	__u16 sport;
	__u16 l3num;
	__u32 dst[4];
	__u16 dport;
	__u8 protonum;
	__u8 dir;
};

struct slot {
	__u64 skb;
	__u64 head;
	__u64 dev;		/* the newest one known to user space */
	__u64 start_dev;	/* of the trail's first hop */
	__u64 last;
	__u64 ct;
	struct keys keys;
	__u32 ct_status;
	__u32 length;		/* from the network header on */
	__u32 vlan;
	__u16 used;
	__u8 busy;
	__u8 ct_info;
	__u8 has_link;
	__u8 matched;		/* with a filter: something of the trail does */
	__u8 is_part;		/* with a filter: fragments, or what is reassembled from them or fragmented into them */
	__u8 is_gso;		/* with a filter */
	__u8 is_received;	/* with a filter: past INPUT, its headers stay as they are */
	__u8 pad[3];
	__u32 start_place;	/* see place_of */
	__u32 buffer;		/* with a filter: its index in buffers */
	__u64 identity;		/* with a filter: of the packet at the newest snapshot */
	__u64 stream;		/* with a filter: stream_of() at the first snapshot */
	struct hs_trail trail;
	__u8 data[TRAIL_DATA];
	__u8 beyond[FILTER_BEYOND];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* Which slots hold a trail. */
struct taken {
	__u64 words[SLOT_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct taken);
} taken SEC(".maps");

#endif
