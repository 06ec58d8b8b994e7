/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Netfilter links. A netfilter program does not know at which priority it was attached, so there
 * is one entry point for each. All of them go on to one program by a tail call: of eight that do
 * the whole work each takes the kernel's verifier as long as that one.
 */
#ifndef HOPSCOPE_HOOK_LINK_H
#define HOPSCOPE_HOOK_LINK_H

#include "hook.h"

#define ENTRIES 16
/* In their slab cache packets are 256 bytes apart. */
#define SKB_BITS 8

/* At which priority a packet has entered. */
struct hook_entry {
	__u64 skb;
	__s32 priority;
	__u32 pad;
};

/*
 * By a hash of the packet: what interrupts an entry point before the program it calls is of
 * another one, as a rule.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, struct hook_entry);
} hook_entries SEC(".maps");

/* Holds nf_observe, once it is loaded. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} hook_program SEC(".maps");

static __always_inline struct hook_entry *entry_of(const struct sk_buff *skb)
{
	__u32 index = ((__u64)skb >> SKB_BITS) & (ENTRIES - 1);

	return bpf_map_lookup_elem(&hook_entries, &index);
}

static __always_inline int enter_hook(struct bpf_nf_ctx *ctx, __s32 priority)
{
	struct sk_buff *skb = ctx->skb;
	struct hook_entry *entry = entry_of(skb);

	if (!entry)
		return NF_ACCEPT;
	entry->skb = (__u64)skb;
	entry->priority = priority;
	bpf_tail_call(ctx, &hook_program, 0);
	return NF_ACCEPT;
}

static __always_inline int observe_entered(struct bpf_nf_ctx *ctx)
{
	struct sk_buff *skb = ctx->skb;
	struct hook_entry *entry = entry_of(skb);

	if (!entry)
		return NF_ACCEPT;
	if (entry->skb == (__u64)skb)
		observe_hook(skb, ctx->state, entry->priority);
	else
		count(HS_COUNTER_LOST_NESTED, 1);
	return NF_ACCEPT;
}

#endif
