// SPDX-License-Identifier: Apache-2.0
// One libbpf object: its programs and maps.
#ifndef EBPF_TS_OBJECT_H
#define EBPF_TS_OBJECT_H

#include <bpf/libbpf.h>

#include <vector>

#include "handle.h"

namespace ebpf_ts {

// What a map handle must know of the object that owns its descriptor.
struct ObjectState {
  bpf_object* object = nullptr;
  bool loaded = false;
  // Another thread loads it: nobody else may touch it until that is done.
  bool loading = false;
  std::vector<bpf_program*> programs;
  std::vector<bpf_map*> maps;
};

class ObjectHandle final : public Handle {
 public:
  ObjectHandle(Napi::Env env, bpf_object* object);
  ~ObjectHandle() override { Close(); }
  bpf_program* ProgramAt(const Napi::Value& index, const char* operation);
  bpf_map* MapAt(const Napi::Value& index, const char* operation);
  // The program's descriptor; throws BPF_NOT_LOADED before load or when autoload is off.
  int ProgramFd(const Napi::Value& index, const char* operation);

  std::shared_ptr<ObjectState> state;

 protected:
  void Release() noexcept override;
};

void InitObject(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
