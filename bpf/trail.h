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
#include "matched.h"

#define NFCT_INFO_MASK 7UL
#define DST_PTR_MASK (~1UL)
#define TUPLE_SIZE 40
#define AF_INET 2

/* Packets under way on a CPU; a power of two, and the bits of it. */
#define SLOTS 512
#define SLOTS_BITS 9
#define SLOT_WORDS (SLOTS / 64)
/* Bytes of hops and blocks in a slot. */
#define TRAIL_DATA 3072
/* The most that one hop adds. */
#define HOP_MOST (sizeof(struct hs_hop) + 16 + sizeof(struct hs_snapshot) + HS_LENGTH_SNAPSHOT + 8 + \
		  sizeof(struct hs_conntrack6) + sizeof(struct hs_drop) + 8)
/* A filter may be shown what lies after the last bytes. */
#define FILTER_BEYOND 64
/*
 * A buffer not seen for this long has a trail of its own when it is seen again: its
 * address may be another packet's by now, and records are put in the order of their
 * first hops. Ten times what a packet takes from one place to the next here.
 */
#define TRAIL_GAP_NS 1000000ULL

/* Words of the network header that are compared: up to the ports of IPv6, and 8 bytes more. */
#define KEY_WORDS 7
/* The link header lies before them so that they are aligned. */
#define LINK_PAD 2
#define KEY_BYTES4 32
#define KEY_BYTES6 56

/* struct nf_conntrack_tuple (include/net/netfilter/nf_conntrack_tuple.h), byte for byte */
struct raw_tuple {
	__u32 src[4];
	__u16 sport;
	__u16 l3num;
	__u32 dst[4];
	__u16 dport;
	__u8 protonum;
	__u8 dir;
};

struct keys {
	__u64 link[2];
	__u64 words[KEY_WORDS];
};

struct slot {
	__u64 skb;
	__u64 head;
	__u64 dev;		/* the newest one known to user space */
	__u64 last;
	__u64 ct;
	struct keys keys;
	__u32 ct_status;
	__u32 length;		/* from the network header on */
	__u32 vlan;
	__u16 used;
	__u8 busy;
	__u8 ct_info;
	__u8 has_link;
	__u8 matched;		/* with a filter: something of the trail does */
	__u8 is_part;		/* with a filter: fragments, or what is made of them or cut into them */
	__u8 is_gso;		/* with a filter */
	__u8 is_received;	/* with a filter: behind INPUT, its headers stay as they are */
	__u8 pad[7];
	__u32 buffer;		/* with a filter: its index in buffers */
	__u64 identity;		/* with a filter: of the packet at the newest snapshot */
	__u64 stream;		/* with a filter: stream_of() at the first snapshot */
	struct hs_trail trail;
	__u8 data[TRAIL_DATA];
	__u8 beyond[FILTER_BEYOND];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

/* Which slots hold a trail. */
struct taken {
	__u64 words[SLOT_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct taken);
} taken SEC(".maps");

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

enum wish {
	WISH_NO,	/* nothing of the packet matches, and no more of it will come */
	WISH_YES,
	WISH_OPEN,	/* nothing matches so far */
};

/* include/uapi/linux/netfilter.h, netfilter_ipv4.h */
#define NF_INET_LOCAL_IN 1
#define NF_IP_PRI_NAT_SRC 100
#define PORT_ESP 4500
/* What a WireGuard data message begins with (drivers/net/wireguard/messages.h), on x86 and ARM. */
#define WIREGUARD_DATA 4
/* A link header with two tags. */
#define LINK_MOST (HS_LENGTH_LINK + 2 * VLAN_TAG)
/* How long a trail that has not matched yet waits in its slot for its end. */
#define HELD_NS 60000000ULL

/*
 * Whose the newest outermost header is, by addresses and ports: segments have it as it
 * was at the last hop of the GSO packet they are cut from, and nothing else in common.
 */
static __always_inline __u64 stream_of(const struct slot *slot)
{
	const __u64 *words = slot->keys.words;
	__u64 key = (words[1] >> 32) ^ words[2] * 0x9e3779b97f4a7c15ULL;

	if ((words[0] & 0xf0) == 0x60)
		key ^= (words[3] * 0x9e3779b97f4a7c15ULL ^ words[4]) * 0x9e3779b97f4a7c15ULL +
		       (__u32)words[5];
	/* No protocol of an identity. */
	return key | 0xffULL << 56;
}

/* Whether a trail is wanted by the filter; is_over: its buffer has come to its end. */
__noinline int wish_for(struct slot *slot, __u32 is_over)
{
	__u64 now = bpf_ktime_get_ns();
	int wish = WISH_OPEN, is_known = 0, is_released = 0;
	struct buffer *buffer;
	__u32 index;

	if (!slot)
		return WISH_YES;
	index = slot->buffer;
	buffer = bpf_map_lookup_elem(&buffers, &index);
	if (buffer && buffer->skb == slot->skb) {
		/* It may have come to its end on another CPU. */
		is_released = buffer->state != BUFFER_MATCHED && buffer->time >= slot->last;
		is_known = is_released ? buffer->state == BUFFER_MATCHED_RELEASED :
					 buffer->state == BUFFER_MATCHED;
	}
	if (slot->matched || slot->is_part || is_known || is_remembered(slot->identity, now) ||
	    is_remembered(slot->stream, now))
		wish = WISH_YES;
	else if (is_over || is_released || slot->is_received)
		wish = WISH_NO;
	if (slot->matched && slot->is_gso)
		remember_packet(stream_of(slot), now);
	if (is_over)
		remember_buffer(index, slot->skb, BUFFER_RELEASED, now);
	return wish;
}

/* Whether a datagram may be decrypted, perhaps on another CPU: WireGuard's data, ESP. */
static __always_inline int may_be_encrypted(__u32 ports, __u32 payload)
{
	return payload == WIREGUARD_DATA || (__u16)ports == bpf_htons(PORT_ESP) ||
	       ports >> 16 == bpf_htons(PORT_ESP);
}

/*
 * Whether a hop is the last one that can tell of a packet: of many that are received
 * there the end is not seen (udp_recvmsg, tcp_rcv_state_process). What a tunnel carries
 * was asked already, unless it is encrypted; and what IPVS sends on from INPUT does not
 * come to its last place.
 */
static __always_inline int is_received(const struct slot *slot, const struct hs_hop *hop)
{
	const __u64 *words = slot->keys.words;
	__u8 protocol;

	if (hop->stage != HS_STAGE_NETFILTER || hop->hook != NF_INET_LOCAL_IN ||
	    hop->priority <= NF_IP_PRI_NAT_SRC)
		return 0;
	if ((words[0] & 0xf0) == 0x40) {
		protocol = words[1] >> 8;
		if (protocol == PROTO_UDP)
			return !may_be_encrypted(words[2] >> 32, words[3] >> 32);
	} else {
		protocol = words[0] >> 48;
		if (protocol == PROTO_UDP)
			return !may_be_encrypted(words[5], words[6]);
	}
	return protocol == PROTO_TCP || protocol == PROTO_ICMP || protocol == PROTO_ICMPV6;
}

/*
 * Asks the filter of the hop at `at` of the slot's data, if it has a snapshot. What is
 * longer than its device's MTU was reassembled or will be cut: it has other buffers.
 */
__noinline int ask_filter(struct slot *slot, __u32 at, __u32 mtu)
{
	const struct filter_bytes *seen;
	const struct hs_hop *hop;
	__u64 examined, now;

	if (!slot || at > TRAIL_DATA - HOP_MOST)
		return 0;
	hop = (const void *)(slot->data + at);
	seen = (const void *)(hop + 1);
	slot->is_received = is_received(slot, hop);
	if (!(hop->flags & HS_HOP_SNAPSHOT))
		return 0;
	if (seen->snapshot.gso_size)
		slot->is_gso = 1;
	else if (hop->len > mtu + LINK_MOST)
		slot->is_part = 1;
	if (slot->matched)
		return 0;
	examined = examine(seen, hop->len);
	slot->identity = examined & ~EXAMINED_BITS;
	if (!at)
		slot->stream = stream_of(slot);
	if (examined & EXAMINED_FRAGMENT)
		slot->is_part = 1;
	if (!(examined & EXAMINED_MATCHED))
		return 0;
	now = bpf_ktime_get_ns();
	slot->matched = 1;
	remember_packet(slot->identity, now);
	remember_buffer(slot->buffer, slot->skb, BUFFER_MATCHED, now);
	return 0;
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

/* The TTL is told with each hop, and the checksum changes with it. */
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
	__u32 ports;

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
	return bpf_ntohs(ports) == own_port || bpf_ntohs(ports >> 16) == own_port;
}

static __always_inline int is_own(const struct observation *o, const struct keys *keys,
				  int is_ipv6, int is_ipv4)
{
	if (!own_port)
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
	is_new = slot->skb != (__u64)skb || now - slot->last > TRAIL_GAP_NS;
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
