// SPDX-License-Identifier: Apache-2.0
// The parts of the bpf() interface that headers older than Linux 6.6 lack.
// Numbers and layouts: include/uapi/linux/bpf.h of Linux 6.6.
#ifndef EBPF_TS_KERNEL_ABI_H
#define EBPF_TS_KERNEL_ABI_H

#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

namespace ebpf_ts {

constexpr int kCmdLinkCreate = 28;

constexpr std::uint32_t kProgTypeSchedCls = 3;
constexpr std::uint32_t kProgTypeTracing = 26;
constexpr std::uint32_t kProgTypeNetfilter = 32;

constexpr std::uint32_t kAttachNetfilter = 45;
constexpr std::uint32_t kAttachTcxIngress = 46;

constexpr std::uint32_t kLinkTypeNetfilter = 10;
constexpr std::uint32_t kLinkTypeTcx = 11;

// union bpf_attr, BPF_LINK_CREATE.
struct LinkCreateAttr {
  std::uint32_t prog_fd;
  std::uint32_t target;  // fd or ifindex
  std::uint32_t attach_type;
  std::uint32_t flags;
  union {
    struct {
      std::uint32_t pf;
      std::uint32_t hooknum;
      std::int32_t priority;
      std::uint32_t flags;
    } netfilter;
    struct {
      std::uint32_t relative;  // fd or id
      std::uint32_t pad;
      std::uint64_t expected_revision;
    } tcx;
    std::uint8_t rest[32];
  };
};
static_assert(offsetof(LinkCreateAttr, netfilter) == 16);
static_assert(sizeof(LinkCreateAttr) == 48);

// struct bpf_link_info, as far as we read it.
struct LinkInfo {
  std::uint32_t type;
  std::uint32_t id;
  std::uint32_t prog_id;
  std::uint32_t pad;
  union {
    struct {
      std::uint32_t pf;
      std::uint32_t hooknum;
      std::int32_t priority;
      std::uint32_t flags;
    } netfilter;
    struct {
      std::uint32_t ifindex;
      std::uint32_t attach_type;
    } tcx;
    std::uint8_t rest[64];
  };
};
static_assert(offsetof(LinkInfo, netfilter) == 16);

// The bpf system call itself. Returns a descriptor or 0, or -1 with errno set.
inline long Bpf(int command, void* attr, unsigned size) {
  return syscall(__NR_bpf, command, attr, size);
}

}  // namespace ebpf_ts

#endif
