// SPDX-License-Identifier: Apache-2.0
// An attachment (or anything else that lasts while a descriptor is open).
#ifndef EBPF_TS_LINK_H
#define EBPF_TS_LINK_H

#include <bpf/libbpf.h>
#include <unistd.h>

#include "handle.h"

namespace ebpf_ts {

class LinkHandle final : public Handle {
 public:
  LinkHandle(Napi::Env env, bpf_link* link) : Handle(env), link_(link) {}
  LinkHandle(Napi::Env env, int fd) : Handle(env), fd_(fd) {}
  ~LinkHandle() override { Close(); }
  int fd() const { return link_ != nullptr ? bpf_link__fd(link_) : fd_; }

 protected:
  void Release() noexcept override {
    if (link_ != nullptr) bpf_link__destroy(link_);
    if (fd_ >= 0) close(fd_);
    link_ = nullptr;
    fd_ = -1;
  }

 private:
  bpf_link* link_ = nullptr;
  int fd_ = -1;
};

void InitLink(Napi::Env env, Napi::Object exports);
void InitAttach(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
