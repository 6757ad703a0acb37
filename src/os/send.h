/* os/send.h - sending datagrams, from an address of this host or under that of another.
 * Floor 1. Threads: a descriptor may be used by one thread at a time. */
#ifndef WEIR_OS_SEND_H
#define WEIR_OS_SEND_H

#include "os/net.h"

/* A UDP socket to one place, not blocking. Errors: ERR_IO. */
int send_open(int *out, const struct net_place *to, struct err *e) WARN_UNUSED;
/* A socket that sends IP packets as they are given, also under addresses of others; needs root or
 * CAP_NET_RAW. Errors: ERR_UNSUPPORTED (not permitted), ERR_IO. */
int send_open_raw(int *out, bool v6, struct err *e) WARN_UNUSED;

/* ERR_FULL: the system takes no more for now. ERR_IO: it refuses this one; errno says why. */
int send_datagram(int fd, const uint8_t *p, size_t len) WARN_UNUSED;
/* The same through a raw socket, as if it came from `from`:`port`. Packets longer than the way
 * takes are sent as fragments (IPv4). ERR_UNSUPPORTED: source and destination are of different
 * families. */
int send_as(int fd, const struct net_place *to, const uint8_t from[16], uint16_t port,
            const uint8_t *p, size_t len) WARN_UNUSED;
/* Wait until it takes more, at most ms. */
void send_wait(int fd, int64_t ms);

#endif
