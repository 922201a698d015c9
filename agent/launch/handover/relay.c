// A container that says itself how it is (sd_notify(3)) says it to this process, which passes on
// to systemd what is the container's to say: systemd's own socket takes much else, MAINPID= of any
// process before all, from whoever is root.
//
// What is passed on bears the process id of the container's main process, so that the unit needs
// to listen to no other (NotifyAccess=main) and ids of the container's own mean nothing.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

// How much systemd takes in one message (NOTIFY_BUFFER_MAX of its src/core/manager.c), and how many
// descriptors the kernel (SCM_MAX_FD).
#define MESSAGE_MAX 4096
#define DESCRIPTORS_MAX 253

static const char barrier[] = "BARRIER=1";

// The assignments that are passed on, beside a barrier. EXTEND_TIMEOUT_USEC= is not among them: it moves the bounds of a
// start, a stop and a run, which are the manifest's to set.
static const char *const allowed[] = {
	"READY=", "RELOADING=", "STOPPING=", "MONOTONIC_USEC=", "STATUS=", "ERRNO=",
	"WATCHDOG=", "WATCHDOG_USEC=",
};

static bool begins(const char *line, size_t length, const char *with)
{
	return length >= strlen(with) && memcmp(line, with, strlen(with)) == 0;
}

static bool is_allowed(const char *line, size_t length)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (begins(line, length, allowed[i]))
			return true;
	}
	return false;
}

// control is how many bytes the control character or the change of direction is long that a text begins with: C0 and DEL,
// in UTF-8 C1, U+061C, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. 0 for any other. A backslash at the end of a line
// is one too: systemd would join the next line to it.
static size_t control(const unsigned char *text, size_t length)
{
	if ((text[0] < ' ' && text[0] != '\n') || text[0] == 0x7f)
		return 1;
	if (text[0] == '\\' && (length == 1 || text[1] == '\n'))
		return 1;
	if (length > 1 && ((text[0] == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0) || (text[0] == 0xd8 && text[1] == 0x9c)))
		return 2;
	if (length < 3 || text[0] != 0xe2)
		return 0;
	if (text[1] == 0x80 && (text[2] == 0x8e || text[2] == 0x8f || (text[2] >= 0xa8 && text[2] <= 0xae)))
		return 3;
	return text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9 ? 3 : 0;
}

// make_printable replaces such characters: systemctl status prints the text to terminals. systemd itself drops what is
// not UTF-8.
static void make_printable(unsigned char *text, size_t length)
{
	for (size_t i = 0; i < length;) {
		size_t found = control(text + i, length - i);
		memset(text + i, '?', found);
		i += found > 0 ? found : 1;
	}
}

// filter drops the lines that are not allowed, makes the rest printable, and returns its length.
static size_t filter(char *text, size_t length)
{
	size_t kept = 0;
	for (size_t start = 0; start < length;) {
		const char *end = memchr(text + start, '\n', length - start);
		size_t line = end == NULL ? length - start : (size_t)(end - text) - start + 1;
		if (is_allowed(text + start, line)) {
			memmove(text + kept, text + start, line);
			kept += line;
		}
		start += line;
	}
	make_printable((unsigned char *)text, kept);
	return kept;
}

// Each message has systemd tell all who listen to it what has changed: a container that never stops talking would keep them
// at work. So messages are passed on at an interval, but for a few at once. What only says how the container is replaces what
// has not been passed on of that; anything else waits, and so does the container then.
#define INTERVAL 250LL // milliseconds
#define AT_ONCE 12

// What is passed on to where, and what waits: the last status, of length 0 if there is none, and that the container is alive.
struct relay {
	int systemd, ended;
	pid_t container;
	long long due; // when the messages that were passed on have had their intervals, in milliseconds
	char status[MESSAGE_MAX];
	size_t length;
	bool alive;
};

static const char status[] = "STATUS=", alive[] = "WATCHDOG=1";

static long long now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

// wait_needed is how long it is until a message may be passed on, in milliseconds.
static int wait_needed(const struct relay *relay)
{
	long long wait = relay->due - now() - (AT_ONCE - 1) * INTERVAL;
	return wait > 0 ? (int)wait : 0;
}

// pass_on sends a message as the container's main process, with a descriptor or -1. What systemd
// does not take is lost, as it would be to the container.
static void pass_on(int systemd, const char *text, size_t length, pid_t container, int descriptor)
{
	const struct ucred sender = { .pid = container };
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(sender)) + CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = (char *)text, .iov_len = length };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_CREDENTIALS;
	header->cmsg_len = CMSG_LEN(sizeof(sender));
	memcpy(CMSG_DATA(header), &sender, sizeof(sender));
	if (descriptor < 0) {
		message.msg_controllen = CMSG_SPACE(sizeof(sender));
	} else {
		header = CMSG_NXTHDR(&message, header);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
	}
	while (sendmsg(systemd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

// pass_on_in_time waits until a message may be passed on, or the container has ended.
static void pass_on_in_time(struct relay *relay, const char *text, size_t length, int descriptor)
{
	struct pollfd ended = { .fd = relay->ended, .events = POLLIN };
	poll(&ended, 1, wait_needed(relay));
	long long at = now();
	relay->due = (relay->due > at ? relay->due : at) + INTERVAL;
	pass_on(relay->systemd, text, length, relay->container, descriptor);
}

// pass_on_waiting passes on what waits.
static void pass_on_waiting(struct relay *relay)
{
	if (relay->length > 0)
		pass_on_in_time(relay, relay->status, relay->length, -1);
	if (relay->alive)
		pass_on_in_time(relay, alive, strlen(alive), -1);
	relay->length = 0;
	relay->alive = false;
}

// can_wait tells whether all lines of a message only say how the container is.
static bool can_wait(const char *text, size_t length)
{
	for (size_t start = 0; start < length;) {
		const char *end = memchr(text + start, '\n', length - start);
		size_t line = end == NULL ? length - start : (size_t)(end - text) - start;
		bool is_alive = line == strlen(alive) && memcmp(text + start, alive, line) == 0;
		if (!is_alive && !begins(text + start, line, status))
			return false;
		start += line + 1;
	}
	return true;
}

// let_wait keeps what such a message says, in the place of what waits of that.
static void let_wait(struct relay *relay, const char *text, size_t length)
{
	for (size_t start = 0; start < length;) {
		const char *end = memchr(text + start, '\n', length - start);
		size_t line = end == NULL ? length - start : (size_t)(end - text) - start;
		if (begins(text + start, line, status)) {
			memcpy(relay->status, text + start, line);
			relay->length = line;
		} else {
			relay->alive = true;
		}
		start += line + 1;
	}
}

// handle passes on a message that is the container's to send, or lets it wait.
static void handle(struct relay *relay, const char *text, size_t length, int descriptor)
{
	if (descriptor < 0 && can_wait(text, length) && (wait_needed(relay) > 0 || relay->length > 0 || relay->alive)) {
		let_wait(relay, text, length);
		return;
	}
	pass_on_waiting(relay);
	pass_on_in_time(relay, text, length, descriptor);
}

// take_descriptors closes the descriptors that came with a message but the only one, and returns
// that, or -1.
static int take_descriptors(struct msghdr *message)
{
	int taken = -1, count = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < here; i++) {
			int descriptor;
			memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
			if (count++ == 0)
				taken = descriptor;
			else
				close(descriptor);
		}
	}
	if (count > 1) {
		close(taken);
		return -1;
	}
	return taken;
}

// is_pipe tells whether a descriptor is a pipe's. systemd closes it at once, and the close of others may wait for as long as
// the container likes: that of a socket with SO_LINGER (socket(7)), for one.
static bool is_pipe(int descriptor)
{
	struct stat status;
	return descriptor >= 0 && fstat(descriptor, &status) == 0 && S_ISFIFO(status.st_mode);
}

// relay_one takes one message; it returns false when there is none.
static bool relay_one(int from, struct relay *relay)
{
	static char text[MESSAGE_MAX];
	static union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MAX)];
	} control;
	struct iovec data = { .iov_base = text, .iov_len = sizeof(text) };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return errno == EINTR;
	int descriptor = take_descriptors(&message);
	size_t length = message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? 0 : (size_t)got;
	if (length > 0 && text[length - 1] == '\n')
		length--;
	if (is_pipe(descriptor) && length == strlen(barrier) && memcmp(text, barrier, length) == 0)
		handle(relay, text, length, descriptor);
	else if ((length = filter(text, length)) > 0)
		handle(relay, text, length, -1);
	if (descriptor >= 0)
		close(descriptor);
	return true;
}

// A container that never stops talking keeps itself waiting, and not systemd at work.
static void breathe(void)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	nanosleep(&pause, NULL);
}

void davit_tell_as(int systemd, char *text, size_t length, pid_t container)
{
	pass_on(systemd, text, length, container, -1);
}

void davit_relay(int from, int systemd, pid_t container)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	static struct relay relay;
	relay.systemd = systemd;
	relay.container = container;
	relay.ended = syscall(SYS_pidfd_open, container, 0);
	if (relay.ended < 0)
		return;
	struct pollfd events[] = { { .fd = from, .events = POLLIN }, { .fd = relay.ended, .events = POLLIN } };
	do {
		bool waits = relay.length > 0 || relay.alive;
		int ready = poll(events, 2, waits ? wait_needed(&relay) : -1);
		if (ready < 0 && errno != EINTR)
			return;
		while (relay_one(from, &relay)) {
			breathe();
			if (wait_needed(&relay) == 0)
				pass_on_waiting(&relay);
		}
		if (wait_needed(&relay) == 0)
			pass_on_waiting(&relay);
	} while ((events[1].revents & POLLIN) == 0);
	pass_on_waiting(&relay);
}
