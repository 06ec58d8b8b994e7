/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fills a ring buffer on demand, and from two processes at once. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PAYLOAD_MAX 4096

const volatile __u32 producers[2] = { 0, 0 };

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

struct payload {
	__u8 bytes[PAYLOAD_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct payload);
} payloads SEC(".maps");

/* For each producer: records submitted, records refused. */
struct tally {
	__u64 sent;
	__u64 lost;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct tally);
} tallies SEC(".maps");

struct request {
	__u32 count;
	__u32 size;
	__u32 first; /* sequence number of the first record */
	__u32 failed; /* out */
};

SEC("syscall")
int produce(struct request *request)
{
	__u32 key = 0, failed = 0;
	__u32 count = request->count, size = request->size, first = request->first;
	struct payload *payload = bpf_map_lookup_elem(&payloads, &key);

	if (!payload || size < 4 || size > PAYLOAD_MAX)
		return 1;
	for (__u32 i = 0; i < 256; i++) {
		if (i >= count)
			break;
		*(__u32 *)payload->bytes = first + i;
		if (bpf_ringbuf_output(&ring, payload, size, BPF_RB_NO_WAKEUP))
			failed++;
	}
	request->failed = failed;
	return 0;
}

SEC("syscall")
int discard(struct request *request)
{
	__u32 count = request->count, failed = 0;

	for (__u32 i = 0; i < 256; i++) {
		void *record;

		if (i >= count)
			break;
		record = bpf_ringbuf_reserve(&ring, 40, 0);
		if (record)
			bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
		else
			failed++;
	}
	request->failed = failed;
	return 0;
}

struct numbered {
	__u32 producer;
	__u32 sequence;
	__u8 rest[40];
};

SEC("raw_tracepoint/sys_enter")
int on_syscall(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct numbered *record;
	struct tally *tally;
	__u32 producer;

	if (pid == producers[0])
		producer = 0;
	else if (pid == producers[1])
		producer = 1;
	else
		return 0;
	tally = bpf_map_lookup_elem(&tallies, &producer);
	if (!tally)
		return 0;
	record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
	if (!record) {
		tally->lost++;
		return 0;
	}
	record->producer = producer;
	record->sequence = tally->sent++;
	__builtin_memset(record->rest, (__u8)record->sequence, sizeof(record->rest));
	bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
	return 0;
}
