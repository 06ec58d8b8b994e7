// SPDX-License-Identifier: Apache-2.0
// pcap-filter expressions to classic BPF.
#ifndef EBPF_TS_PACKET_FILTER_H
#define EBPF_TS_PACKET_FILTER_H

#include <napi.h>

namespace ebpf_ts {

void InitPacketFilter(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
