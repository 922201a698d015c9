// The launcher is two processes, so that the container's first process is systemd's own
// child by the time systemd is told of it: of a main process that is not its child,
// systemd does not wait for the end, and kills it where it should only stop it
// (unit_kill_context in systemd's src/core/unit.c).
//
// The process that systemd started forks before the Go runtime is up, which costs a
// fraction of a millisecond. The child becomes davit-run proper: it makes the container, or has
// another runtime make it, whose process then waits, at a FIFO of libcontainer's or for the
// runtime's start, and exits, which leaves that process to systemd. The parent waits for that, names the
// process to systemd, waits until systemd has
// taken note, and only then lets the process run: one that ends at once would otherwise be
// gone before systemd knew of it, and its exit status with it. When the process has executed its program
// the parent tells systemd that the container has started, see executed.c. Where it may not trace the process it
// tells that with the name.
//
// Where more than the process makes the container ready, the unit's ExecStartPost= waits for it.
//
// Where the manifest wants a terminal or pipes, somebody has to read what the container
// writes: then the parent stays and copies it to the journal, see copier.c. Where the container
// tells systemd itself how it is, somebody has to stand between: see relay.c. What stays has never
// had a Go runtime, so it costs a few pages of memory.

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64 // limits have 64 bits everywhere
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backoff.h"
#include "copier.h"
#include "executed.h"
#include "relay.h"

// How long systemd may take to read a message, in milliseconds; it is TimeoutStartSec=
// of the unit that ends a start.
#define BARRIER_TIMEOUT 30000

// How long a start may take until the container's process waits, in seconds: what may follow, in
// systemd's eyes part of the start too, can take longer than any bound on a plugin that hangs. The child asks for as much again
// by a signal (SIGUSR1) while it does what takes its time, such as filling a volume.
#define LAUNCH_TIMEOUT 60

// The longest message of the launcher's, in bytes.
#define MESSAGE_SIZE 1024

// The name by which systemd keeps a network namespace (KeptNetwork of units/bundle).
#define KEPT_NETWORK "davit-network"

// The child's end of the socket to the parent; -1 in any other process.
int davit_message_fd = -1;

static void fail(const char *doing)
{
	fprintf(stderr, "davit-run: %s: %s\n", doing, strerror(errno));
	_exit(1);
}

// connect_systemd returns a socket that sends to systemd's, as sd_notify(3) does.
static int connect_systemd(void)
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
	if (connect(fd, (struct sockaddr *)&address, size) < 0)
		fail("connect to systemd");
	return fd;
}

// tell tells systemd a state. A network namespace goes with it, unless it is -1, for systemd to keep, and takes
// the place of one that it had (FDSTORE= of sd_notify(3)).
static void tell(int systemd, const char *state, int network)
{
	static const char keep[] = "FDSTORE=1\nFDNAME=" KEPT_NETWORK "\n", drop[] = "FDSTOREREMOVE=1\nFDNAME=" KEPT_NETWORK;
	const char *had = getenv("LISTEN_FDNAMES");
	char text[MESSAGE_SIZE + sizeof(keep)];

	if (network < 0) {
		if (send(systemd, state, strlen(state), MSG_NOSIGNAL) < 0)
			fail("tell systemd of the container");
		return;
	}
	if (had != NULL && strstr(had, KEPT_NETWORK) != NULL && send(systemd, drop, strlen(drop), MSG_NOSIGNAL) < 0)
		fail("have systemd forget a network");
	strcat(strcpy(text, keep), state);
	if (davit_send_descriptor(systemd, text, network) < 0)
		fail("tell systemd of the container");
	close(network);
}

// barrier returns when systemd has handled what was sent before: it closes the descriptor
// it was sent (sd_notify_barrier(3)).
static void barrier(int systemd)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("make a pipe");
	if (davit_send_descriptor(systemd, "BARRIER=1", ends[1]) < 0)
		fail("tell systemd of the container");
	close(ends[1]);
	struct pollfd closed = { .fd = ends[0] };
	int ready;
	while ((ready = poll(&closed, 1, BARRIER_TIMEOUT)) < 0)
		if (errno != EINTR)
			fail("wait for systemd");
	if (ready == 0) {
		errno = ETIMEDOUT;
		fail("wait for systemd");
	}
}

static volatile sig_atomic_t asked_for_time;

static void ask_for_time(int signal)
{
	(void)signal;
	asked_for_time = 1;
}

// give_time gives the child more time if it has asked for that, and has systemd do so.
static void give_time(void)
{
	char text[64];
	if (!asked_for_time)
		return;
	asked_for_time = 0;
	alarm(LAUNCH_TIMEOUT);
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%d000000", LAUNCH_TIMEOUT);
	int systemd = connect_systemd();
	(void)!send(systemd, text, strlen(text), MSG_NOSIGNAL);
	close(systemd);
}

// await returns the exit status of a child once it has exited.
static int await(pid_t child, const char *name)
{
	int status;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			fail("wait for a child");
		give_time();
	}
	if (WIFSIGNALED(status)) {
		fprintf(stderr, "davit-run: %s was killed by signal %d\n", name, WTERMSIG(status));
		return 128 + WTERMSIG(status);
	}
	return WEXITSTATUS(status);
}

// What this process says about a container when its program runs.
static int systemd;
static pid_t container_process;
static const char *started, *bundle, *limits;

// tell_started tells systemd that the container has started, in its name: of its unit's processes, systemd may
// listen to no other (NotifyAccess=main). systemd reads messages before it looks for processes that ended.
static void tell_started(void)
{
	char text[MESSAGE_SIZE];
	if (strcmp(started, "-") != 0)
		davit_tell_as(systemd, strcpy(text, started), strlen(started), container_process);
}

// limit sets the limits that the launcher itself has no room in, as "resource:soft:hard" with commas between, or "-".
static void limit(pid_t process)
{
	for (const char *next = limits; *next != '\0' && *next != '-';) {
		int resource, length;
		unsigned long long soft, hard;
		if (sscanf(next, "%d:%llu:%llu%n", &resource, &soft, &hard, &length) != 3)
			break;
		struct rlimit bound = { .rlim_cur = soft, .rlim_max = hard };
		if (prlimit(process, resource, &bound, NULL) < 0) {
			fprintf(stderr, "davit-run: set limit %d of the container's process: %s\n", resource, strerror(errno));
			kill(process, SIGKILL);
			_exit(1);
		}
		next += length + (next[length] == ',');
	}
}

// executed prepares a process that runs the container's program, and has not executed its first instruction.
static void executed(pid_t process)
{
	limit(process);
	tell_started();
}

// explain has the launcher leave word of why a process could not become its program.
static void explain(pid_t process)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", process);
	pid_t child = fork();
	if (child == 0) {
		execl("/proc/self/exe", "davit-run", "explain", bundle, pid, NULL);
		fail("explain why the program does not run");
	}
	if (child > 0)
		await(child, "the explanation");
}

// release lets the container's process go on: it waits to write to the FIFO. If it is traced, this returns when
// it has executed so many programs. One that was killed meanwhile never will, and systemd knows how it ended.
static void release(const char *fifo, pid_t container, int programs)
{
	char byte;
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fail("let the container run");
	if (programs > 0) {
		davit_executed(container, programs, executed, explain);
	} else {
		limit(container);
		struct pollfd writer = { .fd = fd, .events = POLLIN };
		while (poll(&writer, 1, 100) <= 0 || read(fd, &byte, 1) < 1)
			if (kill(container, 0) < 0)
				break;
	}
	close(fd);
	unlink(fifo);
}

// start has the container's runtime let the process go on. The process is killed when it cannot,
// so that systemd sees the failure. The runtime gets none of the unit's environment: some wait
// for a container to say READY=1 where they see a NOTIFY_SOCKET.
static void start(char **command, pid_t container)
{
	char *environment[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	pid_t child = fork();
	if (child == 0) {
		execve(command[0], command, environment);
		fail(command[0]);
	}
	if (child > 0 && await(child, command[0]) == 0)
		return;
	fprintf(stderr, "davit-run: %s did not start the container\n", command[0]);
	kill(container, SIGKILL);
	_exit(1);
}

// message is what the child sends: words that end with a NUL, which are the container's process, a
// letter for each file descriptor or '-', how many programs the process executes until it runs the container's or
// 0, limits to set once it does or '-', what to tell systemd of the process, what to tell it once that runs or '-', and
// what lets the process go on;
// and the descriptors, or -1: the output to copy, o, the socket for those who attach to it, a, the
// socket to relay from, n, and the network namespace for systemd to keep, k.
struct message {
	char text[MESSAGE_SIZE];
	size_t length;
	int descriptors[4];
};

// descriptor is the one that a letter of the message's kinds stands for, or -1.
static int descriptor(const struct message *message, const char *kinds, char kind)
{
	const char *found = strchr(kinds, kind);
	return found == NULL ? -1 : message->descriptors[found - kinds];
}

// receive reads until the child has closed its end.
static void receive(int from, struct message *message)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(message->descriptors))];
	} control;
	message->length = 0;
	memset(message->descriptors, -1, sizeof(message->descriptors));
	while (message->length < sizeof(message->text) - 1) {
		struct iovec data = {
			.iov_base = message->text + message->length,
			.iov_len = sizeof(message->text) - 1 - message->length,
		};
		struct msghdr part = {
			.msg_iov = &data, .msg_iovlen = 1,
			.msg_control = &control, .msg_controllen = sizeof(control),
		};
		ssize_t got = recvmsg(from, &part, MSG_CMSG_CLOEXEC);
		if (got == 0)
			break;
		if (got < 0 && errno == EINTR) {
			give_time();
			continue;
		}
		if (got < 0)
			fail("read the launcher's message");
		struct cmsghdr *header = CMSG_FIRSTHDR(&part);
		if (header != NULL && header->cmsg_type == SCM_RIGHTS)
			memcpy(message->descriptors, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
		message->length += got;
	}
	message->text[message->length] = '\0';
}

// The words of the longest message, which has a command.
#define MAX_WORDS 13

// split finds the words of a message, NULL after the last, and returns how many there are.
static int split(struct message *message, char **words)
{
	int count = 0;
	for (char *word = message->text; word < message->text + message->length && count < MAX_WORDS; word += strlen(word) + 1)
		words[count++] = word;
	words[count] = NULL;
	return count;
}

static void give_up(int signal)
{
	static const char text[] = "davit-run: the container was not up after a minute: see systemctl status for what hung\n";
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(1);
}

__attribute__((constructor)) static void handover(int argc, char **argv)
{
	int ends[2];
	struct message message;

	// An OCI runtime's start takes an id, which has no slash.
	if (argc != 3 || strchr(argv[2], '/') == NULL || (strcmp(argv[1], "start") != 0 && strcmp(argv[1], "sandbox") != 0))
		return;
	if (strcmp(argv[1], "start") == 0)
		davit_back_off(argv[2], connect_systemd);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		fail("make a socket");
	struct sigaction asked = { .sa_handler = ask_for_time }; // without SA_RESTART: it interrupts what waits for the child
	sigaction(SIGUSR1, &asked, NULL);
	pid_t parent = getpid(), child = fork();
	if (child < 0)
		fail("fork");
	if (child > 0) {
		signal(SIGALRM, give_up);
		alarm(LAUNCH_TIMEOUT);
	}
	if (child == 0) {
		// A start that is given up goes no further: its clean-up has begun.
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
			_exit(1);
		signal(SIGUSR1, SIG_DFL);
		close(ends[0]);
		davit_message_fd = ends[1];
		return; // to the Go runtime
	}
	close(ends[1]);
	receive(ends[0], &message);
	close(ends[0]);
	int status = await(child, "the launcher");
	if (status != 0)
		_exit(status);
	if (strcmp(argv[1], "sandbox") == 0 && message.length == 0)
		_exit(0); // it needs no process
	char *words[MAX_WORDS + 1];
	int count = split(&message, words);
	pid_t container = count > 0 ? atoi(words[0]) : 0;
	if (count < 6 || container <= 0) {
		fprintf(stderr, "davit-run: the launcher said nothing of a container\n");
		_exit(1);
	}
	alarm(0);
	systemd = connect_systemd();
	limits = words[3];
	started = words[5];
	container_process = container;
	bundle = argv[2];
	int programs = count == 7 ? atoi(words[2]) : 0;
	bool traced = programs > 0 && davit_trace(container);
	tell(systemd, words[4], descriptor(&message, words[1], 'k'));
	if (!traced)
		tell_started();
	barrier(systemd);
	if (count == 7)
		release(words[6], container, traced ? programs : 0);
	if (count > 7)
		start(words + 6, container);
	int output = descriptor(&message, words[1], 'o'), socket = descriptor(&message, words[1], 'n');
	// Neither may hold up the other.
	if (socket >= 0 && (output < 0 || fork() == 0)) {
		davit_relay(socket, systemd, container);
		_exit(0);
	}
	if (output >= 0)
		davit_copy(output, descriptor(&message, words[1], 'a'));
	_exit(0);
}
