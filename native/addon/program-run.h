// SPDX-License-Identifier: Apache-2.0
// Programs run by request, and their descriptors.
#ifndef EBPF_TS_PROGRAM_RUN_H
#define EBPF_TS_PROGRAM_RUN_H

#include <napi.h>

namespace ebpf_ts {

void InitProgramRun(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
