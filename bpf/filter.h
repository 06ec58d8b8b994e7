/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The filter of user space, asked in the kernel: a trail of which no snapshot matches
 * stays out of the ring. User space asks again of what it is given, so the one thing
 * that matters here is to leave out nothing that it would have shown.
 *
 * The two programs that libpcap compiled, one for frames with an Ethernet header and
 * one for bare IP, are translated by user space and put in the place of
 * filter_ethernet() and filter_raw() before the object is loaded (src/filter/
 * kernel-program.ts). They are global functions: the verifier looks at each once.
 */
#ifndef HOPSCOPE_FILTER_H
#define HOPSCOPE_FILTER_H

#include "sample.h"

/*
 * Instructions that a translated program may have: FILTER_ROOM of kernel-program.ts.
 * The verifier does not walk through the room as it is.
 */
#define FILTER_ROOM "2048"
#define FILTER_STUB                                                                                \
	"%[verdict] = 1\n"                                                                         \
	"if %[verdict] == 1 goto +" FILTER_ROOM "\n"                                               \
	".rept " FILTER_ROOM "\n"                                                                  \
	"goto +0\n"                                                                                \
	".endr\n"

#define PROTO_HOPOPTS 0
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AH 51
#define PROTO_DSTOPTS 60
#define PROTO_MH 135
#define PROTO_HIP 139
#define PROTO_SHIM6 140
#define ETH_P_QINQ_OLD 0x9100
#define VLAN_TAG 4
#define IP_LEAST 20
#define IPV6_HEADER 40

/* An offset: which one it is is not known. */
#define UNSURE 0xffff

/* Bits of an identity that are always 0 there. */
#define EXAMINED_MATCHED (1ULL << 48)
#define EXAMINED_FRAGMENT (1ULL << 49)
#define EXAMINED_BITS (EXAMINED_MATCHED | EXAMINED_FRAGMENT)
#define IP4_FRAGMENT_MASK 0x3fff

/* A snapshot in its slot. What lies after its bytes may be read but says nothing. */
struct filter_bytes {
	struct hs_snapshot snapshot;
	__u8 bytes[2 * HS_LENGTH_SNAPSHOT];
};

/*
 * Replaced; as it is, everything matches. `at`: of the first byte asked, of `there`. The
 * compiler must not conclude from the body what it takes and gives.
 */
__noinline int filter_ethernet(const struct filter_bytes *from, __u32 at, __u32 there, __u32 wire)
{
	int verdict;

	asm volatile(FILTER_STUB
		     : [verdict] "=&r"(verdict)
		     : "r"(from), "r"(at), "r"(there), "r"(wire));
	return verdict;
}

__noinline int filter_raw(const struct filter_bytes *from, __u32 at, __u32 there, __u32 wire)
{
	int verdict;

	asm volatile(FILTER_STUB
		     : [verdict] "=&r"(verdict)
		     : "r"(from), "r"(at), "r"(there), "r"(wire));
	return verdict;
}

static __always_inline int is_vlan_tag(__u16 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD || type == ETH_P_QINQ_OLD;
}

static __always_inline int is_ipv6_extension(__u8 next)
{
	return next == PROTO_HOPOPTS || next == PROTO_ROUTING || next == PROTO_FRAGMENT ||
	       next == PROTO_AH || next == PROTO_DSTOPTS || next == PROTO_MH ||
	       next == PROTO_HIP || next == PROTO_SHIM6;
}

static __always_inline __u16 type_at(const struct filter_bytes *seen, __u32 at)
{
	return seen->bytes[at] << 8 | seen->bytes[at + 1];
}

static __always_inline int is_there(__u32 at, __u32 bytes, __u32 there)
{
	return at <= HS_LENGTH_SNAPSHOT && at + bytes <= there;
}

/*
 * What carries another packet is walked through by functions of their own: the verifier
 * forgets what it knows of an offset, and looks at the next layer once.
 *
 * The offset of the IP header inside the packet whose own is at `at`; 0: there is none.
 */
__noinline __u32 offset_inside(const struct filter_bytes *seen, __u32 at, __u32 there)
{
	const struct sample_transport *transport;
	const struct sample_ip4 *ip;
	__u8 version, protocol;
	__u32 inner;

	if (!seen || !is_there(at, IP_LEAST, there))
		return 0;
	ip = (const void *)(seen->bytes + at);
	version = ip->version_length >> 4;
	if (version == 4) {
		if (ip->offset & bpf_htons(IP4_OFFSET_MASK))
			return 0;
		at += (ip->version_length & 15) * 4;
		protocol = ip->protocol;
	} else if (version == 6) {
		at += IPV6_HEADER;
		/* The 7th byte is the protocol. */
		protocol = bpf_ntohs(ip->offset) >> 8;
		if (is_ipv6_extension(protocol))
			return UNSURE;
	} else {
		return 0;
	}
	if (protocol == PROTO_IPIP || protocol == PROTO_IPV6)
		return at;
	if (!is_there(at, sizeof(*transport), there))
		return 0;
	transport = (const void *)(seen->bytes + at);
	inner = inner_offset(protocol, transport);
	if (!inner)
		return 0;
	at += inner;
	/* After an Ethernet header or, in GRE and Geneve, after what is never such a type. */
	return at <= HS_LENGTH_SNAPSHOT && is_vlan_tag(type_at(seen, at - 2)) ? UNSURE : at;
}

/* As identity_of(), of the packet whose IP header is at `at` and that carries no other. */
__noinline __u64 identity_at(const struct filter_bytes *seen, __u32 at, __u32 there)
{
	const struct sample_ip4 *ip;
	__u8 protocol;
	__u64 key;
	__u16 id;

	if (!seen || !is_there(at, IP_LEAST, there))
		return 0;
	ip = (const void *)(seen->bytes + at);
	if (ip->version_length >> 4 == 4) {
		protocol = ip->protocol;
		id = ip->id;
		key = (__u64)protocol << 56 | (__u64)id << 32;
		if (ip->offset & bpf_htons(IP4_OFFSET_MASK))
			return key;
		at += (ip->version_length & 15) * 4;
	} else if (ip->version_length >> 4 == 6) {
		protocol = bpf_ntohs(ip->offset) >> 8;
		id = 0;
		key = (__u64)protocol << 56;
		at += IPV6_HEADER;
	} else {
		return 0;
	}
	if (!is_there(at, sizeof(struct sample_transport), there))
		return 0;
	return key | transport_identity(protocol, id, (const void *)(seen->bytes + at));
}

/* Bytes of the IP packet at `at` as its header declares, or else as far as `end`. */
static __always_inline __u32 length_at(const struct filter_bytes *seen, __u32 at, __u32 end)
{
	__u32 declared;
	__u8 next;

	if (seen->bytes[at] >> 4 == 4) {
		declared = type_at(seen, at + 2);
		return declared ? declared : end - at;
	}
	declared = type_at(seen, at + 4);
	next = seen->bytes[at + 6];
	/* A GSO packet too long for the field. */
	if (!declared && (next == PROTO_TCP || next == PROTO_UDP))
		return end - at;
	return declared + IPV6_HEADER;
}

/*
 * Asks a snapshot as PacketFilter.matches does: the frame as it is, and the packets
 * inside. User space asks the innermost one only; where this cannot know which one that
 * is (extension headers, tags inside a tunnel, deep nesting) the answer is that it
 * matches. Returns the packet's identity, with EXAMINED_MATCHED, and EXAMINED_FRAGMENT
 * where it is one of IPv4, or carries one.
 */
__noinline __u64 examine(const struct filter_bytes *seen, __u32 wire)
{
	__u32 there, at = 0, end = wire, length, inside;
	__u64 identity, fragment = 0;
	int depth, matched, has_link;

	if (!seen)
		return EXAMINED_MATCHED;
	there = seen->snapshot.length;
	if (there > HS_LENGTH_SNAPSHOT)
		there = HS_LENGTH_SNAPSHOT;
	has_link = seen->snapshot.l3_offset >= HS_LENGTH_LINK;
	if (has_link) {
		matched = filter_ethernet(seen, 0, there, wire);
		at = ETH_LENGTH;
		if (is_vlan_tag(type_at(seen, at - 2)))
			at += VLAN_TAG;
		if (at > ETH_LENGTH && is_vlan_tag(type_at(seen, at - 2)))
			at += VLAN_TAG;
		if (is_vlan_tag(type_at(seen, at - 2)))
			matched = 1;
	} else {
		matched = filter_raw(seen, 0, there, wire);
	}
	for (depth = 0; depth < SAMPLE_DEPTH; depth++) {
		if (!is_there(at, IP_LEAST, there))
			break;
		length = length_at(seen, at, end);
		if (!matched && (depth || has_link))
			matched = filter_raw(seen, at, there - at, length);
		end = at + length;
		if (seen->bytes[at] >> 4 == 4 && type_at(seen, at + 6) & IP4_FRAGMENT_MASK)
			fragment = EXAMINED_FRAGMENT;
		inside = offset_inside(seen, at, there);
		if (!inside)
			break;
		at = inside;
	}
	/* Offsets that are not known lie outside. */
	if (depth == SAMPLE_DEPTH || at == UNSURE)
		return EXAMINED_MATCHED;
	identity = identity_at(seen, at, there) | fragment;
	return matched ? identity | EXAMINED_MATCHED : identity;
}

#endif
