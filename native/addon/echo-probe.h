// SPDX-License-Identifier: Apache-2.0
// One ICMP echo that nothing may cut, sent in another network namespace.
#ifndef EBPF_TS_ECHO_PROBE_H
#define EBPF_TS_ECHO_PROBE_H

#include <napi.h>

namespace ebpf_ts {

void InitEchoProbe(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
