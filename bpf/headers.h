/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The words of a packet's headers that are compared, and what they say. */
#ifndef HOPSCOPE_HEADERS_H
#define HOPSCOPE_HEADERS_H

#include "kernel-words.h"
#include "slot.h"

static __always_inline void copy_keys(__u64 *words, const __u64 *from, int is_ipv6)
{
	words[0] = from[0];
	words[1] = from[1];
	words[2] = from[2];
	words[3] = from[3];
	if (!is_ipv6)
		return;
	words[4] = from[4];
	words[5] = from[5];
	words[6] = from[6];
}

/* Reads what is compared; where the packet is too short it is what happens to lie there. */
static __always_inline void read_keys(struct keys *keys, const unsigned char *head,
				      const struct observation *o, int is_ipv6)
{
	__u8 *at = (__u8 *)keys + LINK_PAD;
	const unsigned char *start = head + o->start;
	const __u64 *from;

	keys->link[0] = 0;
	if (has_kernel_words() && o->network == o->start) {
		copy_keys(keys->words, kernel_words(start), is_ipv6);
	} else if (has_kernel_words()) {
		/* With what lies before the link header, which stays out. */
		from = kernel_words(start - LINK_PAD);
		keys->link[0] = from[0] & ~0xffffULL;
		keys->link[1] = from[1];
		copy_keys(keys->words, from + 2, is_ipv6);
	} else if (o->network == o->start) {
		if (is_ipv6)
			bpf_probe_read_kernel(keys->words, KEY_BYTES6, start);
		else
			bpf_probe_read_kernel(keys->words, KEY_BYTES4, start);
	} else if (is_ipv6) {
		bpf_probe_read_kernel(at, HS_LENGTH_LINK + KEY_BYTES6, start);
	} else {
		bpf_probe_read_kernel(at, HS_LENGTH_LINK + KEY_BYTES4, start);
	}
}

/* The TTL is in each hop, and the checksum changes with it. */
static __always_inline __u8 take_ttl(struct keys *keys, int is_ipv6, int is_ipv4)
{
	__u8 ttl = 0;

	if (is_ipv4) {
		ttl = keys->words[1];
		keys->words[1] &= ~0xffff00ffULL;
	} else if (is_ipv6) {
		ttl = keys->words[0] >> 56;
		keys->words[0] &= ~0ULL >> 8;
	}
	return ttl;
}

static __always_inline int has_new_words(const struct slot *slot, const struct keys *keys,
					 int is_ipv6)
{
	const __u64 *a = slot->keys.words, *b = keys->words;
	__u64 differ = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);

	if (is_ipv6)
		differ |= (a[4] ^ b[4]) | (a[5] ^ b[5]) | (a[6] ^ b[6]);
	return differ != 0;
}

/* Whether it is TCP to or from the daemon's own port. */
static __always_inline int is_own_port(const struct keys *keys, int is_ipv6, int is_ipv4)
{
	__u32 ports, zero = 0, *own;

	if (is_ipv4) {
		/* Without options, protocol 6. */
		if ((keys->words[0] & 0xff) != 0x45 || ((keys->words[1] >> 8) & 0xff) != 6)
			return 0;
		ports = keys->words[2] >> 32;
	} else if (is_ipv6) {
		if (((keys->words[0] >> 48) & 0xff) != 6)
			return 0;
		ports = keys->words[5];
	} else {
		return 0;
	}
	own = bpf_map_lookup_elem(&own_port, &zero);
	return own && (bpf_ntohs(ports) == *own || bpf_ntohs(ports >> 16) == *own);
}

static __always_inline int is_own(const struct observation *o, const struct keys *keys,
				  int is_ipv6, int is_ipv4)
{
	if (!has_own_port)
		return 0;
	if (o->dev) {
		if (o->netns != own_netns || o->dev->type != ARPHRD_LOOPBACK)
			return 0;
	} else if (!is_ipv4 || ((keys->words[1] >> 32) & 0xff) != 127) {
		/* A buffer released in a socket's queue has no device any more. */
		return 0;
	}
	return is_own_port(keys, is_ipv6, is_ipv4);
}

#endif
