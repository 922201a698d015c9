// Whether a container's program can be executed is known once execve(2) has returned, or has not: the
// interpreter of a script may be missing, or the loader of a program, or the program may be for another
// architecture. Nothing but the kernel knows all of it. libcontainer's init executes the program as the
// last thing it does, when it has closed every way to say how that went.
//
// So this process traces that one (ptrace(2)) for the millisecond between. The kernel stops a traced process
// when it has executed a program, before its first instruction, and when it is about to end, while its
// file system is still there. A program that ends at once does so after systemd knows that it started.

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "executed.h"

// A container of a launcher that was killed would wait for ever, or run without systemd's knowing that it does.
#define OPTIONS (PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL)

// An init program makes a process for the container's.
#define OPTIONS_OF_INIT (OPTIONS | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)

bool davit_trace(pid_t container)
{
	return ptrace(PTRACE_SEIZE, container, NULL, OPTIONS) == 0;
}

// resume lets a stopped process go on, with the signal that it was stopped for.
static void resume(pid_t process, int event, int signal)
{
	bool is_group_stop = event == PTRACE_EVENT_STOP && signal != SIGTRAP;
	if (is_group_stop)
		ptrace(PTRACE_LISTEN, process, NULL, NULL);
	else
		ptrace(PTRACE_CONT, process, NULL, event == 0 ? signal : 0);
}

// leave ends the tracing of a process that is stopped, or that runs: that one is stopped first.
static void leave(pid_t process, bool stopped)
{
	int status;
	if (!stopped) {
		if (ptrace(PTRACE_INTERRUPT, process, NULL, NULL) < 0 || waitpid(process, &status, __WALL) < 0 || !WIFSTOPPED(status))
			return; // it has ended
		if (status >> 16 == 0) {
			ptrace(PTRACE_DETACH, process, NULL, WSTOPSIG(status));
			return;
		}
	}
	ptrace(PTRACE_DETACH, process, NULL, NULL);
}

// has_exited reports whether a process that is about to end does so by itself, not by a signal.
static bool has_exited(pid_t process)
{
	unsigned long status = 0;
	return ptrace(PTRACE_GETEVENTMSG, process, NULL, &status) == 0 && WIFEXITED(status) && WEXITSTATUS(status) != 0;
}

void davit_executed(pid_t container, int programs, void (*executed)(pid_t), void (*ended)(pid_t))
{
	int status;
	for (;;) {
		pid_t process = waitpid(-1, &status, __WALL);
		if (process < 0 && errno == EINTR)
			continue;
		if (process < 0)
			return; // there is none left
		if (!WIFSTOPPED(status))
			continue;
		int event = status >> 16;
		if (event == PTRACE_EVENT_EXEC && --programs == 0) {
			executed(process);
			leave(process, true);
			if (process != container)
				leave(container, false);
			return;
		}
		if (event == PTRACE_EVENT_EXEC)
			ptrace(PTRACE_SETOPTIONS, process, NULL, OPTIONS_OF_INIT);
		if (event == PTRACE_EVENT_EXIT && programs > 0 && has_exited(process)) {
			programs = 0; // said once
			ended(process);
		}
		resume(process, event, WSTOPSIG(status));
	}
}
