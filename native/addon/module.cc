// SPDX-License-Identifier: Apache-2.0
// Entry point of the addon: flat functions over opaque handles, one for each call
// of libbpf that the TypeScript layer makes. Arguments are checked there.
#include <napi.h>

#include "allocator.h"
#include "btf.h"
#include "confine.h"
#include "datagram.h"
#include "descriptors.h"
#include "echo-probe.h"
#include "handle.h"
#include "link.h"
#include "log.h"
#include "map.h"
#include "module-function.h"
#include "netns-identity.h"
#include "netns-query.h"
#include "object.h"
#include "packet-filter.h"
#include "probe.h"
#include "program-run.h"
#include "ring.h"

namespace ebpf_ts {

namespace {

Napi::Value SetErrorFactory(const Napi::CallbackInfo& info) {
  Data(info.Env()).error_factory = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  InstallLogCapture();
  InstallModuleFunctions();
  auto* data = new AddonData();
  env.SetInstanceData(data);
  // Outlives the instance data, whichever of the two Node tears down first.
  env.AddCleanupHook(
      [](std::shared_ptr<Registry>* registry) {
        (*registry)->CloseAll();
        delete registry;
      },
      new std::shared_ptr<Registry>(data->registry));
  exports.Set("setErrorFactory", Napi::Function::New(env, SetErrorFactory));
  InitObject(env, exports);
  InitProgramRun(env, exports);
  InitLink(env, exports);
  InitAttach(env, exports);
  InitMap(env, exports);
  InitRing(env, exports);
  InitBtf(env, exports);
  InitPacketFilter(env, exports);
  InitProbe(env, exports);
  InitAllocator(env, exports);
  InitNetnsIdentity(env, exports);
  InitNetnsQuery(env, exports);
  InitDatagram(env, exports);
  InitEchoProbe(env, exports);
  InitDescriptors(env, exports);
  InitConfine(env, exports);
  return exports;
}

}  // namespace

}  // namespace ebpf_ts

static Napi::Object InitAddon(Napi::Env env, Napi::Object exports) {
  return ebpf_ts::Init(env, exports);
}

NODE_API_MODULE(ebpf, InitAddon)
