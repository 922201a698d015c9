// What a container writes to its terminal or its pipes is copied to the journal by a process
// that has never had a Go runtime. For a terminal it has a socket too: who connects is sent the
// terminal itself, to write to and to resize, and from then on what comes out of it.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "copier.h"

// How many may be attached at once.
#define MAX_ATTACHED 8

int davit_send_descriptor(int socket, const char *text, int descriptor)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

// What is waited for: the output, the socket, and those who are attached.
static struct pollfd watched[2 + MAX_ATTACHED];
static nfds_t count = 2;

// attach lets one more follow; one too many is turned away.
static void attach(void)
{
	int client = accept4(watched[1].fd, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	if (count == 2 + MAX_ATTACHED || davit_send_descriptor(client, "terminal", watched[0].fd) < 0) {
		close(client);
		return;
	}
	watched[count].fd = client;
	watched[count].revents = 0;
	count++;
}

// detach forgets those who have left.
static void detach(void)
{
	for (nfds_t i = 2; i < count;) {
		if ((watched[i].revents & (POLLHUP | POLLERR)) == 0) {
			i++;
			continue;
		}
		close(watched[i].fd);
		watched[i] = watched[--count];
	}
}

// write_all drops what cannot be written: while the journal is away, the container goes on.
static void write_all(const char *buffer, ssize_t length)
{
	for (ssize_t done = 0, put; done < length; done += put) {
		put = write(STDOUT_FILENO, buffer + done, length - done);
		if (put < 0 && errno != EINTR)
			return;
		if (put < 0)
			put = 0;
	}
}

// Nothing asks it to stop before the output's end, which is end of file from a pipe and EIO from
// a terminal (pty(7)): it is in the unit's cgroup and ends with the container.
void davit_copy(int from, int listener)
{
	static char buffer[16384];
	ssize_t got;

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	watched[0] = (struct pollfd){ .fd = from, .events = POLLIN };
	watched[1] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (;;) {
		if (poll(watched, count, -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		detach();
		if (watched[1].revents & POLLIN)
			attach();
		if (watched[0].revents == 0)
			continue;
		got = read(from, buffer, sizeof(buffer));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		write_all(buffer, got);
		// Who does not keep up misses something: the container waits for nobody.
		for (nfds_t i = 2; i < count; i++)
			send(watched[i].fd, buffer, got, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

// `davit-run drain` keeps the terminal on its standard input open and reads what comes out.
__attribute__((constructor)) static void drain(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "drain") != 0)
		return;
	davit_copy(STDIN_FILENO, -1);
	_exit(0);
}
