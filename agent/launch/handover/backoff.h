// davit_back_off returns when the container of a bundle may start, if its earlier runs ended soon after their starts
// (agent/launch/cleanup). What systemd is to know goes to the socket that connect_systemd returns.
void davit_back_off(const char *bundle, int (*connect_systemd)(void));
