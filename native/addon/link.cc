// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <bpf/bpf.h>

#include <cerrno>

#include "failure.h"
#include "kernel-abi.h"

namespace ebpf_ts {

namespace {

Napi::Value Close(const Napi::CallbackInfo& info) {
  UnwrapAny(info[0]).Close();
  return info.Env().Undefined();
}

Napi::Value Info(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& link = Unwrap<LinkHandle>(info[0], "info");
  LinkInfo raw = {};
  __u32 length = sizeof(raw);
  if (bpf_obj_get_info_by_fd(link.fd(), &raw, &length) != 0) ThrowErrno(env, "info", errno);
  auto out = Napi::Object::New(env);
  out.Set("id", static_cast<double>(raw.id));
  out.Set("type", static_cast<double>(raw.type));
  out.Set("programId", static_cast<double>(raw.prog_id));
  return out;
}

Napi::Value EnableStats(const Napi::CallbackInfo& info) {
  int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
  if (fd < 0) ThrowErrno(info.Env(), "enableStats", errno);
  return Wrap(info.Env(), std::make_unique<LinkHandle>(info.Env(), fd));
}

}  // namespace

void InitLink(Napi::Env env, Napi::Object exports) {
  exports.Set("close", Napi::Function::New(env, Close));
  exports.Set("linkInfo", Napi::Function::New(env, Info));
  exports.Set("enableStats", Napi::Function::New(env, EnableStats));
}

}  // namespace ebpf_ts
