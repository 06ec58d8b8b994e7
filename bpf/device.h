/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is known of devices: a record crosses the ring when one is seen first or has
 * changed, and hops name it by namespace and index.
 */
#ifndef HOPSCOPE_DEVICE_H
#define HOPSCOPE_DEVICE_H

#include "maps.h"

/*
 * Devices remembered; a power of two. One pushed out is announced again. One table for
 * all CPUs: with one for each, a CPU that saw neither the change of an MTU nor what it was
 * changed to would take it for known when it is changed back.
 */
#define DEVICES 1024
#define DEVICES_BITS 10
/* Places looked at for one. */
#define DEVICE_PROBES 4
/* A device renamed is noticed within this time, ns. */
#define NAME_CHECK_NS 1000000ULL

struct known_device {
	__u64 dev;
	__u64 name[HS_NAME_LEN / 8];
	__u64 checked;
	__u32 netns;
	__u32 ifindex;
	__u32 mtu;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DEVICES);
	__type(key, __u32);
	__type(value, struct known_device);
} devices SEC(".maps");

static __always_inline __u32 netns_of(const struct net_device *dev)
{
	return netns_number(dev->nd_net.net);
}

static __always_inline int has_link_header(const struct net_device *dev)
{
	return dev->type == ARPHRD_ETHER || dev->type == ARPHRD_LOOPBACK;
}

static __noinline int announce_device(struct known_device *known, const struct net_device *dev,
				      __u64 now)
{
	const struct rtnl_link_ops *ops;
	struct hs_device *record;

	if (!known)
		return 0;
	record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
	if (!record) {
		/* Not noted as known, so the next hop tries again. */
		count(HS_COUNTER_LOST_EVENT, 1);
		return 0;
	}
	fill_header(&record->header, 0, HS_RECORD_DEVICE, sizeof(*record));
	/* From the hop on that has met it. */
	record->header.time = now;
	record->netns = BPF_CORE_READ(dev, nd_net.net, net_cookie);
	record->inode = BPF_CORE_READ(dev, nd_net.net, ns.inum);
	record->ifindex = BPF_CORE_READ(dev, ifindex);
	record->mtu = BPF_CORE_READ(dev, mtu);
	record->dev_type = BPF_CORE_READ(dev, type);
	record->reserved = 0;
	bpf_core_read(record->name, sizeof(record->name), &dev->name);
	__builtin_memset(record->kind, 0, sizeof(record->kind));
	ops = BPF_CORE_READ(dev, rtnl_link_ops);
	if (ops)
		bpf_probe_read_kernel_str(record->kind, sizeof(record->kind),
					  BPF_CORE_READ(ops, kind));
	known->dev = (__u64)dev;
	known->netns = record->netns;
	known->ifindex = record->ifindex;
	known->mtu = record->mtu;
	known->checked = now;
	__builtin_memcpy(known->name, record->name, sizeof(known->name));
	bpf_ringbuf_submit(record, SUBMIT_FLAGS);
	return 0;
}

/* Announces a device unless user space knows it as it is. */
static __always_inline void know_device(const struct net_device *dev, __u32 netns, __u64 now)
{
	__u32 slot = hash_of(dev) >> (32 - DEVICES_BITS);
	struct known_device *known = 0;
	__u64 name[HS_NAME_LEN / 8];
	__u32 at;

#pragma unroll
	for (int i = 0; i < DEVICE_PROBES; i++) {
		at = (slot + i) & (DEVICES - 1);
		known = bpf_map_lookup_elem(&devices, &at);
		if (!known)
			return;
		if (known->dev == (__u64)dev || !known->dev)
			break;
	}
	if (known->dev == (__u64)dev && known->netns == netns && known->ifindex == (__u32)dev->ifindex &&
	    known->mtu == dev->mtu) {
		if (now - known->checked < NAME_CHECK_NS)
			return;
		known->checked = now;
		bpf_core_read(name, sizeof(name), &dev->name);
		if (name[0] == known->name[0] && name[1] == known->name[1])
			return;
	}
	announce_device(known, dev, now);
}

#endif
