// SPDX-License-Identifier: Apache-2.0
// What libbpf prints while a call runs, caught for the thread that makes the call.
#ifndef EBPF_TS_LOG_H
#define EBPF_TS_LOG_H

#include <cstddef>
#include <string>

namespace ebpf_ts {

// A verifier log at level 1 of a large program is some hundred KiB; one beyond
// this keeps its end, where the reason stands.
constexpr std::size_t kMaxLogBytes = 4u << 20;

// Replaces libbpf's printer for the process, once. Outside a LogScope warnings
// go nowhere: a library does not write to its host's standard error.
void InstallLogCapture();

class LogScope {
 public:
  LogScope();
  ~LogScope();
  LogScope(const LogScope&) = delete;
  LogScope& operator=(const LogScope&) = delete;

  // Everything printed since the scope began.
  std::string Text() const;
  // The first warning, without libbpf's prefix: the shortest account of a failure.
  std::string FirstLine() const;

 private:
  std::string buffer_;
  std::string* outer_;
};

}  // namespace ebpf_ts

#endif
