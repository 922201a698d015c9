// davit_relay passes on to systemd what a container says on its notify socket, until the container
// has ended.
#include <sys/types.h>

void davit_relay(int from, int systemd, pid_t container);
