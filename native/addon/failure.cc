// SPDX-License-Identifier: Apache-2.0
#include "failure.h"

#include "handle.h"

namespace ebpf_ts {

namespace {
[[noreturn]] void Throw(Napi::Env env, const char* operation, int error, const char* code,
                        const std::string& detail, const std::string& log) {
  Napi::Value log_value = env.Null();
  if (!log.empty()) log_value = Napi::String::New(env, log);
  Napi::Value made = Data(env).error_factory.Call({
      Napi::String::New(env, operation),
      Napi::Number::New(env, error),
      code == nullptr ? env.Null() : Napi::Value(Napi::String::New(env, code)),
      Napi::String::New(env, detail),
      log_value,
  });
  throw Napi::Error(env, made);
}
}  // namespace

void ThrowErrno(Napi::Env env, const char* operation, int error, const std::string& detail,
                const std::string& log) {
  Throw(env, operation, error, nullptr, detail, log);
}

void ThrowCode(Napi::Env env, const char* operation, const char* code, const std::string& detail) {
  Throw(env, operation, 0, code, detail, "");
}

}  // namespace ebpf_ts
