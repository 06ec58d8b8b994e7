// SPDX-License-Identifier: Apache-2.0
/* The end that takes all loads: counts datagrams and streams, answers requests. */
#include "load.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAMS 64
#define RECEIVE_BUFFER (8 << 20)
#define BACKLOG 4096

struct sink {
	int epoll, udp, listener;
	/* By file descriptor: 0 until its first byte has come. */
	char *purpose;
	unsigned long files;
	uint64_t udp_packets, udp_bytes, stream_bytes;
};

static int sink_listener(const struct sockaddr_in *at, int type)
{
	int fd = socket(AF_INET, type, 0), one = 1, size = RECEIVE_BUFFER;

	if (fd < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (type == SOCK_DGRAM)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
		fail("bind");
	if (type == SOCK_STREAM && listen(fd, BACKLOG) != 0)
		fail("listen");
	return fd;
}

static void sink_datagrams(struct sink *sink)
{
	static char space[DATAGRAMS][2048];
	static struct iovec parts[DATAGRAMS];
	static struct mmsghdr messages[DATAGRAMS];
	int taken;

	for (int i = 0; i < DATAGRAMS; i++) {
		parts[i] = (struct iovec){ space[i], sizeof(space[i]) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	taken = recvmmsg(sink->udp, messages, DATAGRAMS, MSG_DONTWAIT, NULL);
	for (int i = 0; i < taken; i++) {
		sink->udp_packets++;
		sink->udp_bytes += messages[i].msg_len;
	}
}

static void sink_accept(struct sink *sink)
{
	int one = 1, fd = accept(sink->listener, NULL, NULL);

	if (fd < 0)
		return;
	if ((unsigned long)fd >= sink->files) {
		close(fd);
		return;
	}
	sink->purpose[fd] = 0;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(sink->epoll, fd, EPOLLIN, fd);
}

static void sink_connection(struct sink *sink, int fd)
{
	/* The first byte alone: what follows is of another meaning. */
	size_t room = sink->purpose[fd] == 0 ? 1 : STREAM_BYTES;
	ssize_t taken = recv(fd, buffer, room, MSG_DONTWAIT);

	if (taken < 0 && errno == EAGAIN)
		return;
	if (taken <= 0)
		close(fd);
	else if (sink->purpose[fd] == 0)
		sink->purpose[fd] = buffer[0];
	else if (sink->purpose[fd] == 's')
		sink->stream_bytes += taken;
	else if (send(fd, buffer, taken, MSG_NOSIGNAL) != taken)
		close(fd);
}

int sink(char **args)
{
	struct sockaddr_in at = address_of("0.0.0.0", args[0]);
	struct sink sink = { .epoll = epoll_create1(0) };
	struct epoll_event events[EVENTS];
	bool over = false;

	sink.files = sysconf(_SC_OPEN_MAX) < 65536 ? sysconf(_SC_OPEN_MAX) : 65536;
	sink.purpose = calloc(sink.files, 1);
	sink.udp = sink_listener(&at, SOCK_DGRAM);
	sink.listener = sink_listener(&at, SOCK_STREAM);
	watch(sink.epoll, sink.udp, EPOLLIN, sink.udp);
	watch(sink.epoll, sink.listener, EPOLLIN, sink.listener);
	watch(sink.epoll, STDIN_FILENO, EPOLLIN | EPOLLHUP, STDIN_FILENO);
	fprintf(stderr, "ready\n");
	while (!over) {
		int ready = epoll_wait(sink.epoll, events, EVENTS, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.u32;

			if (fd == STDIN_FILENO)
				over = read(fd, buffer, sizeof(buffer)) <= 0;
			else if (fd == sink.udp)
				sink_datagrams(&sink);
			else if (fd == sink.listener)
				sink_accept(&sink);
			else
				sink_connection(&sink, fd);
		}
	}
	/* What has come and was not read yet has come all the same. */
	for (uint64_t before = UINT64_MAX; before != sink.udp_packets;) {
		before = sink.udp_packets;
		sink_datagrams(&sink);
	}
	printf("{\"udpPackets\":%llu,\"udpBytes\":%llu,\"streamBytes\":%llu}\n",
	       (unsigned long long)sink.udp_packets, (unsigned long long)sink.udp_bytes,
	       (unsigned long long)sink.stream_bytes);
	return 0;
}
