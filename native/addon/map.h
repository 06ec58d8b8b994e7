// SPDX-License-Identifier: Apache-2.0
// A loaded map: element access and batched reads.
#ifndef EBPF_TS_MAP_H
#define EBPF_TS_MAP_H

#include <bpf/bpf.h>

#include "object.h"
#include "promise-worker.h"

namespace ebpf_ts {

// Borrows the descriptor of the object that owns the map, and is closed with it; or has one of
// its own, which came from another process.
class MapHandle final : public Handle {
 public:
  MapHandle(Napi::Env env, std::shared_ptr<ObjectState> state, bpf_map* map);
  MapHandle(Napi::Env env, OwnedFd adopted, const bpf_map_info& info);
  ~MapHandle() override { Close(); }
  // The descriptor; throws BPF_CLOSED when the object is closed.
  int Fd(Napi::Env env, const char* operation) const;

  std::uint32_t type;
  std::uint32_t key_size;
  std::uint32_t max_entries;
  // Bytes a look-up copies out: for per-CPU maps one value, rounded up to 8, for
  // each possible CPU (kernel/bpf/syscall.c, bpf_map_value_size).
  std::size_t value_bytes;

 protected:
  void Release() noexcept override {
    state_.reset();
    adopted_.Reset();
  }

 private:
  std::shared_ptr<ObjectState> state_;
  bpf_map* map_ = nullptr;
  OwnedFd adopted_;
};

void InitMap(Napi::Env env, Napi::Object exports);

}  // namespace ebpf_ts

#endif
