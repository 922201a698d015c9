/*
 * The workload of all benchmarks: it says to systemd that it is ready, if asked to, and waits to be
 * told to end. It is as small as a program can be, so that what is measured is what starts it.
 * With an argument it ends at once, as a check does that finds all well.
 */
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int say_ready(const char *path)
{
	static const char ready[] = "READY=1";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t size = strlen(path);
	int socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (socket_fd < 0 || size >= sizeof address.sun_path)
		return 1;
	memcpy(address.sun_path, path, size);
	return sendto(socket_fd, ready, sizeof ready - 1, 0, (struct sockaddr *)&address,
		      offsetof(struct sockaddr_un, sun_path) + size) < 0;
}

static void end(int signal)
{
	(void)signal;
	_exit(0);
}

int main(int argc, char **argv)
{
	const char *notify = getenv("NOTIFY_SOCKET");

	(void)argv;
	if (argc > 1)
		return 0;
	signal(SIGTERM, end);
	if (notify && say_ready(notify))
		return 1;
	for (;;)
		pause();
}
