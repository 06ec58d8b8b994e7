/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Appends a hop to a trail, with the blocks that it needs. */
#ifndef HOPSCOPE_TRAIL_HOP_H
#define HOPSCOPE_TRAIL_HOP_H

#include "wish.h"

/*
 * No more than the limit, in one register: the compiler would compare a copy, and the
 * verifier of 6.1 does not carry what it learns of one over to the value on the stack.
 */
static __always_inline __u32 bounded(__u64 value, const __u64 limit)
{
	asm volatile("if %[value] <= %[limit] goto +1\n"
		     "%[value] = %[limit]\n"
		     : [value] "+r"(value)
		     : [limit] "i"(limit));
	return value;
}

/* Appends the headers as they are; returns the bytes used. */
static __always_inline __u32 add_snapshot(__u8 *at, const struct observation *o,
					  unsigned char *head)
{
	struct sk_buff *skb = o->skb;
	struct hs_snapshot *snapshot = (void *)at;
	struct skb_shared_info *shared = (void *)(head + skb->end);
	__u32 tail = skb->tail;
	__u32 length = tail > o->start ? tail - o->start : 0;

	/*
	 * Only the linear part is there to read; what lies in fragments shows up as a
	 * short snapshot, which the decoder calls truncated.
	 */
	if (length > HS_LENGTH_SNAPSHOT)
		length = HS_LENGTH_SNAPSHOT;
	snapshot->head = (__u64)head;
	snapshot->l3_offset = o->network >= o->start ? o->network - o->start : 0;
	snapshot->protocol = bpf_ntohs(skb->protocol);
	snapshot->vlan_proto = bpf_ntohs(skb->vlan_proto);
	snapshot->vlan_tci = skb->vlan_tci;
	snapshot->gso_size = BPF_CORE_READ(shared, gso_size);
	snapshot->gso_segs = snapshot->gso_size ? BPF_CORE_READ(shared, gso_segs) : 0;
	snapshot->reserved = 0;
	at += sizeof(*snapshot);
	/* Zeros after the last byte, up to the next multiple of 8. */
	*(__u64 *)(at + (length & ~7U)) = 0;
	if (bpf_probe_read_kernel(at, length, head + o->start))
		length = 0;
	snapshot->length = length;
	return sizeof(*snapshot) + ((length + 7) & ~7U);
}

/*
 * Writes conntrack's entry (0: none that can be read) and both its tuples; returns the bytes used.
 * A global function, so that the verifier looks at it once in a program.
 */
__noinline int add_conntrack(struct hs_conntrack6 *at, __u64 address, __u32 status)
{
	const struct nf_conn *ct = (const void *)address;
	struct hs_conntrack *entry = (void *)at;
	struct raw_tuple original, reply;

	if (!at)
		return 0;
	entry->ct = (__u64)ct;
	entry->status = status;
	entry->zone = 0;
	/* CONFIG_NF_CONNTRACK_ZONES may be off */
	if (ct && bpf_core_field_exists(ct->zone))
		entry->zone = BPF_CORE_READ(ct, zone.id);
	entry->l3num = 0;
	entry->protonum = 0;
	if (!ct)
		return sizeof(*entry);
	bpf_core_read(&original, TUPLE_SIZE, &ct->tuplehash[0].tuple);
	bpf_core_read(&reply, TUPLE_SIZE, &ct->tuplehash[1].tuple);
	entry->l3num = original.l3num;
	entry->protonum = original.protonum;
	if (original.l3num == AF_INET) {
		struct hs_conntrack4 *tuples = (void *)at;

		tuples->original.src = original.src[0];
		tuples->original.dst = original.dst[0];
		tuples->original.sport = original.sport;
		tuples->original.dport = original.dport;
		tuples->reply.src = reply.src[0];
		tuples->reply.dst = reply.dst[0];
		tuples->reply.sport = reply.sport;
		tuples->reply.dport = reply.dport;
		return sizeof(*tuples);
	} else {
		struct hs_conntrack6 *tuples = (void *)at;

		__builtin_memcpy(tuples->original.src, original.src, 16);
		__builtin_memcpy(tuples->original.dst, original.dst, 16);
		tuples->original.sport = original.sport;
		tuples->original.dport = original.dport;
		__builtin_memcpy(tuples->reply.src, reply.src, 16);
		__builtin_memcpy(tuples->reply.dst, reply.dst, 16);
		tuples->reply.sport = reply.sport;
		tuples->reply.dport = reply.dport;
		return sizeof(*tuples);
	}
}

static __always_inline __u32 conntrack_status(const struct nf_conn *ct)
{
	if (!has_kernel_words())
		return BPF_CORE_READ(ct, status);
	return *kernel_words((const void *)ct + bpf_core_field_offset(ct->status));
}

static __always_inline void add_hop(struct slot *slot, const struct observation *o, __u64 now,
				    const struct keys *keys, unsigned char *head, __u8 ttl,
				    int is_ipv6)
{
	struct sk_buff *skb = o->skb;
	unsigned long nfct = skb->_nfct;
	struct nf_conn *ct = (struct nf_conn *)(nfct & ~NFCT_INFO_MASK);
	__u8 ct_info = nfct ? nfct & NFCT_INFO_MASK : NO_CT;
	__u32 used = bounded(slot->used, TRAIL_DATA - HOP_MOST), flags = 0, status = 0;
	__u32 vlan = skb->vlan_proto ? skb->vlan_proto << 16 | skb->vlan_tci : 0;
	__u16 offset = o->network - o->start;
	struct hs_hop *hop;
	__u32 length;

	hop = (void *)(slot->data + used);
	used += sizeof(*hop);
	hop->delta = now - slot->trail.header.time;
	hop->netns = o->netns;
	hop->ifindex = o->dev ? o->dev->ifindex : 0;
	hop->mark = skb->mark;
	/* On the way in, data is after the link header and len leaves it out. */
	length = skb->len + data_offset(skb) - o->network;
	hop->len = length + offset;
	hop->priority = o->priority;
	hop->stage = o->stage;
	hop->hook = o->hook;
	hop->ttl = ttl;
	hop->ct_info = ct_info;
	hop->reserved[0] = 0;
	hop->reserved[1] = 0;
	if (offset == HS_LENGTH_LINK) {
		if (!slot->has_link || slot->keys.link[0] != keys->link[0] ||
		    slot->keys.link[1] != keys->link[1]) {
			slot->keys.link[0] = keys->link[0];
			slot->keys.link[1] = keys->link[1];
			slot->has_link = 1;
			flags |= HS_HOP_LINK;
		}
	}
	/*
	 * A tag in the data, or a header that is not where it should be; and what is
	 * dropped is judged by all that is known of it.
	 */
	if ((offset && offset != HS_LENGTH_LINK) || o->stage == HS_STAGE_DROP)
		flags |= HS_HOP_SNAPSHOT;
	if (slot->head != (__u64)head || slot->length != length || slot->vlan != vlan ||
	    has_new_words(slot, keys, is_ipv6)) {
		slot->head = (__u64)head;
		slot->length = length;
		slot->vlan = vlan;
		slot->keys.words[0] = keys->words[0];
		slot->keys.words[1] = keys->words[1];
		slot->keys.words[2] = keys->words[2];
		slot->keys.words[3] = keys->words[3];
		slot->keys.words[4] = keys->words[4];
		slot->keys.words[5] = keys->words[5];
		slot->keys.words[6] = keys->words[6];
		flags |= HS_HOP_SNAPSHOT;
	}
	if (flags & HS_HOP_SNAPSHOT) {
		/* The link header is the beginning of what follows. */
		flags &= ~HS_HOP_LINK;
		used += add_snapshot(slot->data + used, o, head);
	} else if (flags & HS_HOP_LINK) {
		__u64 *link = (void *)(slot->data + used);

		link[0] = keys->link[0];
		link[1] = keys->link[1];
		used += 16;
	}
	if (ct_info != NO_CT) {
		if (ct && bpf_core_type_exists(struct nf_conn))
			status = conntrack_status(ct);
		if (slot->ct != (__u64)ct || slot->ct_info != ct_info || slot->ct_status != status) {
			slot->ct = (__u64)ct;
			slot->ct_info = ct_info;
			slot->ct_status = status;
			/*
			 * The size check keeps the copy of a tuple honest on a kernel that lays
			 * it out otherwise.
			 */
			if (!bpf_core_type_exists(struct nf_conn) ||
			    bpf_core_type_size(struct nf_conntrack_tuple) != TUPLE_SIZE)
				ct = 0;
			flags |= HS_HOP_CONNTRACK;
			used = bounded(used, TRAIL_DATA - sizeof(struct hs_conntrack6));
			used += add_conntrack((void *)(slot->data + used), (__u64)ct, status);
		}
	}
	if (o->stage == HS_STAGE_DROP) {
		struct hs_drop *drop;
		struct skb_shared_info *shared = (void *)(head + skb->end);

		used = bounded(used, TRAIL_DATA - sizeof(*drop));
		drop = (void *)(slot->data + used);
		drop->location = o->location;
		drop->reason = o->reason;
		/*
		 * The lower half counts all holders (SKB_DATAREF_SHIFT): a raw socket's clone
		 * lives on when its original finds no other socket and is dropped.
		 */
		drop->dataref = BPF_CORE_READ(shared, dataref.counter) & 0xffff;
		flags |= HS_HOP_DROP;
		used += sizeof(*drop);
	}
	hop->flags = flags;
	slot->used = used;
	slot->last = now;
	slot->trail.hops += 1;
}

#endif
