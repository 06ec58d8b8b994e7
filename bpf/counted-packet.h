/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What flow a packet is of, wherever the program is attached. Reads the packet by
 * helpers that copy and never pull, so that observing changes nothing.
 */
#ifndef HOPSCOPE_COUNTED_PACKET_H
#define HOPSCOPE_COUNTED_PACKET_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "counter-wire.h"
#include "ip-headers.h"

#define TUNNEL_PORTS 8
/* How far into a packet is read in place: the verifier wants it in one mask. */
#define IN_PLACE_MASK 0xff

struct hs_tallies {
	__u64 value[HS_TALLY_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hs_tallies);
} tallies SEC(".maps");

/*
 * What an eviction here costs is tallied where it shows: at a later fragment whose
 * first is not known.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct hs_fragment_key);
	__type(value, struct hs_fragment);
} fragments SEC(".maps");

/*
 * Ports of UDP tunnels, 0 for none: VXLAN as IANA and as Linux have it, Geneve,
 * WireGuard as Calico has it for IPv4 and IPv6.
 */
const volatile __u16 tunnel_ports[TUNNEL_PORTS] = { 4789, 8472, 6081, 51820, 51821 };

/* What an entry point knows of a packet, and what is found out about it. */
struct counted {
	struct hs_count_key key;
	struct hs_tallies *tallies;
	__u32 link;		/* bytes of the link header, when packets are read in place */
	__u32 length;		/* bytes from the network header on */
	__u32 size;		/* of the IP packet, or fragment */
	__u32 bytes;		/* of the IP packet; of a fragment its share of the whole one */
	__u32 transport;	/* offset of the transport header from the network header */
	__u32 headers;		/* bytes before the payload, both headers; 0: not known */
	__u32 fragment_id;
	__u32 seq_end;
	__u8 is_fragment;
	__u8 is_later_fragment;
	__u8 is_rest;		/* counted with its first fragment, as one packet */
	__u8 tcp_flags;
	__u8 has_payload;	/* of TCP, and seq_end is valid */
};

/*
 * Copies from an offset from the network header. Programs that may read packets in place
 * do so where the bytes are, in nearly every packet: 3 ns less than the helper.
 */
static __always_inline int load(struct __sk_buff *skb, const struct counted *c, __u32 offset,
				void *to, __u32 size)
{
#ifdef READS_IN_PLACE
	void *from = (void *)(long)skb->data + ((c->link + offset) & IN_PLACE_MASK);

	if (c->link + offset <= IN_PLACE_MASK && from + size <= (void *)(long)skb->data_end) {
		__builtin_memcpy(to, from, size);
		return 0;
	}
#endif
	return bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET);
}

/*
 * Plain additions: each CPU has its own, and these programs run with bottom halves
 * off, where no other of them comes in between.
 */
static __always_inline void tally(struct counted *c, __u32 which, __u64 amount)
{
	c->tallies->value[which] += amount;
}

static __always_inline int has_ports(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP ||
	       protocol == PROTO_UDPLITE || protocol == IPPROTO_DCCP;
}

/* A length in a header is honest unless it is 0, for what is too long for its 16 bits. */
static __always_inline void take_length(struct counted *c, __u32 said, int is_said)
{
	c->size = is_said && said < c->length ? said : c->length;
	c->bytes = c->size;
}

static __always_inline int read_ipv4(struct __sk_buff *skb, struct counted *c)
{
	struct ipv4_header ip;
	__u16 fragment;

	if (load(skb, c, 0, &ip, sizeof(ip)) || ip.version_ihl >> 4 != 4 ||
	    (ip.version_ihl & 15) < 5)
		return -1;
	c->key.src[3] = ip.src;
	c->key.dst[3] = ip.dst;
	c->key.family = 4;
	c->key.protocol = ip.protocol;
	c->transport = (ip.version_ihl & 15) * 4;
	take_length(c, bpf_ntohs(ip.length), ip.length != 0);
	fragment = bpf_ntohs(ip.fragment);
	c->fragment_id = ip.id;
	c->is_later_fragment = (fragment & IPV4_OFFSET_MASK) != 0;
	c->is_fragment = (fragment & (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS)) != 0;
	return 0;
}

static __always_inline int read_ipv6(struct __sk_buff *skb, struct counted *c)
{
	struct ipv6_header ip;
	struct ipv6_extension extension;
	__u8 next;

	if (load(skb, c, 0, &ip, sizeof(ip)) || (bpf_ntohl(ip.version_flow) >> 28) != 6)
		return -1;
	__builtin_memcpy(c->key.src, ip.src, sizeof(ip.src));
	__builtin_memcpy(c->key.dst, ip.dst, sizeof(ip.dst));
	c->key.family = 6;
	c->transport = sizeof(ip);
	take_length(c, sizeof(ip) + bpf_ntohs(ip.payload), ip.payload != 0);
	next = ip.next;
#pragma unroll
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++) {
		if (next != NEXT_HOP_BY_HOP && next != NEXT_ROUTING && next != NEXT_FRAGMENT &&
		    next != NEXT_DESTINATION && next != NEXT_AUTHENTICATION)
			break;
		if (load(skb, c, c->transport, &extension, sizeof(extension))) {
			tally(c, HS_TALLY_MALFORMED, 1);
			break;
		}
		if (next == NEXT_FRAGMENT) {
			__u16 fragment = bpf_ntohs(extension.fragment);

			c->fragment_id = extension.id;
			c->is_later_fragment = (fragment & IPV6_OFFSET_MASK) != 0;
			c->is_fragment =
				(fragment & (IPV6_OFFSET_MASK | IPV6_MORE_FRAGMENTS)) != 0;
			c->transport += sizeof(extension);
		} else if (next == NEXT_AUTHENTICATION) {
			c->transport += (extension.length + 2) * 4;
		} else {
			c->transport += (extension.length + 1) * 8;
		}
		next = extension.next;
		/* What follows is the middle of the payload. */
		if (c->is_later_fragment)
			break;
	}
	c->key.protocol = next;
	return 0;
}

static __always_inline void fragment_key(const struct counted *c, struct hs_fragment_key *key)
{
	__builtin_memcpy(key->src, c->key.src, sizeof(key->src));
	__builtin_memcpy(key->dst, c->key.dst, sizeof(key->dst));
	key->id = c->fragment_id;
	key->netns = c->key.netns;
	key->ifindex = c->key.ifindex;
	/*
	 * IPv6 fragments may begin with different extension headers (RFC 8200, 4.5), so
	 * what they carry does not name them.
	 */
	key->protocol = c->key.family == 4 ? c->key.protocol : 0;
	key->direction = c->key.direction;
	key->family = c->key.family;
	key->pad = 0;
}

static __always_inline void find_first_fragment(struct counted *c)
{
	struct hs_fragment_key key;
	struct hs_fragment *first;

	fragment_key(c, &key);
	first = bpf_map_lookup_elem(&fragments, &key);
	if (!first) {
		c->key.ports = HS_COUNT_PORTS_LOST;
		tally(c, HS_TALLY_LOST_FRAGMENT, 1);
		return;
	}
	c->key.sport = first->sport;
	c->key.dport = first->dport;
	c->key.protocol = first->protocol;
	c->key.ports = first->ports;
	c->is_rest = 1;
	/* The whole packet has its headers once. */
	c->bytes = c->size > c->transport ? c->size - c->transport : 0;
}

static __always_inline void note_first_fragment(const struct counted *c)
{
	struct hs_fragment_key key;
	struct hs_fragment first = {
		.sport = c->key.sport,
		.dport = c->key.dport,
		.protocol = c->key.protocol,
		.ports = c->key.ports,
	};

	fragment_key(c, &key);
	bpf_map_update_elem(&fragments, &key, &first, BPF_ANY);
}

static __always_inline void read_tcp(struct counted *c, const struct tcp_header *tcp)
{
	c->headers = c->transport + (tcp->offset >> 4) * 4;
	c->tcp_flags = tcp->flags;
	if (!c->is_fragment && c->bytes > c->headers) {
		c->seq_end = bpf_ntohl(tcp->seq) + (c->bytes - c->headers);
		c->has_payload = 1;
	}
}

static __always_inline void read_icmp(struct counted *c, const struct icmp_header *icmp)
{
	int is_echo = c->key.protocol == IPPROTO_ICMP ?
			      icmp->type == ICMP_ECHO_REQUEST || icmp->type == ICMP_ECHO_REPLY :
			      icmp->type == ICMPV6_ECHO_REQUEST || icmp->type == ICMPV6_ECHO_REPLY;

	if (!is_echo)
		return;
	c->key.sport = icmp->id;
	c->key.dport = icmp->id;
	c->key.ports = HS_COUNT_PORTS_ECHO;
}

static __always_inline void read_transport(struct __sk_buff *skb, struct counted *c)
{
	union {
		struct tcp_header tcp;
		struct icmp_header icmp;
	} header;
	__u8 protocol = c->key.protocol;
	int failed;

	if (protocol == IPPROTO_TCP) {
		failed = load(skb, c, c->transport, &header.tcp, sizeof(header.tcp));
	} else if (has_ports(protocol) || protocol == IPPROTO_ICMP ||
		   protocol == PROTO_ICMPV6) {
		failed = load(skb, c, c->transport, &header.icmp, sizeof(header.icmp));
	} else {
		return;
	}
	if (failed) {
		tally(c, HS_TALLY_MALFORMED, 1);
		return;
	}
	if (!has_ports(protocol)) {
		read_icmp(c, &header.icmp);
		return;
	}
	c->key.sport = header.tcp.sport;
	c->key.dport = header.tcp.dport;
	c->key.ports = HS_COUNT_PORTS_REAL;
	if (protocol == IPPROTO_TCP)
		read_tcp(c, &header.tcp);
	else
		c->headers = c->transport + 8;
}

static __always_inline int is_tunnel_port(__u16 wanted)
{
#pragma unroll
	for (int i = 0; i < TUNNEL_PORTS; i++) {
		__u16 port = tunnel_ports[i];

		if (port && wanted == port)
			return 1;
	}
	return 0;
}

static __always_inline int is_tunnelled(const struct counted *c)
{
	switch (c->key.protocol) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
		return 1;
	case IPPROTO_UDP:
		break;
	default:
		return 0;
	}
	if (c->key.ports != HS_COUNT_PORTS_REAL)
		return 0;
	/* WireGuard answers to the port a peer sends from. */
	return is_tunnel_port(bpf_ntohs(c->key.dport)) || is_tunnel_port(bpf_ntohs(c->key.sport));
}

/*
 * Finds out what flow a packet is of. c->key has the place, the rest of it is zero.
 * Returns 0 when there is nothing to count, with the reason tallied.
 */
static __always_inline int read_packet(struct __sk_buff *skb, struct counted *c, int is_uplink)
{
	int failed;

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		failed = read_ipv4(skb, c);
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		failed = read_ipv6(skb, c);
	} else {
		tally(c, HS_TALLY_OTHER, 1);
		return 0;
	}
	if (failed) {
		tally(c, HS_TALLY_MALFORMED, 1);
		return 0;
	}
	if (c->is_later_fragment) {
		find_first_fragment(c);
	} else {
		read_transport(skb, c);
		if (c->is_fragment) {
			note_first_fragment(c);
			if (c->key.family == 6)
				c->bytes -= sizeof(struct ipv6_extension);
		}
	}
	if (is_uplink && is_tunnelled(c)) {
		tally(c, HS_TALLY_ENCAPSULATED, 1);
		return 0;
	}
	return 1;
}

#endif
