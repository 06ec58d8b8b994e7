// SPDX-License-Identifier: Apache-2.0
// A blocking call that runs on a thread of libuv's pool, and the promise of its outcome.
#ifndef EBPF_TS_PROMISE_WORKER_H
#define EBPF_TS_PROMISE_WORKER_H

#include <napi.h>

#include <memory>

namespace ebpf_ts {

// Make one with `new`, fill it with copies of what the call needs (descriptors
// duplicated, so that no handle has to stay open meanwhile), and give it to Start: it
// deletes itself. `Execute` runs on the other thread and touches no JavaScript; `Finish`
// runs afterwards on the thread of the environment, returns what the promise becomes, or
// throws what it is rejected with. Where the environment ends first, Node waits for
// `Execute`, and the destructor gives back what nobody can take any more.
class PromiseWorker : public Napi::AsyncWorker {
 public:
  static Napi::Value Start(std::unique_ptr<PromiseWorker> worker);

 protected:
  explicit PromiseWorker(Napi::Env env);
  virtual Napi::Value Finish(Napi::Env env) = 0;
  void OnWorkComplete(Napi::Env env, napi_status status) override;

 private:
  Napi::Promise::Deferred deferred_;
};

// A descriptor that is closed with its owner.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Take()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  ~OwnedFd() { Reset(); }
  // Of a descriptor that stays its owner's. Throws BpfError.
  static OwnedFd Duplicate(Napi::Env env, const char* operation, int fd);
  int get() const { return fd_; }
  // Whether it is of such a file without a name, as /proc/self/fd has it: "bpf-map", "bpf_link".
  bool Is(const char* kind) const;
  int Take() {
    int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void Reset();

 private:
  int fd_ = -1;
};

}  // namespace ebpf_ts

#endif
