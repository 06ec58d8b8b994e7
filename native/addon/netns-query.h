// SPDX-License-Identifier: Apache-2.0
// Netlink requests and files of another network namespace, on a thread of the pool.
#ifndef EBPF_TS_NETNS_QUERY_H
#define EBPF_TS_NETNS_QUERY_H

#include <napi.h>

namespace ebpf_ts {

void InitNetnsQuery(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif  // EBPF_TS_NETNS_QUERY_H
