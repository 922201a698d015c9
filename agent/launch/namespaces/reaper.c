// The first process of a pod's process namespace: the kernel wants one, and kills the others
// when it ends (pid_namespaces(7)). It reaps what nobody else waits for and does nothing more,
// without a Go runtime, so it costs a few pages of memory.
//
// The pod's containers see it, so there is nothing to find in it: no privilege, an empty root
// file system, an empty network.

#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

// Where the launcher waits for a byte.
#define READY_FD 3

static void fail(const char *doing)
{
	fprintf(stderr, "davit-run: the pod's first process: %s: %s\n", doing, strerror(errno));
	_exit(1);
}

// enter_nothing leaves the node's file system, in the mount namespace of its own that the
// launcher has made.
static void enter_nothing(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		fail("keep mounts private");
	if (mount("tmpfs", "/run", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "nr_inodes=1,mode=555") < 0)
		fail("mount an empty root");
	if (chdir("/run") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		fail("enter an empty root");
}

static void drop_privileges(void)
{
	// Past the last capability that the kernel knows there is an error.
	for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
		;
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		fail("become nobody");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail("give up privileges");
}

__attribute__((constructor)) static void reap(int argc, char **argv)
{
	sigset_t all;
	siginfo_t info;

	if (argc != 2 || strcmp(argv[1], "reap") != 0)
		return;
	prctl(PR_SET_NAME, "davit-reaper", 0, 0, 0);
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	enter_nothing();
	drop_privileges();
	if (write(READY_FD, "", 1) != 1)
		fail("tell the launcher");
	close(READY_FD);
	for (;;) {
		if (sigwaitinfo(&all, &info) < 0)
			continue;
		// A sender outside of the namespace has no id in it: systemd, that is, and none of the
		// pod's own processes.
		if ((info.si_signo == SIGTERM || info.si_signo == SIGINT) && info.si_pid == 0)
			_exit(0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
