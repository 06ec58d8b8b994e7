/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What netfilter links see, seen from the functions that do the work: a packet
 * walks the priorities of a hook upwards. A function that is entered shows how far
 * it has come, and the packet is as it was at the last place of observation below,
 * since only such functions change it. So that place is reported, once, with the
 * priority that a link there would have reported.
 */
#ifndef HOPSCOPE_HOOK_FENTRY_H
#define HOPSCOPE_HOOK_FENTRY_H

#include "hook.h"

#define HOOKS 5		/* enum nf_inet_hooks up to NF_INET_POST_ROUTING */
#define PLACES 5
#define PRIORITY_LAST 0x7fffffff
/* include/uapi/linux/netfilter.h, netfilter_ipv4.h */
#define HOOKS_PASSED 1
#define NF_INET_PRE_ROUTING 0
#define NF_INET_LOCAL_OUT 3
#define NFPROTO_IPV4 2
#define NFPROTO_IPV6 10
#define NF_IP_PRI_NAT_DST (-100)

/* Upwards; what is not used is PRIORITY_LAST. Set at load. */
struct hook_places {
	__s32 priority[PLACES];
};

const volatile struct hook_places places[HOOKS] = {};

/* How far the packet on this CPU has come in its hook. */
struct walk {
	__u64 skb;
	__s32 place;
	__u32 hook;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} walks SEC(".maps");

static __always_inline int is_walked(const struct nf_hook_state *state)
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

static __always_inline void begin_walk(struct sk_buff *skb, const struct nf_hook_state *state)
{
	__u32 zero = 0, hook = state->hook;
	struct walk *walk;

	if (!is_walked(state) || hook >= HOOKS)
		return;
	walk = bpf_map_lookup_elem(&walks, &zero);
	if (!walk)
		return;
	walk->skb = (__u64)skb;
	walk->hook = hook;
	walk->place = places[hook].priority[0];
	observe_hook(skb, state, walk->place);
}

/*
 * The packet has come to `priority`. When another packet had this CPU meanwhile, as
 * happens where a process sends and is interrupted, a place may be reported twice.
 */
static __always_inline void walk_to(struct sk_buff *skb, const struct nf_hook_state *state,
				    __s32 priority)
{
	__u32 zero = 0, hook = state->hook;
	struct walk *walk;
	__s32 place, next;

	if (!is_walked(state) || hook >= HOOKS)
		return;
	walk = bpf_map_lookup_elem(&walks, &zero);
	if (!walk)
		return;
	place = places[hook].priority[0];
#pragma unroll
	for (int i = 1; i < PLACES; i++) {
		next = places[hook].priority[i];
		if (next < priority)
			place = next;
	}
	if (walk->skb == (__u64)skb && walk->hook == hook && walk->place >= place)
		return;
	walk->skb = (__u64)skb;
	walk->hook = hook;
	walk->place = place;
	observe_hook(skb, state, place);
}

/*
 * The packet is past the INPUT hook, whether its namespace has anything there or
 * not; nf_hook_slow runs only for namespaces that have.
 */
static __always_inline void walk_behind_input(struct sk_buff *skb, const struct net *net,
					      __u8 family)
{
	__s32 place = places[NF_INET_LOCAL_IN].priority[PLACES - 1];
	struct net_device *dev = skb->dev;
	__u32 zero = 0;
	struct walk *walk;
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
	walk = bpf_map_lookup_elem(&walks, &zero);
	if (!walk)
		return;
#pragma unroll
	for (int i = PLACES - 2; i > 0; i--)
		if (place == PRIORITY_LAST)
			place = places[NF_INET_LOCAL_IN].priority[i];
	if (walk->skb == (__u64)skb && walk->hook == NF_INET_LOCAL_IN && walk->place == place) {
		/* Once: what a tunnel carried may be delivered in the same buffer. */
		walk->skb = 0;
		return;
	}
	o.priority = place;
	observe(&o);
}

/*
 * The nat table is called from within nf_nat_inet_fn and has no priority of its own
 * (net/ipv4/netfilter/iptable_nat.c).
 */
static __always_inline void walk_to_table(const struct xt_table *table, struct sk_buff *skb,
					  const struct nf_hook_state *state)
{
	char name[4];

	bpf_core_read(name, sizeof(name), &table->name);
	if (name[0] == 'n' && name[1] == 'a' && name[2] == 't' && !name[3])
		return;
	walk_to(skb, state, BPF_CORE_READ(table, priority));
}

/* struct nft_base_chain holds the chain that it is (include/net/netfilter/nf_tables.h). */
static __always_inline __s32 base_chain_priority(const void *chain)
{
	const struct nft_base_chain *base =
		chain - bpf_core_field_offset(struct nft_base_chain, chain);

	return BPF_CORE_READ(base, ops.priority);
}

#endif
