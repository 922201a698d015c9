// davit_relay passes on to systemd what a container says on its notify socket, until the container
// has ended.
#include <stddef.h>
#include <sys/types.h>

void davit_relay(int from, int systemd, pid_t container);

// davit_tell_as tells systemd something as a container's main process.
void davit_tell_as(int systemd, char *text, size_t length, pid_t container);
