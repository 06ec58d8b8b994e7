/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that user space runs: they have trails handed over that nothing ends. */
#ifndef HOPSCOPE_FLUSH_H
#define HOPSCOPE_FLUSH_H

#include "trail.h"

struct flushing {
	__u32 word;
	__u32 busy;
	__u32 is_last;
	__u32 pad;
};

/* One slot of the 64 that a word stands for; see bpf_loop. */
static long flush_slot(__u32 bit, struct flushing *flushing)
{
	__u32 zero = 0, word = flushing->word, index = word * 64 + bit;
	struct taken *bits = bpf_map_lookup_elem(&taken, &zero);
	struct slot *slot;
	__u64 now;

	if (!bits || word >= SLOT_WORDS || !(bits->words[word] & (1ULL << bit)))
		return 0;
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return 0;
	/* At work on this CPU: this run has interrupted it. */
	if (slot->busy) {
		flushing->busy++;
		return 0;
	}
	/* What interrupts this run on its CPU uses another slot meanwhile, see observe(). */
	slot->busy = 1;
	barrier();
	now = bpf_ktime_get_ns();
	/* User space has no use for it, and perhaps never will. */
	if (!filtered || flushing->is_last || now - slot->last >= HELD_NS ||
	    wish_for(slot, 0) != WISH_OPEN) {
		hand_over(slot, HS_END_NONE, now, flushing->is_last);
		mark_taken(index, 0);
	}
	barrier();
	slot->busy = 0;
	return 0;
}

static __always_inline int flush(__u32 is_last)
{
	struct flushing flushing = { .is_last = is_last };
	__u32 zero = 0;
	struct taken *bits = bpf_map_lookup_elem(&taken, &zero);

	if (!bits)
		return 0;
	/* Unrolled: 6.1 does not know the counter again after a call back. */
#pragma unroll
	for (__u32 word = 0; word < SLOT_WORDS; word++) {
		flushing.word = word;
		if (bits->words[word])
			bpf_loop(64, flush_slot, &flushing, 0);
	}
	return flushing.busy;
}

/*
 * Not attached: user space runs it on each CPU (BPF_PROG_RUN) so that no trail stays
 * in its slot. After a run that returns 0, all that began before is in the ring; else
 * so many slots were at work. With bpf_loop (Linux 5.17) the verifier looks at a slot once.
 */
SEC("raw_tp")
int flush_trails(void *ctx)
{
	return flush(0);
}

/* The same once nothing is attached any more: what does not match by now never will. */
SEC("raw_tp")
int finish_trails(void *ctx)
{
	return flush(1);
}

#endif
