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

// Calls `work`, which returns a descriptor or a negated errno, in the namespace at `path`.
// Namespaces belong to threads: the calling thread goes there and comes back before this
// returns, every other one stays where it is. A thread of its own for each call would wait
// for a CPU twice, 1 ms and more each time on a busy machine. An empty path calls it here,
// in the caller's namespace.
NetnsResult CallInNetns(const std::string& path, const std::function<int()>& work);

// The same in the namespace that the descriptor `there` is of.
NetnsResult CallInNetns(int there, const std::function<int()>& work);

// The same on a thread of its own, in a new namespace that is gone when the work is done.
NetnsResult CallInNewNetns(const std::function<int()>& work);

}  // namespace ebpf_ts

#endif
