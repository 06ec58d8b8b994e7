/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between windows drops are seen, of busy flows nothing else, and each has a record of its own. A
 * flood that is dropped must fill neither the ring nor the daemon's time: of drops that
 * are alike so many are shown, and the others are counted.
 */
#ifndef HOPSCOPE_DROPS_H
#define HOPSCOPE_DROPS_H

#include "observation.h"
#include "tracing.h"

/* Drops are alike by the hash of where, why and whose they are. A power of two. */
#define DROP_KINDS 256
#define DROP_KINDS_BITS 8
#define DROP_PERIOD_NS 100000000ULL
/* In each period, on each CPU: of a kind always, at most, and of all kinds above the first. */
#define DROP_FIRST 2
#define DROP_MOST 8
#define DROP_TOTAL 128

struct drop_kinds {
	__u64 since;
	__u32 total;
	__u16 shown[DROP_KINDS];
	__u8 pad[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct drop_kinds);
} drops SEC(".maps");

static __always_inline __u32 kind_of_drop(const struct observation *o, const struct keys *keys,
					  int is_ipv6)
{
	const __u64 *words = keys->words;
	/* Addresses and ports. */
	__u64 flow = is_ipv6 ? words[1] ^ words[2] ^ words[3] ^ words[4] ^ (__u32)words[5] :
			       words[2] ^ (words[1] >> 32);
	__u64 mixed = (flow ^ o->location ^ ((__u64)o->netns << 8) ^ o->reason) *
		      0x9e3779b97f4a7c15ULL;

	return mixed >> (64 - DROP_KINDS_BITS);
}

/* Whether a drop between windows, of a packet without a trail, is one too many. */
static __always_inline int is_drop_left_out(const struct observation *o, const struct keys *keys,
					    int is_ipv6, __u64 now)
{
	struct drop_kinds *kinds;
	__u32 zero = 0, kind;

	kinds = bpf_map_lookup_elem(&drops, &zero);
	if (!kinds)
		return 0;
	if (now - kinds->since >= DROP_PERIOD_NS) {
		__builtin_memset(kinds->shown, 0, sizeof(kinds->shown));
		kinds->since = now;
		kinds->total = 0;
	}
	kind = kind_of_drop(o, keys, is_ipv6);
	if (kinds->shown[kind] >= DROP_FIRST) {
		if (kinds->shown[kind] >= DROP_MOST || kinds->total >= DROP_TOTAL)
			return 1;
		kinds->total++;
	}
	kinds->shown[kind]++;
	return 0;
}

#endif
