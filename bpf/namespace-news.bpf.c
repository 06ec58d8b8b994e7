// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts programs begun and processes made in a network namespace that user space does not
 * know, so that it looks for it. A process that leaves its namespace for a new one shows
 * nowhere else: it is not new itself, and /run/netns has no name for where it went. No
 * tracepoint says that a namespace was made, and fexit is not to be had on every machine.
 */
#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct nsproxy {
	struct net *net_ns;
};

struct task_struct___news {
	struct nsproxy *nsproxy;
};

#pragma clang attribute pop

/* By netns_number(), filled by user space; while it is full, what is not in it counts as news. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u8);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} news SEC(".maps");

static __always_inline int look_at(const void *task)
{
	const struct task_struct___news *process = task;
	__u32 zero = 0, netns = BPF_CORE_READ(process, nsproxy, net_ns, net_cookie);
	__u64 *count;

	/* A process on its way out is in none. */
	if (!netns || bpf_map_lookup_elem(&known, &netns))
		return 0;
	count = bpf_map_lookup_elem(&news, &zero);
	if (count)
		__sync_fetch_and_add(count, 1);
	return 0;
}

/* fs/exec.c: task, its pid before, the program */
SEC("tp_btf/sched_process_exec")
int news_of_program(__u64 *ctx)
{
	return look_at((const void *)ctx[0]);
}

/* kernel/fork.c: parent, child */
SEC("tp_btf/sched_process_fork")
int news_of_process(__u64 *ctx)
{
	return look_at((const void *)ctx[1]);
}
