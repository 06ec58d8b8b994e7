// SPDX-License-Identifier: Apache-2.0
#include "netns-query.h"

#include <fcntl.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "failure.h"
#include "netns.h"
#include "promise-worker.h"

namespace ebpf_ts {

namespace {

// The kernel fills at most 32 KiB of a message at a time (netlink_recvmsg).
constexpr std::size_t kReceiveBytes = 64 << 10;
constexpr std::size_t kFileBytes = 64 << 10;
constexpr int kWaitSeconds = 5;
constexpr const char* kQuery = "queryNetns";
constexpr const char* kIds = "netnsIds";

// Gives memory back without what was in it: answers of some protocols have secrets.
template <typename T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <typename U>
  WipingAllocator(const WipingAllocator<U>&) {}
  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    explicit_bzero(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  bool operator==(const WipingAllocator&) const { return true; }
};

using Bytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

struct Request {
  int protocol = 0;
  std::uint16_t type = 0;
  std::uint16_t flags = 0;
  Bytes body;
};

struct Answer {
  int error = 0;
  bool interrupted = false;
  Bytes data;
};

struct File {
  int error = 0;
  Bytes data;
};

int OpenNetlink(int protocol, OwnedFd* opened) {
  OwnedFd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (netlink.get() < 0) return errno;
  int on = 1;
  // Without it the kernel ignores what a dump is to be limited to (Linux 4.20).
  setsockopt(netlink.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  timeval wait = {kWaitSeconds, 0};
  setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
  *opened = std::move(netlink);
  return 0;
}

int SendMessage(int netlink, std::uint16_t type, std::uint16_t flags, std::uint32_t sequence,
                const std::uint8_t* body, std::size_t size) {
  Bytes message(NLMSG_LENGTH(size), 0);
  auto* header = reinterpret_cast<nlmsghdr*>(message.data());
  header->nlmsg_len = static_cast<std::uint32_t>(message.size());
  header->nlmsg_type = type;
  header->nlmsg_flags = flags;
  header->nlmsg_seq = sequence;
  if (size > 0) std::memcpy(message.data() + NLMSG_HDRLEN, body, size);
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  ssize_t sent = sendto(netlink, message.data(), message.size(), 0,
                        reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel));
  return sent < 0 ? errno : 0;
}

// The errno that ends an answer; `data` follows the header of NLMSG_ERROR and NLMSG_DONE alike.
int ErrorOf(const nlmsghdr* header) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(int))) return 0;
  int error = 0;
  std::memcpy(&error, reinterpret_cast<const std::uint8_t*>(header) + NLMSG_HDRLEN, sizeof(error));
  return error < 0 ? -error : error;
}

// Adds the messages of one datagram; true when the answer is complete.
bool Take(const std::uint8_t* data, std::size_t size, const Request& request,
          std::uint32_t sequence, std::size_t limit, Answer* answer) {
  std::size_t at = 0;
  while (at + NLMSG_HDRLEN <= size) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(data + at);
    if (header->nlmsg_len < NLMSG_HDRLEN || header->nlmsg_len > size - at) {
      answer->error = EBADMSG;
      return true;
    }
    std::size_t step = NLMSG_ALIGN(header->nlmsg_len);
    if (header->nlmsg_seq == sequence) {
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) answer->interrupted = true;
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) {
        answer->error = ErrorOf(header);
        return true;
      }
      if (answer->data.size() + header->nlmsg_len > limit) {
        answer->error = EMSGSIZE;
        return true;
      }
      answer->data.insert(answer->data.end(), data + at, data + at + header->nlmsg_len);
      // Each message begins where its header is aligned.
      answer->data.resize(NLMSG_ALIGN(answer->data.size()), 0);
      if ((request.flags & NLM_F_DUMP) == 0) return true;
    }
    at += step;
  }
  return false;
}

Answer Ask(int netlink, const Request& request, std::uint32_t sequence, std::size_t limit,
           Bytes* room) {
  Bytes& buffer = *room;
  Answer answer;
  std::uint16_t flags = request.flags | NLM_F_REQUEST;
  answer.error = SendMessage(netlink, request.type, flags, sequence, request.body.data(),
                             request.body.size());
  if (answer.error != 0) return answer;
  bool complete = false;
  while (!complete) {
    ssize_t size = recv(netlink, buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {
      answer.error = size < 0 ? errno : EMSGSIZE;
      return answer;
    }
    complete = Take(buffer.data(), static_cast<std::size_t>(size), request, sequence, limit,
                    &answer);
  }
  return answer;
}

File ReadWhole(const std::string& path) {
  File file;
  OwnedFd opened(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.get() < 0) {
    file.error = errno;
    return file;
  }
  file.data.resize(kFileBytes);
  std::size_t filled = 0;
  while (filled < kFileBytes) {
    ssize_t size = read(opened.get(), file.data.data() + filled, kFileBytes - filled);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) file.error = errno;
    if (size <= 0) break;
    filled += static_cast<std::size_t>(size);
  }
  file.data.resize(filled);
  return file;
}

Napi::Value ToBytes(Napi::Env env, const Bytes& bytes) {
  Napi::Uint8Array array = Napi::Uint8Array::New(env, bytes.size());
  if (!bytes.empty()) std::memcpy(array.Data(), bytes.data(), bytes.size());
  return array;
}

class QueryWorker : public PromiseWorker {
 public:
  QueryWorker(Napi::Env env, std::string path, std::vector<Request> requests,
              std::vector<std::string> files, std::size_t limit)
      : PromiseWorker(env),
        path_(std::move(path)),
        requests_(std::move(requests)),
        files_(std::move(files)),
        limit_(limit) {}

 protected:
  void Execute() override {
    result_ = CallInNetns(path_, [this] {
      std::map<int, OwnedFd> sockets;
      Bytes buffer(kReceiveBytes);
      std::size_t room = limit_;
      for (const Request& request : requests_) {
        Answer answer;
        OwnedFd& netlink = sockets[request.protocol];
        if (netlink.get() < 0) answer.error = OpenNetlink(request.protocol, &netlink);
        if (answer.error == 0) {
          answer = Ask(netlink.get(), request, static_cast<std::uint32_t>(answers_.size() + 1),
                       room, &buffer);
        }
        // What was not read to its end would be in the way of the next answer.
        if (answer.error != 0) netlink.Reset();
        room -= answer.data.size() < room ? answer.data.size() : room;
        answers_.push_back(std::move(answer));
      }
      for (const std::string& file : files_) read_.push_back(ReadWhole(file));
      return 0;
    });
  }

  // [answers, files]; an answer is [errno, interrupted, bytes], a file [errno, bytes].
  Napi::Value Finish(Napi::Env env) override {
    if (result_.error != 0) {
      ThrowErrno(env, kQuery, result_.error, std::string(result_.failed) + " " + path_);
    }
    // One buffer for all: a large rule set is asked for in some 40,000 requests.
    std::size_t total = 0;
    for (const Answer& answer : answers_) total += answer.data.size();
    Napi::ArrayBuffer shared = Napi::ArrayBuffer::New(env, total);
    std::size_t at = 0;
    Napi::Array answers = Napi::Array::New(env, answers_.size());
    for (std::size_t i = 0; i < answers_.size(); i++) {
      Napi::Array parts = Napi::Array::New(env, 3);
      parts.Set(0u, Napi::Number::New(env, answers_[i].error));
      parts.Set(1u, Napi::Boolean::New(env, answers_[i].interrupted));
      Bytes& data = answers_[i].data;
      parts.Set(2u, Napi::Uint8Array::New(env, data.size(), shared, at));
      if (!data.empty()) {
        std::memcpy(static_cast<std::uint8_t*>(shared.Data()) + at, data.data(), data.size());
      }
      at += data.size();
      Bytes().swap(data);
      answers.Set(static_cast<std::uint32_t>(i), parts);
    }
    Napi::Array files = Napi::Array::New(env, read_.size());
    for (std::size_t i = 0; i < read_.size(); i++) {
      Napi::Array parts = Napi::Array::New(env, 2);
      parts.Set(0u, Napi::Number::New(env, read_[i].error));
      parts.Set(1u, ToBytes(env, read_[i].data));
      files.Set(static_cast<std::uint32_t>(i), parts);
    }
    Napi::Array both = Napi::Array::New(env, 2);
    both.Set(0u, answers);
    both.Set(1u, files);
    return both;
  }

 private:
  std::string path_;
  std::vector<Request> requests_;
  std::vector<std::string> files_;
  std::size_t limit_;
  NetnsResult result_;
  std::vector<Answer> answers_;
  std::vector<File> read_;
};

// The id that the namespace one is in has for the one at `path`; negative where it has none.
int ReadId(int netlink, const std::string& path, std::uint32_t sequence, Bytes* buffer) {
  OwnedFd other(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (other.get() < 0) return -1;
  struct {
    rtgenmsg family;
    char padding[NLMSG_ALIGN(sizeof(rtgenmsg)) - sizeof(rtgenmsg)];
    rtattr attribute;
    std::uint32_t descriptor;
  } body = {};
  body.attribute.rta_type = NETNSA_FD;
  body.attribute.rta_len = RTA_LENGTH(sizeof(body.descriptor));
  body.descriptor = static_cast<std::uint32_t>(other.get());
  Request request;
  request.type = RTM_GETNSID;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&body);
  request.body.assign(bytes, bytes + sizeof(body));
  Answer answer = Ask(netlink, request, sequence, kReceiveBytes, buffer);
  if (answer.error != 0) return -1;
  std::size_t at = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(rtgenmsg));
  while (at + sizeof(rtattr) <= answer.data.size()) {
    rtattr attribute;
    std::memcpy(&attribute, answer.data.data() + at, sizeof(attribute));
    std::int32_t id = -1;
    if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > answer.data.size() - at) break;
    if (attribute.rta_type == NETNSA_NSID && attribute.rta_len >= RTA_LENGTH(sizeof(id))) {
      std::memcpy(&id, answer.data.data() + at + RTA_LENGTH(0), sizeof(id));
      return id;
    }
    at += RTA_ALIGN(attribute.rta_len);
  }
  return -1;
}

class IdsWorker : public PromiseWorker {
 public:
  IdsWorker(Napi::Env env, std::string path, std::vector<std::string> others)
      : PromiseWorker(env), path_(std::move(path)), others_(std::move(others)) {}

 protected:
  void Execute() override {
    result_ = CallInNetns(path_, [this] {
      OwnedFd netlink;
      int error = OpenNetlink(NETLINK_ROUTE, &netlink);
      if (error != 0) return -error;
      Bytes buffer(kReceiveBytes);
      for (const std::string& other : others_) {
        auto sequence = static_cast<std::uint32_t>(ids_.size() + 1);
        ids_.push_back(ReadId(netlink.get(), other, sequence, &buffer));
      }
      return 0;
    });
  }

  Napi::Value Finish(Napi::Env env) override {
    if (result_.error != 0) {
      ThrowErrno(env, kIds, result_.error, std::string(result_.failed) + " " + path_);
    }
    Napi::Array ids = Napi::Array::New(env, ids_.size());
    for (std::size_t i = 0; i < ids_.size(); i++) {
      ids.Set(static_cast<std::uint32_t>(i), Napi::Number::New(env, ids_[i]));
    }
    return ids;
  }

 private:
  std::string path_;
  std::vector<std::string> others_;
  NetnsResult result_;
  std::vector<int> ids_;
};

std::vector<std::string> ToStrings(const Napi::Array& array) {
  std::vector<std::string> strings;
  for (std::uint32_t i = 0; i < array.Length(); i++) {
    strings.push_back(array.Get(i).As<Napi::String>().Utf8Value());
  }
  return strings;
}

// (path, [[protocol, type, flags, body]], [file], limit) -> promise of [answers, files]
Napi::Value QueryNetns(const Napi::CallbackInfo& info) {
  auto given = info[1].As<Napi::Array>();
  std::vector<Request> requests;
  for (std::uint32_t i = 0; i < given.Length(); i++) {
    auto parts = given.Get(i).As<Napi::Array>();
    auto body = parts.Get(3u).As<Napi::Uint8Array>();
    Request request;
    request.protocol = parts.Get(0u).As<Napi::Number>().Int32Value();
    request.type = static_cast<std::uint16_t>(parts.Get(1u).As<Napi::Number>().Uint32Value());
    request.flags = static_cast<std::uint16_t>(parts.Get(2u).As<Napi::Number>().Uint32Value());
    request.body.assign(body.Data(), body.Data() + body.ByteLength());
    requests.push_back(std::move(request));
  }
  return PromiseWorker::Start(std::make_unique<QueryWorker>(
      info.Env(), info[0].As<Napi::String>().Utf8Value(), std::move(requests),
      ToStrings(info[2].As<Napi::Array>()),
      static_cast<std::size_t>(info[3].As<Napi::Number>().Int64Value())));
}

// (path, [path]) -> promise of [id]
Napi::Value NetnsIds(const Napi::CallbackInfo& info) {
  return PromiseWorker::Start(
      std::make_unique<IdsWorker>(info.Env(), info[0].As<Napi::String>().Utf8Value(),
                                  ToStrings(info[1].As<Napi::Array>())));
}

}  // namespace

void InitNetnsQuery(Napi::Env env, Napi::Object exports) {
  exports.Set("queryNetns", Napi::Function::New(env, QueryNetns));
  exports.Set("netnsIds", Napi::Function::New(env, NetnsIds));
}

}  // namespace ebpf_ts
