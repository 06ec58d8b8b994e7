/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What netfilter links see, seen from the functions that do the work: a packet goes
 * through the priorities of a hook in ascending order. A function that is entered
 * shows how far it has come, and the packet is as it was at the last observed priority
 * below, since only such functions change it. So that priority is reported, once, as
 * a link there would have reported it.
 */
#ifndef HOPSCOPE_HOOK_FENTRY_H
#define HOPSCOPE_HOOK_FENTRY_H

#include "hook.h"

#define HOOKS 5		/* enum nf_inet_hooks up to NF_INET_POST_ROUTING */
#define OBSERVED_PRIORITIES 5
#define PRIORITY_LAST 0x7fffffff
/* include/uapi/linux/netfilter.h, netfilter_ipv4.h */
#define HOOKS_PASSED 1
#define NF_INET_PRE_ROUTING 0
#define NF_INET_LOCAL_OUT 3
#define NFPROTO_IPV4 2
#define NFPROTO_IPV6 10
#define NF_IP_PRI_NAT_DST (-100)

/* Ascending; what is not used is PRIORITY_LAST. Set at load. */
struct hook_priorities {
	__s32 priority[OBSERVED_PRIORITIES];
};

const volatile struct hook_priorities observed_priorities[HOOKS] = {};

/* How far the packet on this CPU has come in its hook: the priority reported last. */
struct hook_progress {
	__u64 skb;
	__s32 reported;
	__u32 hook;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hook_progress);
} hook_progress SEC(".maps");

static __always_inline int is_hook_observed(const struct nf_hook_state *state)
{
	__u8 family = state->pf;

	return state->hook < HOOKS && (family == NFPROTO_IPV4 || family == NFPROTO_IPV6) &&
	       is_observed(netns_number(state->net));
}

/* Whether destination NAT is what this hook does, and not source NAT. */
static __always_inline int is_early(const struct nf_hook_state *state)
{
	return state->hook == NF_INET_PRE_ROUTING || state->hook == NF_INET_LOCAL_OUT;
}

static __always_inline void begin_hook(struct sk_buff *skb, const struct nf_hook_state *state)
{
	__u32 zero = 0, hook = state->hook;
	struct hook_progress *progress;

	if (!is_hook_observed(state) || hook >= HOOKS)
		return;
	progress = bpf_map_lookup_elem(&hook_progress, &zero);
	if (!progress)
		return;
	progress->skb = (__u64)skb;
	progress->hook = hook;
	progress->reported = observed_priorities[hook].priority[0];
	observe_hook(skb, state, progress->reported);
}

/*
 * The packet has come to `reached`. When another packet had this CPU meanwhile, as
 * happens where a process sends and is interrupted, a priority may be reported twice.
 */
static __always_inline void report_up_to(struct sk_buff *skb, const struct nf_hook_state *state,
					 __s32 reached)
{
	__u32 zero = 0, hook = state->hook;
	struct hook_progress *progress;
	__s32 priority, next;

	if (!is_hook_observed(state) || hook >= HOOKS)
		return;
	progress = bpf_map_lookup_elem(&hook_progress, &zero);
	if (!progress)
		return;
	priority = observed_priorities[hook].priority[0];
#pragma unroll
	for (int i = 1; i < OBSERVED_PRIORITIES; i++) {
		next = observed_priorities[hook].priority[i];
		if (next < reached)
			priority = next;
	}
	if (progress->skb == (__u64)skb && progress->hook == hook && progress->reported >= priority)
		return;
	progress->skb = (__u64)skb;
	progress->hook = hook;
	progress->reported = priority;
	observe_hook(skb, state, priority);
}

/*
 * The packet is past the INPUT hook, whether its namespace has anything there or
 * not; nf_hook_slow runs only for namespaces that have.
 */
static __always_inline void report_after_input(struct sk_buff *skb, const struct net *net,
					       __u8 family)
{
	__s32 priority = observed_priorities[NF_INET_LOCAL_IN].priority[OBSERVED_PRIORITIES - 1];
	struct net_device *dev = skb->dev;
	__u32 zero = 0;
	struct hook_progress *progress;
	struct observation o = {
		.skb = skb,
		.dev = dev,
		.netns = netns_number(net),
		.start = skb->network_header,
		.network = skb->network_header,
		.stage = HS_STAGE_NETFILTER,
		.hook = NF_INET_LOCAL_IN,
	};

	if (!is_observed(o.netns))
		return;
	progress = bpf_map_lookup_elem(&hook_progress, &zero);
	if (!progress)
		return;
#pragma unroll
	for (int i = OBSERVED_PRIORITIES - 2; i > 0; i--)
		if (priority == PRIORITY_LAST)
			priority = observed_priorities[NF_INET_LOCAL_IN].priority[i];
	if (progress->skb == (__u64)skb && progress->hook == NF_INET_LOCAL_IN &&
	    progress->reported == priority) {
		/* Once: what a tunnel carried may be delivered in the same buffer. */
		progress->skb = 0;
		return;
	}
	o.priority = priority;
	observe(&o);
}

/*
 * The nat table is called from within nf_nat_inet_fn and has no priority of its own
 * (net/ipv4/netfilter/iptable_nat.c).
 */
static __always_inline void report_up_to_table(const struct xt_table *table, struct sk_buff *skb,
					       const struct nf_hook_state *state)
{
	char name[4];

	bpf_core_read(name, sizeof(name), &table->name);
	if (name[0] == 'n' && name[1] == 'a' && name[2] == 't' && !name[3])
		return;
	report_up_to(skb, state, BPF_CORE_READ(table, priority));
}

/* struct nft_base_chain holds the chain that it is (include/net/netfilter/nf_tables.h). */
static __always_inline __s32 base_chain_priority(const void *chain)
{
	const struct nft_base_chain *base =
		chain - bpf_core_field_offset(struct nft_base_chain, chain);

	return BPF_CORE_READ(base, ops.priority);
}

#endif
