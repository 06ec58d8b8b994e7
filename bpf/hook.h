/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One observation at a netfilter hook, however it came about. */
#ifndef HOPSCOPE_HOOK_H
#define HOPSCOPE_HOOK_H

#include "trail.h"

static __always_inline void observe_hook(struct sk_buff *skb, const struct nf_hook_state *state,
					 __s32 priority)
{
	const struct nf_hook_state *followed = untrusted(nf_hook_state, state);
	struct net_device *out = followed->out;
	struct observation o = {
		.skb = skb,
		.dev = out ? out : followed->in,
		.netns = netns_number(followed->net),
		.priority = priority,
		.start = skb->network_header,
		.network = skb->network_header,
		.stage = HS_STAGE_NETFILTER,
		.hook = state->hook,
	};

	if (is_observed(o.netns))
		observe(&o);
}

#endif
