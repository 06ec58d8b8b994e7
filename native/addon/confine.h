// SPDX-License-Identifier: Apache-2.0
// Gives up privileges for good, in every thread of the process.
#ifndef EBPF_TS_CONFINE_H
#define EBPF_TS_CONFINE_H

#include <napi.h>

namespace ebpf_ts {

void InitConfine(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
