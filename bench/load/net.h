/* SPDX-License-Identifier: MIT
 *
 * TCP sockets on the loopback interface, non-blocking, without Nagle's delay.
 */
#ifndef LOAD_NET_H
#define LOAD_NET_H

#include <stdint.h>

/* Listens on a port of 127.0.0.1; 0: the kernel chooses it, and it is stored. Exits the process on failure. */
int net_listen(uint16_t *port);

/* Starts a connection to a port of 127.0.0.1. Returns the descriptor, which may still be connecting, or -errno. */
int net_connect(uint16_t port);

/* Takes a connection. Returns the descriptor or -errno. */
int net_accept(int listener_fd);

#endif
