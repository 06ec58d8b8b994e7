// SPDX-License-Identifier: Apache-2.0
#include "confine.h"

#include <dirent.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "failure.h"
#include "system-call-filter.h"

namespace ebpf_ts {

namespace {

constexpr const char* kOperation = "confine";
// Capabilities and no-new-privs belong to threads. glibc carries set*id(2) to all of them by the
// signal that it keeps for that, its SIGSETXID, which no thread can block (nptl/setxid.h); Node
// has a thread that blocks every other one. It is borrowed for a moment, as libpsx does with its
// own (libcap, psx_syscall(3)), and what came of it is checked in /proc by the caller.
constexpr int kSignal = 33;
constexpr int kWaitMs = 2'000;

// struct sigaction as the kernel has it; glibc's function refuses its own signals.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
#if defined(__x86_64__)
  void (*restorer)();
#endif
  std::uint64_t mask;
};

std::uint64_t kept;
std::atomic<int> answered{0};
std::atomic<int> failure{0};

// In a signal handler: system calls alone.
int ReduceThread() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct now[2] = {};
  if (syscall(SYS_capget, &header, now) != 0) return errno;
  for (int word = 0; word < 2; word++) {
    auto mask = static_cast<std::uint32_t>(kept >> (32 * word));
    now[word].permitted &= mask;
    now[word].effective &= mask;
    now[word].inheritable &= mask;
  }
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  // What is not permitted any more is not ambient any more either (capabilities(7)).
  return syscall(SYS_capset, &header, now) == 0 ? 0 : errno;
}

void OnSignal(int) {
  int before = errno;
  int error = ReduceThread();
  if (error != 0) failure.store(error);
  answered.fetch_add(1);
  errno = before;
}

int Action(const KernelAction* action, KernelAction* before) {
  long result = syscall(SYS_rt_sigaction, kSignal, action, before, sizeof(std::uint64_t));
  return result == 0 ? 0 : errno;
}

// Sends the signal to every other thread; returns how many there are, or a negated errno.
int SignalThreads() {
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) return -errno;
  int sent = 0;
  auto process = static_cast<int>(getpid());
  auto own = static_cast<int>(syscall(SYS_gettid));
  while (const dirent* task = readdir(tasks)) {
    int thread = std::atoi(task->d_name);
    if (thread <= 0 || thread == own) continue;
    if (syscall(SYS_tgkill, process, thread, kSignal) == 0) sent++;
  }
  closedir(tasks);
  return sent;
}

int ReduceAllThreads() {
  KernelAction glibc = {};
  // Any handler that there is has the restorer with which a handler returns on x86-64.
  struct sigaction any = {};
  any.sa_handler = OnSignal;
  struct sigaction before = {};
  if (sigaction(SIGUSR2, &any, &before) != 0) return errno;
  KernelAction ours = {};
  long read = syscall(SYS_rt_sigaction, SIGUSR2, nullptr, &ours, sizeof(std::uint64_t));
  int error = read == 0 ? 0 : errno;
  sigaction(SIGUSR2, &before, nullptr);
  if (error != 0) return error;
  ours.handler = OnSignal;
  ours.flags |= SA_RESTART;
  error = Action(&ours, &glibc);
  if (error != 0) return error;
  answered.store(0);
  failure.store(0);
  int sent = SignalThreads();
  for (int waited = 0; sent > 0 && answered.load() < sent && waited < kWaitMs; waited++) {
    timespec moment = {0, 1'000'000};
    nanosleep(&moment, nullptr);
  }
  bool all = sent >= 0 && answered.load() >= sent;
  Action(&glibc, nullptr);
  if (sent < 0) return -sent;
  if (!all) return ETIMEDOUT;
  return failure.load() != 0 ? failure.load() : ReduceThread();
}

// (user or -1, capabilities to keep: BigInt, whether to filter system calls)
Napi::Value Confine(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  std::int64_t user = info[0].ToNumber().Int64Value();
  bool lossless = true;
  kept = info[1].As<Napi::BigInt>().Uint64Value(&lossless);
  if (user >= 0) {
    auto id = static_cast<uid_t>(user);
    if (setgroups(0, nullptr) != 0) ThrowErrno(env, kOperation, errno, "setgroups");
    if (setresgid(id, id, id) != 0) ThrowErrno(env, kOperation, errno, "setresgid");
    if (setresuid(id, id, id) != 0) ThrowErrno(env, kOperation, errno, "setresuid");
  }
  int error = ReduceAllThreads();
  if (error != 0) ThrowErrno(env, kOperation, error, "capabilities");
  if (info[2].ToBoolean()) {
    error = InstallSystemCallFilter();
    if (error != 0) ThrowErrno(env, kOperation, error < 0 ? EBUSY : error, "seccomp");
  }
  return env.Undefined();
}

}  // namespace

void InitConfine(Napi::Env env, Napi::Object exports) {
  exports.Set("confine", Napi::Function::New(env, Confine));
}

}  // namespace ebpf_ts
