/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Filling a record from an skb and handing it to the ring. */
#ifndef HOPSCOPE_EMIT_H
#define HOPSCOPE_EMIT_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "wire.h"

/*
 * No wake-up per record: user space polls. A wake-up costs more than all else
 * an observer does.
 */
#define SUBMIT_FLAGS BPF_RB_NO_WAKEUP

#define NFCT_INFO_MASK 7UL
#define DST_PTR_MASK (~1UL)
#define HEADER_UNSET 0xffff
#define NO_HOOK 0xff
#define NO_CT 0xff
#define TUPLE_SIZE 40

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 32 << 20);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HS_COUNTER_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* The namespaces to observe, by inode number, when only_observed is set. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} observed SEC(".maps");

/*
 * Set while another object that is attached to the same places speaks: when one takes
 * over from the other, a packet is seen by either, never by both.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} silent SEC(".maps");

const volatile __u32 only_observed = 0;
/* The daemon's own listening port and namespace: its traffic is left out. */
const volatile __u32 own_port = 0;
const volatile __u32 own_netns = 0;

/*
 * The kernel allows one BPF program at a priority of a hook (EBUSY), so a second
 * observer keeps this far away from the first, on the outer side of each table.
 */
const volatile __s32 priority_shift = 0;

/* Never read: it carries the wire types into the object's BTF. */
const volatile struct hs_wire *const wire_types = 0;

/* What an entry point knows about the observation it makes. */
struct observation {
	struct sk_buff *skb;
	const struct net_device *dev;
	__u64 location;
	__u32 netns;
	__u32 reason;
	__s32 priority;
	__u32 ifindex_in;
	__u16 start;	/* offset from skb->head of the first byte to show */
	__u8 stage;
	__u8 hook;
	__u8 family;
};

static __always_inline void count(__u32 counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		*value += 1;
}

static __always_inline int is_silent(void)
{
	__u32 zero = 0, *on = bpf_map_lookup_elem(&silent, &zero);

	return !on || *on;
}

static __always_inline int is_observed(__u32 netns)
{
	if (is_silent())
		return 0;
	return !only_observed || bpf_map_lookup_elem(&observed, &netns);
}

static __always_inline void fill_header(struct hs_header *header, const void *skb, __u16 type,
					__u16 size)
{
	header->type = type;
	header->size = size;
	header->cpu = bpf_get_smp_processor_id();
	header->time = bpf_ktime_get_ns();
	header->skb = (__u64)skb;
}

static __always_inline void fill_actor(struct hs_actor *actor)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 id = bpf_get_current_pid_tgid();

	actor->process = id >> 32;
	actor->thread = id;
	actor->sleeps = BPF_CORE_READ(task, nvcsw);
}

static __always_inline int has_link_header(const struct net_device *dev)
{
	return dev->type == ARPHRD_ETHER || dev->type == ARPHRD_LOOPBACK;
}

static __always_inline void fill_device(struct hs_hop *hop, const struct net_device *dev)
{
	const struct rtnl_link_ops *ops;

	if (!dev) {
		hop->ifindex = 0;
		hop->mtu = 0;
		hop->dev_type = 0;
		hop->dev[0] = 0;
		hop->kind[0] = 0;
		return;
	}
	hop->ifindex = dev->ifindex;
	hop->mtu = dev->mtu;
	hop->dev_type = dev->type;
	bpf_probe_read_kernel(hop->dev, sizeof(hop->dev), dev->name);
	ops = dev->rtnl_link_ops;
	/* A fixed-size read is cheaper than one that looks for the NUL byte. */
	if (!ops || bpf_probe_read_kernel(hop->kind, sizeof(hop->kind), ops->kind))
		hop->kind[0] = 0;
}

static __always_inline void fill_packet(struct hs_hop *hop, struct sk_buff *skb, __u16 start)
{
	unsigned char *head = skb->head;
	struct skb_shared_info *shared = (void *)(head + skb->end);
	__u32 data = skb->data - head;
	/*
	 * The tracepoint of reception stands before the header is noted (net/core/dev.c,
	 * __netif_receive_skb_core): a network card's frames that pass by receive offload
	 * have none, and data is where it will be.
	 */
	__u32 network = hop->stage == HS_STAGE_INGRESS ? data : skb->network_header;
	__u32 tail = skb->tail;
	__u32 length = tail > start ? tail - start : 0;

	if (length > HS_SNAP_LEN)
		length = HS_SNAP_LEN;
	hop->head = (__u64)head;
	hop->sock = (__u64)skb->sk;
	hop->len = skb->len + data - start;
	hop->mark = skb->mark;
	hop->protocol = bpf_ntohs(skb->protocol);
	hop->vlan_proto = bpf_ntohs(skb->vlan_proto);
	hop->vlan_tci = skb->vlan_tci;
	hop->l3_offset = network >= start ? network - start : 0;
	hop->gso_size = BPF_CORE_READ(shared, gso_size);
	/*
	 * The lower half counts all holders (SKB_DATAREF_SHIFT): a raw socket's clone
	 * lives on when its original finds no other socket and is dropped.
	 */
	hop->dataref = hop->stage == HS_STAGE_DROP ?
			       BPF_CORE_READ(shared, dataref.counter) & 0xffff : 0;
	hop->gso_segs = hop->gso_size ? BPF_CORE_READ(shared, gso_segs) : 0;
	/*
	 * Only the linear part is there to read; what lies in fragments shows up
	 * as a short snapshot, which the decoder calls truncated.
	 */
	if (bpf_probe_read_kernel(hop->snap, length, head + start))
		length = 0;
	hop->snap_len = length;
}

static __always_inline void fill(struct hs_hop *hop, const struct observation *o)
{
	hop->location = o->location;
	hop->netns = o->netns;
	hop->reason = o->reason;
	hop->priority = o->priority;
	hop->stage = o->stage;
	hop->hook = o->hook;
	hop->family = o->family;
	hop->ifindex_in = o->ifindex_in;
	fill_device(hop, o->dev);
	fill_packet(hop, o->skb, o->start);
}

static __always_inline void fill_conntrack(struct hs_hop_ct *record, unsigned long nfct)
{
	struct nf_conn *ct = (struct nf_conn *)(nfct & ~NFCT_INFO_MASK);

	record->ct = (__u64)ct;
	record->pad = 0;
	record->status = BPF_CORE_READ(ct, status);
	/* CONFIG_NF_CONNTRACK_ZONES may be off */
	if (bpf_core_field_exists(ct->zone))
		record->zone = BPF_CORE_READ(ct, zone.id);
	else
		record->zone = 0;
	bpf_core_read(&record->original, TUPLE_SIZE, &ct->tuplehash[0].tuple);
	bpf_core_read(&record->reply, TUPLE_SIZE, &ct->tuplehash[1].tuple);
}

/* Whether the first bytes are TCP to or from the daemon's own port; l3 is 0 or 14. */
static __always_inline int is_own_tcp(const __u8 *ip)
{
	__u16 sport, dport;

	if (ip[0] == 0x45 && ip[9] == 6) {
		sport = ip[20] << 8 | ip[21];
		dport = ip[22] << 8 | ip[23];
	} else if (ip[0] >> 4 == 6 && ip[6] == 6) {
		sport = ip[40] << 8 | ip[41];
		dport = ip[42] << 8 | ip[43];
	} else {
		return 0;
	}
	return sport == own_port || dport == own_port;
}

static __always_inline int is_on_loopback(const struct hs_hop *hop)
{
	/* A buffer that is let go in a socket's queue has no device any more. */
	if (!hop->ifindex)
		return hop->snap[0] == 0x45 && hop->snap[12] == 127;
	return hop->netns == own_netns && hop->dev_type == ARPHRD_LOOPBACK;
}

static __always_inline int is_own(const struct hs_hop *hop)
{
	if (!own_port || !is_on_loopback(hop))
		return 0;
	return hop->l3_offset == 14 ? is_own_tcp(hop->snap + 14) : is_own_tcp(hop->snap);
}

static __always_inline void finish(void *record, const struct hs_hop *hop)
{
	if (is_own(hop)) {
		count(HS_COUNTER_OWN);
		bpf_ringbuf_discard(record, SUBMIT_FLAGS);
		return;
	}
	bpf_ringbuf_submit(record, SUBMIT_FLAGS);
}

static __always_inline void emit(const struct observation *o)
{
	unsigned long nfct = o->skb->_nfct;

	/*
	 * Two sizes rather than one: bpf_ringbuf_reserve takes only a constant, and
	 * the conntrack tuples are a quarter of a record that most hops outside
	 * netfilter do not have. The size check keeps the byte-for-byte copy of a
	 * tuple honest on a kernel that lays it out otherwise.
	 */
	if ((nfct & ~NFCT_INFO_MASK) && bpf_core_type_exists(struct nf_conn) &&
	    bpf_core_type_size(struct nf_conntrack_tuple) == TUPLE_SIZE) {
		struct hs_hop_ct *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

		if (!record) {
			count(HS_COUNTER_LOST_HOP);
			return;
		}
		fill_header(&record->hop.header, o->skb, HS_RECORD_HOP_CT, sizeof(*record));
		fill(&record->hop, o);
		record->hop.ct_info = nfct & NFCT_INFO_MASK;
		fill_conntrack(record, nfct);
		finish(record, &record->hop);
	} else {
		struct hs_hop *record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);

		if (!record) {
			count(HS_COUNTER_LOST_HOP);
			return;
		}
		fill_header(&record->header, o->skb, HS_RECORD_HOP, sizeof(*record));
		fill(record, o);
		record->ct_info = nfct ? nfct & NFCT_INFO_MASK : NO_CT;
		finish(record, record);
	}
}

#endif
