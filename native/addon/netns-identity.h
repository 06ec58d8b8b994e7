// SPDX-License-Identifier: Apache-2.0
// Which network namespace a path is of.
#ifndef EBPF_TS_NETNS_IDENTITY_H
#define EBPF_TS_NETNS_IDENTITY_H

#include <napi.h>

namespace ebpf_ts {

void InitNetnsIdentity(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif  // EBPF_TS_NETNS_IDENTITY_H
