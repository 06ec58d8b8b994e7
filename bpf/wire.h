/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records that cross the ring buffer. src/wire/layout.gen.ts is generated from
 * the BTF of the compiled object, so this file is the only place a layout is
 * written down. Natural alignment, no packing; every size is a multiple of 8.
 *
 * One record a packet: a trail. It holds the observations of one buffer on one
 * CPU, and what its headers said wherever they changed:
 *
 *   hs_trail | hs_hop [link] [snapshot] [conntrack] [drop] [deliver] | hs_hop ...
 *
 * The flags of a hop say which blocks follow it, in that order. The first hop of a
 * trail has a snapshot.
 */
#ifndef HOPSCOPE_WIRE_H
#define HOPSCOPE_WIRE_H

#define HS_NAME_LEN 16

enum hs_length {
	HS_LENGTH_LINK = 14,		/* of a link header */
	HS_LENGTH_SNAPSHOT = 176,	/* most bytes of a snapshot */
};

enum hs_record_type {
	HS_RECORD_TRAIL = 1,	/* struct hs_trail */
	HS_RECORD_DEVICE = 2,	/* struct hs_device: seen first, or changed */
	HS_RECORD_DELIVER = 3,	/* struct hs_deliver: a process read it */
	HS_RECORD_CONNECT = 4,	/* struct hs_connect: a process opens a connection */
};

enum hs_stage {
	HS_STAGE_EGRESS = 1,
	HS_STAGE_INGRESS = 2,
	HS_STAGE_NETFILTER = 3,
	HS_STAGE_DELIVER = 4,
	HS_STAGE_DROP = 5,
};

enum hs_hop_flag {
	HS_HOP_LINK = 1,	/* LINK_PAD zeros and a link header follow: 16 bytes */
	HS_HOP_SNAPSHOT = 2,	/* struct hs_snapshot follows */
	HS_HOP_CONNTRACK = 4,	/* struct hs_conntrack follows */
	HS_HOP_DROP = 8,	/* struct hs_drop follows */
	HS_HOP_DELIVER = 16,	/* u64 follows: the socket that took it */
};

/* Why a trail was handed over. */
enum hs_end {
	HS_END_NONE = 0,	/* another needed the slot, it was full, or it was time */
	HS_END_FREE = 1,	/* the buffer was released, and not as a drop */
	HS_END_DROP = 2,
	HS_END_DELIVER = 3,	/* a socket took it */
};

/* Every record starts so. */
struct hs_header {
	__u16 type;		/* enum hs_record_type */
	__u16 size;		/* of the whole record */
	__u32 cpu;
	__u64 time;		/* CLOCK_MONOTONIC, ns; of a trail: its first hop */
	__u64 skb;		/* address of the struct sk_buff; 0 of a device */
};

struct hs_trail {
	struct hs_header header;
	__u64 sock;		/* skb->sk at the first hop; until it leaves a namespace, its sender's */
	__u32 end_delta;	/* ns from the first hop to the end */
	__u16 hops;		/* how many follow */
	__u8 end;		/* enum hs_end */
	__u8 reserved;
};

struct hs_hop {
	__u32 delta;		/* ns since the first hop of the trail */
	__u32 netns;		/* number of the network namespace: netns_number() */
	__u32 ifindex;		/* 0: no device known */
	__u32 mark;
	__u32 len;		/* bytes of the frame, from its link header where the device has one */
	__u32 flags;		/* enum hs_hop_flag */
	__s16 priority;		/* netfilter: of this observation */
	__u8 stage;		/* enum hs_stage */
	__u8 hook;		/* netfilter: enum nf_inet_hooks, else 0xff */
	__u8 ttl;		/* of the outermost header: TTL or hop limit; 0 without one */
	__u8 ct_info;		/* enum ip_conntrack_info; 0xff: no entry */
	__u8 reserved[2];
};

/* The headers as they are here; bytes follow, padded with zeros to a multiple of 8. */
struct hs_snapshot {
	__u64 head;		/* skb->head: clones share it */
	__u16 l3_offset;	/* network header from the first byte that follows */
	__u16 length;		/* bytes that follow, without the padding */
	__u16 protocol;		/* skb->protocol, host order */
	__u16 gso_size;
	__u16 gso_segs;
	__u16 vlan_tci;		/* of an offloaded tag, when vlan_proto is not 0 */
	__u16 vlan_proto;	/* host order */
	__u16 reserved;
};

/* Addresses and ports in network order; the IPv6 form has 16 bytes an address. */
struct hs_conntrack {
	__u64 ct;		/* address of the struct nf_conn; 0: no tuples follow */
	__u32 status;		/* IPS_* */
	__u16 zone;
	__u8 l3num;		/* AF_INET or AF_INET6 */
	__u8 protonum;
};

struct hs_tuple4 {
	__u32 src;
	__u32 dst;
	__u16 sport;		/* or ICMP id */
	__u16 dport;		/* or ICMP type and code */
};

struct hs_tuple6 {
	__u8 src[16];
	__u8 dst[16];
	__u16 sport;
	__u16 dport;
};

struct hs_conntrack4 {
	struct hs_conntrack entry;
	struct hs_tuple4 original;
	struct hs_tuple4 reply;
};

struct hs_conntrack6 {
	struct hs_conntrack entry;
	struct hs_tuple6 original;
	struct hs_tuple6 reply;
};

struct hs_drop {
	__u64 location;		/* return address of the caller of kfree_skb */
	__u32 reason;		/* enum skb_drop_reason */
	__u32 dataref;		/* holders of the data, this skb included */
};

struct hs_device {
	struct hs_header header;
	__u32 netns;
	__u32 inode;		/* of the namespace; the next one may have it again */
	__u32 ifindex;
	__u32 mtu;
	__u32 dev_type;		/* ARPHRD_* */
	__u32 reserved;
	char name[HS_NAME_LEN];
	char kind[HS_NAME_LEN];	/* rtnl_link_ops->kind, "" for hardware */
};

/*
 * Who does something to a socket: meaningful only where the process itself runs,
 * all 0 where the kernel works for no process.
 */
struct hs_actor {
	__u32 process;		/* thread group id, in the first pid namespace */
	__u32 thread;
	__u32 sleeps;		/* how often the thread has gone to sleep; wraps */
};

struct hs_deliver {
	struct hs_header header;
	__u64 sock;
	__u64 head;
	__u32 netns;
	struct hs_actor reader;
};

/* A connection begins; its SYN, with the same sock, comes after. skb is 0. */
struct hs_connect {
	struct hs_header header;
	__u64 sock;
	__u32 netns;
	struct hs_actor opener;
};

/* Indices of the per-CPU counter map; hops unless said otherwise. */
enum hs_counter {
	HS_COUNTER_PASSED = 0,		/* handed to the ring */
	HS_COUNTER_LOST_RING = 1,	/* lost: the ring was full */
	HS_COUNTER_LOST_NESTED = 2,	/* lost: an interrupt met its own slot at work */
	HS_COUNTER_LOST_EVENT = 3,	/* records of other types than trails: the ring was full */
	HS_COUNTER_OWN = 4,		/* never made: hopscope's own traffic */
	HS_COUNTER_TRAILS = 5,		/* trails handed to the ring */
	HS_COUNTER_BYTES = 6,		/* bytes of them */
	HS_COUNTER_LOST_DROP = 7,	/* left out: drops between windows, too many alike */
	HS_COUNTER_FILTERED = 8,	/* left out: the filter matched nothing of their packet */
	HS_COUNTER_MARKS_EVICTED = 9,	/* packets no longer known to match, no room for them */
	HS_COUNTER_PAST_SHARE = 10,	/* left out: hops of flows that had their share of a window */
	HS_COUNTER_BUSY_FLOWS = 11,	/* left out between windows: hops of flows that are not new */
	HS_COUNTER_DROPS = 12,		/* drops between windows */
	HS_COUNTER_MAX,
};

/*
 * Names every type above once, so that one variable of this type puts all of
 * them into the object's BTF, from which the reader's layout is generated.
 */
struct hs_wire {
	enum hs_record_type type;
	enum hs_stage stage;
	enum hs_hop_flag flag;
	enum hs_end end;
	enum hs_length length;
	enum hs_counter counter;
	struct hs_trail trail;
	struct hs_hop hop;
	struct hs_snapshot snapshot;
	struct hs_conntrack4 conntrack4;
	struct hs_conntrack6 conntrack6;
	struct hs_drop drop;
	struct hs_device device;
	struct hs_deliver deliver;
	struct hs_connect connect;
};

_Static_assert(sizeof(struct hs_header) == 24, "hs_header");
_Static_assert(sizeof(struct hs_trail) == 40, "hs_trail");
_Static_assert(sizeof(struct hs_hop) == 32, "hs_hop");
_Static_assert(sizeof(struct hs_snapshot) == 24, "hs_snapshot");
_Static_assert(sizeof(struct hs_conntrack) == 16, "hs_conntrack");
_Static_assert(sizeof(struct hs_conntrack4) == 40, "hs_conntrack4");
_Static_assert(sizeof(struct hs_conntrack6) == 88, "hs_conntrack6");
_Static_assert(sizeof(struct hs_drop) == 16, "hs_drop");
_Static_assert(sizeof(struct hs_device) == 80, "hs_device");
_Static_assert(sizeof(struct hs_deliver) == 56, "hs_deliver");
_Static_assert(sizeof(struct hs_connect) == 48, "hs_connect");

#endif
