// SPDX-License-Identifier: Apache-2.0
// Finds out what the running kernel and the process's privileges allow, by trying.
#ifndef EBPF_TS_PROBE_H
#define EBPF_TS_PROBE_H

#include <napi.h>

namespace ebpf_ts {

void InitProbe(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
