// SPDX-License-Identifier: Apache-2.0
#include "datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "failure.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

constexpr const char* kOperation = "sendUnixDatagram";

// (address, bytes, descriptors: Int32Array). unix(7): a path ends with a NUL; an abstract name begins with one, and its
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
  auto descriptors = info[2].As<Napi::Int32Array>();
  std::size_t descriptor_bytes = descriptors.ElementLength() * sizeof(std::int32_t);
  std::vector<char> control(descriptor_bytes == 0 ? 0 : CMSG_SPACE(descriptor_bytes));
  iovec part = {bytes.Data(), bytes.ByteLength()};
  msghdr message = {};
  message.msg_name = &address;
  message.msg_namelen = size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.empty() ? nullptr : control.data();
  message.msg_controllen = control.size();
  if (!control.empty()) {
    cmsghdr* head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(descriptor_bytes);
    std::memcpy(CMSG_DATA(head), descriptors.Data(), descriptor_bytes);
  }
  ssize_t sent = sendmsg(socket_fd.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) ThrowErrno(env, kOperation, errno, name);
  return env.Undefined();
}

}  // namespace

void InitDatagram(Napi::Env env, Napi::Object exports) {
  exports.Set("sendUnixDatagram", Napi::Function::New(env, Send));
}

}  // namespace ebpf_ts
