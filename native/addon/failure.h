// SPDX-License-Identifier: Apache-2.0
// Throws the BpfError of the TypeScript layer from native code.
#ifndef EBPF_TS_FAILURE_H
#define EBPF_TS_FAILURE_H

#include <napi.h>

#include <string>

namespace ebpf_ts {

// A failed system or library call. `error` is a positive errno, or one of
// libbpf's own codes (4000 and up). `log` is what libbpf said meanwhile.
[[noreturn]] void ThrowErrno(Napi::Env env, const char* operation, int error,
                             const std::string& detail = "", const std::string& log = "");

// A failure that has a code of ours and no errno.
[[noreturn]] void ThrowCode(Napi::Env env, const char* operation, const char* code,
                            const std::string& detail);

}  // namespace ebpf_ts

#endif
