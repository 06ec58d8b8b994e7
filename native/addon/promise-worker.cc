// SPDX-License-Identifier: Apache-2.0
#include "promise-worker.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "failure.h"

namespace ebpf_ts {

PromiseWorker::PromiseWorker(Napi::Env env)
    : Napi::AsyncWorker(env, "ebpf-ts"), deferred_(Napi::Promise::Deferred::New(env)) {}

Napi::Value PromiseWorker::Start(std::unique_ptr<PromiseWorker> worker) {
  Napi::Value promise = worker->deferred_.Promise();
  worker->Queue();
  // Deletes itself when it is complete.
  worker.release();
  return promise;
}

void PromiseWorker::OnWorkComplete(Napi::Env env, napi_status) {
  try {
    Napi::HandleScope scope(env);
    try {
      deferred_.Resolve(Finish(env));
    } catch (const Napi::Error& failure) {
      deferred_.Reject(failure.Value());
    }
  } catch (const Napi::Error&) {
    // A Worker that is being terminated takes neither: nobody waits for it.
  }
  Destroy();
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  Reset();
  fd_ = other.Take();
  return *this;
}

OwnedFd OwnedFd::Duplicate(Napi::Env env, const char* operation, int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) ThrowErrno(env, operation, errno, "duplicating a descriptor");
  return OwnedFd(copy);
}

bool OwnedFd::Is(const char* kind) const {
  char target[64] = {};
  std::string path = "/proc/self/fd/" + std::to_string(fd_);
  if (readlink(path.c_str(), target, sizeof(target) - 1) < 0) return false;
  return std::string(target).find(std::string("anon_inode:") + kind) == 0;
}

void OwnedFd::Reset() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace ebpf_ts
