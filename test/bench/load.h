/* SPDX-License-Identifier: Apache-2.0 */
/* What the senders (load.c) and the sink (load-sink.c) share. */
#ifndef HOPSCOPE_BENCH_LOAD_H
#define HOPSCOPE_BENCH_LOAD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <netinet/in.h>
#include <stdint.h>

#define STREAM_BYTES 65536
#define EVENTS 256

extern char buffer[STREAM_BYTES];

/* Says what failed, with errno, and exits with status 1. */
void fail(const char *what);
struct sockaddr_in address_of(const char *address, const char *port);
/* Adds a descriptor to an epoll; key is what its events bring back. */
void watch(int epoll, int fd, uint32_t events, uint32_t key);
int sink(char **args);

#endif
