/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which trails the filter wants. One that has come to its end unmatched is left out; one
 * that was cut before goes to the ring, unless nothing that comes later can differ.
 */
#ifndef HOPSCOPE_WISH_H
#define HOPSCOPE_WISH_H

#include "matched.h"
#include "slot.h"

enum wish {
	WISH_NO,	/* nothing of the packet matches, and no more of it will come */
	WISH_YES,
	WISH_OPEN,	/* nothing matches so far */
};

/* include/uapi/linux/netfilter.h, netfilter_ipv4.h */
#define NF_INET_LOCAL_IN 1
#define NF_IP_PRI_NAT_SRC 100
#define PORT_ESP 4500
/* What a WireGuard data message begins with (drivers/net/wireguard/messages.h), on x86 and ARM. */
#define WIREGUARD_DATA 4
/* A link header with two tags. */
#define LINK_MOST (HS_LENGTH_LINK + 2 * VLAN_TAG)
/* How long a trail that has not matched yet waits in its slot for its end. */
#define HELD_NS 60000000ULL

_Static_assert(TRAIL_DATA - HOP_MOST + sizeof(struct hs_hop) + sizeof(struct filter_bytes) <=
		       TRAIL_DATA + FILTER_BEYOND,
	       "a filter may be shown what lies beyond a slot");

/*
 * Whose the newest outermost header is, by addresses and ports: segments have it as it
 * was at the last hop of the GSO packet they are cut from, and nothing else in common.
 */
static __always_inline __u64 stream_of(const struct slot *slot)
{
	const __u64 *words = slot->keys.words;
	__u64 key = (words[1] >> 32) ^ words[2] * 0x9e3779b97f4a7c15ULL;

	if ((words[0] & 0xf0) == 0x60)
		key ^= (words[3] * 0x9e3779b97f4a7c15ULL ^ words[4]) * 0x9e3779b97f4a7c15ULL +
		       (__u32)words[5];
	/* No protocol of an identity. */
	return key | 0xffULL << 56;
}

/* Whether a trail is wanted by the filter; is_over: its buffer has come to its end. */
__noinline int wish_for(struct slot *slot, __u32 is_over)
{
	__u64 now = bpf_ktime_get_ns();
	int wish = WISH_OPEN, is_known = 0, is_released = 0;
	struct buffer *buffer;
	__u32 index;

	if (!slot)
		return WISH_YES;
	index = slot->buffer;
	buffer = bpf_map_lookup_elem(&buffers, &index);
	if (buffer && buffer->skb == slot->skb) {
		/* It may have come to its end on another CPU. */
		is_released = buffer->state != BUFFER_MATCHED && buffer->time >= slot->last;
		is_known = is_released ? buffer->state == BUFFER_MATCHED_RELEASED :
					 buffer->state == BUFFER_MATCHED;
	}
	if (slot->matched || slot->is_part || is_known || is_remembered(slot->identity, now) ||
	    is_remembered(slot->stream, now))
		wish = WISH_YES;
	else if (is_over || is_released || slot->is_received)
		wish = WISH_NO;
	if (slot->matched && slot->is_gso)
		remember_packet(stream_of(slot), now);
	if (is_over)
		remember_buffer(index, slot->skb, BUFFER_RELEASED, now);
	return wish;
}

/* Whether a datagram may be decrypted, perhaps on another CPU: WireGuard's data, ESP. */
static __always_inline int may_be_encrypted(__u32 ports, __u32 payload)
{
	return payload == WIREGUARD_DATA || (__u16)ports == bpf_htons(PORT_ESP) ||
	       ports >> 16 == bpf_htons(PORT_ESP);
}

/*
 * Whether a hop is the last one that is seen of a packet: of many that are received
 * there the end is not seen (udp_recvmsg, tcp_rcv_state_process). What a tunnel carries
 * was asked already, unless it is encrypted; and what IPVS sends on from INPUT does not
 * come to its last place.
 */
static __always_inline int is_received(const struct slot *slot, const struct hs_hop *hop)
{
	const __u64 *words = slot->keys.words;
	__u8 protocol;

	if (hop->stage != HS_STAGE_NETFILTER || hop->hook != NF_INET_LOCAL_IN ||
	    hop->priority <= NF_IP_PRI_NAT_SRC)
		return 0;
	if ((words[0] & 0xf0) == 0x40) {
		protocol = words[1] >> 8;
		if (protocol == PROTO_UDP)
			return !may_be_encrypted(words[2] >> 32, words[3] >> 32);
	} else {
		protocol = words[0] >> 48;
		if (protocol == PROTO_UDP)
			return !may_be_encrypted(words[5], words[6]);
	}
	return protocol == PROTO_TCP || protocol == PROTO_ICMP || protocol == PROTO_ICMPV6;
}

/*
 * Asks the filter of the hop at `at` of the slot's data, if it has a snapshot. What is
 * longer than its device's MTU was reassembled or will be cut: it has other buffers.
 */
__noinline int ask_filter(struct slot *slot, __u32 at, __u32 mtu)
{
	const struct filter_bytes *seen;
	const struct hs_hop *hop;
	__u64 examined, now;

	if (!slot || at > TRAIL_DATA - HOP_MOST)
		return 0;
	hop = (const void *)(slot->data + at);
	seen = (const void *)(hop + 1);
	slot->is_received = is_received(slot, hop);
	if (!(hop->flags & HS_HOP_SNAPSHOT))
		return 0;
	if (seen->snapshot.gso_size)
		slot->is_gso = 1;
	else if (hop->len > mtu + LINK_MOST)
		slot->is_part = 1;
	if (slot->matched)
		return 0;
	examined = examine(seen, hop->len);
	slot->identity = examined & ~EXAMINED_BITS;
	if (!at)
		slot->stream = stream_of(slot);
	if (examined & EXAMINED_FRAGMENT)
		slot->is_part = 1;
	if (!(examined & EXAMINED_MATCHED))
		return 0;
	now = bpf_ktime_get_ns();
	slot->matched = 1;
	remember_packet(slot->identity, now);
	remember_buffer(slot->buffer, slot->skb, BUFFER_MATCHED, now);
	return 0;
}

#endif
