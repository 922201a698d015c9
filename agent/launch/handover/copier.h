// davit_copy copies from a descriptor to standard output until the last process that could
// write has gone, and lets others follow who connect to a listening socket, unless it is -1.
void davit_copy(int from, int listener);

// davit_send_descriptor sends a text with a file descriptor over a socket (unix(7)). It returns
// -1 and sets errno as sendmsg(2) does.
int davit_send_descriptor(int socket, const char *text, int descriptor);
