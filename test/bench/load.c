// SPDX-License-Identifier: Apache-2.0
/*
 * Loads for the bench, one program so that a flow count of 1 and of 1,000 differ in
 * nothing else. Results are one JSON object on standard output.
 *
 *   load sink PORT
 *	takes UDP datagrams and TCP connections until its standard input ends; a
 *	connection's first byte says whether it is a stream or asks for answers
 *   load udp ADDRESS PORT FLOWS SECONDS RATE BYTES FIRST
 *	datagrams of BYTES from the source ports FIRST.. in turn, RATE a second of all
 *	together, as many as go with 0
 *   load stream ADDRESS PORT FLOWS SECONDS
 *   load rr ADDRESS PORT FLOWS SECONDS
 *	each connection has one request of 64 bytes under way and waits for its answer
 *   load probe ADDRESS PORT COUNT INTERVAL_MS FIRST
 *	one datagram from each port FIRST.., and a line `port ns` with its CLOCK_MONOTONIC
 */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_A_SECOND 1000000000ULL
#define MESSAGE_BYTES 64
/* Longest wait for the ends of connections; a lost answer must not hold up the bench. */
#define CONNECT_LIMIT_MS 5000

/* Latencies: 64 steps to each doubling, so a value is known within 1.6 %. */
#define SUB_BITS 6
#define BUCKETS ((64 - SUB_BITS) << SUB_BITS)

char buffer[STREAM_BYTES];
static uint64_t histogram[BUCKETS];

void fail(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_A_SECOND + time.tv_nsec;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec time = { ns / NS_A_SECOND, ns % NS_A_SECOND };

	nanosleep(&time, NULL);
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "load: not a number: %s\n", text);
		exit(2);
	}
	return value;
}

struct sockaddr_in address_of(const char *address, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(number(port)) };

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1) {
		fprintf(stderr, "load: not an address: %s\n", address);
		exit(2);
	}
	return at;
}

/* A thousand sockets are about as many as a process may open by default. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int udp_socket(const struct sockaddr_in *to, unsigned int port)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		fail("socket");
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0)
		fail("bind");
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) != 0)
		fail("connect");
	return fd;
}

static int udp(char **args)
{
	struct sockaddr_in to = address_of(args[0], args[1]);
	unsigned long flows = number(args[2]), rate = number(args[4]);
	uint64_t length = number(args[3]) * NS_A_SECOND;
	unsigned long bytes = number(args[5]), first = number(args[6]);
	uint64_t sent = 0, failed = 0, elapsed = 0, started;
	int *fds = calloc(flows, sizeof(*fds));

	if (flows == 0 || bytes > sizeof(buffer) || fds == NULL)
		return 2;
	for (unsigned long i = 0; i < flows; i++)
		fds[i] = udp_socket(&to, first + i);
	started = now_ns();
	for (unsigned long at = 0; elapsed < length; elapsed = now_ns() - started) {
		if (rate > 0 && sent >= (double)elapsed * rate / NS_A_SECOND) {
			sleep_ns(100000);
			continue;
		}
		/* An ICMP error of a datagram before is reported here: that one was not sent. */
		if (send(fds[at], buffer, bytes, 0) == (ssize_t)bytes)
			sent++;
		else
			failed++;
		at = at + 1 == flows ? 0 : at + 1;
	}
	printf("{\"sent\":%llu,\"failed\":%llu,\"seconds\":%.6f}\n", (unsigned long long)sent,
	       (unsigned long long)failed, (double)elapsed / NS_A_SECOND);
	return 0;
}

static int probe(char **args)
{
	struct sockaddr_in to = address_of(args[0], args[1]);
	unsigned long count = number(args[2]), first = number(args[4]);
	uint64_t interval = number(args[3]) * 1000000ULL, started = now_ns();

	for (unsigned long i = 0; i < count; i++) {
		int fd = udp_socket(&to, first + i);
		uint64_t due = started + i * interval, now = now_ns();

		if (due > now)
			sleep_ns(due - now);
		now = now_ns();
		if (send(fd, buffer, MESSAGE_BYTES, 0) == MESSAGE_BYTES)
			printf("%lu %llu\n", first + i, (unsigned long long)now);
		fflush(stdout);
		close(fd);
	}
	return 0;
}

void watch(int epoll, int fd, uint32_t events, uint32_t key)
{
	struct epoll_event event = { .events = events, .data.u32 = key };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		fail("epoll_ctl");
}

/* Connections, each open before the first byte of what they are for. */
static int *connections(const struct sockaddr_in *to, unsigned long flows, char purpose)
{
	int *fds = calloc(flows, sizeof(*fds));
	struct timeval limit = { .tv_sec = CONNECT_LIMIT_MS / 1000 };
	int one = 1;

	for (unsigned long i = 0; fds != NULL && i < flows; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0)
			fail("socket");
		setsockopt(fds[i], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (connect(fds[i], (const struct sockaddr *)to, sizeof(*to)) != 0)
			fail("connect");
		if (send(fds[i], &purpose, 1, 0) != 1)
			fail("send");
	}
	return fds;
}

static int stream(char **args)
{
	struct sockaddr_in to = address_of(args[0], args[1]);
	unsigned long flows = number(args[2]);
	uint64_t length = number(args[3]) * NS_A_SECOND, bytes = 0, elapsed = 0, started;
	int *fds = connections(&to, flows, 's'), epoll = epoll_create1(0);
	struct epoll_event events[EVENTS];

	if (fds == NULL)
		return 2;
	for (unsigned long i = 0; i < flows; i++)
		watch(epoll, fds[i], EPOLLOUT, i);
	started = now_ns();
	for (; elapsed < length; elapsed = now_ns() - started) {
		int ready = epoll_wait(epoll, events, EVENTS, 10);

		for (int i = 0; i < ready; i++) {
			ssize_t done = send(fds[events[i].data.u32], buffer, STREAM_BYTES,
					    MSG_DONTWAIT | MSG_NOSIGNAL);

			if (done > 0)
				bytes += done;
			else if (errno != EAGAIN)
				fail("send");
		}
	}
	printf("{\"sentBytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)bytes,
	       (double)elapsed / NS_A_SECOND);
	return 0;
}

static unsigned int bucket_of(uint64_t value)
{
	unsigned int shift = value >> SUB_BITS == 0 ? 0 : 63 - SUB_BITS - __builtin_clzll(value);

	return (shift << SUB_BITS) + (value >> shift);
}

static uint64_t bucket_value(unsigned int bucket)
{
	unsigned int shift = bucket >> (SUB_BITS + 1) == 0 ? 0 : (bucket >> SUB_BITS) - 1;

	return (uint64_t)(bucket - (shift << SUB_BITS)) << shift;
}

static uint64_t quantile(uint64_t total, double share)
{
	uint64_t seen = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > 0 && seen >= share * total)
			return bucket_value(i);
	}
	return 0;
}

static int request_response(char **args)
{
	struct sockaddr_in to = address_of(args[0], args[1]);
	unsigned long flows = number(args[2]);
	uint64_t length = number(args[3]) * NS_A_SECOND, answered = 0, most = 0, elapsed = 0, started;
	int *fds = connections(&to, flows, 'r'), epoll = epoll_create1(0);
	uint64_t *asked = calloc(flows, sizeof(*asked));
	uint32_t *got = calloc(flows, sizeof(*got));
	struct epoll_event events[EVENTS];

	if (fds == NULL || asked == NULL || got == NULL)
		return 2;
	for (unsigned long i = 0; i < flows; i++)
		watch(epoll, fds[i], EPOLLIN, i);
	started = now_ns();
	for (unsigned long i = 0; i < flows; i++) {
		asked[i] = now_ns();
		if (send(fds[i], buffer, MESSAGE_BYTES, MSG_NOSIGNAL) != MESSAGE_BYTES)
			fail("send");
	}
	for (; elapsed < length; elapsed = now_ns() - started) {
		int ready = epoll_wait(epoll, events, EVENTS, 10);

		for (int i = 0; i < ready; i++) {
			uint32_t at = events[i].data.u32;
			ssize_t taken = recv(fds[at], buffer, MESSAGE_BYTES - got[at], MSG_DONTWAIT);
			uint64_t now, took;

			if (taken <= 0) {
				if (taken < 0 && errno == EAGAIN)
					continue;
				fail("recv");
			}
			got[at] += taken;
			if (got[at] < MESSAGE_BYTES)
				continue;
			got[at] = 0;
			now = now_ns();
			took = now - asked[at];
			histogram[bucket_of(took)]++;
			most = took > most ? took : most;
			answered++;
			asked[at] = now;
			if (send(fds[at], buffer, MESSAGE_BYTES, MSG_NOSIGNAL) != MESSAGE_BYTES)
				fail("send");
		}
	}
	printf("{\"transactions\":%llu,\"seconds\":%.6f,\"p50Ns\":%llu,\"p99Ns\":%llu,\"maxNs\":%llu}\n",
	       (unsigned long long)answered, (double)elapsed / NS_A_SECOND,
	       (unsigned long long)quantile(answered, 0.5),
	       (unsigned long long)quantile(answered, 0.99), (unsigned long long)most);
	return 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **args);
} modes[] = {
	{ "sink", 1, sink },
	{ "udp", 7, udp },
	{ "stream", 4, stream },
	{ "rr", 4, request_response },
	{ "probe", 5, probe },
};

int main(int argc, char **argv)
{
	allow_many_files();
	for (unsigned int i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) == 0 && argc == modes[i].args + 2)
			return modes[i].run(argv + 2);
	}
	fprintf(stderr, "usage: load sink|udp|stream|rr|probe ARGS; see load.c\n");
	return 2;
}
