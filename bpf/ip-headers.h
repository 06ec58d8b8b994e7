/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers as they are on the wire, and the numbers in them that matter here. */
#ifndef HOPSCOPE_IP_HEADERS_H
#define HOPSCOPE_IP_HEADERS_H

#include <linux/types.h>

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK 0x1fff
#define IPV6_OFFSET_MASK 0xfff8
#define IPV6_MORE_FRAGMENTS 1
#define IPV6_EXTENSIONS_MAX 6
#define NEXT_HOP_BY_HOP 0
#define NEXT_ROUTING 43
#define NEXT_FRAGMENT 44
#define NEXT_AUTHENTICATION 51
#define NEXT_DESTINATION 60
#define PROTO_ICMPV6 58
#define PROTO_UDPLITE 136
#define ICMP_ECHO_REPLY 0
#define ICMP_ECHO_REQUEST 8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY 129
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__be16 checksum;
	__u32 src;
	__u32 dst;
};

struct ipv6_header {
	__be32 version_flow;
	__be16 payload;
	__u8 next;
	__u8 hop_limit;
	__u32 src[4];
	__u32 dst[4];
};

/* The first 8 bytes of any IPv6 extension header. */
struct ipv6_extension {
	__u8 next;
	__u8 length;
	__be16 fragment;
	__u32 id;
};

struct tcp_header {
	__u16 sport;
	__u16 dport;
	__be32 seq;
	__be32 ack;
	__u8 offset;
	__u8 flags;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	__be16 checksum;
	__u16 id;
};

#endif
