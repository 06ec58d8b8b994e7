// SPDX-License-Identifier: Apache-2.0
#include "map.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "failure.h"

namespace ebpf_ts {

namespace {

// Not in any user space header: "operation is not supported" inside the kernel.
constexpr int kEnotsupp = 524;

bool IsPerCpu(std::uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_ARRAY ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// Bytes that a look-up copies out, of a map whose values have `size`.
std::size_t ValueBytesOf(std::uint32_t type, std::size_t size) {
  if (!IsPerCpu(type)) return size;
  int cpus = libbpf_num_possible_cpus();
  return (size + 7) / 8 * 8 * static_cast<std::size_t>(cpus < 1 ? 1 : cpus);
}

}  // namespace

MapHandle::MapHandle(Napi::Env env, std::shared_ptr<ObjectState> state, bpf_map* map)
    : Handle(env),
      type(bpf_map__type(map)),
      key_size(bpf_map__key_size(map)),
      max_entries(bpf_map__max_entries(map)),
      value_bytes(ValueBytesOf(type, bpf_map__value_size(map))),
      state_(std::move(state)),
      map_(map) {}

MapHandle::MapHandle(Napi::Env env, OwnedFd adopted, const bpf_map_info& info)
    : Handle(env),
      type(info.type),
      key_size(info.key_size),
      max_entries(info.max_entries),
      value_bytes(ValueBytesOf(info.type, info.value_size)),
      adopted_(std::move(adopted)) {}

int MapHandle::Fd(Napi::Env env, const char* operation) const {
  if (adopted_.get() >= 0) return adopted_.get();
  if (state_ == nullptr || state_->object == nullptr) ThrowClosed(env, operation);
  int fd = bpf_map__fd(map_);
  if (fd < 0) ThrowCode(env, operation, "BPF_NOT_LOADED", "the map's object is not loaded");
  return fd;
}

namespace {

Napi::Value Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& object = Unwrap<ObjectHandle>(info[0], "map");
  bpf_map* map = object.MapAt(info[1], "map");
  if (bpf_map__fd(map) < 0) {
    ThrowCode(env, "map", "BPF_NOT_LOADED", "the map's object is not loaded");
  }
  return Wrap(env, std::make_unique<MapHandle>(env, object.state, map));
}

// (descriptor) -> [handle, name, type, key size, value size, entries]; it has a copy of its own
Napi::Value Adopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  OwnedFd own = OwnedFd::Duplicate(env, "adoptMap", info[0].ToNumber().Int32Value());
  bpf_map_info raw = {};
  __u32 length = sizeof(raw);
  // The kernel describes a link or a program just as gladly.
  if (!own.Is("bpf-map")) ThrowErrno(env, "adoptMap", EINVAL, "no map");
  if (bpf_obj_get_info_by_fd(own.get(), &raw, &length) != 0) ThrowErrno(env, "adoptMap", errno);
  auto out = Napi::Array::New(env, 6);
  out.Set(1u, Napi::String::New(env, raw.name, strnlen(raw.name, sizeof(raw.name))));
  out.Set(2u, raw.type);
  out.Set(3u, raw.key_size);
  out.Set(4u, raw.value_size);
  out.Set(5u, raw.max_entries);
  out.Set(0u, Wrap(env, std::make_unique<MapHandle>(env, std::move(own), raw)));
  return out;
}

// (map) -> its descriptor, which stays the object's
Napi::Value Descriptor(const Napi::CallbackInfo& info) {
  auto& map = Unwrap<MapHandle>(info[0], "descriptor");
  return Napi::Number::New(info.Env(), map.Fd(info.Env(), "descriptor"));
}

Napi::Value ValueBytes(const Napi::CallbackInfo& info) {
  auto& map = Unwrap<MapHandle>(info[0], "map");
  return Napi::Number::New(info.Env(), static_cast<double>(map.value_bytes));
}

Napi::Value Get(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "get");
  int fd = map.Fd(env, "get");
  auto key = info[1].As<Napi::Uint8Array>();
  auto value = Napi::Uint8Array::New(env, map.value_bytes);
  if (bpf_map_lookup_elem(fd, key.Data(), value.Data()) != 0) {
    if (errno == ENOENT) return env.Null();
    ThrowErrno(env, "get", errno);
  }
  return value;
}

Napi::Value Put(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "put");
  int fd = map.Fd(env, "put");
  auto key = info[1].As<Napi::Uint8Array>();
  auto value = info[2].As<Napi::Uint8Array>();
  auto flags = static_cast<std::uint64_t>(info[3].ToNumber().Int64Value());
  if (bpf_map_update_elem(fd, key.Data(), value.Data(), flags) != 0) {
    ThrowErrno(env, "put", errno);
  }
  return env.Undefined();
}

Napi::Value Delete(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "delete");
  int fd = map.Fd(env, "delete");
  auto key = info[1].As<Napi::Uint8Array>();
  if (bpf_map_delete_elem(fd, key.Data()) != 0) {
    if (errno == ENOENT) return Napi::Boolean::New(env, false);
    ThrowErrno(env, "delete", errno);
  }
  return Napi::Boolean::New(env, true);
}

// (map, key | null) => the key after it, the first for null, null at the end
Napi::Value NextKey(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "keys");
  int fd = map.Fd(env, "keys");
  const void* previous = info[1].IsNull() ? nullptr : info[1].As<Napi::Uint8Array>().Data();
  auto next = Napi::Uint8Array::New(env, map.key_size);
  if (bpf_map_get_next_key(fd, previous, next.Data()) != 0) {
    if (errno == ENOENT) return env.Null();
    ThrowErrno(env, "keys", errno);
  }
  return next;
}

struct Batch {
  std::vector<std::uint8_t> keys;
  std::vector<std::uint8_t> values;
  std::vector<std::uint8_t> cursor;
  std::uint32_t count = 0;
  bool more = false;
  bool batched = true;
};

// Element by element, for map types without batch operations. Returns an errno.
int ReadSingly(MapHandle& map, int fd, std::uint32_t limit, bool remove, const void* from,
               Batch& batch) {
  batch.batched = false;
  std::vector<std::uint8_t> key(map.key_size);
  const void* previous = from;
  // Keys that go while we look are passed over; the bound keeps a map that
  // changes under us from holding us here.
  std::uint32_t vanished = 0;
  while (batch.count < limit) {
    if (bpf_map_get_next_key(fd, previous, key.data()) != 0) return errno == ENOENT ? 0 : errno;
    std::uint8_t* value = batch.values.data() + batch.count * map.value_bytes;
    bool found = bpf_map_lookup_elem(fd, key.data(), value) == 0;
    if (!found && errno != ENOENT) return errno;
    if (found && remove && bpf_map_delete_elem(fd, key.data()) != 0) {
      if (errno != ENOENT) return errno;
      found = false;
    }
    if (found) {
      std::memcpy(batch.keys.data() + static_cast<std::size_t>(batch.count) * map.key_size,
                  key.data(), map.key_size);
      batch.count++;
    } else if (++vanished > map.max_entries) {
      return 0;
    }
    batch.cursor = key;
    // After a removal the next key is looked for from the start again.
    previous = remove ? nullptr : batch.cursor.data();
  }
  batch.more = bpf_map_get_next_key(fd, previous, key.data()) == 0;
  return 0;
}

// (map, limit, remove, cursor | null, batched) =>
//   { count, keys, values, cursor | null, batched }
Napi::Value ReadBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "readBatch");
  int fd = map.Fd(env, "readBatch");
  std::uint32_t limit = info[1].ToNumber().Uint32Value();
  bool remove = info[2].ToBoolean();
  bool use_batch = info[4].ToBoolean();
  // The kernel's cursor is a key for arrays and tries and a u32 for hashes.
  std::size_t cursor_bytes = std::max<std::size_t>(map.key_size, sizeof(std::uint32_t));
  std::vector<std::uint8_t> from;
  if (!info[3].IsNull()) {
    auto given = info[3].As<Napi::Uint8Array>();
    from.assign(given.Data(), given.Data() + given.ByteLength());
    from.resize(cursor_bytes);
  }

  Batch batch;
  batch.keys.resize(static_cast<std::size_t>(limit) * map.key_size);
  batch.values.resize(static_cast<std::size_t>(limit) * map.value_bytes);
  int error = 0;
  if (use_batch) {
    batch.cursor.resize(cursor_bytes);
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    std::uint32_t count = limit;
    auto read = remove ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
    int result = read(fd, from.empty() ? nullptr : from.data(), batch.cursor.data(),
                      batch.keys.data(), batch.values.data(), &count, &options);
    error = result == 0 ? 0 : errno;
    if (error == 0 || error == ENOENT) {
      batch.count = count;
      batch.more = error == 0;
      error = 0;
    } else if (error == kEnotsupp || error == EOPNOTSUPP || error == EINVAL) {
      use_batch = false;
    }
  }
  if (!use_batch) {
    batch.cursor.clear();
    error = ReadSingly(map, fd, limit, remove, from.empty() ? nullptr : from.data(), batch);
  }
  if (error != 0) {
    ThrowErrno(env, "readBatch", error,
               error == ENOSPC ? "one hash bucket holds more entries than the limit" : "");
  }

  std::size_t key_bytes = static_cast<std::size_t>(batch.count) * map.key_size;
  std::size_t value_bytes = static_cast<std::size_t>(batch.count) * map.value_bytes;
  auto keys = Napi::Uint8Array::New(env, key_bytes);
  auto values = Napi::Uint8Array::New(env, value_bytes);
  if (key_bytes != 0) std::memcpy(keys.Data(), batch.keys.data(), key_bytes);
  if (value_bytes != 0) std::memcpy(values.Data(), batch.values.data(), value_bytes);
  auto out = Napi::Object::New(env);
  out.Set("count", static_cast<double>(batch.count));
  out.Set("keys", keys);
  out.Set("values", values);
  if (batch.more) {
    auto cursor = Napi::Uint8Array::New(env, batch.cursor.size());
    std::memcpy(cursor.Data(), batch.cursor.data(), batch.cursor.size());
    out.Set("cursor", cursor);
  } else {
    out.Set("cursor", env.Null());
  }
  out.Set("batched", batch.batched);
  return out;
}

// Fills the caller's arrays, of `state[1]` entries, and keeps nothing.
// (map, remove, keys, values, cursor, state: Uint32Array [started, room -> count, more])
Napi::Value FillBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bool remove = info[1].ToBoolean();
  const char* operation = remove ? "lookupAndDeleteBatch" : "lookupBatch";
  auto& map = Unwrap<MapHandle>(info[0], operation);
  int fd = map.Fd(env, operation);
  auto keys = info[2].As<Napi::Uint8Array>();
  auto values = info[3].As<Napi::Uint8Array>();
  auto cursor = info[4].As<Napi::Uint8Array>();
  auto state = info[5].As<Napi::Uint32Array>();
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  std::uint32_t count = state[1];
  auto read = remove ? bpf_map_lookup_and_delete_batch : bpf_map_lookup_batch;
  // The kernel reads the old cursor before it writes the new one to the same place.
  int result = read(fd, state[0] != 0 ? cursor.Data() : nullptr, cursor.Data(), keys.Data(),
                    values.Data(), &count, &options);
  int error = result == 0 ? 0 : errno;
  if (error != 0 && error != ENOENT) {
    ThrowErrno(env, operation, error,
               error == ENOSPC ? "one hash bucket holds more entries than the batch" : "");
  }
  state[0] = 1;
  state[1] = count;
  state[2] = error == 0 ? 1 : 0;
  return env.Undefined();
}

// Removes keys one after another and packs those that were there, with their last
// values, to the front. (map, keys, values, count) => how many there were
Napi::Value TakeKeys(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "take");
  int fd = map.Fd(env, "take");
  std::uint8_t* keys = info[1].As<Napi::Uint8Array>().Data();
  std::uint8_t* values = info[2].As<Napi::Uint8Array>().Data();
  std::uint32_t count = info[3].ToNumber().Uint32Value();
  std::uint32_t taken = 0;
  for (std::uint32_t i = 0; i < count; i++) {
    const std::uint8_t* key = keys + static_cast<std::size_t>(i) * map.key_size;
    if (bpf_map_lookup_and_delete_elem(fd, key, values + taken * map.value_bytes) == 0) {
      std::memmove(keys + static_cast<std::size_t>(taken) * map.key_size, key, map.key_size);
      taken++;
    } else if (errno != ENOENT) {
      int error = errno;
      // What was taken so far is gone from the map: it has to be said, and the rest waits.
      if (taken != 0) break;
      ThrowErrno(env, "take", error);
    }
  }
  return Napi::Number::New(env, taken);
}

}  // namespace

void InitMap(Napi::Env env, Napi::Object exports) {
  exports.Set("mapOpen", Napi::Function::New(env, Open));
  exports.Set("mapAdopt", Napi::Function::New(env, Adopt));
  exports.Set("mapDescriptor", Napi::Function::New(env, Descriptor));
  exports.Set("mapValueBytes", Napi::Function::New(env, ValueBytes));
  exports.Set("mapGet", Napi::Function::New(env, Get));
  exports.Set("mapPut", Napi::Function::New(env, Put));
  exports.Set("mapDelete", Napi::Function::New(env, Delete));
  exports.Set("mapNextKey", Napi::Function::New(env, NextKey));
  exports.Set("mapReadBatch", Napi::Function::New(env, ReadBatch));
  exports.Set("mapFillBatch", Napi::Function::New(env, FillBatch));
  exports.Set("mapTakeKeys", Napi::Function::New(env, TakeKeys));
}

}  // namespace ebpf_ts
