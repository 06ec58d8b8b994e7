// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <cerrno>
#include <cstring>

#include "failure.h"
#include "log.h"
#include "map.h"
#include "module-function.h"
#include "promise-worker.h"

namespace ebpf_ts {

ObjectHandle::ObjectHandle(Napi::Env env, bpf_object* object)
    : Handle(env), state(std::make_shared<ObjectState>()) {
  state->object = object;
  bpf_program* program;
  bpf_object__for_each_program(program, object) state->programs.push_back(program);
  bpf_map* map;
  bpf_object__for_each_map(map, object) state->maps.push_back(map);
}

void ObjectHandle::Release() noexcept {
  // While another thread loads it, it is left to that one's worker.
  if (!state->loading) bpf_object__close(state->object);
  state->object = nullptr;
  state->programs.clear();
  state->maps.clear();
}

bpf_program* ObjectHandle::ProgramAt(const Napi::Value& index, const char* operation) {
  std::uint32_t at = index.ToNumber().Uint32Value();
  if (at >= state->programs.size()) {
    ThrowCode(index.Env(), operation, "BPF_NOT_FOUND", "no such program");
  }
  return state->programs[at];
}

bpf_map* ObjectHandle::MapAt(const Napi::Value& index, const char* operation) {
  std::uint32_t at = index.ToNumber().Uint32Value();
  if (at >= state->maps.size()) ThrowCode(index.Env(), operation, "BPF_NOT_FOUND", "no such map");
  return state->maps[at];
}

int ObjectHandle::ProgramFd(const Napi::Value& index, const char* operation) {
  int fd = bpf_program__fd(ProgramAt(index, operation));
  if (fd < 0) ThrowCode(index.Env(), operation, "BPF_NOT_LOADED", "the program is not loaded");
  return fd;
}

namespace {


void Check(Napi::Env env, const char* operation, int result, const LogScope& log) {
  if (result != 0) {
    ThrowErrno(env, operation, result < 0 ? -result : errno, log.FirstLine(), log.Text());
  }
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  LIBBPF_OPTS(bpf_object_open_opts, options);
  std::string name;
  if (info[1].IsString()) {
    name = info[1].As<Napi::String>().Utf8Value();
    options.object_name = name.c_str();
  }
  LogScope log;
  bpf_object* object;
  if (info[0].IsString()) {
    object = bpf_object__open_file(info[0].As<Napi::String>().Utf8Value().c_str(), &options);
  } else {
    auto bytes = info[0].As<Napi::Uint8Array>();
    object = bpf_object__open_mem(bytes.Data(), bytes.ByteLength(), &options);
  }
  if (object == nullptr) ThrowErrno(env, "open", errno, log.FirstLine(), log.Text());
  return Wrap(env, std::make_unique<ObjectHandle>(env, object));
}

Napi::Value ListPrograms(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "programs");
  auto list = Napi::Array::New(env);
  for (std::size_t i = 0; i < handle.state->programs.size(); i++) {
    const bpf_program* program = handle.state->programs[i];
    auto entry = Napi::Object::New(env);
    entry.Set("name", bpf_program__name(program));
    entry.Set("section", bpf_program__section_name(program));
    entry.Set("type", static_cast<double>(bpf_program__type(program)));
    entry.Set("attachType", static_cast<double>(bpf_program__expected_attach_type(program)));
    entry.Set("autoload", bpf_program__autoload(program));
    list.Set(static_cast<std::uint32_t>(i), entry);
  }
  return list;
}

Napi::Value ListMaps(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "maps");
  auto list = Napi::Array::New(env);
  for (std::size_t i = 0; i < handle.state->maps.size(); i++) {
    const bpf_map* map = handle.state->maps[i];
    auto entry = Napi::Object::New(env);
    entry.Set("name", bpf_map__name(map));
    entry.Set("type", static_cast<double>(bpf_map__type(map)));
    entry.Set("keySize", static_cast<double>(bpf_map__key_size(map)));
    entry.Set("valueSize", static_cast<double>(bpf_map__value_size(map)));
    entry.Set("maxEntries", static_cast<double>(bpf_map__max_entries(map)));
    list.Set(static_cast<std::uint32_t>(i), entry);
  }
  return list;
}

Napi::Value Load(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "load");
  LogScope log;
  ModuleFunctionScope functions;
  Check(info.Env(), "load", bpf_object__load(handle.state->object), log);
  handle.state->loaded = true;
  return info.Env().Undefined();
}

class LoadWorker final : public PromiseWorker {
 public:
  LoadWorker(Napi::Env env, std::shared_ptr<ObjectState> state)
      : PromiseWorker(env), state_(std::move(state)), object_(state_->object) {
    state_->loading = true;
  }
  ~LoadWorker() override {
    state_->loading = false;
    if (state_->object == nullptr) bpf_object__close(object_);
  }

 protected:
  void Execute() override {
    LogScope log;
    ModuleFunctionScope functions;
    int result = bpf_object__load(object_);
    if (result == 0) return;
    error_ = result < 0 ? -result : errno;
    first_line_ = log.FirstLine();
    text_ = log.Text();
  }
  Napi::Value Finish(Napi::Env env) override {
    state_->loading = false;
    if (error_ != 0) ThrowErrno(env, "load", error_, first_line_, text_);
    if (state_->object == nullptr) ThrowClosed(env, "load");
    state_->loaded = true;
    return env.Undefined();
  }

 private:
  std::shared_ptr<ObjectState> state_;
  bpf_object* object_;
  int error_ = 0;
  std::string first_line_;
  std::string text_;
};

Napi::Value LoadAsync(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "load");
  return PromiseWorker::Start(std::make_unique<LoadWorker>(info.Env(), handle.state));
}

Napi::Value SetAutoload(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "setAutoload");
  LogScope log;
  Check(info.Env(), "setAutoload",
        bpf_program__set_autoload(handle.ProgramAt(info[1], "setAutoload"), info[2].ToBoolean()),
        log);
  return info.Env().Undefined();
}

Napi::Value SetType(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "setType");
  bpf_program* program = handle.ProgramAt(info[1], "setType");
  auto type = static_cast<bpf_prog_type>(info[2].ToNumber().Uint32Value());
  auto attach = static_cast<bpf_attach_type>(info[3].ToNumber().Uint32Value());
  LogScope log;
  Check(info.Env(), "setType", bpf_program__set_type(program, type), log);
  Check(info.Env(), "setType", bpf_program__set_expected_attach_type(program, attach), log);
  return info.Env().Undefined();
}

Napi::Value SetAttachTarget(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "setAttachTarget");
  bpf_program* program = handle.ProgramAt(info[1], "setAttachTarget");
  LogScope log;
  Check(info.Env(), "setAttachTarget",
        bpf_program__set_attach_target(program, 0,
                                       info[2].ToString().Utf8Value().c_str()),
        log);
  return info.Env().Undefined();
}

Napi::Value SetMaxEntries(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "setMapMaxEntries");
  bpf_map* map = handle.MapAt(info[1], "setMapMaxEntries");
  LogScope log;
  Check(info.Env(), "setMapMaxEntries",
        bpf_map__set_max_entries(map, info[2].ToNumber().Uint32Value()), log);
  // libbpf rounds a ring buffer up to what the kernel takes.
  return Napi::Number::New(info.Env(), bpf_map__max_entries(map));
}

// (object, map, another object's loaded map)
Napi::Value ReuseMap(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "reuseMap");
  bpf_map* map = handle.MapAt(info[1], "reuseMap");
  int fd = Unwrap<MapHandle>(info[2], "reuseMap").Fd(info.Env(), "reuseMap");
  LogScope log;
  // libbpf duplicates the descriptor.
  Check(info.Env(), "reuseMap", bpf_map__reuse_fd(map, fd), log);
  return Napi::Number::New(info.Env(), bpf_map__max_entries(map));
}

// The read-only variable `name` in the BTF of the object: the map that holds it,
// its place there and what kind of value it takes. Null when there is none.
Napi::Value FindConstant(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "setConstant");
  std::string wanted = info[1].ToString().Utf8Value();
  const btf* types = bpf_object__btf(handle.state->object);
  if (types == nullptr) {
    ThrowCode(env, "setConstant", "BPF_NO_BTF", "the object has no BTF: compile it with -g");
  }
  for (__u32 id = 1; id < btf__type_cnt(types); id++) {
    const btf_type* section = btf__type_by_id(types, id);
    if (!btf_is_datasec(section)) continue;
    std::string section_name = btf__name_by_offset(types, section->name_off);
    if (section_name != ".rodata" && section_name.rfind(".rodata.", 0) != 0) continue;
    const btf_var_secinfo* entry = btf_var_secinfos(section);
    for (int i = 0; i < btf_vlen(section); i++, entry++) {
      const btf_type* variable = btf__type_by_id(types, entry->type);
      const char* name = btf__name_by_offset(types, variable->name_off);
      if (name == nullptr || wanted != name) continue;
      bpf_map* map = bpf_object__find_map_by_name(handle.state->object, section_name.c_str());
      std::uint32_t at = 0;
      while (at < handle.state->maps.size() && handle.state->maps[at] != map) at++;
      if (at == handle.state->maps.size()) return env.Null();
      int type_id = btf__resolve_type(types, static_cast<int>(variable->type));
      const btf_type* type = type_id < 0 ? nullptr : btf__type_by_id(types, type_id);
      const char* kind = "bytes";
      bool is_signed = false;
      if (type != nullptr && btf_is_int(type)) {
        kind = (btf_int_encoding(type) & BTF_INT_BOOL) != 0 ? "boolean" : "integer";
        is_signed = (btf_int_encoding(type) & BTF_INT_SIGNED) != 0;
      } else if (type != nullptr && btf_is_any_enum(type)) {
        kind = "integer";
        is_signed = btf_kflag(type);
      }
      auto found = Napi::Object::New(env);
      found.Set("map", static_cast<double>(at));
      found.Set("offset", static_cast<double>(entry->offset));
      found.Set("size", static_cast<double>(entry->size));
      found.Set("kind", kind);
      found.Set("signed", is_signed);
      return found;
    }
  }
  return env.Null();
}

Napi::Value WriteInitial(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "setConstant");
  bpf_map* map = handle.MapAt(info[1], "setConstant");
  std::size_t offset = info[2].ToNumber().Uint32Value();
  auto bytes = info[3].As<Napi::Uint8Array>();
  std::size_t size = 0;
  // libbpf hands out the buffer that it copies into the map at load; the const
  // of its signature guards against writes after load, which the state excludes.
  auto* data = static_cast<unsigned char*>(const_cast<void*>(bpf_map__initial_value(map, &size)));
  if (handle.state->loaded || data == nullptr || offset > size ||
      bytes.ByteLength() > size - offset) {
    ThrowCode(env, "setConstant", "BPF_BAD_ARGUMENT", "the constant lies outside its section");
  }
  std::memcpy(data + offset, bytes.Data(), bytes.ByteLength());
  return env.Undefined();
}

Napi::Value ProgramInfo(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "info");
  int fd = handle.ProgramFd(info[1], "info");
  bpf_prog_info raw = {};
  __u32 length = sizeof(raw);
  if (bpf_obj_get_info_by_fd(fd, &raw, &length) != 0) ThrowErrno(env, "info", errno);
  char tag[2 * BPF_TAG_SIZE + 1];
  for (int i = 0; i < BPF_TAG_SIZE; i++) std::snprintf(tag + 2 * i, 3, "%02x", raw.tag[i]);
  auto out = Napi::Object::New(env);
  out.Set("id", static_cast<double>(raw.id));
  out.Set("tag", tag);
  out.Set("type", static_cast<double>(raw.type));
  out.Set("name", std::string(raw.name, strnlen(raw.name, sizeof(raw.name))));
  out.Set("loadTimeNs", Napi::BigInt::New(env, static_cast<std::uint64_t>(raw.load_time)));
  out.Set("runTimeNs", Napi::BigInt::New(env, static_cast<std::uint64_t>(raw.run_time_ns)));
  out.Set("runCount", Napi::BigInt::New(env, static_cast<std::uint64_t>(raw.run_cnt)));
  out.Set("recursionMisses",
          Napi::BigInt::New(env, static_cast<std::uint64_t>(raw.recursion_misses)));
  out.Set("verifiedInstructions", static_cast<double>(raw.verified_insns));
  out.Set("translatedBytes", static_cast<double>(raw.xlated_prog_len));
  out.Set("jitedBytes", static_cast<double>(raw.jited_prog_len));
  return out;
}

}  // namespace

void InitObject(Napi::Env env, Napi::Object exports) {
  exports.Set("objectOpen", Napi::Function::New(env, Open));
  exports.Set("objectPrograms", Napi::Function::New(env, ListPrograms));
  exports.Set("objectMaps", Napi::Function::New(env, ListMaps));
  exports.Set("objectLoad", Napi::Function::New(env, Load));
  exports.Set("objectLoadAsync", Napi::Function::New(env, LoadAsync));
  exports.Set("objectFindConstant", Napi::Function::New(env, FindConstant));
  exports.Set("objectWriteInitial", Napi::Function::New(env, WriteInitial));
  exports.Set("mapSetMaxEntries", Napi::Function::New(env, SetMaxEntries));
  exports.Set("mapReuse", Napi::Function::New(env, ReuseMap));
  exports.Set("programSetAutoload", Napi::Function::New(env, SetAutoload));
  exports.Set("programSetType", Napi::Function::New(env, SetType));
  exports.Set("programSetAttachTarget", Napi::Function::New(env, SetAttachTarget));
  exports.Set("programInfo", Napi::Function::New(env, ProgramInfo));
}

}  // namespace ebpf_ts
