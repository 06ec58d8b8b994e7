// SPDX-License-Identifier: Apache-2.0
// Programs on functions of kernel modules.
#ifndef EBPF_TS_MODULE_FUNCTION_H
#define EBPF_TS_MODULE_FUNCTION_H

namespace ebpf_ts {

// Teaches libbpf, once for the process, the sections `fentry.module/MODULE:FUNCTION`
// and `fexit.module/MODULE:FUNCTION`. Its own `fentry/FUNCTION` reads the kernel's
// types once more for each module there is, for each program (libbpf.c,
// find_kernel_btf_id and btf__find_by_name_kind of libbpf 1.1).
void InstallModuleFunctions();

// While one exists, a load on this thread keeps what it has read of the kernel's types.
class ModuleFunctionScope {
 public:
  ModuleFunctionScope();
  ~ModuleFunctionScope();
  ModuleFunctionScope(const ModuleFunctionScope&) = delete;
  ModuleFunctionScope& operator=(const ModuleFunctionScope&) = delete;
};

}  // namespace ebpf_ts

#endif
