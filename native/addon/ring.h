// SPDX-License-Identifier: Apache-2.0
// The consumer side of a BPF ring buffer.
#ifndef EBPF_TS_RING_H
#define EBPF_TS_RING_H

#include <napi.h>

namespace ebpf_ts {

void InitRing(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
