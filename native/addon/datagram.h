// SPDX-License-Identifier: Apache-2.0
// Datagrams to unix sockets, which Node does not have.
#ifndef EBPF_TS_DATAGRAM_H
#define EBPF_TS_DATAGRAM_H

#include <napi.h>

namespace ebpf_ts {

void InitDatagram(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
