// SPDX-License-Identifier: Apache-2.0
#include "allocator.h"

#include <malloc.h>

namespace ebpf_ts {

namespace {

// (bytes, arenas): whether the C library knows both settings. glibc alone raises its threshold
// by itself, to 32 MiB: mallopt(3), M_MMAP_THRESHOLD. Setting it stops that.
Napi::Value BoundMalloc(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  int bytes = info[0].ToNumber().Int32Value();
  int arenas = info[1].ToNumber().Int32Value();
  bool is_set = mallopt(M_MMAP_THRESHOLD, bytes) == 1 && mallopt(M_TRIM_THRESHOLD, bytes) == 1 &&
                mallopt(M_ARENA_MAX, arenas) == 1;
#else
  bool is_set = false;
#endif
  return Napi::Boolean::New(info.Env(), is_set);
}

}  // namespace

void InitAllocator(Napi::Env env, Napi::Object exports) {
  exports.Set("boundMalloc", Napi::Function::New(env, BoundMalloc));
}

}  // namespace ebpf_ts
