// SPDX-License-Identifier: Apache-2.0
// An attachment (or anything else that lasts while a descriptor is open).
#ifndef EBPF_TS_LINK_H
#define EBPF_TS_LINK_H

#include <bpf/libbpf.h>

#include <utility>

#include "handle.h"
#include "promise-worker.h"

namespace ebpf_ts {

// What keeps a program attached; it is detached with its owner.
class Attachment {
 public:
  Attachment() = default;
  explicit Attachment(bpf_link* link) : link_(link) {}
  explicit Attachment(OwnedFd fd) : fd_(std::move(fd)) {}
  Attachment(Attachment&& other) noexcept
      : link_(std::exchange(other.link_, nullptr)), fd_(std::move(other.fd_)) {}
  ~Attachment() { Reset(); }
  int fd() const { return link_ != nullptr ? bpf_link__fd(link_) : fd_.get(); }
  void Reset() noexcept {
    if (link_ != nullptr) bpf_link__destroy(link_);
    link_ = nullptr;
    fd_.Reset();
  }

 private:
  bpf_link* link_ = nullptr;
  OwnedFd fd_;
};

class LinkHandle final : public Handle {
 public:
  LinkHandle(Napi::Env env, bpf_link* link) : Handle(env), attachment_(link) {}
  LinkHandle(Napi::Env env, int fd) : Handle(env), attachment_(OwnedFd(fd)) {}
  ~LinkHandle() override { Close(); }
  int fd() const { return attachment_.fd(); }
  // Closes the handle and leaves what it held to the caller.
  Attachment Take() noexcept {
    Attachment taken(std::move(attachment_));
    Close();
    return taken;
  }

 protected:
  void Release() noexcept override { attachment_.Reset(); }

 private:
  Attachment attachment_;
};

void InitLink(Napi::Env env, Napi::Object exports);
void InitAttach(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
