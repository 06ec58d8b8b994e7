// SPDX-License-Identifier: Apache-2.0
#include "descriptors.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "failure.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

// SCM_MAX_FD of include/net/scm.h.
constexpr std::size_t kMost = 253;

// () -> [one end, the other]
Napi::Value SocketPair(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  int ends[2];
  // Each message stays one: whoever receives takes all of its descriptors or none.
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    ThrowErrno(env, "socketPair", errno);
  }
  auto pair = Napi::Array::New(env, 2);
  pair.Set(0u, ends[0]);
  pair.Set(1u, ends[1]);
  return pair;
}

// (socket, descriptors: Int32Array)
Napi::Value Send(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto descriptors = info[1].As<Napi::Int32Array>();
  std::size_t bytes = descriptors.ElementLength() * sizeof(int);
  std::vector<char> control(CMSG_SPACE(bytes));
  char text = 0;
  iovec part = {&text, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(bytes);
  std::memcpy(CMSG_DATA(head), descriptors.Data(), bytes);
  int socket = info[0].ToNumber().Int32Value();
  if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    ThrowErrno(env, "sendDescriptors", errno);
  }
  return env.Undefined();
}

// (socket) -> number[], this process's own from now on
Napi::Value Receive(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  alignas(cmsghdr) char control[CMSG_SPACE(kMost * sizeof(int))];
  char text = 0;
  iovec part = {&text, 1};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  int socket = info[0].ToNumber().Int32Value();
  ssize_t read = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (read < 0) ThrowErrno(env, "receiveDescriptors", errno);
  if (read == 0) ThrowErrno(env, "receiveDescriptors", ECONNRESET, "the other end is closed");
  std::vector<int> received;
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::size_t before = received.size();
    received.resize(before + count);
    std::memcpy(received.data() + before, CMSG_DATA(head), count * sizeof(int));
  }
  auto out = Napi::Array::New(env, received.size());
  for (std::size_t i = 0; i < received.size(); i++) {
    out.Set(static_cast<std::uint32_t>(i), received[i]);
  }
  return out;
}

}  // namespace

void InitDescriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("socketPair", Napi::Function::New(env, SocketPair));
  exports.Set("sendDescriptors", Napi::Function::New(env, Send));
  exports.Set("receiveDescriptors", Napi::Function::New(env, Receive));
}

}  // namespace ebpf_ts
