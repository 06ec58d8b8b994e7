/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The few kernel types the programs read, each with the few fields they read.
 * libbpf matches them by name against the running kernel's BTF (CO-RE), so the
 * order and the rest of each struct do not matter here, and no generated
 * vmlinux.h is needed to compile. Anonymous unions of the kernel are flattened:
 * CO-RE finds a member through them.
 */
#ifndef HOPSCOPE_KERNEL_H
#define HOPSCOPE_KERNEL_H

#include <linux/bpf.h>

#define ETH_P_IP 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ARPHRD_ETHER 1
#define ARPHRD_LOOPBACK 772
#define NF_ACCEPT 1
#define TCP_SYN_SENT 2

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
	__u64 net_cookie;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct rtnl_link_ops {
	const char *kind;
};

struct net_device {
	char name[16];
	int ifindex;
	unsigned int mtu;
	unsigned short type;
	possible_net_t nd_net;
	const struct rtnl_link_ops *rtnl_link_ops;
};

struct sock_common {
	possible_net_t skc_net;
};

struct sock {
	struct sock_common __sk_common;
};

struct task_struct {
	unsigned long nvcsw;
};

struct dst_entry {
	struct net_device *dev;
};

struct sk_buff {
	struct net_device *dev;
	struct sock *sk;
	unsigned long _skb_refdst;
	unsigned long _nfct;
	unsigned int len;
	__u32 mark;
	__be16 vlan_proto;
	__u16 vlan_tci;
	__be16 protocol;
	__u16 network_header;
	__u16 mac_header;
	__u8 tc_at_ingress : 1;
	unsigned int tail;
	unsigned int end;
	unsigned char *head;
	unsigned char *data;
};

typedef struct {
	int counter;
} atomic_t;

struct skb_shared_info {
	atomic_t dataref;
	unsigned short gso_size;
	unsigned short gso_segs;
};

struct nf_hook_state {
	__u8 hook;
	__u8 pf;
	struct net_device *in;
	struct net_device *out;
	struct net *net;
};

struct bpf_nf_ctx {
	const struct nf_hook_state *state;
	struct sk_buff *skb;
};

struct nf_hook_entries {
	__u16 num_hook_entries;
};

struct nf_hook_ops {
	int priority;
};

struct xt_table {
	int priority;
	char name[32];
};

struct nft_chain {
	char *name;
};

struct nft_base_chain {
	struct nf_hook_ops ops;
	struct nft_chain chain;
};

struct nft_pktinfo {
	struct sk_buff *skb;
	const struct nf_hook_state *state;
};

struct nf_conntrack_zone {
	__u16 id;
};

struct nf_conntrack_tuple {
	__u8 opaque;
};

struct nf_conntrack_tuple_hash {
	struct nf_conntrack_tuple tuple;
};

struct nf_conn {
	struct nf_conntrack_zone zone;
	struct nf_conntrack_tuple_hash tuplehash[2];
	unsigned long status;
};

/* Words in a row, of a struct that every kernel's BTF has; see kernel_words. */
struct pt_regs___words {
	unsigned long value[10];
};

enum special_kfunc_type___cast {
	KF_bpf_rdonly_cast___cast,
};

#pragma clang attribute pop

/*
 * Which network namespace it is, among all since the machine began: its inode number is given
 * to the next one when it has gone. The low half suffices for four billion of them. Linux 5.12,
 * commit 3d368ab87cf6 "net: initialize net->net_cookie at netns setup".
 */
static __always_inline __u32 netns_number(const struct net *net)
{
	return net->net_cookie;
}

#endif
