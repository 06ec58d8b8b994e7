/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets are traced when it is not all: those whose hash of what no hop
 * rewrites lies below a limit, so that every hop and every node choose the same.
 *
 * Addresses, ports and ICMP ids are translated, TTLs and checksums change, lengths
 * change where a packet is fragmented. What stays is the IP id, which fragments share
 * too, and in a tunnel that of the inner packet; for TCP the sequence number besides.
 * Where there is no id (IPv6, and IPv4 that is never fragmented), it is the first
 * bytes of the transport header after the ports, or of the payload of UDP.
 */
#ifndef HOPSCOPE_SAMPLE_H
#define HOPSCOPE_SAMPLE_H

#include "maps.h"

/* Chosen is whose hash is below; 0: every packet. User space sets 2^32 / N. */
const volatile __u32 sample_below = 0;

/* Packets within packets that are looked into. */
#define SAMPLE_DEPTH 3
#define IP4_OFFSET_MASK 0x1fff
#define PROTO_ICMP 1
#define PROTO_IPIP 4
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_IPV6 41
#define PROTO_GRE 47
#define PROTO_ICMPV6 58
#define PORT_VXLAN 4789
#define PORT_VXLAN_LINUX 8472
#define PORT_GENEVE 6081
#define ETH_P_TEB 0x6558
#define ETH_LENGTH 14
#define GRE_CHECKSUM 0x8000
#define GRE_KEY 0x2000
#define GRE_SEQUENCE 0x1000

/* The first bytes of an IP header, and of what it carries, in network order. */
struct sample_ip4 {
	__u8 version_length;
	__u8 tos;
	__u16 length;
	__u16 id;
	__u16 offset;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
};

struct sample_transport {
	__u16 word[8];
};

/* Bytes from a transport header to the IP header inside; 0: there is none. */
static __always_inline __u32 inner_offset(__u8 protocol, const struct sample_transport *t)
{
	__u32 length;
	__u16 port, flags;

	switch (protocol) {
	case PROTO_UDP:
		port = bpf_ntohs(t->word[1]);
		if (port == PORT_VXLAN || port == PORT_VXLAN_LINUX)
			return 16 + ETH_LENGTH;
		if (port != PORT_GENEVE)
			return 0;
		/* RFC 8926: options in words of 4 bytes */
		length = 16 + ((bpf_ntohs(t->word[4]) >> 8) & 0x3f) * 4;
		return bpf_ntohs(t->word[5]) == ETH_P_TEB ? length + ETH_LENGTH : length;
	case PROTO_GRE:
		/* RFC 2784, RFC 2890 */
		flags = bpf_ntohs(t->word[0]);
		length = 4 + (flags & GRE_CHECKSUM ? 4 : 0) + (flags & GRE_KEY ? 4 : 0) +
			 (flags & GRE_SEQUENCE ? 4 : 0);
		return bpf_ntohs(t->word[1]) == ETH_P_TEB ? length + ETH_LENGTH : length;
	default:
		return 0;
	}
}

/* What distinguishes a packet without an id: ICMP's sequence, UDP's payload. */
static __always_inline __u32 without_id(__u8 protocol, const struct sample_transport *t)
{
	if (protocol == PROTO_ICMP || protocol == PROTO_ICMPV6)
		return t->word[3];
	if (protocol == PROTO_UDP && bpf_ntohs(t->word[2]) < sizeof(*t))
		/* What lies after so little payload is not the packet's. */
		return t->word[2];
	if (protocol == PROTO_UDP)
		return ((__u32)t->word[4] << 16 | t->word[5]) ^ ((__u32)t->word[7] << 16 | t->word[6]);
	return 0;
}

/* What distinguishes the packet from others of its protocol and IP id. */
static __always_inline __u32 transport_identity(__u8 protocol, __u16 id,
						const struct sample_transport *t)
{
	if (protocol == PROTO_TCP)
		return (__u32)t->word[2] << 16 | t->word[3];
	return id ? 0 : without_id(protocol, t);
}

/*
 * What no hop rewrites of the packet with its network header at `at`; 0: nothing is
 * known. The byte below the protocol's is 0.
 */
static __noinline __u64 identity_of(const unsigned char *at)
{
	struct sample_transport transport;
	struct sample_ip4 ip;
	__u32 inner, header;
	__u64 key = 0;
	__u16 id;
	int depth;

#pragma unroll
	for (depth = 0; depth < SAMPLE_DEPTH; depth++) {
		__u8 protocol;

		if (bpf_probe_read_kernel(&ip, sizeof(ip), at))
			return 0;
		if (ip.version_length >> 4 == 4) {
			header = (ip.version_length & 15) * 4;
			protocol = ip.protocol;
			id = ip.id;
			if (ip.offset & bpf_htons(IP4_OFFSET_MASK)) {
				/* A later fragment: what it carries is no transport header. */
				key = (__u64)protocol << 56 | (__u64)id << 32;
				break;
			}
		} else if (ip.version_length >> 4 == 6) {
			header = 40;
			/* The 7th byte is the protocol. */
			protocol = bpf_ntohs(ip.offset) >> 8;
			id = 0;
		} else {
			/* ARP and the like. */
			return 0;
		}
		if (protocol == PROTO_IPIP || protocol == PROTO_IPV6) {
			at += header;
			continue;
		}
		if (bpf_probe_read_kernel(&transport, sizeof(transport), at + header))
			return 0;
		key = (__u64)protocol << 56 | (__u64)id << 32 |
		      transport_identity(protocol, id, &transport);
		inner = inner_offset(protocol, &transport);
		if (!inner)
			break;
		at += header + inner;
	}
	return key;
}

/* Whether the packet with its network header at `at` is one of those traced; ARP is little. */
static __always_inline int is_chosen(const unsigned char *at)
{
	__u64 key = identity_of(at);

	if (!key)
		return 1;
	key ^= key >> 29;
	key *= 0x9e3779b97f4a7c15ULL;
	key ^= key >> 32;
	key *= 0x9e3779b97f4a7c15ULL;
	return (__u32)(key >> 32) < sample_below;
}

/* The same of a buffer of which only that is known. */
static __always_inline int is_left_out(const struct sk_buff *skb)
{
	return sample_below && !is_chosen(skb->head + skb->network_header);
}

#endif
