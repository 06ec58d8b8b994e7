// SPDX-License-Identifier: Apache-2.0
#include "system-call-filter.h"

#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ebpf_ts {

namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
// Numbers from here on are of the x32 ABI, which the list below does not name.
constexpr std::uint32_t kNumbersEnd = 0x40000000;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kNumbersEnd = 0xffffffff;
#else
#error "the architecture's audit number is not known here"
#endif

// What a process that reads maps, joins and serves has no reason for: other processes' memory,
// namespaces and mounts, modules, the clock, devices, keys, and kernel code that is seldom used.
constexpr std::uint32_t kRefused[] = {
    __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp, __NR_perf_event_open,
    __NR_setns, __NR_unshare, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot,
    __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_kexec_load, __NR_reboot,
    __NR_swapon, __NR_swapoff, __NR_acct, __NR_quotactl, __NR_settimeofday, __NR_clock_settime,
    __NR_adjtimex, __NR_clock_adjtime, __NR_sethostname, __NR_setdomainname, __NR_syslog,
    __NR_add_key, __NR_request_key, __NR_keyctl, __NR_userfaultfd, __NR_personality,
    __NR_open_by_handle_at, __NR_name_to_handle_at, __NR_fanotify_init, __NR_mknodat,
    __NR_vhangup, __NR_migrate_pages, __NR_move_pages, __NR_capset, __NR_setuid, __NR_setgid,
    __NR_setresuid, __NR_setresgid, __NR_setgroups,
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
#ifdef __NR_iopl
    __NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_mknod,
#endif
#ifdef __NR_pidfd_getfd
    __NR_pidfd_getfd,
#endif
#ifdef __NR_open_tree
    __NR_open_tree, __NR_move_mount, __NR_fsopen, __NR_fsconfig, __NR_fsmount, __NR_fspick,
#endif
#ifdef __NR_mount_setattr
    __NR_mount_setattr,
#endif
#ifdef __NR_io_uring_setup
    __NR_io_uring_setup, __NR_io_uring_enter, __NR_io_uring_register,
#endif
};

// Reading a map, running a program whose descriptor was handed over, and asking what it is.
constexpr std::uint32_t kBpfCommands[] = {BPF_MAP_LOOKUP_ELEM, BPF_PROG_TEST_RUN,
                                          BPF_OBJ_GET_INFO_BY_FD};
constexpr std::uint32_t kFamilies[] = {AF_UNIX, AF_INET, AF_INET6};
constexpr std::uint32_t kNewNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                         CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                         CLONE_NEWNET;

constexpr sock_filter Statement(std::uint16_t code, std::uint32_t value) {
  return sock_filter{code, 0, 0, value};
}

constexpr sock_filter JumpIf(std::uint16_t test, std::uint32_t value, std::uint8_t yes,
                             std::uint8_t no) {
  return sock_filter{static_cast<std::uint16_t>(BPF_JMP | test | BPF_K), yes, no, value};
}

constexpr sock_filter Load(std::size_t offset) {
  return Statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}

// Both architectures are little-endian: the low half of an argument comes first.
constexpr sock_filter LoadFirstArgument() { return Load(offsetof(seccomp_data, args)); }

constexpr sock_filter Allow() { return Statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW); }

constexpr sock_filter Refuse(int error) {
  return Statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
}

class Filter {
 public:
  Filter() {
    Add({Load(offsetof(seccomp_data, arch)), JumpIf(BPF_JEQ, kArchitecture, 1, 0), Refuse(EPERM),
         Load(offsetof(seccomp_data, nr)), JumpIf(BPF_JGE, kNumbersEnd, 0, 1), Refuse(EPERM)});
    for (std::uint32_t number : kRefused) {
      Add({JumpIf(BPF_JEQ, number, 0, 1), Refuse(EPERM)});
    }
    AllowFirstArgument(__NR_bpf, kBpfCommands, std::size(kBpfCommands), EPERM);
    AllowFirstArgument(__NR_socket, kFamilies, std::size(kFamilies), EAFNOSUPPORT);
    Add({JumpIf(BPF_JEQ, __NR_clone, 0, 4), LoadFirstArgument(),
         JumpIf(BPF_JSET, kNewNamespaces, 0, 1), Refuse(EPERM), Allow()});
    // Its flags are in memory, which a filter cannot read: the C library falls back to clone.
    Add({JumpIf(BPF_JEQ, __NR_clone3, 0, 1), Refuse(ENOSYS), Allow()});
  }

  const std::vector<sock_filter>& code() const { return code_; }

 private:
  void Add(std::initializer_list<sock_filter> more) { code_.insert(code_.end(), more); }

  // Of one call, these values of its first argument alone; of others, on to what follows.
  void AllowFirstArgument(std::uint32_t number, const std::uint32_t* values, std::size_t count,
                          int error) {
    auto length = static_cast<std::uint8_t>(2 * count + 2);
    Add({JumpIf(BPF_JEQ, number, 0, length), LoadFirstArgument()});
    for (std::size_t i = 0; i < count; i++) {
      Add({JumpIf(BPF_JEQ, values[i], 0, 1), Allow()});
    }
    Add({Refuse(error)});
  }

  std::vector<sock_filter> code_;
};

}  // namespace

int InstallSystemCallFilter() {
  Filter filter;
  sock_fprog program = {static_cast<unsigned short>(filter.code().size()),
                        const_cast<sock_filter*>(filter.code().data())};
  long result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  if (result > 0) return -1;
  return result == 0 ? 0 : errno;
}

}  // namespace ebpf_ts
