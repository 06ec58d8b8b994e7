// SPDX-License-Identifier: Apache-2.0
/*
 * Datagrams of many flows, one after another, as a process in a pod with CAP_NET_RAW sends
 * them: the kernel has no socket for any of these ports. Results are one JSON object on
 * standard output.
 *
 *   flood echo PORTS FIRST
 *	answers each datagram to the ports FIRST.., until its standard input ends
 *   flood send SOURCE ADDRESS FIRST FLOWS RATE SECONDS
 *	RATE * SECONDS datagrams of FLOWS pairs of ports in turn: source ports 1024..65535,
 *	and of as many destination ports from FIRST on as it takes. RATE a second, and where
 *	the machine is too busy for that no longer than SLOWEST times as long
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_A_SECOND 1000000000ULL
#define FIRST_SOURCE_PORT 1024
#define SOURCE_PORTS (65536 - FIRST_SOURCE_PORT)
#define PAYLOAD 22
#define PORTS_MOST 64
#define SLOWEST 4
/* Datagrams between two looks at the clock. */
#define BURST 32

struct packet {
	struct iphdr ip;
	struct udphdr udp;
	char payload[PAYLOAD];
} __attribute__((packed));

static void fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_A_SECOND + time.tv_nsec;
}

static void wait_until(uint64_t ns)
{
	struct timespec time = { ns / NS_A_SECOND, ns % NS_A_SECOND };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int send_flows(char **arg)
{
	uint64_t flows = strtoull(arg[3], NULL, 10), rate = strtoull(arg[4], NULL, 10);
	double seconds = strtod(arg[5], NULL);
	int first = atoi(arg[2]);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct packet packet = {
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
	};
	uint64_t begin, end, sent = 0, refused = 0;

	if (fd < 0)
		fail("socket");
	if (inet_pton(AF_INET, arg[0], &packet.ip.saddr) != 1 ||
	    inet_pton(AF_INET, arg[1], &packet.ip.daddr) != 1)
		fail("address");
	to.sin_addr.s_addr = packet.ip.daddr;
	packet.ip.tot_len = htons(sizeof(packet));
	packet.udp.len = htons(sizeof(packet) - sizeof(packet.ip));
	begin = now_ns();
	end = begin + (uint64_t)(seconds * NS_A_SECOND);
	for (uint64_t n = 0;; n++) {
		uint64_t flow = n % flows;

		if (n % BURST == 0) {
			uint64_t due = begin + n * NS_A_SECOND / rate;

			if (due >= end)
				break;
			if (due > now_ns())
				wait_until(due);
			else if (now_ns() > begin + SLOWEST * (end - begin))
				break;
		}
		packet.ip.id = htons(n);
		packet.udp.source = htons(FIRST_SOURCE_PORT + flow % SOURCE_PORTS);
		packet.udp.dest = htons(first + flow / SOURCE_PORTS);
		if (sendto(fd, &packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			refused++;
		else
			sent++;
	}
	printf("{\"sent\":%llu,\"refused\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent,
	       (unsigned long long)refused, (double)(now_ns() - begin) / NS_A_SECOND);
	return 0;
}

static int echo(char **arg)
{
	int ports = atoi(arg[0]), first = atoi(arg[1]);
	struct pollfd watched[PORTS_MOST + 1] = { { .fd = STDIN_FILENO, .events = POLLIN } };
	char buffer[2048];

	if (ports < 1 || ports > PORTS_MOST)
		fail("ports");
	for (int i = 0; i < ports; i++) {
		struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(first + i) };
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

		if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof(own)) != 0)
			fail("bind");
		watched[i + 1] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	puts("ready");
	fflush(stdout);
	while (poll(watched, ports + 1, -1) >= 0) {
		if (watched[0].revents != 0)
			return 0;
		for (int i = 1; i <= ports; i++) {
			struct sockaddr_in from;
			socklen_t length = sizeof(from);
			ssize_t got;

			if (watched[i].revents == 0)
				continue;
			while ((got = recvfrom(watched[i].fd, buffer, sizeof(buffer), 0,
					       (struct sockaddr *)&from, &length)) >= 0)
				sendto(watched[i].fd, buffer, got, 0, (struct sockaddr *)&from,
				       length);
		}
	}
	fail("poll");
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 8 && strcmp(argv[1], "send") == 0)
		return send_flows(argv + 2);
	if (argc == 4 && strcmp(argv[1], "echo") == 0)
		return echo(argv + 2);
	fprintf(stderr, "usage: flood send ... | echo ...\n");
	return 2;
}
