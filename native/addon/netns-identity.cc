// SPDX-License-Identifier: Apache-2.0
#include "netns-identity.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "failure.h"
#include "netns.h"
#include "promise-worker.h"

// Linux 5.14, commit e8b9eab99232 "net: retrieve netns cookie via getsocketopt".
#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace ebpf_ts {

namespace {

struct Identity {
  std::uint64_t inode = 0;
  std::uint64_t cookie = 0;
  // Of its user namespace; -1 where this process may not know it.
  std::int64_t owner = -1;
};

int ReadCookie(std::uint64_t* cookie) {
  OwnedFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_fd.get() < 0) return -errno;
  socklen_t length = sizeof(*cookie);
  return getsockopt(socket_fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, cookie, &length) == 0 ? 0
                                                                                       : -errno;
}

std::int64_t ReadOwner(int netns) {
  OwnedFd users(ioctl(netns, NS_GET_USERNS));
  uid_t owner = 0;
  if (users.get() < 0 || ioctl(users.get(), NS_GET_OWNER_UID, &owner) != 0) return -1;
  return owner;
}

// All of one descriptor, so that they are of the same namespace whatever the path is by then.
NetnsResult ReadIdentity(const std::string& path, Identity* identity) {
  OwnedFd there(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (there.get() < 0) return {-1, errno, "open"};
  struct stat file = {};
  if (fstat(there.get(), &file) != 0) return {-1, errno, "stat"};
  identity->inode = file.st_ino;
  identity->owner = ReadOwner(there.get());
  return CallInNetns(there.get(), [&] { return ReadCookie(&identity->cookie); });
}

// (path) -> [inode, cookie, owner]
Napi::Value NetnsIdentity(const Napi::CallbackInfo& info) {
  std::string path = info[0].As<Napi::String>().Utf8Value();
  Identity identity;
  NetnsResult result = ReadIdentity(path, &identity);
  if (result.error != 0) {
    ThrowErrno(info.Env(), "netnsIdentity", result.error, std::string(result.failed) + " " + path);
  }
  Napi::Array parts = Napi::Array::New(info.Env(), 3);
  parts.Set(0u, Napi::BigInt::New(info.Env(), identity.inode));
  parts.Set(1u, Napi::BigInt::New(info.Env(), identity.cookie));
  parts.Set(2u, Napi::Number::New(info.Env(), static_cast<double>(identity.owner)));
  return parts;
}

}  // namespace

void InitNetnsIdentity(Napi::Env env, Napi::Object exports) {
  exports.Set("netnsIdentity", Napi::Function::New(env, NetnsIdentity));
}

}  // namespace ebpf_ts
