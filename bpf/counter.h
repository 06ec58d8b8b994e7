/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of flows, and adding a packet to it. */
#ifndef HOPSCOPE_COUNTER_H
#define HOPSCOPE_COUNTER_H

#include "counted-packet.h"

/*
 * Shared by all CPUs and added to atomically: a value for each CPU saves 4 of some 80 ns
 * a packet, and takes 160 bytes a CPU and entry. Not LRU, which evicts without a word;
 * insertion into a full table fails and is tallied.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__type(key, struct hs_count_key);
	__type(value, struct hs_count);
} counts SEC(".maps");

/*
 * Set at the end: nothing is counted from one moment on, on all devices, however long
 * the kernel takes to detach from them one by one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} ended SEC(".maps");

static __always_inline int has_ended(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&ended, &zero);

	return !on || *on;
}

/* Never read: it carries the wire types into the object's BTF. */
const volatile struct hs_count_wire *const count_wire_types = 0;

/* Races between CPUs over one flow are few; a loser tries again a few times. */
static __always_inline void raise_largest(struct hs_count *count, __u32 size)
{
	__u32 largest = count->largest;

	for (int i = 0; i < 4; i++) {
		__u32 found;

		if (size <= largest)
			return;
		found = __sync_val_compare_and_swap(&count->largest, largest, size);
		if (found == largest)
			return;
		largest = found;
	}
}

static __always_inline void count_tcp(struct hs_count *count, struct counted *c)
{
	__u8 flags = c->tcp_flags;

	/* Two CPUs may write at once; what must not get lost is counted below. */
	if (flags & ~count->tcp_flags)
		count->tcp_flags |= flags;
	if (flags & (TCP_SYN | TCP_FIN | TCP_RST)) {
		if (flags & TCP_SYN)
			__sync_fetch_and_add(&count->syn, 1);
		if (flags & TCP_FIN)
			__sync_fetch_and_add(&count->fin, 1);
		if (flags & TCP_RST) {
			__sync_fetch_and_add(&count->rst, 1);
			tally(c, HS_TALLY_TROUBLE, 1);
		}
		/* A new connection begins anywhere in the sequence space. */
		if (flags & TCP_SYN)
			count->seq_end = 0;
	}
	if (!c->has_payload)
		return;
	if (count->seq_end && (__s32)(c->seq_end - count->seq_end) <= 0) {
		__sync_fetch_and_add(&count->repeated, 1);
		tally(c, HS_TALLY_TROUBLE, 1);
	} else {
		count->seq_end = c->seq_end;
	}
}

static __always_inline struct hs_count *new_entry(const struct counted *c)
{
	__u64 now = bpf_ktime_get_ns();
	/* With a last time, or it would look like one that has been idle for long. */
	struct hs_count fresh = { .first = now, .last = now };

	/* Another CPU may have been faster: then this fails, and its entry is found. */
	bpf_map_update_elem(&counts, &c->key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&counts, &c->key);
}

/* Adds the packet to its flow's entry, which is returned: null when the table is full. */
static __always_inline struct hs_count *add_packet(struct __sk_buff *skb, struct counted *c)
{
	__u32 segment = skb->gso_size;
	__u32 size = segment && c->headers ? c->headers + segment : c->size;
	__u64 now;
	struct hs_count *count = bpf_map_lookup_elem(&counts, &c->key);

	if (!count) {
		count = new_entry(c);
		if (!count) {
			tally(c, HS_TALLY_UNCOUNTED, !c->is_rest);
			tally(c, HS_TALLY_UNCOUNTED_BYTES, c->bytes);
			return 0;
		}
		tally(c, HS_TALLY_BEGUN, 1);
	}
	__sync_fetch_and_add(&count->packets, !c->is_rest);
	__sync_fetch_and_add(&count->bytes, c->bytes);
	/* The last segment of a GSO packet is not longer than the others. */
	raise_largest(count, size < c->size ? size : c->size);
	if (c->key.protocol == IPPROTO_TCP && c->headers)
		count_tcp(count, c);
	/*
	 * The time of the last tick (Linux 5.11, commit d05512618056): a third of the cost
	 * of a packet less. It may be before that of the first packet.
	 */
	now = bpf_ktime_get_coarse_ns();
	if (now > count->last)
		count->last = now;
	tally(c, HS_TALLY_PACKETS, !c->is_rest);
	tally(c, HS_TALLY_BYTES, c->bytes);
	return count;
}

#endif
