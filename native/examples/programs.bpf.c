/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the examples load, but for the netfilter program, which needs Linux 6.4. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define COMMAND_BYTES 16

struct sk_buff {
	unsigned int len;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} lengths SEC(".maps");

struct command {
	__u32 pid;
	char name[COMMAND_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} commands SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} dropped SEC(".maps");

static void count(void *map)
{
	__u32 slot = 0;
	__u64 *value = bpf_map_lookup_elem(map, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(count_packet, struct sk_buff *skb)
{
	count(&packets);
	return 0;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(send_length, struct sk_buff *skb)
{
	__u32 length = skb->len;

	bpf_ringbuf_output(&lengths, &length, sizeof(length), BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec)
{
	struct command command = {};

	command.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(command.name, sizeof(command.name));
	bpf_ringbuf_output(&commands, &command, sizeof(command), BPF_RB_NO_WAKEUP);
	return 0;
}

/* Drops every second packet that the device sends, and counts those. */
SEC("tcx/egress")
int drop_half(struct __sk_buff *skb)
{
	static __u32 seen;

	if (__sync_fetch_and_add(&seen, 1) % 2 == 0)
		return 0; /* TCX_PASS */
	count(&dropped);
	return 2; /* TCX_DROP */
}
