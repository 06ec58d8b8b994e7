/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Trails: what was observed of one buffer on one CPU, collected in a slot and
 * handed to the ring as one record when the packet ends, when another buffer needs
 * the slot, when the slot is full, or when user space asks (flush_trails).
 *
 * A slot is found by a hash of the buffer's address in an array, whose look-up the
 * JIT inlines: a hash map would cost each hop more than all else it does. The
 * address alone proves nothing: user space compares what no hop rewrites, at each
 * snapshot. A snapshot is taken where the headers are not the ones before; the hops
 * in between have the same headers, TTL and checksum aside.
 */
#ifndef HOPSCOPE_TRAIL_H
#define HOPSCOPE_TRAIL_H

#include "device.h"
#include "drops.h"
#include "wish.h"

/* Pointers may be subtracted in 64 bits only, and the compiler prefers 32. */
static __always_inline __u32 data_offset(const struct sk_buff *skb)
{
	__u64 offset = skb->data - skb->head;

	barrier_var(offset);
	return offset;
}

static __always_inline __u32 slot_index(const void *skb)
{
	return hash_of(skb) >> (32 - SLOTS_BITS);
}

static __always_inline void mark_taken(__u32 index, int is_taken)
{
	__u32 zero = 0, word = index / 64;
	struct taken *bits = bpf_map_lookup_elem(&taken, &zero);

	if (!bits || word >= SLOT_WORDS)
		return;
	if (is_taken)
		__sync_fetch_and_or(&bits->words[word], 1ULL << (index & 63));
	else
		__sync_fetch_and_and(&bits->words[word], ~(1ULL << (index & 63)));
}

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

static __always_inline __u32 place_of(const struct observation *o)
{
	return (__u32)(__u16)o->priority << 16 | (__u32)o->hook << 8 | o->stage;
}

/*
 * Hands the trail to the ring, unless the filter leaves it out, and leaves the slot
 * empty. is_over: the packet will not be seen in this buffer again.
 */
static __always_inline void hand_over(struct slot *slot, __u8 end, __u64 end_time, int is_over)
{
	__u32 used = bounded(slot->used, TRAIL_DATA);
	__u32 size;

	if (used && filtered && wish_for(slot, is_over) == WISH_NO) {
		count(HS_COUNTER_FILTERED, slot->trail.hops);
	} else if (used) {
		size = sizeof(slot->trail) + used;
		slot->trail.header.size = size;
		slot->trail.end = end;
		slot->trail.end_delta = end_time - slot->trail.header.time;
		if (bpf_ringbuf_output(&events, &slot->trail, size, SUBMIT_FLAGS)) {
			count(HS_COUNTER_LOST_RING, slot->trail.hops);
		} else {
			count(HS_COUNTER_PASSED, slot->trail.hops);
			count(HS_COUNTER_TRAILS, 1);
			count(HS_COUNTER_BYTES, size);
		}
	}
	slot->used = 0;
	slot->skb = 0;
}

static __always_inline void begin_trail(struct slot *slot, __u32 index, struct sk_buff *skb,
					__u64 now)
{
	struct hs_trail *trail = &slot->trail;

	slot->skb = (__u64)skb;
	slot->head = 0;
	slot->dev = 0;
	slot->ct = 0;
	slot->ct_info = NO_CT;
	slot->ct_status = 0;
	slot->has_link = 0;
	slot->used = 0;
	trail->header.type = HS_RECORD_TRAIL;
	trail->header.cpu = bpf_get_smp_processor_id();
	trail->header.time = now;
	trail->header.skb = (__u64)skb;
	trail->sock = (__u64)skb->sk;
	trail->hops = 0;
	trail->reserved = 0;
	if (filtered) {
		slot->matched = 0;
		slot->is_part = 0;
		slot->is_gso = 0;
		slot->identity = 0;
		slot->stream = 0;
		slot->buffer = buffer_index(skb);
	}
	mark_taken(index, 1);
}

/* Reads what is compared; where the packet is too short it is what happens to lie there. */
static __always_inline void read_keys(struct keys *keys, const unsigned char *head,
				      const struct observation *o, int is_ipv6)
{
	__u8 *at = (__u8 *)keys + LINK_PAD;
	const unsigned char *start = head + o->start;

	keys->link[0] = 0;
	if (o->network == o->start) {
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

/* Appends conntrack's entry and both its tuples; returns the bytes used. */
static __always_inline __u32 add_conntrack(__u8 *at, const struct nf_conn *ct, __u32 status)
{
	struct hs_conntrack *entry = (void *)at;
	struct raw_tuple original, reply;

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
			status = BPF_CORE_READ(ct, status);
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
			used += add_conntrack(slot->data + used, ct, status);
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

static __always_inline void observe(const struct observation *o)
{
	struct sk_buff *skb = o->skb;
	__u16 protocol = bpf_ntohs(skb->protocol);
	__u16 offset = o->network - o->start;
	int is_plain = !offset || offset == HS_LENGTH_LINK;
	int is_ipv6 = is_plain && protocol == ETH_P_IPV6;
	int is_ipv4 = is_plain && protocol == ETH_P_IP;
	__u32 index = slot_index(skb);
	unsigned char *head = skb->head;
	struct keys keys = {};
	struct slot *slot;
	__u32 before;
	int is_new;
	__u64 now;
	__u8 ttl;

	/* That is most packets, so before all else. */
	if (sample_below && !o->end) {
		slot = bpf_map_lookup_elem(&slots, &index);
		if (slot && slot->skb != (__u64)skb && !is_chosen(head + o->network))
			return;
	}
	read_keys(&keys, head, o, is_ipv6);
	if (is_own(o, &keys, is_ipv6, is_ipv4)) {
		count(HS_COUNTER_OWN, 1);
		return;
	}
	slot = bpf_map_lookup_elem(&slots, &index);
	if (!slot)
		return;
	if (slot->busy) {
		count(HS_COUNTER_LOST_NESTED, 1);
		return;
	}
	slot->busy = 1;
	barrier();
	now = bpf_ktime_get_ns();
	ttl = take_ttl(&keys, is_ipv6, is_ipv4);
	if (o->end == HS_END_DROP && is_drop_left_out(o, &keys, is_ipv6, now)) {
		count(HS_COUNTER_LOST_DROP, 1);
		barrier();
		slot->busy = 0;
		return;
	}
	/*
	 * Back where the trail began it is another packet, which may be like the one before
	 * to the last byte: that was read by a process on another CPU meanwhile.
	 */
	is_new = slot->skb != (__u64)skb || now - slot->last > TRAIL_GAP_NS ||
		 (slot->start_dev == (__u64)o->dev && slot->start_place == place_of(o));
	/* What was received goes down into no device: this is another packet in its buffer. */
	if (filtered && slot->is_received && o->stage == HS_STAGE_EGRESS)
		is_new = 1;
	/* Later, or with other headers, it may be another packet in the same buffer. */
	if (sample_below && !o->end && slot->skb == (__u64)skb &&
	    (is_new || has_new_words(slot, &keys, is_ipv6)) && !is_chosen(head + o->network)) {
		hand_over(slot, HS_END_NONE, now, 0);
		mark_taken(index, 0);
		barrier();
		slot->busy = 0;
		return;
	}
	if (is_new || slot->used > TRAIL_DATA - HOP_MOST) {
		hand_over(slot, HS_END_NONE, now, 0);
		begin_trail(slot, index, skb, now);
		slot->start_dev = (__u64)o->dev;
		slot->start_place = place_of(o);
	}
	if (o->dev && slot->dev != (__u64)o->dev) {
		slot->dev = (__u64)o->dev;
		know_device(o->dev, o->netns, now);
	}
	before = slot->used;
	add_hop(slot, o, now, &keys, head, ttl, is_ipv6);
	if (filtered)
		ask_filter(slot, before, o->dev ? o->dev->mtu : ~0U - LINK_MOST);
	if (o->end) {
		hand_over(slot, o->end, now, 1);
		mark_taken(index, 0);
	}
	barrier();
	slot->busy = 0;
}

/* A socket took the packet: the trail's last hop. False when its trail is elsewhere. */
static __always_inline int add_delivery(const void *skb, __u64 sock, __u32 netns)
{
	__u32 index = slot_index(skb);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);
	struct hs_hop *hop;
	__u32 used;
	__u64 now;

	if (!slot || slot->busy || slot->skb != (__u64)skb)
		return 0;
	used = bounded(slot->used, TRAIL_DATA - HOP_MOST);
	slot->busy = 1;
	barrier();
	now = bpf_ktime_get_ns();
	hop = (void *)(slot->data + used);
	__builtin_memset(hop, 0, sizeof(*hop));
	hop->delta = now - slot->trail.header.time;
	hop->netns = netns;
	hop->flags = HS_HOP_DELIVER;
	hop->stage = HS_STAGE_DELIVER;
	hop->hook = NO_HOOK;
	hop->ct_info = NO_CT;
	*(__u64 *)(slot->data + used + sizeof(*hop)) = sock;
	slot->used = used + sizeof(*hop) + sizeof(sock);
	slot->trail.hops += 1;
	hand_over(slot, HS_END_DELIVER, now, 1);
	mark_taken(index, 0);
	barrier();
	slot->busy = 0;
	return 1;
}

/* The buffer's life is over, or a socket has it: no hop follows. */
static __always_inline void end_trail(const void *skb, __u8 end)
{
	__u32 index = slot_index(skb);
	struct slot *slot = bpf_map_lookup_elem(&slots, &index);

	/* On another CPU its trail is handed over with the next flush. */
	if (!slot || slot->busy || slot->skb != (__u64)skb) {
		if (filtered)
			remember_buffer(buffer_index(skb), (__u64)skb, BUFFER_RELEASED,
					bpf_ktime_get_ns());
		return;
	}
	slot->busy = 1;
	barrier();
	hand_over(slot, end, bpf_ktime_get_ns(), 1);
	mark_taken(index, 0);
	barrier();
	slot->busy = 0;
}

#endif
