/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads words of kernel memory by plain loads, which cost 1 ns each: the JIT guards them, and a
 * bad address gives zeros. bpf_probe_read_kernel takes some 30 ns, at each hop.
 */
#ifndef HOPSCOPE_KERNEL_WORDS_H
#define HOPSCOPE_KERNEL_WORDS_H

#include "kernel.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

/* Linux 6.2, commit a35b9af4ec2c "bpf: Add a kfunc for generic type cast". */
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

static __always_inline int has_kernel_words(void)
{
	return bpf_core_enum_value_exists(enum special_kfunc_type___cast,
					  KF_bpf_rdonly_cast___cast);
}

/* The words at an address, ten at most; only where has_kernel_words() holds. */
static __always_inline const __u64 *kernel_words(const void *address)
{
	return bpf_rdonly_cast(address, bpf_core_type_id_kernel(struct pt_regs___words));
}

/*
 * The same object, for following its pointers. For each pointer that is read of an object that the
 * verifier trusts, kernels since 6.3 look four names up among all types there are, on each way
 * through a program (kernel/bpf/verifier.c, type_is_trusted and its like): a fifth of what loading
 * the tracer took. Of an untrusted one they look up none.
 */
#define untrusted(type, object)                                                               \
	(has_kernel_words() ?                                                                 \
		 (const struct type *)bpf_rdonly_cast(object,                                 \
						      bpf_core_type_id_kernel(struct type)) : \
		 (object))

#endif
