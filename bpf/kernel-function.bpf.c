// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which function of the kernel an address lies in: one address a run of BPF_PROG_RUN.
 * Attached to nothing. /proc/kallsyms has all of them, 5 MB, and drops come from a few.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * A name (KSYM_NAME_LEN: 512 since Linux 6.1, commit b8a94bfb3395), a space, its module in
 * brackets (MODULE_NAME_LEN: 56) and NUL.
 */
#define NAME_BYTES 576

struct name {
	char text[NAME_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct name);
} names SEC(".maps");

struct question {
	__u64 address;
};

/*
 * Writes to `names` what is at the address: "name", "name [module]", or the address in
 * hexadecimal (sprint_symbol_no_offset of kernel/kallsyms.c). Returns 0, or 1 where the
 * helper has no buffer left on this CPU.
 */
SEC("syscall")
int name_function(struct question *question)
{
	__u32 key = 0;
	struct name *name = bpf_map_lookup_elem(&names, &key);
	__u64 address = question->address;

	if (!name)
		return 1;
	return BPF_SNPRINTF(name->text, sizeof(name->text), "%ps", address) < 0;
}

/*
 * Writes to the context where the kernel's own text ends: what lies beyond it has the
 * names of variables (CONFIG_KALLSYMS_ALL). Returns 0, or 1 where the kernel keeps
 * addresses from this process (kptr_restrict). Only programs of this type have the helper
 * (Linux 5.16, commit d6aef08a872b); a __ksym variable would make libbpf read all of
 * /proc/kallsyms.
 */
SEC("syscall")
int find_text_end(struct question *question)
{
	static const char end[] = "_etext";
	__u64 address = 0;

	if (bpf_kallsyms_lookup_name(end, sizeof(end), 0, &address))
		return 1;
	question->address = address;
	return 0;
}
