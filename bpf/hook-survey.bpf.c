// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which netfilter hooks have something registered, in every network namespace
 * of the machine, in one run of BPF_PROG_RUN: no namespace is entered, none is kept
 * alive, no module is loaded and no tool started. Attached to nothing.
 */
#include "hook-survey.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Entries of one hook that are looked at; the kernel allows 1,024. */
#define ENTRIES_MAX 64
#define PRIORITY_DUMMY (-0x7fffffff - 1)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct ns_common {
	const void *ops;
};

struct nf_hook_entry {
	void *hook;
	void *priv;
};

/* Followed by one nf_hook_ops pointer an entry: net/netfilter/core.c. */
struct nf_hook_entries {
	__u16 num_hook_entries;
	struct nf_hook_entry hooks[0];
};

/* Of Linux 5.15 (e2cf17d3774c); NF_HOOK_OP_BPF of 6.4 (84601d6ee68a). */
enum nf_hook_ops_type { NF_HOOK_OP_BPF = 2 };

struct nf_hook_ops {
	void *priv;
	enum nf_hook_ops_type hook_ops_type : 8;
	int priority;
};

struct netns_nf {
	struct nf_hook_entries *hooks_ipv4[HS_SURVEY_HOOKS];
	struct nf_hook_entries *hooks_ipv6[HS_SURVEY_HOOKS];
};

struct net {
	struct list_head list;
	struct ns_common ns;
	__u64 net_cookie;
	struct netns_nf nf;
};

struct nsproxy {
	struct net *net_ns;
};

struct task_struct {
	struct nsproxy *nsproxy;
};

struct bpf_prog_aux {
	char name[16];
};

struct bpf_prog {
	struct bpf_prog_aux *aux;
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HS_SURVEY_NAMESPACES);
	__type(key, __u32);
	__type(value, struct hs_survey);
} surveys SEC(".maps");

struct walk {
	struct net *first;
	struct net *net;
	const void *ops;
	__u32 found;
	__u32 looked;
};

/* A program of hopscope's, this process's or another's: they ask for each other for ever. */
static __always_inline int is_observer(const struct nf_hook_ops *ops)
{
	const struct bpf_prog *prog = BPF_CORE_READ(ops, priv);
	char name[16] = {};

	BPF_CORE_READ_INTO(&name, prog, aux, name);
	if (name[0] != 'n' || name[1] != 'f' || name[2] != '_')
		return 0;
	/* nf_before_… and nf_after_…, see tracer.bpf.c */
	return (name[3] == 'b' && name[4] == 'e' && name[9] == '_') ||
	       (name[3] == 'a' && name[4] == 'f' && name[8] == '_');
}

struct entry_walk {
	struct hs_survey_hook *out;
	const void *array;
	__u32 total;
	__u32 count;
	__s32 last;
};

static long survey_entry(__u32 index, struct entry_walk *walk)
{
	const struct nf_hook_ops *ops = 0;
	__u32 count = walk->count;
	__s32 priority;

	if (index >= walk->total ||
	    bpf_probe_read_kernel(&ops, sizeof(ops), walk->array + index * sizeof(ops)) || !ops)
		return 1;
	priority = BPF_CORE_READ(ops, priority);
	/* One on its way out has the dummy's priority, and another's is not news. */
	if (priority == PRIORITY_DUMMY || (count && priority == walk->last))
		return 0;
	if (BPF_CORE_READ_BITFIELD_PROBED(ops, hook_ops_type) == NF_HOOK_OP_BPF &&
	    is_observer(ops))
		return 0;
	walk->last = priority;
	if (count < HS_SURVEY_PRIORITIES)
		walk->out->priorities[count] = priority;
	walk->count = count + 1;
	return 0;
}

/*
 * Not static: a global function is verified once, by itself (Linux 5.6, commit
 * 51c39bb1d5d1), a static one at each of its ten calls: 100 ms in all. Such a function
 * takes numbers, and pointers to what it may write.
 */
__noinline int survey_hook(__u64 address, struct hs_survey_hook *out)
{
	const struct nf_hook_entries *entries = (const void *)address;
	struct entry_walk walk = { .out = out };

	if (!out)
		return 0;
	if (entries) {
		walk.total = BPF_CORE_READ(entries, num_hook_entries);
		walk.array = (const void *)entries +
			     bpf_core_field_offset(struct nf_hook_entries, hooks) +
			     walk.total * bpf_core_type_size(struct nf_hook_entry);
		bpf_loop(ENTRIES_MAX, survey_entry, &walk, 0);
	}
	out->count = walk.total > ENTRIES_MAX ? HS_SURVEY_PRIORITIES + 1 : walk.count;
	return out->count > 0;
}

static long survey_namespace(__u32 index, struct walk *walk)
{
	struct net *net = walk->net;
	struct nf_hook_entries *ipv4[HS_SURVEY_HOOKS] = {};
	struct nf_hook_entries *ipv6[HS_SURVEY_HOOKS] = {};
	struct hs_survey *survey;
	struct list_head *next;
	__u64 any = 0;
	__u32 at;

	/* The list's head is no namespace: what lies there has other operations. */
	if (BPF_CORE_READ(net, ns.ops) == walk->ops) {
		walk->looked++;
		bpf_core_read(ipv4, sizeof(ipv4), &net->nf.hooks_ipv4);
		bpf_core_read(ipv6, sizeof(ipv6), &net->nf.hooks_ipv6);
#pragma unroll
		for (int i = 0; i < HS_SURVEY_HOOKS; i++)
			any |= (__u64)ipv4[i] | (__u64)ipv6[i];
		at = walk->found;
		survey = any ? bpf_map_lookup_elem(&surveys, &at) : 0;
		if (survey) {
			int found = 0;

			survey->netns = BPF_CORE_READ(net, net_cookie);
#pragma unroll
			for (int i = 0; i < HS_SURVEY_HOOKS; i++) {
				found |= survey_hook((__u64)ipv4[i], &survey->hooks[0][i]);
				found |= survey_hook((__u64)ipv6[i], &survey->hooks[1][i]);
			}
			walk->found += !!found;
		} else if (any) {
			walk->found = HS_SURVEY_NAMESPACES + 1;
			return 1;
		}
	}
	next = BPF_CORE_READ(net, list.next);
	walk->net = (void *)next - bpf_core_field_offset(struct net, list);
	return !next || walk->net == walk->first;
}

/*
 * Returns how many namespaces have something at a hook; the first elements of
 * `surveys` are theirs. More than HS_SURVEY_NAMESPACES when the walk had no end or
 * the map no room.
 */
SEC("raw_tp")
int survey_hooks(void *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct net *own = BPF_CORE_READ(task, nsproxy, net_ns);
	struct walk walk = { .first = own, .net = own };

	walk.ops = BPF_CORE_READ(own, ns.ops);
	if (bpf_loop(HS_SURVEY_WALK, survey_namespace, &walk, 0) >= HS_SURVEY_WALK)
		return HS_SURVEY_NAMESPACES + 1;
	return walk.found;
}
