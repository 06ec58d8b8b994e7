/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs on kernel functions, in the kernel proper and in a module. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void add(__u32 slot, __u64 amount)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &slot);

	if (value)
		__sync_fetch_and_add(value, amount);
}

/* net/ipv4/ip_input.c: each IPv4 packet for this machine. */
SEC("?fentry/ip_local_deliver")
int BPF_PROG(on_entry, void *skb)
{
	add(0, 1);
	return 0;
}

/* Its return value is 0 for what was taken. */
SEC("?fexit/ip_local_deliver")
int BPF_PROG(on_exit, void *skb, int ret)
{
	add(1, ret == 0);
	return 0;
}

/* drivers/net/dummy.c: each packet that a dummy device is given. */
SEC("?fentry.module/dummy:dummy_xmit")
int BPF_PROG(on_module_entry, void *skb, void *dev)
{
	add(2, 1);
	return 0;
}

SEC("?fexit.module/dummy:dummy_xmit")
int BPF_PROG(on_module_exit, void *skb, void *dev, int ret)
{
	add(3, ret == 0);
	return 0;
}

SEC("?fentry.module/dummy:no_such_function")
int BPF_PROG(on_nothing, void *skb)
{
	return 0;
}
