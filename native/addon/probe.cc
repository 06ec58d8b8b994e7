// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "failure.h"
#include "kernel-abi.h"
#include "log.h"
#include "netns.h"

namespace ebpf_ts {

namespace {

// Each probe answers [errno, step]: errno 0 means available.
Napi::Value Answer(Napi::Env env, int error, const char* step) {
  auto out = Napi::Object::New(env);
  out.Set("errno", static_cast<double>(error));
  out.Set("step", step);
  return out;
}

// "r0 = value; exit", the smallest program of any type. A descriptor or -errno.
int LoadTrivial(std::uint32_t type, std::uint32_t attach_type, std::uint32_t attach_btf_id,
                std::int32_t value) {
  bpf_insn code[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
      {.code = BPF_JMP | BPF_EXIT},
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = static_cast<bpf_attach_type>(attach_type);
  options.attach_btf_id = attach_btf_id;
  int fd = bpf_prog_load(static_cast<bpf_prog_type>(type), "ebpf_ts_probe",
                         "Dual BSD/GPL", code, sizeof(code) / sizeof(code[0]), &options);
  return fd < 0 ? -errno : fd;
}

int CreateAndClose(LinkCreateAttr attr) {
  long fd = Bpf(kCmdLinkCreate, &attr, sizeof(attr));
  if (fd < 0) return -errno;
  close(static_cast<int>(fd));
  return 0;
}

// The link is made in a namespace of its own, so no packet ever meets it.
Napi::Value ProbeNetfilter(const Napi::CallbackInfo& info) {
  LogScope log;
  int fd = LoadTrivial(kProgTypeNetfilter, kAttachNetfilter, 0, 1);
  if (fd < 0) return Answer(info.Env(), -fd, "load");
  NetnsResult result = CallInNewNetns([fd]() -> int {
    LinkCreateAttr attr = {};
    attr.prog_fd = static_cast<std::uint32_t>(fd);
    attr.attach_type = kAttachNetfilter;
    attr.netfilter.pf = 2;  // NFPROTO_IPV4
    attr.netfilter.hooknum = 0;
    attr.netfilter.priority = 1;
    return CreateAndClose(attr);
  });
  close(fd);
  return Answer(info.Env(), result.error, result.error == 0 ? "" : result.failed);
}

// Asked for on a device that is not there: a kernel that knows tcx looks for the device.
// Making a link and closing it would take two grace periods, some 50 ms.
Napi::Value ProbeTcx(const Napi::CallbackInfo& info) {
  LogScope log;
  int fd = LoadTrivial(kProgTypeSchedCls, 0, 0, -1);
  if (fd < 0) return Answer(info.Env(), -fd, "load");
  LinkCreateAttr attr = {};
  attr.prog_fd = static_cast<std::uint32_t>(fd);
  attr.target = std::numeric_limits<std::int32_t>::max();
  attr.attach_type = kAttachTcxIngress;
  int error = -CreateAndClose(attr);
  close(fd);
  return error == 0 || error == ENODEV ? Answer(info.Env(), 0, "")
                                       : Answer(info.Env(), error, "attach");
}

// (attach type, BTF name) loads a tracing program for the target and attaches it
// for a moment.
Napi::Value ProbeTracing(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  LogScope log;
  std::uint32_t attach_type = info[0].ToNumber().Uint32Value();
  std::string target = info[1].ToString().Utf8Value();
  int id = libbpf_find_vmlinux_btf_id(target.c_str(), static_cast<bpf_attach_type>(attach_type));
  if (id < 0) return Answer(env, -id, "find");
  int fd = LoadTrivial(kProgTypeTracing, attach_type, static_cast<std::uint32_t>(id), 0);
  if (fd < 0) return Answer(env, -fd, "load");
  int link = bpf_raw_tracepoint_open(nullptr, fd);
  int error = link < 0 ? errno : 0;
  if (link >= 0) close(link);
  close(fd);
  return Answer(env, error, error == 0 ? "" : "attach");
}

// libbpf's own probes answer yes or no; these keep the errno, which distinguishes a kernel
// that cannot from a process that may not.
// (type, expected attach type)
Napi::Value ProbeProgramType(const Napi::CallbackInfo& info) {
  LogScope log;
  int fd = LoadTrivial(info[0].ToNumber().Uint32Value(), info[1].ToNumber().Uint32Value(), 0, 0);
  if (fd >= 0) close(fd);
  return fd < 0 ? Answer(info.Env(), -fd, "load") : Answer(info.Env(), 0, "");
}

// (type, key size, value size, entries, flags)
Napi::Value ProbeMapType(const Napi::CallbackInfo& info) {
  LogScope log;
  LIBBPF_OPTS(bpf_map_create_opts, options);
  options.map_flags = info[4].ToNumber().Uint32Value();
  int fd = bpf_map_create(static_cast<bpf_map_type>(info[0].ToNumber().Uint32Value()),
                          "ebpf_ts_probe", info[1].ToNumber().Uint32Value(),
                          info[2].ToNumber().Uint32Value(), info[3].ToNumber().Uint32Value(),
                          &options);
  if (fd < 0) return Answer(info.Env(), errno, "create");
  close(fd);
  return Answer(info.Env(), 0, "");
}

// (program type, helper): meaningful only where programs of the type load at all.
Napi::Value ProbeHelper(const Napi::CallbackInfo& info) {
  LogScope log;
  int result = libbpf_probe_bpf_helper(
      static_cast<bpf_prog_type>(info[0].ToNumber().Uint32Value()),
      static_cast<bpf_func_id>(info[1].ToNumber().Uint32Value()), nullptr);
  if (result == 1) return Answer(info.Env(), 0, "");
  return Answer(info.Env(), result == 0 ? EINVAL : -result, "load");
}

Napi::Value ProbeMapBatch(const Napi::CallbackInfo& info) {
  int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "ebpf_ts_probe", 4, 4, 1, nullptr);
  if (fd < 0) return Answer(info.Env(), errno, "create");
  std::uint32_t key, value, cursor, count = 1;
  LIBBPF_OPTS(bpf_map_batch_opts, options);
  int result = bpf_map_lookup_batch(fd, nullptr, &cursor, &key, &value, &count, &options);
  int error = result == 0 || errno == ENOENT ? 0 : errno;
  close(fd);
  return Answer(info.Env(), error, error == 0 ? "" : "read");
}

Napi::Value ProbeStats(const Napi::CallbackInfo& info) {
  int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
  int error = fd < 0 ? errno : 0;
  if (fd >= 0) close(fd);
  return Answer(info.Env(), error, error == 0 ? "" : "enable");
}

Napi::Value Version(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), libbpf_version_string());
}

Napi::Value PossibleCpus(const Napi::CallbackInfo& info) {
  int cpus = libbpf_num_possible_cpus();
  if (cpus < 0) ThrowErrno(info.Env(), "possibleCpus", -cpus);
  return Napi::Number::New(info.Env(), cpus);
}

}  // namespace

void InitProbe(Napi::Env env, Napi::Object exports) {
  exports.Set("probeNetfilter", Napi::Function::New(env, ProbeNetfilter));
  exports.Set("probeTcx", Napi::Function::New(env, ProbeTcx));
  exports.Set("probeTracing", Napi::Function::New(env, ProbeTracing));
  exports.Set("probeProgramType", Napi::Function::New(env, ProbeProgramType));
  exports.Set("probeMapType", Napi::Function::New(env, ProbeMapType));
  exports.Set("probeHelper", Napi::Function::New(env, ProbeHelper));
  exports.Set("probeMapBatch", Napi::Function::New(env, ProbeMapBatch));
  exports.Set("probeStats", Napi::Function::New(env, ProbeStats));
  exports.Set("libbpfVersion", Napi::Function::New(env, Version));
  exports.Set("possibleCpus", Napi::Function::New(env, PossibleCpus));
}

}  // namespace ebpf_ts
