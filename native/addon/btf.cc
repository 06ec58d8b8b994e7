// SPDX-License-Identifier: Apache-2.0
#include "btf.h"

#include <bpf/btf.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "failure.h"
#include "handle.h"
#include "log.h"

namespace ebpf_ts {

namespace {

// Deeper nesting than any C in use; BTF from a hostile file may be circular.
constexpr int kMaxDepth = 32;

class BtfHandle final : public Handle {
 public:
  BtfHandle(Napi::Env env, std::shared_ptr<btf> base, btf* types)
      : Handle(env), base_(std::move(base)), types_(types, btf__free) {}
  ~BtfHandle() override { Close(); }
  const btf* types() const { return types_.get(); }
  // For a module's types to lie upon; outlives the handle as long as they need it.
  const std::shared_ptr<btf>& shared() const { return types_; }

 protected:
  void Release() noexcept override {
    types_.reset();
    base_.reset();
  }

 private:
  std::shared_ptr<btf> base_;  // of a module's split BTF, else null; freed last
  std::shared_ptr<btf> types_;
};

Napi::Value Kernel(const Napi::CallbackInfo& info) {
  LogScope log;
  btf* types = btf__load_vmlinux_btf();
  if (types == nullptr) {
    ThrowErrno(info.Env(), "btfKernel", errno, "the kernel's BTF", log.Text());
  }
  return Wrap(info.Env(), std::make_unique<BtfHandle>(info.Env(), nullptr, types));
}

// (module, kernel's BTF | null)
Napi::Value Module(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = info[0].ToString().Utf8Value();
  LogScope log;
  std::shared_ptr<btf> base;
  if (info[1].IsNull()) {
    btf* kernel = btf__load_vmlinux_btf();
    if (kernel == nullptr) ThrowErrno(env, "btfModule", errno, "the kernel's BTF", log.Text());
    base.reset(kernel, btf__free);
  } else {
    base = Unwrap<BtfHandle>(info[1], "btfModule").shared();
  }
  btf* types = btf__load_module_btf(name.c_str(), base.get());
  if (types == nullptr) {
    ThrowErrno(env, "btfModule", errno, "BTF of module " + name, log.Text());
  }
  return Wrap(env, std::make_unique<BtfHandle>(env, std::move(base), types));
}

Napi::Value FromObject(const Napi::CallbackInfo& info) {
  LogScope log;
  std::string path = info[0].ToString().Utf8Value();
  btf* types = btf__parse(path.c_str(), nullptr);
  if (types == nullptr) ThrowErrno(info.Env(), "btfFromObject", errno, path, log.Text());
  return Wrap(info.Env(), std::make_unique<BtfHandle>(info.Env(), nullptr, types));
}

const char* NameOf(const btf* types, const btf_type* type) {
  const char* name = btf__name_by_offset(types, type->name_off);
  return name == nullptr ? "" : name;
}

// (btf, kind, name) => whether a type of that kind and name exists
Napi::Value HasType(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<BtfHandle>(info[0], "hasType");
  std::string name = info[2].ToString().Utf8Value();
  int id = btf__find_by_name_kind(handle.types(), name.c_str(), info[1].ToNumber().Uint32Value());
  return Napi::Boolean::New(info.Env(), id > 0);
}

// (btf, name) => [name, bigint][] or null
Napi::Value EnumValues(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<BtfHandle>(info[0], "enumValues");
  const btf* types = handle.types();
  std::string name = info[1].ToString().Utf8Value();
  int id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_ENUM);
  if (id <= 0) id = btf__find_by_name_kind(types, name.c_str(), BTF_KIND_ENUM64);
  if (id <= 0) return env.Null();
  const btf_type* type = btf__type_by_id(types, static_cast<__u32>(id));
  bool is_signed = btf_kflag(type);
  auto list = Napi::Array::New(env, btf_vlen(type));
  for (__u32 i = 0; i < btf_vlen(type); i++) {
    auto pair = Napi::Array::New(env, 2);
    __u32 name_off;
    Napi::Value value;
    if (btf_is_enum64(type)) {
      const struct btf_enum64* entry = btf_enum64(type) + i;
      name_off = entry->name_off;
      __u64 raw = btf_enum64_value(entry);
      value = is_signed ? Napi::BigInt::New(env, static_cast<std::int64_t>(raw))
                        : Napi::BigInt::New(env, static_cast<std::uint64_t>(raw));
    } else {
      const struct btf_enum* entry = btf_enum(type) + i;
      name_off = entry->name_off;
      value = is_signed ? Napi::BigInt::New(env, static_cast<std::int64_t>(entry->val))
                        : Napi::BigInt::New(env, static_cast<std::uint64_t>(
                                                     static_cast<__u32>(entry->val)));
    }
    const char* entry_name = btf__name_by_offset(types, name_off);
    pair.Set(0u, entry_name == nullptr ? "" : entry_name);
    pair.Set(1u, value);
    list.Set(i, pair);
  }
  return list;
}

const btf_type* Strip(const btf* types, __u32 id) {
  for (int depth = 0; depth < kMaxDepth; depth++) {
    const btf_type* type = btf__type_by_id(types, id);
    if (type == nullptr) return nullptr;
    if (!btf_is_mod(type) && !btf_is_typedef(type) && !btf_is_type_tag(type)) return type;
    id = type->type;
  }
  return nullptr;
}

std::string Describe(const btf* types, const btf_type* type) {
  if (type == nullptr) return "void";
  std::string name = NameOf(types, type);
  switch (btf_kind(type)) {
    case BTF_KIND_INT: {
      if ((btf_int_encoding(type) & BTF_INT_BOOL) != 0) return "bool";
      if (name == "char") return "char";
      bool is_signed = (btf_int_encoding(type) & BTF_INT_SIGNED) != 0;
      return (is_signed ? "s" : "u") + std::to_string(type->size * 8);
    }
    case BTF_KIND_FLOAT:
      return "f" + std::to_string(type->size * 8);
    case BTF_KIND_PTR:
      return "pointer";
    case BTF_KIND_STRUCT:
      return name.empty() ? "struct" : "struct " + name;
    case BTF_KIND_UNION:
      return name.empty() ? "union" : "union " + name;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      return name.empty() ? "enum" : "enum " + name;
    default:
      return "void";
  }
}

Napi::Object Layout(Napi::Env env, const btf* types, const btf_type* composite, int depth) {
  auto out = Napi::Object::New(env);
  out.Set("size", static_cast<double>(composite->size));
  auto members = Napi::Array::New(env);
  for (__u32 i = 0; i < btf_vlen(composite); i++) {
    const btf_member* raw = btf_members(composite) + i;
    auto member = Napi::Object::New(env);
    const char* name = btf__name_by_offset(types, raw->name_off);
    __u32 bits = btf_member_bit_offset(composite, i);
    __u32 bit_size = btf_member_bitfield_size(composite, i);
    member.Set("name", name == nullptr ? "" : name);
    member.Set("offset", static_cast<double>(bits / 8));
    __s64 size = btf__resolve_size(types, raw->type);
    member.Set("size", static_cast<double>(size < 0 ? 0 : size));
    if (bit_size != 0) {
      member.Set("bitOffset", static_cast<double>(bits % 8));
      member.Set("bitSize", static_cast<double>(bit_size));
    }
    const btf_type* type = Strip(types, raw->type);
    std::string dimensions;
    double count = 1;
    bool is_array = false;
    for (int level = 0; type != nullptr && btf_is_array(type) && level < kMaxDepth; level++) {
      is_array = true;
      dimensions += "[" + std::to_string(btf_array(type)->nelems) + "]";
      count *= btf_array(type)->nelems;
      type = Strip(types, btf_array(type)->type);
    }
    member.Set("type", Describe(types, type) + dimensions);
    if (is_array) member.Set("count", count);
    if (type != nullptr && btf_is_composite(type) && depth < kMaxDepth) {
      member.Set("struct", Layout(env, types, type, depth + 1));
    }
    members.Set(i, member);
  }
  out.Set("members", members);
  return out;
}

// (btf, name) => layout of the struct or union, or null
Napi::Value StructLayout(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<BtfHandle>(info[0], "structLayout");
  std::string name = info[1].ToString().Utf8Value();
  int id = btf__find_by_name_kind(handle.types(), name.c_str(), BTF_KIND_STRUCT);
  if (id <= 0) id = btf__find_by_name_kind(handle.types(), name.c_str(), BTF_KIND_UNION);
  if (id <= 0) return env.Null();
  return Layout(env, handle.types(), btf__type_by_id(handle.types(), static_cast<__u32>(id)), 0);
}

}  // namespace

void InitBtf(Napi::Env env, Napi::Object exports) {
  exports.Set("btfKernel", Napi::Function::New(env, Kernel));
  exports.Set("btfModule", Napi::Function::New(env, Module));
  exports.Set("btfFromObject", Napi::Function::New(env, FromObject));
  exports.Set("btfHasType", Napi::Function::New(env, HasType));
  exports.Set("btfEnumValues", Napi::Function::New(env, EnumValues));
  exports.Set("btfStructLayout", Napi::Function::New(env, StructLayout));
}

}  // namespace ebpf_ts
