// SPDX-License-Identifier: Apache-2.0
// Look-ups in BPF type information.
#ifndef EBPF_TS_BTF_H
#define EBPF_TS_BTF_H

#include <napi.h>

namespace ebpf_ts {

void InitBtf(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
