/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what a packet socket is shown, by packet type: packets and bytes. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct seen {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, struct seen);
} by_type SEC(".maps");

SEC("socket")
int on_packet(struct __sk_buff *skb)
{
	__u32 type = skb->pkt_type;
	struct seen *seen = bpf_map_lookup_elem(&by_type, &type);

	if (seen) {
		__sync_fetch_and_add(&seen->packets, 1);
		__sync_fetch_and_add(&seen->bytes, skb->len);
	}
	return 0;
}
