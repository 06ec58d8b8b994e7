/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring, the counters and what is set at load. */
#ifndef HOPSCOPE_MAPS_H
#define HOPSCOPE_MAPS_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "wire.h"

/*
 * No wake-up per record: user space polls. A wake-up costs more than all else
 * an observer does.
 */
#define SUBMIT_FLAGS BPF_RB_NO_WAKEUP

#define HEADER_UNSET 0xffff
#define NO_HOOK 0xff
#define NO_CT 0xff

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HS_COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* The namespaces to observe, by netns_number(), when only_observed is set. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} observed SEC(".maps");

/*
 * The generation of the object that sees, of those that are attached to the same places and
 * share this map: one write hands over, so that a packet is seen by either, never by both.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} seeing SEC(".maps");

const volatile __u32 generation = 0;

const volatile __u32 only_observed = 0;
/*
 * The daemon's own listening port and namespace: its traffic is left out. The port is
 * known only when the programs have been loaded, which takes as long as to listen on it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} own_port SEC(".maps");

const volatile __u32 has_own_port = 0;
const volatile __u32 own_netns = 0;

/*
 * The kernel allows one BPF program at a priority of a hook (EBUSY), so a second
 * observer keeps this far away from the first, on the outer side of each table.
 */
const volatile __s32 priority_offset = 0;

/* Never read: it carries the wire types into the object's BTF. */
const volatile struct hs_wire *const wire_types = 0;

/* Atomic: an interrupt on this CPU may count in between. */
static __always_inline void count(__u32 counter, __u64 amount)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, amount);
}

static __always_inline int sees_nothing(void)
{
	__u32 zero = 0, *sees = bpf_map_lookup_elem(&seeing, &zero);

	return !sees || *sees != generation;
}

static __always_inline int is_observed(__u32 netns)
{
	if (sees_nothing())
		return 0;
	return !only_observed || bpf_map_lookup_elem(&observed, &netns);
}

static __always_inline void fill_header(struct hs_header *header, const void *skb, __u16 type,
					__u16 size)
{
	header->type = type;
	header->size = size;
	header->cpu = bpf_get_smp_processor_id();
	header->time = bpf_ktime_get_ns();
	header->skb = (__u64)skb;
}

static __always_inline void fill_actor(struct hs_actor *actor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();

	actor->process = id >> 32;
	actor->thread = id;
	actor->sleeps = BPF_CORE_READ(task, nvcsw);
}

/*
 * A number that differs from object to object. A pointer to a kernel object may
 * not be shifted or multiplied; the difference of two pointers is a number and may
 * (kernel/bpf/verifier.c, adjust_reg_min_max_vals).
 */
static __always_inline __u32 hash_of(const void *object)
{
	__u64 distance = (__u64)object - (__u64)&only_observed;

	return (__u32)(distance >> 6) * 2654435761u;
}

#endif
