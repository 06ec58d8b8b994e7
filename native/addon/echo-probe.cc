// SPDX-License-Identifier: Apache-2.0
#include "echo-probe.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"
#include "netns.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

constexpr const char* kOperation = "sendEchoProbe";
constexpr std::size_t kEchoHeader = 8;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr std::uint8_t kEchoReply = 0;
constexpr std::uint8_t kEcho = 8;
constexpr std::uint8_t kEcho6 = 128;
constexpr std::uint8_t kEchoReply6 = 129;
constexpr int kRawIcmpFilter = 1;  // ICMP_FILTER at SOL_RAW, of include/uapi/linux/icmp.h

enum Outcome { kSilent = 0, kAnswered = 1, kRefused = 2 };

struct Probe {
  std::string path;
  bool is_v6 = false;
  sockaddr_storage source = {};
  sockaddr_storage destination = {};
  socklen_t address_size = 0;
  std::size_t size = 0;
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  std::int64_t wait_ms = 0;
};

struct Reply {
  Outcome outcome = kSilent;
  int error = 0;
  bool is_local = false;
  std::uint32_t mtu = 0;
  std::string from;
};

std::int64_t NowMs() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

bool FillAddress(const std::string& text, bool is_v6, sockaddr_storage* address) {
  if (is_v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(address);
    v6->sin6_family = AF_INET6;
    return inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1;
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(address);
  v4->sin_family = AF_INET;
  return inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1;
}

std::string AddressText(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
  }
  return text;
}

template <typename T>
bool SetOption(int fd, int level, int option, const T& value) {
  return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

// DF is set, and what path MTU discovery learned is ignored (IP_PMTUDISC_PROBE, ip(7)), so that
// a probe meets the devices themselves. Errors come by the error queue.
bool Prepare(int fd, bool is_v6) {
  if (is_v6) {
    icmp6_filter filter;
    std::memset(&filter, 0xff, sizeof(filter));
    filter.data[kEchoReply6 >> 5] &= ~(1u << (kEchoReply6 & 31));
    return SetOption(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, int{IPV6_PMTUDISC_PROBE}) &&
           SetOption(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1) &&
           SetOption(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) &&
           SetOption(fd, IPPROTO_ICMPV6, ICMPV6_FILTER, filter);
  }
  std::uint32_t filter = ~(1u << kEchoReply);
  return SetOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_PROBE}) &&
         SetOption(fd, IPPROTO_IP, IP_RECVERR, 1) &&
         SetOption(fd, SOL_RAW, kRawIcmpFilter, filter);
}

std::vector<std::uint8_t> MakeEcho(const Probe& probe) {
  std::size_t header = probe.is_v6 ? kIpv6Header : kIpv4Header;
  std::vector<std::uint8_t> echo(probe.size - header, 0);
  echo[0] = probe.is_v6 ? kEcho6 : kEcho;
  echo[4] = static_cast<std::uint8_t>(probe.id >> 8);
  echo[5] = static_cast<std::uint8_t>(probe.id);
  echo[6] = static_cast<std::uint8_t>(probe.sequence >> 8);
  echo[7] = static_cast<std::uint8_t>(probe.sequence);
  if (probe.is_v6) return echo;  // The kernel fills in the checksum of ICMPv6 (RFC 3542).
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < echo.size(); i += 2) {
    std::uint32_t low = i + 1 < echo.size() ? echo[i + 1] : 0;
    sum += (static_cast<std::uint32_t>(echo[i]) << 8) | low;
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  sum = ~sum & 0xffff;
  echo[2] = static_cast<std::uint8_t>(sum >> 8);
  echo[3] = static_cast<std::uint8_t>(sum);
  return echo;
}

// Whether an ICMP echo, or its reply, is the probe's.
bool IsOf(const Probe& probe, const std::uint8_t* icmp, std::size_t size) {
  if (size < kEchoHeader) return false;
  return ((icmp[4] << 8) | icmp[5]) == probe.id && ((icmp[6] << 8) | icmp[7]) == probe.sequence;
}

// Takes one entry of the error queue; false where there is none, or it is about another packet.
bool TakeError(int fd, const Probe& probe, Reply* reply) {
  std::uint8_t quoted[64];
  char control[512];
  iovec part = {quoted, sizeof(quoted)};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  ssize_t size = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (size < 0) return false;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr;
       each = CMSG_NXTHDR(&message, each)) {
    bool is_error = (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR) ||
                    (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_RECVERR);
    if (!is_error || each->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err error;
    std::memcpy(&error, CMSG_DATA(each), sizeof(error));
    bool is_local = error.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (!is_local && !IsOf(probe, quoted, static_cast<std::size_t>(size))) continue;
    reply->outcome = kRefused;
    reply->error = static_cast<int>(error.ee_errno);
    reply->is_local = is_local;
    reply->mtu = error.ee_errno == EMSGSIZE ? error.ee_info : 0;
    if (!is_local) {
      // The offender's address follows (SO_EE_OFFENDER, ip(7)).
      sockaddr_storage offender = {};
      std::size_t room = each->cmsg_len - CMSG_LEN(sizeof(error));
      std::memcpy(&offender, CMSG_DATA(each) + sizeof(error),
                  room < sizeof(offender) ? room : sizeof(offender));
      reply->from = AddressText(reinterpret_cast<sockaddr*>(&offender));
    }
    return true;
  }
  return false;
}

bool TakeAnswer(int fd, const Probe& probe) {
  std::uint8_t bytes[128];
  ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size <= 0) return false;
  // raw(7): IPv4 comes with its header, IPv6 without.
  std::size_t at = probe.is_v6 ? 0 : static_cast<std::size_t>(bytes[0] & 0x0f) * 4;
  if (static_cast<std::size_t>(size) <= at) return false;
  if (bytes[at] != (probe.is_v6 ? kEchoReply6 : kEchoReply)) return false;
  return IsOf(probe, bytes + at, static_cast<std::size_t>(size) - at);
}

// 0, or a negated errno; `step` says of what.
int SendAndWait(const Probe& probe, Reply* reply, const char** step) {
  *step = "socket";
  OwnedFd fd(socket(probe.is_v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    probe.is_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP));
  if (fd.get() < 0) return -errno;
  *step = "setsockopt";
  if (!Prepare(fd.get(), probe.is_v6)) return -errno;
  *step = "bind";
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&probe.source), probe.address_size) != 0) {
    return -errno;
  }
  *step = "connect";
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&probe.destination),
              probe.address_size) != 0) {
    return -errno;
  }
  std::vector<std::uint8_t> echo = MakeEcho(probe);
  std::int64_t end = NowMs() + probe.wait_ms;
  *step = "send";
  if (send(fd.get(), echo.data(), echo.size(), MSG_NOSIGNAL) < 0) {
    int error = errno;
    if (!TakeError(fd.get(), probe, reply)) {
      reply->outcome = kRefused;
      reply->is_local = true;
    }
    reply->error = error;
    return 0;
  }
  for (;;) {
    std::int64_t left = end - NowMs();
    if (left <= 0) return 0;
    pollfd waiting = {fd.get(), POLLIN, 0};
    int ready = poll(&waiting, 1, static_cast<int>(left));
    if (ready < 0 && errno != EINTR) {
      *step = "poll";
      return -errno;
    }
    if (ready <= 0) continue;
    if ((waiting.revents & POLLERR) != 0) {
      if (TakeError(fd.get(), probe, reply)) return 0;
      // What else made it ready would do so again and again.
      int error = 0;
      socklen_t size = sizeof(error);
      getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if ((waiting.revents & POLLIN) != 0 && TakeAnswer(fd.get(), probe)) {
      reply->outcome = kAnswered;
      return 0;
    }
  }
}

class ProbeWorker : public PromiseWorker {
 public:
  ProbeWorker(Napi::Env env, Probe probe) : PromiseWorker(env), probe_(std::move(probe)) {}

 protected:
  void Execute() override {
    result_ = CallInNetns(probe_.path, [this] { return SendAndWait(probe_, &reply_, &step_); });
  }

  // [outcome, errno, whether this host refused it, MTU, sender of the error]
  Napi::Value Finish(Napi::Env env) override {
    if (result_.error != 0) {
      bool is_call = std::strcmp(result_.failed, "call") == 0;
      ThrowErrno(env, kOperation, result_.error,
                 std::string(is_call ? step_ : result_.failed) + " " + probe_.path);
    }
    Napi::Array parts = Napi::Array::New(env, 5);
    parts.Set(0u, Napi::Number::New(env, reply_.outcome));
    parts.Set(1u, Napi::Number::New(env, reply_.error));
    parts.Set(2u, Napi::Boolean::New(env, reply_.is_local));
    parts.Set(3u, Napi::Number::New(env, reply_.mtu));
    parts.Set(4u, Napi::String::New(env, reply_.from));
    return parts;
  }

 private:
  Probe probe_;
  NetnsResult result_;
  const char* step_ = "socket";
  Reply reply_;
};

// (path, source, destination, bytes of IP, id, sequence, wait ms) -> promise
Napi::Value SendEchoProbe(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Probe probe;
  probe.path = info[0].As<Napi::String>().Utf8Value();
  std::string source = info[1].As<Napi::String>().Utf8Value();
  std::string destination = info[2].As<Napi::String>().Utf8Value();
  probe.is_v6 = destination.find(':') != std::string::npos;
  probe.address_size = probe.is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (!FillAddress(source, probe.is_v6, &probe.source)) {
    ThrowErrno(env, kOperation, EINVAL, source);
  }
  if (!FillAddress(destination, probe.is_v6, &probe.destination)) {
    ThrowErrno(env, kOperation, EINVAL, destination);
  }
  probe.size = info[3].As<Napi::Number>().Uint32Value();
  if (probe.size < (probe.is_v6 ? kIpv6Header : kIpv4Header) + kEchoHeader) {
    ThrowErrno(env, kOperation, EINVAL, "no room for an echo");
  }
  probe.id = static_cast<std::uint16_t>(info[4].As<Napi::Number>().Uint32Value());
  probe.sequence = static_cast<std::uint16_t>(info[5].As<Napi::Number>().Uint32Value());
  probe.wait_ms = info[6].As<Napi::Number>().Int64Value();
  return PromiseWorker::Start(std::make_unique<ProbeWorker>(env, std::move(probe)));
}

}  // namespace

void InitEchoProbe(Napi::Env env, Napi::Object exports) {
  exports.Set("sendEchoProbe", Napi::Function::New(env, SendEchoProbe));
}

}  // namespace ebpf_ts
