// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace ebpf_ts {

namespace {

thread_local std::string* current = nullptr;

int Print(enum libbpf_print_level level, const char* format, va_list args) {
  if (current == nullptr || level == LIBBPF_DEBUG) return 0;
  va_list again;
  va_copy(again, args);
  int length = std::vsnprintf(nullptr, 0, format, again);
  va_end(again);
  if (length <= 0) return 0;
  std::string& text = *current;
  std::size_t start = text.size();
  text.resize(start + static_cast<std::size_t>(length) + 1);
  std::vsnprintf(text.data() + start, static_cast<std::size_t>(length) + 1, format, args);
  text.pop_back();
  if (text.size() > kMaxLogBytes) text.erase(0, text.size() - kMaxLogBytes);
  return length;
}

}  // namespace

void InstallLogCapture() {
  static std::once_flag once;
  std::call_once(once, [] { libbpf_set_print(Print); });
}

LogScope::LogScope() : outer_(current) { current = &buffer_; }
LogScope::~LogScope() { current = outer_; }

std::string LogScope::Text() const { return buffer_; }

std::string LogScope::FirstLine() const {
  std::string line = buffer_.substr(0, buffer_.find('\n'));
  constexpr const char kPrefix[] = "libbpf: ";
  if (line.rfind(kPrefix, 0) == 0) line.erase(0, sizeof(kPrefix) - 1);
  return line;
}

}  // namespace ebpf_ts
