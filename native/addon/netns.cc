// SPDX-License-Identifier: Apache-2.0
#include "netns.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace ebpf_ts {

namespace {

NetnsResult Finish(int outcome) {
  if (outcome < 0) return {-1, -outcome, "call"};
  return {outcome, 0, nullptr};
}

NetnsResult OnThread(const std::function<NetnsResult()>& body) {
  NetnsResult result;
  try {
    std::thread thread([&] { result = body(); });
    thread.join();
  } catch (const std::system_error& failure) {
    result = {-1, failure.code().value(), "thread"};
  }
  return result;
}

}  // namespace

NetnsResult CallInNetns(const std::string& path, const std::function<int()>& work) {
  if (path.empty()) return Finish(work());
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {-1, errno, "open"};
  NetnsResult result = OnThread([&]() -> NetnsResult {
    if (setns(fd, CLONE_NEWNET) != 0) return {-1, errno, "setns"};
    return Finish(work());
  });
  close(fd);
  return result;
}

NetnsResult CallInNewNetns(const std::function<int()>& work) {
  return OnThread([&]() -> NetnsResult {
    if (unshare(CLONE_NEWNET) != 0) return {-1, errno, "unshare"};
    return Finish(work());
  });
}

}  // namespace ebpf_ts
