// SPDX-License-Identifier: Apache-2.0
// Every way a loaded program is attached. libbpf does the ones it knows; links of
// kernels newer than libbpf 1.1 go straight to the system call.
#include <bpf/bpf.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "failure.h"
#include "kernel-abi.h"
#include "link.h"
#include "log.h"
#include "netns.h"
#include "object.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

Napi::Value WrapLink(Napi::Env env, const char* operation, bpf_link* link, const LogScope& log) {
  if (link == nullptr) ThrowErrno(env, operation, errno, log.FirstLine(), log.Text());
  return Wrap(env, std::make_unique<LinkHandle>(env, link));
}

std::string OptionalString(const Napi::Value& value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : std::string();
}

[[noreturn]] void ThrowInNetns(Napi::Env env, const char* operation, const std::string& netns,
                               const char* call, const NetnsResult& result) {
  std::string step = result.failed;
  std::string detail = step == "call" ? std::string(call) : step + " of network namespace " + netns;
  ThrowErrno(env, operation, result.error, detail);
}

// The link of a descriptor that `make` returns in the namespace; `call` names it in errors.
Napi::Value LinkInNetns(Napi::Env env, const char* operation, const std::string& netns,
                        const char* call, const std::function<int()>& make) {
  NetnsResult result = CallInNetns(netns, make);
  if (result.value < 0) ThrowInNetns(env, operation, netns, call, result);
  return Wrap(env, std::make_unique<LinkHandle>(env, result.value));
}

constexpr const char kLinkCreate[] = "bpf(BPF_LINK_CREATE)";

int CreateLinkHere(LinkCreateAttr& attr) {
  long fd = Bpf(kCmdLinkCreate, &attr, sizeof(attr));
  return fd < 0 ? -errno : static_cast<int>(fd);
}

Napi::Value CreateLink(Napi::Env env, const char* operation, const std::string& netns,
                       LinkCreateAttr& attr) {
  return LinkInNetns(env, operation, netns, kLinkCreate, [&attr] { return CreateLinkHere(attr); });
}

// Has a descriptor of the program of its own: the object may be closed meanwhile.
class CreateLinkWorker final : public PromiseWorker {
 public:
  CreateLinkWorker(Napi::Env env, const char* operation, std::string netns,
                   const LinkCreateAttr& attr)
      : PromiseWorker(env),
        operation_(operation),
        netns_(std::move(netns)),
        attr_(attr),
        program_(OwnedFd::Duplicate(env, operation, static_cast<int>(attr.prog_fd))) {
    attr_.prog_fd = static_cast<std::uint32_t>(program_.get());
  }

 protected:
  void Execute() override {
    result_ = CallInNetns(netns_, [this] { return CreateLinkHere(attr_); });
    link_ = OwnedFd(result_.value);
    program_.Reset();
  }
  Napi::Value Finish(Napi::Env env) override {
    if (link_.get() < 0) ThrowInNetns(env, operation_.c_str(), netns_, kLinkCreate, result_);
    return Wrap(env, std::make_unique<LinkHandle>(env, link_.Take()));
  }

 private:
  std::string operation_;
  std::string netns_;
  LinkCreateAttr attr_;
  OwnedFd program_;
  NetnsResult result_;
  OwnedFd link_;
};

// (object, program, pf, hook, priority, flags, netns | null)
Napi::Value AttachNetfilter(const Napi::CallbackInfo& info) {
  auto& object = Unwrap<ObjectHandle>(info[0], "attachNetfilter");
  LinkCreateAttr attr = {};
  attr.prog_fd = static_cast<std::uint32_t>(object.ProgramFd(info[1], "attachNetfilter"));
  attr.attach_type = kAttachNetfilter;
  attr.netfilter.pf = info[2].ToNumber().Uint32Value();
  attr.netfilter.hooknum = info[3].ToNumber().Uint32Value();
  attr.netfilter.priority = info[4].ToNumber().Int32Value();
  attr.netfilter.flags = info[5].ToNumber().Uint32Value();
  return CreateLink(info.Env(), "attachNetfilter", OptionalString(info[6]), attr);
}

// (object, program, ifindex, attach type, flags, netns | null)
LinkCreateAttr TcxAttr(const Napi::CallbackInfo& info, const char* operation) {
  auto& object = Unwrap<ObjectHandle>(info[0], operation);
  LinkCreateAttr attr = {};
  attr.prog_fd = static_cast<std::uint32_t>(object.ProgramFd(info[1], operation));
  attr.target = info[2].ToNumber().Uint32Value();
  attr.attach_type = info[3].ToNumber().Uint32Value();
  attr.flags = info[4].ToNumber().Uint32Value();
  return attr;
}

Napi::Value AttachTcx(const Napi::CallbackInfo& info) {
  LinkCreateAttr attr = TcxAttr(info, "attachTcx");
  return CreateLink(info.Env(), "attachTcx", OptionalString(info[5]), attr);
}

Napi::Value AttachTcxAsync(const Napi::CallbackInfo& info) {
  return PromiseWorker::Start(std::make_unique<CreateLinkWorker>(
      info.Env(), "attachTcx", OptionalString(info[5]), TcxAttr(info, "attachTcx")));
}

// A packet socket that is given nothing before its filter is in place: one without a
// protocol receives nothing until bind(2) names one.
int OpenPacketSocket(int type, int program, int ifindex, bool outgoing) {
  int fd = socket(AF_PACKET, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int ignore = outgoing ? 0 : 1;
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = ifindex;
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program)) != 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &ignore, sizeof(ignore)) != 0 ||
      bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

// (object, program, ifindex, outgoing, from the link header on, netns | null)
Napi::Value AttachPacket(const Napi::CallbackInfo& info) {
  auto& object = Unwrap<ObjectHandle>(info[0], "attachPacket");
  int program = object.ProgramFd(info[1], "attachPacket");
  int ifindex = info[2].ToNumber().Int32Value();
  bool outgoing = info[3].ToBoolean();
  int type = info[4].ToBoolean() ? SOCK_RAW : SOCK_DGRAM;
  return LinkInNetns(info.Env(), "attachPacket", OptionalString(info[5]), "packet socket",
                     [=] { return OpenPacketSocket(type, program, ifindex, outgoing); });
}

Napi::Value AttachTrace(const Napi::CallbackInfo& info) {
  auto& object = Unwrap<ObjectHandle>(info[0], "attachBtf");
  object.ProgramFd(info[1], "attachBtf");
  LogScope log;
  bpf_link* link = bpf_program__attach_trace(object.ProgramAt(info[1], "attachBtf"));
  return WrapLink(info.Env(), "attachBtf", link, log);
}

Napi::Value AttachRawTracepoint(const Napi::CallbackInfo& info) {
  auto& object = Unwrap<ObjectHandle>(info[0], "attachRawTracepoint");
  object.ProgramFd(info[1], "attachRawTracepoint");
  std::string name = info[2].ToString().Utf8Value();
  LogScope log;
  bpf_link* link = bpf_program__attach_raw_tracepoint(
      object.ProgramAt(info[1], "attachRawTracepoint"), name.c_str());
  return WrapLink(info.Env(), "attachRawTracepoint", link, log);
}

int ReadTracepointId(const std::string& root, const std::string& event) {
  std::string path = root + "/events/" + event + "/id";
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  char text[32] = {};
  ssize_t length = read(fd, text, sizeof(text) - 1);
  int error = errno;
  close(fd);
  if (length <= 0) return -(length < 0 ? error : EIO);
  return std::atoi(text);
}

// The number of a tracepoint is only in tracefs. Where none is mounted, a
// thread mounts one in a mount namespace of its own, which nobody else sees and
// which ends with the thread.
int TracepointId(const std::string& event) {
  for (const char* root : {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"}) {
    int id = ReadTracepointId(root, event);
    if (id >= 0) return id;
    if (access((std::string(root) + "/events").c_str(), F_OK) == 0) return id;
  }
  int id = -ENOENT;
  try {
    std::thread thread([&id, &event] {
      if (unshare(CLONE_NEWNS) != 0 ||
          mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          mount("tracefs", "/sys/kernel/tracing", "tracefs", MS_RDONLY, nullptr) != 0) {
        id = -errno;
        return;
      }
      id = ReadTracepointId("/sys/kernel/tracing", event);
    });
    thread.join();
  } catch (const std::system_error& failure) {
    id = -failure.code().value();
  }
  return id;
}

Napi::Value AttachTracepoint(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& object = Unwrap<ObjectHandle>(info[0], "attachTracepoint");
  object.ProgramFd(info[1], "attachTracepoint");
  std::string event =
      info[2].ToString().Utf8Value() + "/" + info[3].ToString().Utf8Value();
  int id = TracepointId(event);
  if (id < 0) ThrowErrno(env, "attachTracepoint", -id, "tracepoint " + event);
  perf_event_attr attr = {};
  attr.type = PERF_TYPE_TRACEPOINT;
  attr.size = sizeof(attr);
  attr.config = static_cast<std::uint64_t>(id);
  int fd = static_cast<int>(
      syscall(__NR_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0) ThrowErrno(env, "attachTracepoint", errno, "perf_event_open of " + event);
  LogScope log;
  bpf_link* link =
      bpf_program__attach_perf_event(object.ProgramAt(info[1], "attachTracepoint"), fd);
  if (link == nullptr) {
    int error = errno;
    close(fd);
    ThrowErrno(env, "attachTracepoint", error, log.FirstLine(), log.Text());
  }
  return Wrap(env, std::make_unique<LinkHandle>(env, link));
}

}  // namespace

void InitAttach(Napi::Env env, Napi::Object exports) {
  exports.Set("attachNetfilter", Napi::Function::New(env, AttachNetfilter));
  exports.Set("attachTcx", Napi::Function::New(env, AttachTcx));
  exports.Set("attachTcxAsync", Napi::Function::New(env, AttachTcxAsync));
  exports.Set("attachPacket", Napi::Function::New(env, AttachPacket));
  exports.Set("attachTrace", Napi::Function::New(env, AttachTrace));
  exports.Set("attachRawTracepoint", Napi::Function::New(env, AttachRawTracepoint));
  exports.Set("attachTracepoint", Napi::Function::New(env, AttachTracepoint));
}

}  // namespace ebpf_ts
