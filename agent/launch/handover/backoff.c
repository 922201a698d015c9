// The wait before a container starts again that keeps ending. systemd waits itself from version 254 on. Before that it
// starts the unit again a second after each end, and the process that it starts waits here, before there is a Go
// runtime or anything to undo: it costs a few pages of memory, and a stop ends it at once.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "backoff.h"

// Where the clean-up after the last run left when the next one may start (BackOffDir of units/bundle).
#define DIR "/run/davit/back-off/"

// Where the links lie from units to their bundles (CurrentDir of units/bundle).
#define CURRENT "/var/lib/davit/current/"

// Units of time, in nanoseconds.
#define SECOND 1000000000LL
#define MICROSECOND 1000LL

struct wait {
	// A start that begins before earliest or after latest is none of systemd's own restarts: it does not wait.
	long long earliest, latest;
	// When the container may start. All times are of CLOCK_MONOTONIC, in nanoseconds.
	long long until;
	// How long systemd lets a start take, in microseconds; 0 for any time.
	long long timeout;
};

// read_wait reports whether there is a wait in the file. A file that says something else holds up nothing.
static int read_wait(const char *path, struct wait *wait)
{
	char text[128];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t size = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[size < 0 ? 0 : size] = '\0';
	if (sscanf(text, "%lld %lld %lld %lld", &wait->earliest, &wait->latest, &wait->until, &wait->timeout) == 4)
		return 1;
	unlink(path);
	return 0;
}

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

// id_end is where the id ends in the path of a bundle. A link to one is named ID, and a directory ID-HASH.
static const char *id_end(const char *bundle, const char *name)
{
	if (strncmp(bundle, CURRENT, strlen(CURRENT)) == 0)
		return name + strlen(name);
	return strrchr(name, '-');
}

void davit_back_off(const char *bundle, int (*connect_systemd)(void))
{
	const char *name = strrchr(bundle, '/') + 1, *end = id_end(bundle, name);
	char path[512], text[160];
	struct wait wait;

	if (end == NULL || snprintf(path, sizeof(path), DIR "%.*s", (int)(end - name), name) >= (int)sizeof(path))
		return;
	if (!read_wait(path, &wait))
		return;
	long long start = now();
	if (start < wait.earliest || start > wait.latest || start >= wait.until) {
		unlink(path);
		return;
	}
	int systemd = connect_systemd(), length = 0;
	if (wait.timeout > 0)
		length = snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld\n", (wait.until - start) / MICROSECOND + wait.timeout);
	length += snprintf(text + length, sizeof(text) - length, "STATUS=waits before it starts again: it keeps ending soon after its start");
	(void)send(systemd, text, length, MSG_NOSIGNAL);
	struct timespec until = { .tv_sec = wait.until / SECOND, .tv_nsec = wait.until % SECOND };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	unlink(path);
	(void)send(systemd, "STATUS=", strlen("STATUS="), MSG_NOSIGNAL);
	close(systemd);
}
