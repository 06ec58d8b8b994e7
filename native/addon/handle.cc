// SPDX-License-Identifier: Apache-2.0
#include "handle.h"

#include "failure.h"

namespace ebpf_ts {

namespace {
// Marks our Externals, so that one made by another addon is refused and not cast.
constexpr napi_type_tag kHandleTag = {0x9f1c3a5be0774d21ull, 0x8a52c6d1b94e7f03ull};
}  // namespace

void Registry::CloseAll() noexcept {
  for (Handle* handle : open_) handle->Close();
}

AddonData& Data(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }

Napi::Value Wrap(Napi::Env env, std::unique_ptr<Handle> handle) {
  Handle* raw = handle.release();
  auto external =
      Napi::External<Handle>::New(env, raw, [](Napi::Env, Handle* dead) {
        dead->Close();
        delete dead;
      });
  external.TypeTag(&kHandleTag);
  return external;
}

Handle& UnwrapAny(const Napi::Value& value) {
  if (!value.IsExternal()) throw Napi::TypeError::New(value.Env(), "a native handle is required");
  auto external = value.As<Napi::External<Handle>>();
  if (!external.CheckTypeTag(&kHandleTag)) {
    throw Napi::TypeError::New(value.Env(), "the handle belongs to another addon");
  }
  return *external.Data();
}

void ThrowClosed(Napi::Env env, const char* operation) {
  ThrowCode(env, operation, "BPF_CLOSED", "the handle is closed");
}

}  // namespace ebpf_ts
