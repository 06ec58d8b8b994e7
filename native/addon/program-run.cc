// SPDX-License-Identifier: Apache-2.0
#include "program-run.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "failure.h"
#include "netns.h"
#include "object.h"

namespace ebpf_ts {

namespace {

constexpr std::size_t kDataOutRoom = 256;

// (object, program) -> its descriptor, which stays the object's
Napi::Value ProgramDescriptor(const Napi::CallbackInfo& info) {
  auto& handle = Unwrap<ObjectHandle>(info[0], "descriptor");
  return Napi::Number::New(info.Env(), handle.ProgramFd(info[1], "descriptor"));
}

// (descriptor, context) -> value that the program returned; the context is written to
Napi::Value RunDescriptor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto context = info[1].As<Napi::Uint8Array>();
  LIBBPF_OPTS(bpf_test_run_opts, options);
  options.ctx_in = context.Data();
  options.ctx_size_in = static_cast<__u32>(context.ByteLength());
  if (bpf_prog_test_run_opts(info[0].ToNumber().Int32Value(), &options) != 0) {
    ThrowErrno(env, "run", errno);
  }
  return Napi::Number::New(env, options.retval);
}

// (object, program, data | null, context | null, repeat, cpu | null, netns | null) =>
//   { returnValue, durationNs, data, context }
Napi::Value ProgramRun(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& handle = Unwrap<ObjectHandle>(info[0], "run");
  int fd = handle.ProgramFd(info[1], "run");
  LIBBPF_OPTS(bpf_test_run_opts, options);
  std::vector<std::uint8_t> data_in;
  std::vector<std::uint8_t> data_out;
  std::vector<std::uint8_t> context;
  if (!info[2].IsNull()) {
    auto data = info[2].As<Napi::Uint8Array>();
    data_in.assign(data.Data(), data.Data() + data.ByteLength());
    // A program may make its packet longer, by bpf_skb_adjust_room and the like.
    data_out.resize(data_in.size() + kDataOutRoom);
    options.data_in = data_in.data();
    options.data_size_in = static_cast<__u32>(data_in.size());
    options.data_out = data_out.data();
    options.data_size_out = static_cast<__u32>(data_out.size());
  }
  if (!info[3].IsNull()) {
    auto given = info[3].As<Napi::Uint8Array>();
    context.assign(given.Data(), given.Data() + given.ByteLength());
    options.ctx_in = context.data();
    options.ctx_size_in = static_cast<__u32>(context.size());
  }
  options.repeat = info[4].ToNumber().Int32Value();
  if (!info[5].IsNull()) {
    options.flags = BPF_F_TEST_RUN_ON_CPU;
    options.cpu = info[5].ToNumber().Uint32Value();
  }
  std::string netns = info[6].IsNull() ? std::string() : info[6].ToString().Utf8Value();
  NetnsResult result = CallInNetns(netns, [fd, &options]() -> int {
    return bpf_prog_test_run_opts(fd, &options) == 0 ? 0 : -errno;
  });
  if (result.value < 0) {
    std::string step = result.failed;
    std::string detail = step == "call" ? bpf_program__name(handle.ProgramAt(info[1], "run"))
                                        : step + " of network namespace " + netns;
    ThrowErrno(env, "run", result.error, detail);
  }
  auto copy = [&env](const std::vector<std::uint8_t>& bytes, std::size_t size) {
    auto array = Napi::Uint8Array::New(env, size);
    if (size != 0) std::memcpy(array.Data(), bytes.data(), size);
    return array;
  };
  auto out = Napi::Object::New(env);
  out.Set("returnValue", static_cast<double>(options.retval));
  out.Set("durationNs", static_cast<double>(options.duration));
  out.Set("data", copy(data_out, info[2].IsNull() ? 0 : options.data_size_out));
  // Programs of type syscall write to the context they were given.
  out.Set("context", copy(context, context.size()));
  return out;
}

}  // namespace

void InitProgramRun(Napi::Env env, Napi::Object exports) {
  exports.Set("programRun", Napi::Function::New(env, ProgramRun));
  exports.Set("programDescriptor", Napi::Function::New(env, ProgramDescriptor));
  exports.Set("runDescriptor", Napi::Function::New(env, RunDescriptor));
}

}  // namespace ebpf_ts
