/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which packets are traced between windows, where that is affordable: those of flows that
 * are new, or were silent for a moment. So a connection is seen from its first packet on,
 * and a flow with few packets whole, however much others send. A packet of a busy flow
 * costs a look at its addresses at each hop, and nothing else.
 *
 * A flow is known by the innermost header that is in clear. Before and after a translation
 * it is two flows, each new at the same packet. Where a packet goes on in the same buffer
 * with a header that says less (encrypted, in fragments), the buffer is remembered.
 *
 * Flows are followed in windows, too. While drops alone were seen nobody followed them, so
 * for a pause after that no flow is taken for new.
 */
#ifndef HOPSCOPE_NEW_FLOW_H
#define HOPSCOPE_NEW_FLOW_H

#include "headers.h"
#include "sample.h"
#include "tracing.h"

/* Whether there are times in which packets of new flows alone are traced. */
const volatile __u32 follows_flows = 0;

/* Of the time below: ns by a shift, nearly a millisecond. */
#define FLOW_TICK_BITS 20
/* After so long without a packet a flow is new again, and stays so for as long. */
#define FLOW_PAUSE 20
/* Flows remembered, two of them in either place; a power of two. */
#define FLOWS 65536
#define FLOWS_BITS 16
/* Longer than a packet waits in the backlog of a busy CPU; see FRONT_NS of src/join/windows.ts. */
#define KEPT_FOR 40
/* Buffers remembered; a power of two. */
#define KEPT 8192
#define KEPT_BITS 13
#define MIX 0x9e3779b97f4a7c15ULL
#define IP4_FRAGMENT_MASK 0x3fff

struct known_flow {
	__u64 flow;
	__u32 since;
	__u32 last;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOWS);
	__type(key, __u32);
	__type(value, struct known_flow);
} known_flows SEC(".maps");

struct kept_buffer {
	__u64 skb;
	__u32 since;
	__u32 pad;
};

/*
 * Of packets that were chosen and are under way, whatever CPU has them. Some are released
 * without a word (net/core/skbuff.c, __kfree_skb), so what is known of one does not last.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KEPT);
	__type(key, __u32);
	__type(value, struct kept_buffer);
} kept SEC(".maps");

/* When the newest jiffy was seen first. */
struct flow_clock {
	__u64 jiffy;
	__u32 time;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow_clock);
} flow_clock SEC(".maps");

/*
 * The time of the last jiffy. It is asked for at each hop, where a precise one takes 50 ns, and
 * tracing programs have no bpf_ktime_get_coarse_ns (kernel/bpf/helpers.c).
 */
static __always_inline __u32 flow_time(void)
{
	__u64 jiffy = bpf_jiffies64();
	__u32 zero = 0;
	struct flow_clock *clock = bpf_map_lookup_elem(&flow_clock, &zero);

	if (!clock)
		return 0;
	if (clock->jiffy != jiffy) {
		clock->time = bpf_ktime_get_ns() >> FLOW_TICK_BITS;
		clock->jiffy = jiffy;
	}
	return clock->time;
}

static __always_inline struct kept_buffer *kept_place(const void *skb)
{
	__u32 index = hash_of(skb) >> (32 - KEPT_BITS);

	return bpf_map_lookup_elem(&kept, &index);
}

static __always_inline void keep(const void *skb)
{
	struct kept_buffer *place = kept_place(skb);

	if (!place)
		return;
	place->since = flow_time();
	place->skb = (__u64)skb;
}

static __always_inline void release(const void *skb)
{
	struct kept_buffer *place = kept_place(skb);

	if (place && place->skb == (__u64)skb)
		place->skb = 0;
}

static __always_inline int is_kept(const void *skb)
{
	struct kept_buffer *place = kept_place(skb);

	return place && place->skb == (__u64)skb && flow_time() - place->since < KEPT_FOR;
}

/* Ports, or what else distinguishes a protocol's flows, in the first words of its header. */
static __always_inline __u32 ports_in(__u8 protocol, __u32 first, __u32 second)
{
	/* The identifier of an echo; the first word has a checksum, which changes. */
	if (protocol == PROTO_ICMP || protocol == PROTO_ICMPV6)
		return (first & 0xff) | second << 16;
	return first;
}

/* Of what the words of a header say, options and extensions aside: never 0. */
static __always_inline __u64 flow_in(const __u64 *words, int is_ipv6)
{
	__u8 protocol;
	__u64 a, b;

	if (is_ipv6) {
		protocol = words[0] >> 48;
		a = words[1] ^ words[2] * 3 ^ (__u64)protocol << 56;
		b = words[3] ^ words[4] * 5;
		b ^= (__u64)ports_in(protocol, words[5], words[5] >> 32) << 16;
	} else {
		protocol = words[1] >> 8;
		a = (words[1] & ~0xffffffffULL) | protocol;
		b = (__u32)words[2];
		if (!((words[0] >> 48) & bpf_htons(IP4_FRAGMENT_MASK)))
			b |= (__u64)ports_in(protocol, words[2] >> 32, words[3]) << 32;
	}
	a = (a ^ a >> 32) * MIX;
	b = (b ^ b >> 29 ^ a) * MIX;
	return (b ^ b >> 32) | 1;
}

static __always_inline int is_tunnel(const __u64 *words, int is_ipv6)
{
	__u8 protocol = is_ipv6 ? words[0] >> 48 : words[1] >> 8;
	__u16 port = is_ipv6 ? words[5] >> 16 : words[2] >> 48;

	if (protocol == PROTO_UDP)
		return port == bpf_htons(PORT_VXLAN) || port == bpf_htons(PORT_VXLAN_LINUX) ||
		       port == bpf_htons(PORT_GENEVE);
	return protocol == PROTO_IPIP || protocol == PROTO_IPV6 || protocol == PROTO_GRE;
}

/* The flow of the innermost header, of a packet within others. */
static __noinline __u64 inner_flow(const unsigned char *at)
{
	struct sample_transport transport;
	__u64 words[KEY_WORDS] = {};
	__u64 flow = 1;

#pragma unroll
	for (int depth = 0; depth < SAMPLE_DEPTH; depth++) {
		__u32 header, inner;
		__u8 protocol;
		int is_ipv6;

		if (bpf_probe_read_kernel(words, sizeof(words), at))
			return flow;
		is_ipv6 = (words[0] & 0xf0) == 0x60;
		flow = flow_in(words, is_ipv6);
		if (!is_tunnel(words, is_ipv6))
			return flow;
		protocol = is_ipv6 ? words[0] >> 48 : words[1] >> 8;
		header = is_ipv6 ? 40 : (words[0] & 15) * 4;
		if (protocol == PROTO_IPIP || protocol == PROTO_IPV6) {
			at += header;
			continue;
		}
		if (bpf_probe_read_kernel(&transport, sizeof(transport), at + header))
			return flow;
		inner = inner_offset(protocol, &transport);
		if (!inner)
			return flow;
		at += header + inner;
	}
	return flow;
}

static __always_inline struct known_flow *flow_at(__u32 index)
{
	return bpf_map_lookup_elem(&known_flows, &index);
}

/*
 * Whether a flow is new now. CPUs may write at once: then one packet more or less is traced. A
 * global function, so that the verifier looks at it once in a program.
 */
__noinline int is_new_flow(__u64 flow)
{
	__u32 now = flow_time();
	__u32 index = flow >> (64 - FLOWS_BITS), zero = 0;
	struct known_flow *known = flow_at(index), *other = flow_at(index ^ 1);
	struct hs_tracing *state = bpf_map_lookup_elem(&tracing, &zero);
	int is_learning;

	if (!known || !other || !state)
		return 1;
	is_learning = now - (__u32)(state->flows_since >> FLOW_TICK_BITS) <= FLOW_PAUSE;
	if (known->flow != flow && other->flow == flow)
		known = other;
	if (known->flow != flow) {
		/* The one that was silent for longer makes room. */
		if (now - other->last > now - known->last)
			known = other;
		known->last = now;
		known->since = is_learning ? now - FLOW_PAUSE : now;
		known->flow = flow;
		return !is_learning;
	}
	if (known->last != now) {
		if (now - known->last >= FLOW_PAUSE)
			known->since = is_learning ? now - FLOW_PAUSE : now;
		known->last = now;
	}
	return now - known->since < FLOW_PAUSE;
}

/* Follows the flow of a header, and says whether it is new now. ARP and the like are few. */
static __always_inline int begins_flow(const struct keys *keys, const unsigned char *network,
				       int is_ipv6, int is_ipv4)
{
	if (!is_ipv6 && !is_ipv4)
		return 1;
	return is_new_flow(is_tunnel(keys->words, is_ipv6) ? inner_flow(network) :
							     flow_in(keys->words, is_ipv6));
}

/* Whether a packet is traced while those of new flows are. */
static __always_inline int is_of_new_flow(const void *skb, const struct keys *keys,
					  const unsigned char *network, int is_ipv6, int is_ipv4)
{
	if (is_kept(skb))
		return 1;
	if (!begins_flow(keys, network, is_ipv6, is_ipv4))
		return 0;
	keep(skb);
	return 1;
}

#endif
