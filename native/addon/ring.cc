// SPDX-License-Identifier: Apache-2.0
#include "ring.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <set>

#include "failure.h"
#include "map.h"

namespace ebpf_ts {

namespace {

// A record's header word and what follows: kernel/bpf/ringbuf.c and
// BPF_RINGBUF_BUSY_BIT, _DISCARD_BIT, _HDR_SZ of include/uapi/linux/bpf.h.
constexpr std::uint32_t kBusy = 1u << 31;
constexpr std::uint32_t kDiscard = 1u << 30;
constexpr std::size_t kRecordHeader = 8;

// Space is given back to the producers after so many bytes and at the end of a
// drain: once a record would bounce the shared cache line for each.
constexpr unsigned long kReleaseBytes = 64 << 10;

constexpr std::size_t RoundUp8(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

// Two consumers of one ring would both move its position and lose records, so a
// map may have one at a time in this process, whatever the thread.
std::mutex consumed_mutex;
std::set<std::uint32_t> consumed;

class RingHandle final : public Handle {
 public:
  RingHandle(Napi::Env env, int map_fd, std::uint32_t map_id, std::size_t size)
      : Handle(env), map_id_(map_id), size_(size), mask_(size - 1) {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    fd_ = fcntl(map_fd, F_DUPFD_CLOEXEC, 3);
    if (fd_ < 0) Fail(env, "dup");
    void* consumer = mmap(nullptr, page_, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    if (consumer == MAP_FAILED) Fail(env, "mmap of the consumer page");
    consumer_ = static_cast<unsigned long*>(consumer);
    // The kernel maps the data twice in a row, so a record that wraps is
    // contiguous to read.
    void* producer = mmap(nullptr, page_ + 2 * size_, PROT_READ, MAP_SHARED, fd_,
                          static_cast<off_t>(page_));
    if (producer == MAP_FAILED) Fail(env, "mmap of the data pages");
    producer_ = static_cast<unsigned long*>(producer);
    data_ = static_cast<const std::uint8_t*>(producer) + page_;
  }
  ~RingHandle() override { Close(); }

  unsigned long Pending() const { return LoadProducer() - *consumer_; }

  struct Drained {
    std::uint32_t records = 0;
    std::size_t bytes = 0;
    std::size_t too_large = 0;  // bytes the first record needs, when it cannot fit
    bool corrupt = false;
  };

  Drained Drain(std::uint8_t* target, std::size_t capacity) {
    Drained out;
    unsigned long position = *consumer_;
    unsigned long released = position;
    bool full = false;
    while (!full) {
      unsigned long produced = LoadProducer();
      if (position >= produced) break;
      while (position < produced) {
        const std::uint8_t* record = data_ + (position & mask_);
        // Acquire: the payload is read after the header says it is complete.
        std::uint32_t header = __atomic_load_n(reinterpret_cast<const std::uint32_t*>(record),
                                               __ATOMIC_ACQUIRE);
        if ((header & kBusy) != 0) {
          full = true;
          break;
        }
        std::size_t length = header & ~(kBusy | kDiscard);
        std::size_t padded = RoundUp8(length);
        if (kRecordHeader + padded > size_) {
          out.corrupt = true;
          full = true;
          break;
        }
        if ((header & kDiscard) == 0) {
          std::size_t need = kRecordHeader + padded;
          if (need > capacity - out.bytes) {
            if (out.records == 0) out.too_large = need;
            full = true;
            break;
          }
          std::uint8_t* at = target + out.bytes;
          auto length32 = static_cast<std::uint32_t>(length);
          std::memcpy(at, &length32, sizeof(length32));
          std::memset(at + 4, 0, 4);
          std::memcpy(at + kRecordHeader, record + kRecordHeader, length);
          std::memset(at + kRecordHeader + length, 0, padded - length);
          out.bytes += need;
          out.records++;
        }
        position += kRecordHeader + padded;
        if (position - released >= kReleaseBytes) {
          __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
          released = position;
        }
      }
    }
    if (position != released) __atomic_store_n(consumer_, position, __ATOMIC_RELEASE);
    return out;
  }

 protected:
  void Release() noexcept override {
    if (consumer_ != nullptr) munmap(consumer_, page_);
    if (producer_ != nullptr) munmap(producer_, page_ + 2 * size_);
    if (fd_ >= 0) close(fd_);
    consumer_ = nullptr;
    producer_ = nullptr;
    fd_ = -1;
    std::lock_guard<std::mutex> lock(consumed_mutex);
    consumed.erase(map_id_);
  }

 private:
  [[noreturn]] void Fail(Napi::Env env, const char* step) {
    int error = errno;
    Close();
    ThrowErrno(env, "ringBuffer", error, step);
  }
  unsigned long LoadProducer() const { return __atomic_load_n(producer_, __ATOMIC_ACQUIRE); }

  std::uint32_t map_id_;
  std::size_t size_;
  std::size_t mask_;
  std::size_t page_ = 0;
  int fd_ = -1;
  unsigned long* consumer_ = nullptr;
  unsigned long* producer_ = nullptr;
  const std::uint8_t* data_ = nullptr;
};

Napi::Value Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& map = Unwrap<MapHandle>(info[0], "ringBuffer");
  int fd = map.Fd(env, "ringBuffer");
  bpf_map_info raw = {};
  __u32 length = sizeof(raw);
  if (bpf_obj_get_info_by_fd(fd, &raw, &length) != 0) ThrowErrno(env, "ringBuffer", errno);
  if (raw.type != BPF_MAP_TYPE_RINGBUF) {
    ThrowCode(env, "ringBuffer", "BPF_BAD_ARGUMENT", "the map is not a ring buffer");
  }
  bool first;
  {
    std::lock_guard<std::mutex> lock(consumed_mutex);
    first = consumed.insert(raw.id).second;
  }
  if (!first) ThrowErrno(env, "ringBuffer", EBUSY, "the ring already has a consumer");
  return Wrap(env, std::make_unique<RingHandle>(env, fd, raw.id, raw.max_entries));
}

// (ring, target, counts: Uint32Array(2)) fills counts with records and bytes
Napi::Value Drain(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto& ring = Unwrap<RingHandle>(info[0], "drain");
  auto target = info[1].As<Napi::Uint8Array>();
  auto counts = info[2].As<Napi::Uint32Array>();
  auto drained = ring.Drain(target.Data(), target.ByteLength());
  if (drained.too_large != 0) {
    ThrowCode(env, "drain", "BPF_TARGET_TOO_SMALL",
              "the next record needs " + std::to_string(drained.too_large) +
                  " bytes and the target has " + std::to_string(target.ByteLength()));
  }
  if (drained.corrupt && drained.records == 0) {
    ThrowCode(env, "drain", "BPF_RING_CORRUPT", "a record is larger than its ring");
  }
  counts[0] = drained.records;
  counts[1] = static_cast<std::uint32_t>(drained.bytes);
  return env.Undefined();
}

Napi::Value Available(const Napi::CallbackInfo& info) {
  auto& ring = Unwrap<RingHandle>(info[0], "available");
  return Napi::Number::New(info.Env(), static_cast<double>(ring.Pending()));
}

}  // namespace

void InitRing(Napi::Env env, Napi::Object exports) {
  exports.Set("ringOpen", Napi::Function::New(env, Open));
  exports.Set("ringDrain", Napi::Function::New(env, Drain));
  exports.Set("ringAvailable", Napi::Function::New(env, Available));
}

}  // namespace ebpf_ts
