/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets matched the filter. User space asks of a packet, and a packet may have
 * several trails: on other CPUs, of its copies, clones and fragments. So what matched
 * is remembered, by what no hop rewrites (see sample.h) and, until it is released, by
 * its buffer.
 */
#ifndef HOPSCOPE_MATCHED_H
#define HOPSCOPE_MATCHED_H

#include "filter.h"

/* Whether there is a filter at all. */
const volatile __u32 filtered = 0;

/* Packets remembered as matched; a newer one takes the place of an older one. */
#define MARKS 16384
#define MARKS_BITS 14
/* Buffers of which it is known that they matched, or are released; likewise. */
#define BUFFERS 16384
#define BUFFERS_BITS 14
/* How long: a copy seen later than that is another packet (src/join/branch.ts). */
#define MARK_NS 1000000000ULL

struct mark {
	__u64 what;
	__u64 time;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MARKS);
	__type(key, __u32);
	__type(value, struct mark);
} marks SEC(".maps");

enum buffer_state {
	BUFFER_RELEASED = 0,
	BUFFER_MATCHED = 1,		/* what it holds did */
	BUFFER_MATCHED_RELEASED = 2,	/* what it held did */
};

struct buffer {
	__u64 skb;
	__u64 time;
	__u32 state;		/* enum buffer_state */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BUFFERS);
	__type(key, __u32);
	__type(value, struct buffer);
} buffers SEC(".maps");

static __always_inline struct mark *mark_of(__u64 identity)
{
	__u32 index = (identity * 0x9e3779b97f4a7c15ULL) >> (64 - MARKS_BITS);

	return bpf_map_lookup_elem(&marks, &index);
}

static __always_inline void remember_packet(__u64 identity, __u64 now)
{
	struct mark *mark = identity ? mark_of(identity) : 0;

	if (!mark)
		return;
	if (mark->what != identity && mark->what && now - mark->time < MARK_NS)
		count(HS_COUNTER_MARKS_EVICTED, 1);
	mark->what = identity;
	mark->time = now;
}

static __always_inline int is_remembered(__u64 identity, __u64 now)
{
	struct mark *mark = identity ? mark_of(identity) : 0;

	return mark && mark->what == identity && now - mark->time < MARK_NS;
}

static __always_inline __u32 buffer_index(const void *skb)
{
	return hash_of(skb) >> (32 - BUFFERS_BITS);
}

static __always_inline void remember_buffer(__u32 index, __u64 skb, __u32 state, __u64 now)
{
	struct buffer *buffer = bpf_map_lookup_elem(&buffers, &index);

	if (!buffer)
		return;
	if (buffer->skb == skb) {
		if (buffer->state == BUFFER_MATCHED && state == BUFFER_RELEASED)
			state = BUFFER_MATCHED_RELEASED;
	} else if (buffer->state && now - buffer->time < MARK_NS) {
		/* That another one is released is worth less than that this one matched. */
		if (state == BUFFER_RELEASED)
			return;
		count(HS_COUNTER_MARKS_EVICTED, 1);
	}
	buffer->state = state;
	buffer->time = now;
	buffer->skb = skb;
}

/* Whether what a buffer holds is known to match, of which no more than that is known. */
static __noinline int is_match(struct sk_buff *skb)
{
	__u32 index = buffer_index(skb);
	struct buffer *buffer = bpf_map_lookup_elem(&buffers, &index);

	if (buffer && buffer->state && buffer->skb == (__u64)skb)
		return 1;
	return is_remembered(identity_of(skb->head + skb->network_header), bpf_ktime_get_ns());
}

#endif
