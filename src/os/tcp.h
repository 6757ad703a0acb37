/* os/tcp.h - stream sessions that others open to us, and waiting for many of them.
 * Floor 1. Nothing here blocks but poller_wait(). Addresses as in os/net.h. */
#ifndef WEIR_OS_TCP_H
#define WEIR_OS_TCP_H

#include "base/err.h"

/* What a read gave, where it is not a number of octets. */
enum tcp_read {
    TCP_NOTHING = 0, /* not now */
    TCP_CLOSED = -1, /* the peer has said all it had to say */
    TCP_RESET = -2,  /* the connection broke */
};

enum tcp_accept {
    TCP_ACCEPTED,
    TCP_NONE,    /* nobody waits */
    TCP_NO_ROOM, /* no descriptor or memory is left */
};
/* The next one who waits. The kernel asks a silent peer now and then whether it still lives. */
enum tcp_accept tcp_accept(int listener, int *fd, uint8_t ip[16], uint16_t *port);

long tcp_read(int fd, uint8_t *to, size_t cap);

/* Which of many descriptors have something to read, or can be written. Belongs to one thread. */
struct poller;
#define POLLER_READY 256u

/* Errors: ERR_IO, ERR_NOMEM. */
int poller_new(struct poller **out, struct err *e) WARN_UNUSED;
void poller_free(struct poller *p); /* NULL is allowed */
/* A descriptor leaves by being closed. Errors: ERR_IO. */
int poller_add(struct poller *p, int fd, uint32_t token) WARN_UNUSED;
/* What is waited for; neither: only its end. */
void poller_want(struct poller *p, int fd, uint32_t token, bool read, bool write);
/* Tokens of those that are ready, at most POLLER_READY; waits at most ms. */
unsigned poller_wait(struct poller *p, int64_t ms, uint32_t *token);

#endif
