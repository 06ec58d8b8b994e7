/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Trails: what was observed of one buffer on one CPU, collected in a slot and
 * handed to the ring as one record when the packet ends, when another buffer needs
 * the slot, when the slot is full, or when user space asks (flush_trails).
 *
 * A slot is found by a hash of the buffer's address in an array, whose look-up the
 * JIT inlines: a hash map would cost each hop more than all else it does. The
 * address alone proves nothing: user space compares what no hop rewrites, at each
 * snapshot. A snapshot is taken where the headers are not the ones before; the hops
 * in between have the same headers, TTL and checksum aside.
 */
#ifndef HOPSCOPE_TRAIL_H
#define HOPSCOPE_TRAIL_H

#include "device.h"
#include "drops.h"
#include "headers.h"
#include "new-flow.h"
#include "trail-hop.h"

static __always_inline __u32 slot_index(const void *skb)
{
	return hash_of(skb) >> (32 - SLOTS_BITS);
}

static __always_inline void mark_taken(__u32 index, int is_taken)
{
	struct taken *bits;
	__u32 zero = 0, word;

	/* Or clang, which knows the hash's width, leaves out what the verifier of 6.1 asks for. */
	asm volatile("" : "+r"(index));
	word = (index / 64) & (SLOT_WORDS - 1);
	bits = bpf_map_lookup_elem(&taken, &zero);
	if (!bits)
		return;
	if (is_taken)
		__sync_fetch_and_or(&bits->words[word], 1ULL << (index & 63));
	else
		__sync_fetch_and_and(&bits->words[word], ~(1ULL << (index & 63)));
}

static __always_inline __u32 place_of(const struct observation *o)
{
	return (__u32)(__u16)o->priority << 16 | (__u32)o->hook << 8 | o->stage;
}

/* Whose the newest outermost header is: addresses, and ports where the protocol has them. */
static __always_inline __u64 flow_of(const struct slot *slot)
{
	const __u64 *words = slot->keys.words;
	int is_ipv6 = (words[0] & 0xf0) == 0x60;
	__u8 protocol = is_ipv6 ? words[0] >> 48 : words[1] >> 8;
	int has_ports = protocol == PROTO_TCP || protocol == PROTO_UDP;

	if (!is_ipv6)
		return (words[1] >> 32) ^ (has_ports ? words[2] : (__u32)words[2]);
	return words[1] ^ words[2] * 3 ^ words[3] * 5 ^ words[4] * 7 ^
	       (has_ports ? (__u32)words[5] : 0);
}

/*
 * Hands the trail to the ring, unless the filter leaves it out, and leaves the slot
 * empty. is_over: the packet will not be seen in this buffer again. A global function, so that
 * the verifier looks at it once in a program.
 */
__noinline int hand_over(struct slot *slot, __u8 end, __u64 end_time, int is_over)
{
	__u32 used, size;

	if (!slot)
		return 0;
	used = bounded(slot->used, TRAIL_DATA);
	if (used && filtered && wish_for(slot, is_over) == WISH_NO) {
		count(HS_COUNTER_FILTERED, slot->trail.hops);
	} else if (used && is_past_share(flow_of(slot), used)) {
		count(HS_COUNTER_PAST_SHARE, slot->trail.hops);
	} else if (used) {
		size = sizeof(slot->trail) + used;
		slot->trail.header.size = size;
		slot->trail.end = end;
		slot->trail.end_delta = end_time - slot->trail.header.time;
		if (bpf_ringbuf_output(&events, &slot->trail, size, SUBMIT_FLAGS)) {
			count(HS_COUNTER_LOST_RING, slot->trail.hops);
		} else {
			count(HS_COUNTER_PASSED, slot->trail.hops);
			count(HS_COUNTER_TRAILS, 1);
			count(HS_COUNTER_BYTES, size);
			close_if_full(end_time);
		}
	}
	slot->used = 0;
	slot->skb = 0;
	return 0;
}

static __always_inline void begin_trail(struct slot *slot, __u32 index, struct sk_buff *skb,
					__u64 now)
{
	struct hs_trail *trail = &slot->trail;

	slot->skb = (__u64)skb;
	slot->head = 0;
	slot->dev = 0;
	slot->ct = 0;
	slot->ct_info = NO_CT;
	slot->ct_status = 0;
	slot->has_link = 0;
	slot->used = 0;
	trail->header.type = HS_RECORD_TRAIL;
	trail->header.cpu = bpf_get_smp_processor_id();
	trail->header.time = now;
	trail->header.skb = (__u64)skb;
	trail->sock = (__u64)untrusted(sk_buff, skb)->sk;
	trail->hops = 0;
	trail->reserved = 0;
	if (filtered) {
		slot->matched = 0;
		slot->is_part = 0;
		slot->is_gso = 0;
		slot->identity = 0;
		slot->stream = 0;
		slot->buffer = buffer_index(skb);
	}
	mark_taken(index, 1);
}

/* A packet of a busy flow: what is in the slot was of another packet in the same buffer. */
static __always_inline void leave_out(struct slot *slot, __u32 index, const void *skb)
{
	count(HS_COUNTER_BUSY_FLOWS, 1);
	if (slot->skb != (__u64)skb)
		return;
	slot->busy = 1;
	barrier();
	hand_over(slot, HS_END_NONE, slot->last, 0);
	mark_taken(index, 0);
	barrier();
	slot->busy = 0;
}

static __always_inline void observe(const struct observation *o)
{
	struct sk_buff *skb = o->skb;
	__u16 protocol = bpf_ntohs(skb->protocol);
	__u16 offset = o->network - o->start;
	int is_plain = !offset || offset == HS_LENGTH_LINK;
	int is_ipv6 = is_plain && protocol == ETH_P_IPV6;
	int is_ipv4 = is_plain && protocol == ETH_P_IP;
	__u32 index = slot_index(skb), sees = what_is_seen();
	unsigned char *head = skb->head;
	struct keys keys = {};
	struct slot *slot;
	__u32 before;
	int is_new;
	__u64 now;
	__u8 ttl;

	if (!o->end && sees == HS_SEES_DROPS)
		return;
	/* That is most packets, so before all else. */
	if (sample_below && !o->end) {
		slot = bpf_map_lookup_elem(&slots, &index);
		if (slot && slot->skb != (__u64)skb && !is_chosen(head + o->network))
			return;
	}
	read_keys(&keys, head, o, is_ipv6);
	if (is_own(o, &keys, is_ipv6, is_ipv4)) {
		count(HS_COUNTER_OWN, 1);
		return;
	}
	slot = bpf_map_lookup_elem(&slots, &index);
	/* This has interrupted work on it: the next slot takes what is seen meanwhile. */
	if (slot && slot->busy) {
		index = (index + 1) & (SLOTS - 1);
		slot = bpf_map_lookup_elem(&slots, &index);
	}
	if (!slot)
		return;
	if (slot->busy) {
		count(HS_COUNTER_LOST_NESTED, 1);
		return;
	}
	ttl = take_ttl(&keys, is_ipv6, is_ipv4);
	if (sees == HS_SEES_NEW_FLOWS && !o->end &&
	    !is_of_new_flow(skb, &keys, head + o->network, is_ipv6, is_ipv4)) {
		leave_out(slot, index, skb);
		return;
	}
	if (follows_flows && sees == HS_SEES_ALL &&
	    (slot->skb != (__u64)skb || has_new_words(slot, &keys, is_ipv6)))
		begins_flow(&keys, head + o->network, is_ipv6, is_ipv4);
	slot->busy = 1;
	barrier();
	now = bpf_ktime_get_ns();
	if (o->end == HS_END_DROP && sees != HS_SEES_ALL)
		count(HS_COUNTER_DROPS, 1);
	if (o->end == HS_END_DROP && sees != HS_SEES_ALL && slot->skb != (__u64)skb &&
	    is_drop_left_out(o, &keys, is_ipv6, now)) {
		count(HS_COUNTER_LOST_DROP, 1);
		barrier();
		slot->busy = 0;
		return;
	}
	/*
	 * Back where the trail began it is another packet, which may be like the one before
	 * to the last byte: that was read by a process on another CPU meanwhile.
	 */
	is_new = slot->skb != (__u64)skb || now - slot->last > TRAIL_GAP_NS ||
		 (slot->start_dev == (__u64)o->dev && slot->start_place == place_of(o));
	/* What was received goes down into no device: this is another packet in its buffer. */
	if (filtered && slot->is_received && o->stage == HS_STAGE_EGRESS)
		is_new = 1;
	/* Later, or with other headers, it may be another packet in the same buffer. */
	if (sample_below && !o->end && slot->skb == (__u64)skb &&
	    (is_new || has_new_words(slot, &keys, is_ipv6)) && !is_chosen(head + o->network)) {
		hand_over(slot, HS_END_NONE, now, 0);
		mark_taken(index, 0);
		barrier();
		slot->busy = 0;
		return;
	}
	if (is_new || slot->used > TRAIL_DATA - HOP_MOST) {
		hand_over(slot, HS_END_NONE, now, 0);
		begin_trail(slot, index, skb, now);
		slot->start_dev = (__u64)o->dev;
		slot->start_place = place_of(o);
	}
	if (o->dev && slot->dev != (__u64)o->dev) {
		slot->dev = (__u64)o->dev;
		know_device(o->dev, o->netns, now);
	}
	before = slot->used;
	add_hop(slot, o, now, &keys, head, ttl, is_ipv6);
	if (filtered)
		ask_filter(slot, before, o->dev ? o->dev->mtu : ~0U - LINK_MOST);
	if (o->end) {
		if (sees == HS_SEES_NEW_FLOWS)
			release(skb);
		hand_over(slot, o->end, now, 1);
		mark_taken(index, 0);
	}
	barrier();
	slot->busy = 0;
}

/* A socket took the packet: the trail's last hop. False when its trail is elsewhere. */
static __always_inline int add_delivery(const void *skb, __u64 sock, __u32 netns)
{
	__u32 index = slot_index(skb);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct hs_hop *hop;
	__u32 used;
	__u64 now;

	if (!slot || slot->busy || slot->skb != (__u64)skb)
		return 0;
	used = bounded(slot->used, TRAIL_DATA - HOP_MOST);
	slot->busy = 1;
	barrier();
	now = bpf_ktime_get_ns();
	hop = (void *)(slot->data + used);
	__builtin_memset(hop, 0, sizeof(*hop));
	hop->delta = now - slot->trail.header.time;
	hop->netns = netns;
	hop->flags = HS_HOP_DELIVER;
	hop->stage = HS_STAGE_DELIVER;
	hop->hook = NO_HOOK;
	hop->ct_info = NO_CT;
	*(__u64 *)(slot->data + used + sizeof(*hop)) = sock;
	slot->used = used + sizeof(*hop) + sizeof(sock);
	slot->trail.hops += 1;
	hand_over(slot, HS_END_DELIVER, now, 1);
	mark_taken(index, 0);
	barrier();
	slot->busy = 0;
	return 1;
}

/* The buffer's life is over, or a socket has it: no hop follows. */
static __always_inline void end_trail(const void *skb, __u8 end)
{
	__u32 index = slot_index(skb);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);

	if (what_is_seen() == HS_SEES_NEW_FLOWS)
		release(skb);
	/* On another CPU its trail is handed over with the next flush. */
	if (!slot || slot->busy || slot->skb != (__u64)skb) {
		if (filtered)
			remember_buffer(buffer_index(skb), (__u64)skb, BUFFER_RELEASED,
					bpf_ktime_get_ns());
		return;
	}
	slot->busy = 1;
	barrier();
	hand_over(slot, end, bpf_ktime_get_ns(), 1);
	mark_taken(index, 0);
	barrier();
	slot->busy = 0;
}

#endif
