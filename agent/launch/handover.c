// The launcher is two processes, so that the container's first process is systemd's own
// child by the time systemd is told of it: of a main process that is not its child,
// systemd does not wait for the end, and kills it where it should only stop it
// (unit_kill_context in systemd's src/core/unit.c).
//
// The process that systemd started forks before the Go runtime is up, which costs a
// fraction of a millisecond. The child becomes davit-run proper: it makes the container
// and exits, which leaves the container's process to systemd. The parent waits for that,
// passes the child's message on to systemd, and exits.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// The child's end of the pipe to the parent; -1 in any other process.
int davit_message_fd = -1;

static void fail(const char *doing)
{
	fprintf(stderr, "davit-run: %s: %s\n", doing, strerror(errno));
	_exit(1);
}

// notify sends a message to systemd as sd_notify(3) does.
static void notify(const char *message, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	if (path == NULL || strlen(path) < 2 || strlen(path) >= sizeof(address.sun_path)) {
		fprintf(stderr, "davit-run: no NOTIFY_SOCKET: containers are started by their units, with systemctl start\n");
		_exit(1);
	}
	strcpy(address.sun_path, path);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		fail("make a socket for systemd");
	if (sendto(fd, message, length, MSG_NOSIGNAL, (struct sockaddr *)&address, size) != (ssize_t)length)
		fail("tell systemd of the container");
}

// await returns when the child has exited and exits as the child did when that failed.
static void await(pid_t child)
{
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			fail("wait for the launcher");
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "davit-run: the launcher was killed by signal %d\n", WTERMSIG(status));
		_exit(128 + WTERMSIG(status));
	}
	if (WEXITSTATUS(status) != 0)
		_exit(WEXITSTATUS(status));
}

__attribute__((constructor)) static void handover(int argc, char **argv)
{
	int ends[2];
	char message[256];
	size_t length = 0;
	ssize_t got;

	if (argc < 2 || strcmp(argv[1], "start") != 0)
		return;
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("make a pipe");
	pid_t child = fork();
	if (child < 0)
		fail("fork");
	if (child == 0) {
		close(ends[0]);
		davit_message_fd = ends[1];
		return; // to the Go runtime
	}
	close(ends[1]);
	while (length < sizeof(message) &&
	       (got = read(ends[0], message + length, sizeof(message) - length)) != 0) {
		if (got > 0)
			length += got;
		else if (errno != EINTR)
			fail("read the launcher's message");
	}
	await(child);
	if (length > 0)
		notify(message, length);
	_exit(0);
}
