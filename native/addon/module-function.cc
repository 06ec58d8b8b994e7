// SPDX-License-Identifier: Apache-2.0
#include "module-function.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace ebpf_ts {

namespace {

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};
using BtfPointer = std::unique_ptr<btf, FreeBtf>;

struct ModuleTypes {
  BtfPointer types;
  int fd = -1;  // of the kernel's BTF object; needed until the program is loaded
};

struct LoadState {
  // Declared first, so freed last: the modules' types lie upon it.
  BtfPointer kernel;
  std::map<std::string, ModuleTypes> modules;
  ~LoadState() {
    for (auto& [name, module] : modules) {
      if (module.fd >= 0) close(module.fd);
    }
  }
};

thread_local std::unique_ptr<LoadState> current;

// A descriptor of the module's BTF object, or -errno.
int ModuleBtfFd(const std::string& wanted) {
  __u32 id = 0;
  while (bpf_btf_get_next_id(id, &id) == 0) {
    int fd = bpf_btf_get_fd_by_id(id);
    // One may go between the two calls.
    if (fd < 0) continue;
    char name[64] = {};
    bpf_btf_info info = {};
    info.name = reinterpret_cast<__u64>(name);
    info.name_len = sizeof(name);
    __u32 length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.kernel_btf != 0 &&
        wanted == name) {
      return fd;
    }
    close(fd);
  }
  return -ENOENT;
}

// The function among the types with ids from `first` on, or 0.
__u32 FindFunction(const btf* types, __u32 first, const char* wanted) {
  for (__u32 id = first; id < btf__type_cnt(types); id++) {
    const btf_type* type = btf__type_by_id(types, id);
    if (!btf_is_func(type)) continue;
    const char* name = btf__name_by_offset(types, type->name_off);
    if (name != nullptr && std::strcmp(name, wanted) == 0) return id;
  }
  return 0;
}

int PrepareLoad(bpf_program* program, bpf_prog_load_opts* options, long) {
  if (current == nullptr) return -EINVAL;
  std::string section = bpf_program__section_name(program);
  std::size_t slash = section.find('/');
  std::size_t colon = section.find(':');
  if (slash == std::string::npos || colon == std::string::npos || colon < slash) return -EINVAL;
  std::string module = section.substr(slash + 1, colon - slash - 1);
  std::string function = section.substr(colon + 1);

  if (current->kernel == nullptr) current->kernel.reset(btf__load_vmlinux_btf());
  const btf* kernel = current->kernel.get();
  if (kernel == nullptr) return -errno;
  auto [entry, fresh] = current->modules.try_emplace(module);
  ModuleTypes& found = entry->second;
  if (fresh) {
    found.fd = ModuleBtfFd(module);
    if (found.fd >= 0) {
      found.types.reset(btf__load_module_btf(module.c_str(), current->kernel.get()));
    }
  }
  if (found.types != nullptr) {
    __u32 id = FindFunction(found.types.get(), btf__type_cnt(kernel), function.c_str());
    if (id != 0) {
      options->attach_btf_id = id;
      options->attach_btf_obj_fd = static_cast<__u32>(found.fd);
      return 0;
    }
  }
  // What is a module elsewhere may be built into this kernel.
  __u32 id = FindFunction(kernel, 1, function.c_str());
  if (id == 0) return -ENOENT;
  options->attach_btf_id = id;
  return 0;
}

}  // namespace

ModuleFunctionScope::ModuleFunctionScope() { current = std::make_unique<LoadState>(); }
ModuleFunctionScope::~ModuleFunctionScope() { current.reset(); }

void InstallModuleFunctions() {
  static std::once_flag once;
  std::call_once(once, [] {
    LIBBPF_OPTS(libbpf_prog_handler_opts, options);
    options.prog_prepare_load_fn = PrepareLoad;
    libbpf_register_prog_handler("fentry.module/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY,
                                 &options);
    libbpf_register_prog_handler("fexit.module/", BPF_PROG_TYPE_TRACING, BPF_TRACE_FEXIT,
                                 &options);
  });
}

}  // namespace ebpf_ts
