// SPDX-License-Identifier: Apache-2.0
#include "packet-filter.h"

#include <pcap/pcap.h>

#include <memory>
#include <mutex>

#include "failure.h"

namespace ebpf_ts {

namespace {

// pcap_compile kept its state in globals until libpcap 1.8.
std::mutex compile_mutex;

// (expression, DLT, snap length) => Uint32Array of code, jt, jf, k for each instruction
Napi::Value Compile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string expression = info[0].ToString().Utf8Value();
  int link_type = info[1].ToNumber().Int32Value();
  int snap_length = info[2].ToNumber().Int32Value();
  std::string message;
  bpf_program program = {};
  {
    std::lock_guard<std::mutex> lock(compile_mutex);
    std::unique_ptr<pcap_t, decltype(&pcap_close)> pcap(pcap_open_dead(link_type, snap_length),
                                                        pcap_close);
    if (pcap == nullptr) ThrowErrno(env, "compilePacketFilter", ENOMEM);
    if (pcap_compile(pcap.get(), &program, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
      message = pcap_geterr(pcap.get());
      if (message.empty()) message = "syntax error";
    }
  }
  if (!message.empty()) ThrowCode(env, "compilePacketFilter", "PCAP_SYNTAX", message);
  auto out = Napi::Uint32Array::New(env, std::size_t{program.bf_len} * 4);
  for (unsigned i = 0; i < program.bf_len; i++) {
    const bpf_insn& instruction = program.bf_insns[i];
    out[4 * i] = instruction.code;
    out[4 * i + 1] = instruction.jt;
    out[4 * i + 2] = instruction.jf;
    out[4 * i + 3] = instruction.k;
  }
  pcap_freecode(&program);
  return out;
}

}  // namespace

void InitPacketFilter(Napi::Env env, Napi::Object exports) {
  exports.Set("compilePacketFilter", Napi::Function::New(env, Compile));
  exports.Set("pcapVersion", Napi::Function::New(env, [](const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), pcap_lib_version());
  }));
}

}  // namespace ebpf_ts
