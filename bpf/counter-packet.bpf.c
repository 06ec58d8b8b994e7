// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The counter for kernels before 6.6, which have no tcx: the filter of a packet
 * socket of type SOCK_DGRAM, which nobody reads. It reads nothing of the kernel's
 * own, since bpf_cast_to_kern_ctx came with 6.2 (commit fd264ca02094), and so knows
 * its place by constants: one loaded object for each device. Hence no conntrack.
 */
#include "counter.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PACKET_OUTGOING 4
/* Nothing is queued for the socket. */
#define NOT_TAKEN 0

/* The device whose flows are counted; the socket may be on its peer. */
const volatile __u32 place_netns = 0;
const volatile __u32 place_ifindex = 0;
const volatile __u8 place_is_uplink = 0;
/* enum hs_count_direction; 0: as the packet's type says. */
const volatile __u8 place_direction = 0;

SEC("socket")
int count_packet(struct __sk_buff *skb)
{
	struct counted c = {};
	__u32 zero = 0;

	if (has_ended())
		return NOT_TAKEN;
	c.tallies = bpf_map_lookup_elem(&tallies, &zero);
	if (!c.tallies)
		return NOT_TAKEN;
	c.key.netns = place_netns;
	c.key.ifindex = place_ifindex;
	c.key.direction = place_direction;
	if (!place_direction)
		c.key.direction = skb->pkt_type == PACKET_OUTGOING ? HS_COUNT_OUT : HS_COUNT_IN;
	/* Such a socket's packets begin with the network header. */
	c.length = skb->len;
	if (read_packet(skb, &c, place_is_uplink))
		add_packet(skb, &c);
	return NOT_TAKEN;
}
