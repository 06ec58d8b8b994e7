// SPDX-License-Identifier: Apache-2.0
// Descriptors that pass from one process to another over a unix socket.
#ifndef EBPF_TS_DESCRIPTORS_H
#define EBPF_TS_DESCRIPTORS_H

#include <napi.h>

namespace ebpf_ts {

void InitDescriptors(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
