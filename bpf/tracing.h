/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether packets are traced now. User space opens and closes a window; the kernel closes
 * it by itself as soon as more waits in the ring than user space allowed, since user space
 * looks some milliseconds later, in which a saturated network fills megabytes.
 */
#ifndef HOPSCOPE_TRACING_H
#define HOPSCOPE_TRACING_H

#include "maps.h"

/* Written by user space as a whole; see src/source/tracing-gate.ts. */
struct hs_tracing {
	__u64 limit;		/* bytes that may wait in the ring; 0: all of it */
	__u64 shut_at;		/* CLOCK_MONOTONIC, when the kernel closed; 0: it did not */
	__u64 fair_from;	/* bytes in the ring from which on a flow has a share; 0: none has */
	__u64 opened_at;	/* distinguishes windows */
	__u32 share;		/* bytes of a flow's trails, on each CPU */
	__u32 sees;		/* enum hs_sees */
	__u64 flows_since;	/* CLOCK_MONOTONIC, since when flows are followed, see new-flow.h */
};

/* What is seen. Drops always are. */
enum hs_sees {
	HS_SEES_ALL = 0,
	HS_SEES_DROPS = 1,	/* and nothing else: no other packet has a trail */
	HS_SEES_NEW_FLOWS = 2,	/* and packets of flows that are new, see new-flow.h */
};

_Static_assert(sizeof(struct hs_tracing) == 48, "hs_tracing");

/* Flows are distinguished by a hash. A power of two. */
#define SHARES 64
#define SHARES_BITS 6

/* What flows have had of the window. */
struct shares {
	__u64 opened_at;
	__u32 bytes[SHARES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct shares);
} shares SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hs_tracing);
} tracing SEC(".maps");

static __always_inline __u32 what_is_seen(void)
{
	__u32 zero = 0;
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);

	return state ? state->sees : HS_SEES_DROPS;
}

/*
 * After a trail was handed over at `now`. Two CPUs may close at once: either time is right,
 * since what is seen after it belongs to packets that are known to be cut.
 */
static __always_inline void close_if_full(__u64 now)
{
	__u32 zero = 0;
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);

	if (!state || !state->limit || state->sees == HS_SEES_DROPS ||
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < state->limit)
		return;
	state->shut_at = now;
	state->sees = HS_SEES_DROPS;
}

/*
 * Whether a trail of `size` bytes is left out, because its flow (any number that is its own)
 * has had its share of a window: what a flood leaves is for the others.
 */
static __always_inline int is_past_share(__u64 flow, __u32 size)
{
	__u32 zero = 0, at = (flow * 0x9e3779b97f4a7c15ULL) >> (64 - SHARES_BITS);
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);
	struct shares *had;

	if (!state || !state->fair_from || state->sees == HS_SEES_DROPS)
		return 0;
	had = bpf_map_lookup_elem(&shares, &zero);
	if (!had || at >= SHARES)
		return 0;
	if (had->opened_at != state->opened_at) {
		__builtin_memset(had->bytes, 0, sizeof(had->bytes));
		had->opened_at = state->opened_at;
	}
	if (had->bytes[at] >= state->share &&
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= state->fair_from)
		return 1;
	had->bytes[at] += size;
	return 0;
}

#endif
