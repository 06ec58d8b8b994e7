/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What an entry point knows of a packet, and the words of its headers that are compared. */
#ifndef HOPSCOPE_OBSERVATION_H
#define HOPSCOPE_OBSERVATION_H

#include "maps.h"

/* Words of the network header that are compared: up to the ports of IPv6, and 8 bytes more. */
#define KEY_WORDS 7
/* The link header lies before them so that they are aligned. */
#define LINK_PAD 2
#define KEY_BYTES4 32
#define KEY_BYTES6 56

struct keys {
	__u64 link[2];
	__u64 words[KEY_WORDS];
};

/* What an entry point knows about the observation it makes. */
struct observation {
	struct sk_buff *skb;
	const struct net_device *dev;
	__u64 location;
	__u64 sock;		/* deliver: who took it */
	__u32 netns;
	__u32 reason;
	__s32 priority;
	__u16 start;		/* offset from skb->head of the first byte to show */
	__u16 network;		/* offset from skb->head of the network header */
	__u8 stage;
	__u8 hook;
	__u8 end;		/* enum hs_end: the trail ends with it */
};

/* Pointers may be subtracted in 64 bits only, and the compiler prefers 32. */
static __always_inline __u32 data_offset(const struct sk_buff *skb)
{
	__u64 offset = skb->data - skb->head;

	barrier_var(offset);
	return offset;
}

#endif
