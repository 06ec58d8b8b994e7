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
	__u32 closed;		/* no packet has a trail: drops alone are seen */
	__u32 reserved;
};

_Static_assert(sizeof(struct hs_tracing) == 24, "hs_tracing");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hs_tracing);
} tracing SEC(".maps");

static __always_inline int is_closed(void)
{
	__u32 zero = 0;
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);

	return !state || state->closed;
}

/*
 * After a trail was handed over at `now`. Two CPUs may close at once: either time is right,
 * since what is seen after it belongs to packets that are known to be cut.
 */
static __always_inline void close_if_full(__u64 now)
{
	__u32 zero = 0;
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);

	if (!state || !state->limit || state->closed ||
	    bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) < state->limit)
		return;
	state->shut_at = now;
	state->closed = 1;
}

#endif
