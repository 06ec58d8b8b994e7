/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what passes a hook of netfilter; Linux 6.4. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} passed SEC(".maps");

SEC("netfilter")
int count_passed(void *ctx)
{
	__u32 slot = 0;
	__u64 *value = bpf_map_lookup_elem(&passed, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 1; /* NF_ACCEPT */
}
