/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records that cross the ring buffer. src/wire/layout.gen.ts is generated from
 * the BTF of the compiled object, so this file is the only place a layout is
 * written down. Natural alignment, no packing; every size is a multiple of 8.
 */
#ifndef HOPSCOPE_WIRE_H
#define HOPSCOPE_WIRE_H

#define HS_SNAP_LEN 176
#define HS_NAME_LEN 16

enum hs_record_type {
	HS_RECORD_HOP = 1,	/* struct hs_hop */
	HS_RECORD_HOP_CT = 2,	/* struct hs_hop_ct */
	HS_RECORD_FREE = 3,	/* struct hs_free: an skb's life ended, not a drop */
	HS_RECORD_DELIVER = 4,	/* struct hs_deliver: a socket took it */
	HS_RECORD_CONNECT = 5,	/* struct hs_connect: a process opens a connection */
};

enum hs_stage {
	HS_STAGE_EGRESS = 1,
	HS_STAGE_INGRESS = 2,
	HS_STAGE_NETFILTER = 3,
	HS_STAGE_DELIVER = 4,
	HS_STAGE_DROP = 5,
};

/* Every record starts so. */
struct hs_header {
	__u16 type;		/* enum hs_record_type */
	__u16 size;		/* of the whole record */
	__u32 cpu;
	__u64 time;		/* CLOCK_MONOTONIC, ns */
	__u64 skb;		/* address of the struct sk_buff */
};

struct hs_hop {
	struct hs_header header;
	__u64 head;		/* skb->head: clones share it */
	__u64 location;		/* drop: return address of the caller of kfree_skb */
	__u32 netns;		/* inode number of the network namespace */
	__u32 ifindex;		/* 0: no device known */
	__u32 mtu;
	__u32 len;		/* bytes of the frame from the first byte of snap */
	__u32 mark;
	__u32 reason;		/* drop: enum skb_drop_reason */
	__s32 priority;		/* netfilter: of this observation */
	__u32 dataref;		/* drop: holders of the data, this skb included */
	__u16 l3_offset;	/* network header from the start of snap */
	__u16 snap_len;		/* valid bytes in snap */
	__u16 gso_size;
	__u16 gso_segs;
	__u16 vlan_tci;		/* of an offloaded tag, when vlan_proto is not 0 */
	__u16 vlan_proto;	/* host order */
	__u16 protocol;		/* skb->protocol, host order */
	__u16 dev_type;		/* ARPHRD_* */
	__u8 stage;		/* enum hs_stage */
	__u8 hook;		/* netfilter: enum nf_inet_hooks, else 0xff */
	__u8 family;		/* netfilter: NFPROTO_* */
	__u8 ct_info;		/* enum ip_conntrack_info; 0xff: no entry */
	__u32 ifindex_in;	/* netfilter: state->in, 0 when none */
	char dev[HS_NAME_LEN];
	char kind[HS_NAME_LEN];	/* rtnl_link_ops->kind, "" for hardware */
	__u64 sock;		/* skb->sk; until it leaves a namespace, its sender's */
	__u8 snap[HS_SNAP_LEN];
};

/*
 * struct nf_conntrack_tuple byte for byte, so that one read takes it over;
 * addresses and ports in network order.
 */
struct hs_tuple {
	__u8 src[16];
	__u16 sport;		/* or ICMP id */
	__u16 l3num;		/* AF_INET or AF_INET6, host order */
	__u8 dst[16];
	__u16 dport;		/* or ICMP type and code */
	__u8 protonum;
	__u8 dir;
};

struct hs_hop_ct {
	struct hs_hop hop;
	__u64 ct;		/* address of the struct nf_conn */
	__u32 status;		/* IPS_* */
	__u16 zone;
	__u16 pad;
	struct hs_tuple original;
	struct hs_tuple reply;
};

struct hs_free {
	struct hs_header header;
};

/* Indices of the per-CPU counter map. */
enum hs_counter {
	HS_COUNTER_LOST_HOP = 0,	/* no room in the ring for a hop or a drop */
	HS_COUNTER_LOST_END = 1,	/* no room for a record of any other type */
	HS_COUNTER_OWN = 2,		/* left out: hopscope's own traffic */
	HS_COUNTER_MAX,
};

/*
 * Who does something to a socket: meaningful only where the process itself runs,
 * all 0 where the kernel works for nobody in particular.
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
	struct hs_actor reader;	/* 0: queued, and not read yet */
};

/* A connection begins; its SYN, with the same sock, comes after. skb is 0. */
struct hs_connect {
	struct hs_header header;
	__u64 sock;
	__u32 netns;
	struct hs_actor opener;
};

/*
 * Names every type above once, so that one variable of this type puts all of
 * them into the object's BTF, from which the reader's layout is generated.
 */
struct hs_wire {
	enum hs_record_type type;
	enum hs_stage stage;
	enum hs_counter counter;
	struct hs_hop hop;
	struct hs_hop_ct hop_ct;
	struct hs_free free;
	struct hs_actor actor;
	struct hs_deliver deliver;
	struct hs_connect connect;
};

_Static_assert(sizeof(struct hs_header) == 24, "hs_header");
_Static_assert(sizeof(struct hs_hop) == 24 + 16 + 32 + 16 + 8 + 40 + HS_SNAP_LEN, "hs_hop");
_Static_assert(sizeof(struct hs_tuple) == 40, "hs_tuple");
_Static_assert(sizeof(struct hs_hop_ct) == sizeof(struct hs_hop) + 16 + 80, "hs_hop_ct");
_Static_assert(sizeof(struct hs_deliver) == 56, "hs_deliver");
_Static_assert(sizeof(struct hs_connect) == 48, "hs_connect");

#endif
