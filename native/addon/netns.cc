// SPDX-License-Identifier: Apache-2.0
#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "promise-worker.h"

namespace ebpf_ts {

namespace {

NetnsResult Finish(int outcome) {
  if (outcome < 0) return {-1, -outcome, "call"};
  return {outcome, 0, nullptr};
}

bool IsSameFile(int a, int b) {
  struct stat one = {}, other = {};
  return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

}  // namespace

NetnsResult CallInNetns(const std::string& path, const std::function<int()>& work) {
  if (path.empty()) return Finish(work());
  OwnedFd there(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (there.get() < 0) return {-1, errno, "open"};
  return CallInNetns(there.get(), work);
}

NetnsResult CallInNetns(int there, const std::function<int()>& work) {
  OwnedFd here(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (here.get() < 0) return {-1, errno, "open"};
  // To stay where one is needs no privilege.
  if (IsSameFile(there, here.get())) return Finish(work());
  // Whoever may not come back must not go: this goes where the thread is already.
  if (setns(here.get(), CLONE_NEWNET) != 0) return {-1, errno, "setns"};
  if (setns(there, CLONE_NEWNET) != 0) return {-1, errno, "setns"};
  NetnsResult result = Finish(work());
  if (setns(here.get(), CLONE_NEWNET) != 0) {
    // Everything that this thread did from now on would be done in the wrong namespace.
    std::perror("ebpf-ts: cannot return to the network namespace of the thread");
    std::abort();
  }
  return result;
}

NetnsResult CallInNewNetns(const std::function<int()>& work) {
  NetnsResult result;
  try {
    std::thread thread([&] {
      result = unshare(CLONE_NEWNET) != 0 ? NetnsResult{-1, errno, "unshare"} : Finish(work());
    });
    thread.join();
  } catch (const std::system_error& failure) {
    result = {-1, failure.code().value(), "thread"};
  }
  return result;
}

}  // namespace ebpf_ts
