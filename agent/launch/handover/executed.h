// davit_trace has the kernel report what becomes of a container's process, and kill it if this process ends
// before davit_executed has returned. It returns false where it may not, or where another process traces it.
#include <stdbool.h>
#include <sys/types.h>

bool davit_trace(pid_t container);

// davit_executed returns when the traced process runs its program. The program is as many execve(2) away as it
// says: one, or two where an init program starts it. Then that process stops before its first
// instruction, and executed is called with it. If it ends before that, ended is called with the process that gives up,
// whose file system can still be looked at.
void davit_executed(pid_t container, int programs, void (*executed)(pid_t), void (*ended)(pid_t));
