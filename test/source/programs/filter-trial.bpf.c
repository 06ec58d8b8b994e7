// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Asks bpf/filter.h of packets that user space writes down. */
#include "filter.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct trial {
	struct filter_bytes seen;
	__u64 examined;
	__u64 identity;
	__u32 wire;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trial);
} trials SEC(".maps");

static __always_inline struct trial *the_trial(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&trials, &zero);
}

/* The program for bare packets alone. */
SEC("raw_tp")
int try_raw(void *ctx)
{
	struct trial *trial = the_trial();

	return trial ? filter_raw(&trial->seen, 0, trial->seen.snapshot.length, trial->wire) : 2;
}

/* All of it, and what the packet is known by; see sample.h for the other way. */
SEC("raw_tp")
int try_examine(void *ctx)
{
	struct trial *trial = the_trial();
	__u32 at;

	if (!trial)
		return 2;
	trial->examined = examine(&trial->seen, trial->wire);
	at = trial->seen.snapshot.l3_offset;
	trial->identity = at <= 32 ? identity_of(trial->seen.bytes + at) : 0;
	return !!(trial->examined & EXAMINED_MATCHED);
}
