// SPDX-License-Identifier: Apache-2.0
// Opaque native handles and the registry that closes them with their environment.
#ifndef EBPF_TS_HANDLE_H
#define EBPF_TS_HANDLE_H

#include <napi.h>

#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

namespace ebpf_ts {

class Handle;

// Every open handle of one JavaScript environment (main thread or Worker). The
// clean-up hook of the environment closes them all: a terminated Worker never
// runs finalizers in time, and descriptors must not outlive it.
class Registry {
 public:
  void Add(Handle* handle) { open_.insert(handle); }
  void Remove(Handle* handle) { open_.erase(handle); }
  void CloseAll() noexcept;

 private:
  std::unordered_set<Handle*> open_;
};

// Per-environment state.
struct AddonData {
  std::shared_ptr<Registry> registry = std::make_shared<Registry>();
  // (operation, errno, log, detail, code) => Error, from the TypeScript layer.
  Napi::FunctionReference error_factory;
};

AddonData& Data(Napi::Env env);

// A native resource owned by JavaScript. Used on the thread of its environment
// only. Close is idempotent and is called by the user, by collection or by the
// end of the environment, whichever comes first.
class Handle {
 public:
  Handle(Napi::Env env) : registry_(Data(env).registry) { registry_->Add(this); }
  virtual ~Handle() { registry_->Remove(this); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  void Close() noexcept {
    if (closed_) return;
    closed_ = true;
    Release();
  }
  bool closed() const { return closed_; }

 protected:
  virtual void Release() noexcept = 0;

 private:
  std::shared_ptr<Registry> registry_;
  bool closed_ = false;
};

// Hands a handle to JavaScript as an External whose collection closes it.
Napi::Value Wrap(Napi::Env env, std::unique_ptr<Handle> handle);

Handle& UnwrapAny(const Napi::Value& value);

// The open handle inside an External. Throws BPF_CLOSED when it is closed and a
// TypeError when it is another kind of thing.
template <typename T>
T& Unwrap(const Napi::Value& value, const char* operation);

[[noreturn]] void ThrowClosed(Napi::Env env, const char* operation);

template <typename T>
T& Unwrap(const Napi::Value& value, const char* operation) {
  Handle& any = UnwrapAny(value);
  T* handle = dynamic_cast<T*>(&any);
  if (handle == nullptr) {
    throw Napi::TypeError::New(value.Env(), std::string(operation) + ": wrong kind of handle");
  }
  if (handle->closed()) ThrowClosed(value.Env(), operation);
  return *handle;
}

}  // namespace ebpf_ts

#endif
