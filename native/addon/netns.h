// SPDX-License-Identifier: Apache-2.0
// Runs a call inside another network namespace without moving the caller.
#ifndef EBPF_TS_NETNS_H
#define EBPF_TS_NETNS_H

#include <functional>
#include <string>

namespace ebpf_ts {

struct NetnsResult {
  int value = -1;
  int error = 0;               // errno of what failed, 0 on success
  const char* failed = nullptr;  // "open", "setns", "unshare", "thread" or "call"
};

// Calls `work`, which returns a descriptor or a negated errno, on a thread of its
// own that joined the namespace at `path` and then ends. Namespaces belong to
// threads, so the calling thread and every other one stay where they are. An
// empty path calls it here, in the caller's namespace.
NetnsResult CallInNetns(const std::string& path, const std::function<int()>& work);

// The same in a new namespace that is gone when the work is done.
NetnsResult CallInNewNetns(const std::function<int()>& work);

}  // namespace ebpf_ts

#endif
