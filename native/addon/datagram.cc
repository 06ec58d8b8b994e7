// SPDX-License-Identifier: Apache-2.0
#include "datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "failure.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

constexpr const char* kOperation = "sendUnixDatagram";

// (address, bytes). unix(7): a path ends with a NUL; an abstract name begins with one, and its
// end is the address's.
Napi::Value Send(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::string name = info[0].ToString().Utf8Value();
  auto bytes = info[1].As<Napi::Uint8Array>();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  bool is_abstract = name[0] == '@';
  std::size_t length = name.size() + (is_abstract ? 0 : 1);
  if (length > sizeof(address.sun_path)) ThrowErrno(env, kOperation, ENAMETOOLONG, name);
  std::memcpy(address.sun_path, name.data(), name.size());
  if (is_abstract) address.sun_path[0] = '\0';
  OwnedFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_fd.get() < 0) ThrowErrno(env, kOperation, errno, "socket");
  auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  ssize_t sent = sendto(socket_fd.get(), bytes.Data(), bytes.ByteLength(),
                        MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address), size);
  if (sent < 0) ThrowErrno(env, kOperation, errno, name);
  return env.Undefined();
}

}  // namespace

void InitDatagram(Napi::Env env, Napi::Object exports) {
  exports.Set("sendUnixDatagram", Napi::Function::New(env, Send));
}

}  // namespace ebpf_ts
