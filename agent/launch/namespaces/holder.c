// A process that keeps the namespaces it was started in until the launcher has taken hold of
// them: the kernel makes a user namespace only for a process of one thread, which the launcher
// is not. It has no Go runtime, so it is there and gone within a millisecond.

#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void hold(int argc, char **argv)
{
	char byte;

	if (argc != 2 || strcmp(argv[1], "hold") != 0)
		return;
	// The launcher closes its end, or ends itself.
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(0);
}
