/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What most suites load: programs of the kinds that every
 * kernel since 5.8 has, one map of each kind. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

enum sample_colour { SAMPLE_RED = 1, SAMPLE_GREEN = -2 };

struct sample_inner {
	__u16 low;
	__u16 high;
};

struct sample_record {
	__u64 time;
	__u32 length;
	char name[16];
	__u8 raw[3][4];
	enum sample_colour colour;
	struct sample_inner inner[2];
	union {
		__u32 word;
		__s16 half;
	};
	__u32 flag : 3;
	__u32 rest : 29;
	void *where;
	_Bool truth;
};

const volatile __u32 wanted_mark = 7;
const volatile __s16 small_signed = -1;
const volatile __u64 wide = 1;
const volatile bool enabled = false;
const volatile struct sample_inner pair = { 1, 2 };

struct sample_record *unused_record __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u32);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u32);
} queue SEC(".maps");

static __always_inline void count(__u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &slot);

	if (value)
		__sync_fetch_and_add(value, 1);
}

SEC("tcx/ingress")
int on_tcx(struct __sk_buff *skb)
{
	count(1);
	return -1;
}

SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_receive, void *skb)
{
	count(2);
	return 0;
}

SEC("raw_tracepoint")
int on_raw(void *ctx)
{
	count(3);
	return 0;
}

SEC("tracepoint")
int on_tracepoint(void *ctx)
{
	count(4);
	return 0;
}

/* Left out unless it is asked for. */
SEC("?raw_tracepoint")
int on_request(void *ctx)
{
	count(5);
	return 0;
}

/* Reads the constants into the first counters, for a test to see. */
SEC("syscall")
int show_constants(void *ctx)
{
	__u64 values[] = { wanted_mark, (__u64)(__s64)small_signed, wide, enabled, pair.low, pair.high };

#pragma unroll
	for (__u32 i = 0; i < 6; i++) {
		__u32 key = i;

		bpf_map_update_elem(&counters, &key, &values[i], BPF_ANY);
	}
	return 0;
}
