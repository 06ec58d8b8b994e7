// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The counter: exact packets and bytes of every flow, at devices' tcx hooks (Linux
 * 6.6, commit e420bed02507). TCX_NEXT hands a packet on to whoever is next, unchanged.
 */
#define READS_IN_PLACE
#include "counter.h"
#include "kernel-words.h"
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define TCX_NEXT -1
#define NFCT_INFO_MASK 7UL
#define IPS_TEMPLATE (1 << 11)

/* Linux 6.2, commit fd264ca02094: wherever there is tcx. */
extern void *bpf_cast_to_kern_ctx(void *) __ksym;

/*
 * Takes the connection's two tuples over where they are not known, or another entry
 * has come in its place. A SYN may begin a connection whose entry lies where that of
 * an earlier one did.
 */
static __always_inline void note_conntrack(struct counted *c, struct hs_count *count,
					   unsigned long nfct)
{
	struct nf_conn *ct = (struct nf_conn *)(nfct & ~NFCT_INFO_MASK);
	int begins = (c->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	__u32 version, status;

	if (!ct || (count->ct == (__u64)ct && !begins))
		return;
	/* The size check keeps the byte-for-byte copy of a tuple honest. */
	if (!bpf_core_type_exists(struct nf_conn) ||
	    bpf_core_type_size(struct nf_conntrack_tuple) != sizeof(struct hs_count_tuple))
		return;
	status = BPF_CORE_READ(ct, status);
	if (status & IPS_TEMPLATE)
		return;
	version = count->ct_ended;
	if (__sync_val_compare_and_swap(&count->ct_begun, version, version + 1) != version) {
		tally(c, HS_TALLY_CT_BUSY, 1);
		return;
	}
	count->status = status;
	/* CONFIG_NF_CONNTRACK_ZONES may be off */
	if (bpf_core_field_exists(ct->zone))
		count->zone = BPF_CORE_READ(ct, zone.id);
	bpf_core_read(&count->original, sizeof(count->original), &ct->tuplehash[0].tuple);
	bpf_core_read(&count->reply, sizeof(count->reply), &ct->tuplehash[1].tuple);
	count->ct = (__u64)ct;
	__sync_fetch_and_add(&count->ct_ended, 1);
}

/*
 * Whether a packet is a tunnel's, seen at once: on an uplink most are, and what read_packet
 * would find out of them is not needed. False says nothing.
 */
static __always_inline int is_plainly_tunnelled(const struct __sk_buff *skb, __u32 link)
{
	const struct ipv4_header *ip = (void *)(long)skb->data + (link & IN_PLACE_MASK);
	const __be16 *ports = (const void *)(ip + 1);

	if (skb->protocol != bpf_htons(ETH_P_IP) || link > IN_PLACE_MASK ||
	    (const void *)(ports + 2) > (void *)(long)skb->data_end || ip->version_ihl != 0x45)
		return 0;
	if (ip->protocol == IPPROTO_IPIP)
		return 1;
	if (ip->protocol != IPPROTO_UDP ||
	    ip->fragment & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS))
		return 0;
	return is_tunnel_port(bpf_ntohs(ports[1]));
}

static __always_inline int count_at(struct __sk_buff *skb, int is_uplink)
{
	struct hs_count *count;
	struct sk_buff *kernel_skb = bpf_cast_to_kern_ctx(skb);
	__u32 link = kernel_skb->network_header - kernel_skb->mac_header;
	struct counted c;
	__u32 zero = 0;
	struct hs_tallies *sums;

	if (has_ended())
		return TCX_NEXT;
	sums = bpf_map_lookup_elem(&tallies, &zero);
	if (!sums)
		return TCX_NEXT;
	if (is_uplink && is_plainly_tunnelled(skb, link)) {
		sums->value[HS_TALLY_ENCAPSULATED]++;
		return TCX_NEXT;
	}
	__builtin_memset(&c, 0, sizeof(c));
	c.tallies = sums;
	c.key.netns = netns_number(untrusted(sk_buff, kernel_skb)->dev->nd_net.net);
	c.key.ifindex = skb->ifindex;
	c.key.direction = BPF_CORE_READ_BITFIELD(kernel_skb, tc_at_ingress) ? HS_COUNT_IN :
									      HS_COUNT_OUT;
	/* data is at the link header here, in both directions (net/core/dev.c, tcx_run). */
	c.link = link;
	c.length = skb->len - link;
	if (!read_packet(skb, &c, is_uplink))
		return TCX_NEXT;
	count = add_packet(skb, &c);
	if (count)
		note_conntrack(&c, count, kernel_skb->_nfct);
	return TCX_NEXT;
}

/* One program for both directions: each takes the kernel's verifier a tenth of a second. */
SEC("tcx/ingress")
int count_pod(struct __sk_buff *skb)
{
	return count_at(skb, 0);
}

SEC("tcx/ingress")
int count_uplink(struct __sk_buff *skb)
{
	return count_at(skb, 1);
}
