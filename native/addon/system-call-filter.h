// SPDX-License-Identifier: Apache-2.0
// A seccomp filter for a process that parses what strangers sent.
#ifndef EBPF_TS_SYSTEM_CALL_FILTER_H
#define EBPF_TS_SYSTEM_CALL_FILTER_H

namespace ebpf_ts {

// Installs it in every thread of the process, which needs no-new-privs or CAP_SYS_ADMIN.
// Returns 0, a positive errno, or -1 when a thread could not take it over.
int InstallSystemCallFilter();

}  // namespace ebpf_ts

#endif
