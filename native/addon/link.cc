// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <bpf/bpf.h>

#include <cerrno>

#include "failure.h"
#include "kernel-abi.h"
#include "object.h"

namespace ebpf_ts {

namespace {

Napi::Value Close(const Napi::CallbackInfo& info) {
  UnwrapAny(info[0]).Close();
  return info.Env().Undefined();
}

class CloseWorker final : public PromiseWorker {
 public:
  CloseWorker(Napi::Env env, Attachment attachment, bool detach)
      : PromiseWorker(env), attachment_(std::move(attachment)), detach_(detach) {}

 protected:
  void Execute() override {
    // Fails where the device is gone, and with it the attachment.
    if (detach_) bpf_link_detach(attachment_.fd());
    attachment_.Reset();
  }
  Napi::Value Finish(Napi::Env env) override { return env.Undefined(); }

 private:
  Attachment attachment_;
  bool detach_;
};

// (link, detach: also where others have a descriptor of it)
Napi::Value CloseAsync(const Napi::CallbackInfo& info) {
  auto& link = Unwrap<LinkHandle>(info[0], "close");
  bool detach = info[1].ToBoolean();
  return PromiseWorker::Start(std::make_unique<CloseWorker>(info.Env(), link.Take(), detach));
}

// (descriptor) -> [link, enum bpf_link_type]; with a descriptor of its own
Napi::Value Adopt(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  OwnedFd own = OwnedFd::Duplicate(env, "adoptLink", info[0].ToNumber().Int32Value());
  LinkInfo raw = {};
  __u32 length = sizeof(raw);
  // The kernel describes a map or a program just as gladly.
  if (!own.Is("bpf_link")) ThrowErrno(env, "adoptLink", EINVAL, "no link");
  if (bpf_obj_get_info_by_fd(own.get(), &raw, &length) != 0) ThrowErrno(env, "adoptLink", errno);
  auto out = Napi::Array::New(env, 2);
  out.Set(1u, raw.type);
  out.Set(0u, Wrap(env, std::make_unique<LinkHandle>(env, own.Take())));
  return out;
}

// (link) -> its descriptor, which stays the link's
Napi::Value Descriptor(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), Unwrap<LinkHandle>(info[0], "descriptor").fd());
}

Napi::Value InfoObject(Napi::Env env, const LinkInfo& raw) {
  auto out = Napi::Object::New(env);
  out.Set("id", static_cast<double>(raw.id));
  out.Set("type", static_cast<double>(raw.type));
  out.Set("programId", static_cast<double>(raw.prog_id));
  out.Set("netfilter", env.Null());
  out.Set("tcx", env.Null());
  if (raw.type == kLinkTypeNetfilter) {
    auto netfilter = Napi::Object::New(env);
    netfilter.Set("family", static_cast<double>(raw.netfilter.pf));
    netfilter.Set("hook", static_cast<double>(raw.netfilter.hooknum));
    netfilter.Set("priority", static_cast<double>(raw.netfilter.priority));
    netfilter.Set("flags", static_cast<double>(raw.netfilter.flags));
    out.Set("netfilter", netfilter);
  } else if (raw.type == kLinkTypeTcx) {
    auto tcx = Napi::Object::New(env);
    // 0 once the device is gone: the link stays, attached to nothing.
    tcx.Set("ifindex", static_cast<double>(raw.tcx.ifindex));
    tcx.Set("attachType", static_cast<double>(raw.tcx.attach_type));
    out.Set("tcx", tcx);
  }
  return out;
}

// 0 or an errno.
int ReadInfo(int fd, LinkInfo& raw) {
  __u32 length = sizeof(raw);
  return bpf_obj_get_info_by_fd(fd, &raw, &length) == 0 ? 0 : errno;
}

Napi::Value Info(const Napi::CallbackInfo& info) {
  LinkInfo raw = {};
  int error = ReadInfo(Unwrap<LinkHandle>(info[0], "info").fd(), raw);
  if (error != 0) ThrowErrno(info.Env(), "info", error);
  return InfoObject(info.Env(), raw);
}

class InfoWorker final : public PromiseWorker {
 public:
  InfoWorker(Napi::Env env, OwnedFd link) : PromiseWorker(env), link_(std::move(link)) {}

 protected:
  void Execute() override {
    error_ = ReadInfo(link_.get(), raw_);
    // Not the last one while the link is open, and where it is not, better closed here.
    link_.Reset();
  }
  Napi::Value Finish(Napi::Env env) override {
    if (error_ != 0) ThrowErrno(env, "info", error_);
    return InfoObject(env, raw_);
  }

 private:
  OwnedFd link_;
  LinkInfo raw_ = {};
  int error_ = 0;
};

// (link)
Napi::Value InfoAsync(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int fd = Unwrap<LinkHandle>(info[0], "info").fd();
  return PromiseWorker::Start(
      std::make_unique<InfoWorker>(env, OwnedFd::Duplicate(env, "info", fd)));
}

// (link, object, program)
Napi::Value Update(const Napi::CallbackInfo& info) {
  auto& link = Unwrap<LinkHandle>(info[0], "replaceIn");
  auto& object = Unwrap<ObjectHandle>(info[1], "replaceIn");
  int program = object.ProgramFd(info[2], "replaceIn");
  if (bpf_link_update(link.fd(), program, nullptr) != 0) {
    ThrowErrno(info.Env(), "replaceIn", errno);
  }
  return info.Env().Undefined();
}

Napi::Value EnableStats(const Napi::CallbackInfo& info) {
  int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
  if (fd < 0) ThrowErrno(info.Env(), "enableStats", errno);
  return Wrap(info.Env(), std::make_unique<LinkHandle>(info.Env(), fd));
}

}  // namespace

void InitLink(Napi::Env env, Napi::Object exports) {
  exports.Set("close", Napi::Function::New(env, Close));
  exports.Set("linkAdopt", Napi::Function::New(env, Adopt));
  exports.Set("linkDescriptor", Napi::Function::New(env, Descriptor));
  exports.Set("linkCloseAsync", Napi::Function::New(env, CloseAsync));
  exports.Set("linkInfo", Napi::Function::New(env, Info));
  exports.Set("linkInfoAsync", Napi::Function::New(env, InfoAsync));
  exports.Set("linkUpdate", Napi::Function::New(env, Update));
  exports.Set("enableStats", Napi::Function::New(env, EnableStats));
}

}  // namespace ebpf_ts
