// SPDX-License-Identifier: Apache-2.0
// How much freed memory the C library keeps for itself.
#ifndef EBPF_TS_ALLOCATOR_H
#define EBPF_TS_ALLOCATOR_H

#include <napi.h>

namespace ebpf_ts {

void InitAllocator(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif  // EBPF_TS_ALLOCATOR_H
