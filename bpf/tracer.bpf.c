// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The tracer: one record for every packet. Entry points are thin; what they share
 * is in trail.h. Nothing here changes a packet, and every netfilter program accepts.
 */
#include "flush.h"
#include "hook-fentry.h"
#include "hook-link.h"
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Unix and netlink sockets share the skb tracepoints; they carry no protocol. */
static __always_inline int is_network(const struct sk_buff *skb)
{
	__u16 protocol = bpf_ntohs(skb->protocol);

	return protocol == ETH_P_IP || protocol == ETH_P_IPV6 || protocol == ETH_P_ARP ||
	       protocol == ETH_P_8021Q || protocol == ETH_P_8021AD;
}

static __always_inline int observe_device(struct sk_buff *skb, __u8 stage)
{
	struct net_device *dev = untrusted(sk_buff, skb)->dev;
	__u16 data = data_offset(skb);
	struct observation o = {
		.skb = skb,
		.dev = dev,
		.netns = netns_of(dev),
		.start = data,
		.stage = stage,
		.hook = NO_HOOK,
	};

	if (!is_observed(o.netns))
		return 0;
	if (stage == HS_STAGE_EGRESS) {
		o.network = skb->network_header;
	} else {
		/*
		 * The tracepoint of reception stands before the network header is noted
		 * (net/core/dev.c, __netif_receive_skb_core): a network card's frames that
		 * pass by receive offload have none, and data is where it will be. Data is
		 * after the link header, and len leaves that out.
		 */
		o.network = data;
		if (has_link_header(dev) && skb->mac_header != HEADER_UNSET)
			o.start = skb->mac_header;
	}
	if (o.network < o.start)
		o.network = o.start;
	observe(&o);
	return 0;
}

/* net/core/dev.c, __dev_queue_xmit: the frame as the device is given it. */
SEC("tp_btf/net_dev_queue")
int BPF_PROG(on_egress, struct sk_buff *skb)
{
	return observe_device(skb, HS_STAGE_EGRESS);
}

/* net/core/dev.c, __netif_receive_skb_core: the frame as the device gives it. */
SEC("tp_btf/netif_receive_skb")
int BPF_PROG(on_ingress, struct sk_buff *skb)
{
	return observe_device(skb, HS_STAGE_INGRESS);
}

/*
 * net/core/skbuff.c, kfree_skb. The device may be gone already or its field be
 * used for something else, so the routing decision's device stands in.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(on_drop, struct sk_buff *skb, void *location, int reason)
{
	struct net_device *dev = untrusted(sk_buff, skb)->dev;
	struct dst_entry *dst;
	struct observation o = {
		.skb = skb,
		.location = (__u64)location,
		.reason = reason,
		.start = skb->network_header,
		.network = skb->network_header,
		.stage = HS_STAGE_DROP,
		.hook = NO_HOOK,
		.end = HS_END_DROP,
	};

	if (!is_network(skb))
		return 0;
	if (dev) {
		o.netns = netns_of(dev);
		o.dev = dev;
	}
	if (!o.netns) {
		o.dev = 0;
		dst = (struct dst_entry *)(skb->_skb_refdst & DST_PTR_MASK);
		if (dst)
			o.netns = BPF_CORE_READ(dst, dev, nd_net.net, net_cookie);
	}
	/* In a socket's queue it has neither any more. */
	if (!o.netns && skb->sk)
		o.netns = BPF_CORE_READ(skb, sk, __sk_common.skc_net.net, net_cookie);
	if (o.netns ? is_observed(o.netns) : !only_observed && !sees_nothing())
		observe(&o);
	return 0;
}

/* net/core/skbuff.c, consume_skb: the end of a life that is not a drop. */
SEC("tp_btf/consume_skb")
int BPF_PROG(on_consume, struct sk_buff *skb)
{
	if (!sees_nothing())
		end_trail(skb, HS_END_FREE);
	return 0;
}

/* Whether the packet that a socket takes is one of those that are traced. */
static __always_inline int is_delivery_wanted(struct sk_buff *skb)
{
	__u32 sees = what_is_seen();

	if (sees == HS_SEES_DROPS || (sees == HS_SEES_NEW_FLOWS && !is_kept(skb)))
		return 0;
	return !is_left_out(skb) && (!filtered || is_match(skb));
}

static __always_inline int emit_deliver(const struct sk_buff *skb, const struct sock *sk,
					__u32 netns, int is_read)
{
	struct hs_deliver *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

	if (!record) {
		count(HS_COUNTER_LOST_EVENT, 1);
		return 0;
	}
	fill_header(&record->header, skb, HS_RECORD_DELIVER, sizeof(*record));
	record->sock = (__u64)sk;
	record->head = (__u64)skb->head;
	record->netns = netns;
	if (is_read)
		fill_actor(&record->reader);
	else
		__builtin_memset(&record->reader, 0, sizeof(record->reader));
	bpf_ringbuf_submit(record, SUBMIT_FLAGS);
	return 0;
}

/* net/ipv4/tcp_input.c, tcp_rcv_established: a segment reaches its connection. */
SEC("tp_btf/tcp_probe")
int BPF_PROG(on_tcp_segment, struct sock *sk, struct sk_buff *skb)
{
	__u32 netns = netns_number(sk->__sk_common.skc_net.net);

	if (is_observed(netns) && !add_delivery(skb, (__u64)sk, netns) && is_delivery_wanted(skb))
		emit_deliver(skb, sk, netns, 0);
	return 0;
}

/*
 * net/core/datagram.c, skb_copy_datagram_iter: a process reads it. What it does is
 * judged by its order among all that threads do, so it is a record of its own.
 */
SEC("tp_btf/skb_copy_datagram_iovec")
int BPF_PROG(on_read, struct sk_buff *skb)
{
	const struct sock *sk = skb->sk;
	__u32 netns = sk ? netns_number(sk->__sk_common.skc_net.net) : 0;
	int is_wanted;

	if (!is_network(skb) || (netns ? !is_observed(netns) : only_observed || sees_nothing()))
		return 0;
	/* Before its end, after which its buffer is known as released. */
	is_wanted = is_delivery_wanted(skb);
	end_trail(skb, HS_END_NONE);
	return is_wanted ? emit_deliver(skb, sk, netns, 1) : 0;
}

/*
 * net/ipv4/tcp_ipv4.c, tcp_v4_connect, and its like of IPv6: the one change of state
 * that only a process brings about, in its own time. The port is not chosen yet, so
 * the socket's address is what the SYN is known by.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_connect, const struct sock *sk, int before, int after)
{
	struct hs_connect *record;
	__u32 netns;

	if (after != TCP_SYN_SENT)
		return 0;
	netns = netns_number(sk->__sk_common.skc_net.net);
	if (!is_observed(netns))
		return 0;
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		count(HS_COUNTER_LOST_EVENT, 1);
		return 0;
	}
	fill_header(&record->header, 0, HS_RECORD_CONNECT, sizeof(*record));
	record->sock = (__u64)sk;
	record->netns = netns;
	fill_actor(&record->opener);
	bpf_ringbuf_submit(record, SUBMIT_FLAGS);
	return 0;
}

SEC("netfilter")
int nf_observe(struct bpf_nf_ctx *ctx)
{
	return observe_entered(ctx);
}

/*
 * The entry points of netfilter links; see hook-link.h. They stand just before and
 * just after the priorities at which a table may change or drop a packet: raw -300,
 * conntrack -200, mangle -150, destination NAT -100, filter 0, IPVS 98 and 99, source NAT 100
 * (include/uapi/linux/netfilter_ipv4.h).
 */
SEC("netfilter")
int nf_before_raw(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, -301 - priority_offset);
}

SEC("netfilter")
int nf_before_mangle(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, -151 - priority_offset);
}

SEC("netfilter")
int nf_before_dstnat(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, -101 - priority_offset);
}

SEC("netfilter")
int nf_after_dstnat(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, -99 + priority_offset);
}

SEC("netfilter")
int nf_before_filter(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, -1 - priority_offset);
}

SEC("netfilter")
int nf_after_filter(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, 1 + priority_offset);
}

SEC("netfilter")
int nf_before_srcnat(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, 97 - priority_offset);
}

SEC("netfilter")
int nf_after_srcnat(struct bpf_nf_ctx *ctx)
{
	return enter_hook(ctx, 101 + priority_offset);
}

/*
 * Kernels before 6.4 have no netfilter links (84601d6ee68a "bpf: add bpf_link
 * support for BPF_NETFILTER programs"). There, these stand in for them, loaded
 * only where the running kernel has the function; see hook-fentry.h.
 *
 * net/netfilter/core.c, nf_hook_slow: around all hooks of a namespace that has any.
 */
SEC("?fentry/nf_hook_slow")
int BPF_PROG(hook_begin, struct sk_buff *skb, struct nf_hook_state *state)
{
	begin_hook(skb, state);
	return 0;
}

SEC("?fexit/nf_hook_slow")
int BPF_PROG(hook_end, struct sk_buff *skb, struct nf_hook_state *state,
	     const struct nf_hook_entries *entries, unsigned int index, int ret)
{
	/* Any other answer means that the packet is not the caller's any more. */
	if (ret == HOOKS_PASSED)
		report_up_to(skb, state, PRIORITY_LAST);
	return 0;
}

/* net/ipv4/ip_input.c, ip_protocol_deliver_rcu: a packet is given to its protocol. */
SEC("?fentry/ip_protocol_deliver_rcu")
int BPF_PROG(hook_deliver, const struct net *net, struct sk_buff *skb)
{
	report_after_input(skb, net, NFPROTO_IPV4);
	return 0;
}

/*
 * net/ipv6/ip6_input.c, ip6_protocol_deliver_rcu: the same; again, with have_final,
 * for what it finds inside.
 */
SEC("?fentry/ip6_protocol_deliver_rcu")
int BPF_PROG(hook_deliver6, const struct net *net, struct sk_buff *skb, int protocol,
	     __u8 have_final)
{
	if (!have_final)
		report_after_input(skb, net, NFPROTO_IPV6);
	return 0;
}

/* net/ipv4/netfilter/ip_tables.c, ipt_do_table: before any iptables table. */
SEC("?fentry.module/ip_tables:ipt_do_table")
int BPF_PROG(hook_iptables, const struct xt_table *table, struct sk_buff *skb,
	     const struct nf_hook_state *state)
{
	report_up_to_table(table, skb, state);
	return 0;
}

/* net/ipv6/netfilter/ip6_tables.c, ip6t_do_table */
SEC("?fentry.module/ip6_tables:ip6t_do_table")
int BPF_PROG(hook_ip6tables, const struct xt_table *table, struct sk_buff *skb,
	     const struct nf_hook_state *state)
{
	report_up_to_table(table, skb, state);
	return 0;
}

/* net/netfilter/nf_tables_core.c, nft_do_chain: before each base chain of nftables. */
SEC("?fentry.module/nf_tables:nft_do_chain")
int BPF_PROG(hook_nftables, const struct nft_pktinfo *packet, const void *chain)
{
	report_up_to(packet->skb, packet->state, base_chain_priority(chain));
	return 0;
}

/* net/netfilter/nf_nat_core.c, nf_nat_inet_fn: packets of known connections too. */
SEC("?fentry.module/nf_nat:nf_nat_inet_fn")
int BPF_PROG(hook_nat, const void *private, struct sk_buff *skb, const struct nf_hook_state *state)
{
	report_up_to(skb, state, is_early(state) ? NF_IP_PRI_NAT_DST : NF_IP_PRI_NAT_SRC);
	return 0;
}

/* net/netfilter/ipvs/ip_vs_core.c, ip_vs_out_hook: the first that IPVS registers at a hook. */
SEC("?fentry.module/ip_vs:ip_vs_out_hook")
int BPF_PROG(hook_ipvs, const void *private, struct sk_buff *skb, const struct nf_hook_state *state)
{
	report_up_to(skb, state, is_early(state) ? NF_IP_PRI_NAT_DST + 2 : NF_IP_PRI_NAT_SRC - 2);
	return 0;
}

/*
 * net/netfilter/nf_conntrack_proto.c, ipv4_confirm and ipv6_confirm: after all
 * tables, a connection that lost a race for its tuple is dropped.
 */
SEC("?fentry.module/nf_conntrack:ipv4_confirm")
int BPF_PROG(hook_confirm, const void *private, struct sk_buff *skb,
	     const struct nf_hook_state *state)
{
	report_up_to(skb, state, PRIORITY_LAST);
	return 0;
}

SEC("?fentry.module/nf_conntrack:ipv6_confirm")
int BPF_PROG(hook_confirm6, const void *private, struct sk_buff *skb,
	     const struct nf_hook_state *state)
{
	report_up_to(skb, state, PRIORITY_LAST);
	return 0;
}
