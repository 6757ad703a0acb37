/* os/net.h - sockets.
 * Floor 1. Addresses are 16 octets in network order, IPv4 as ::ffff:a.b.c.d. Descriptors are owned
 * by whoever opened them and closed with net_close(). */
#ifndef WEIR_OS_NET_H
#define WEIR_OS_NET_H

#include "base/err.h"

#define NET_TEXT_MAX     80
#define NET_DATAGRAM_MAX 65535u
#define NET_INBOX        64u /* datagrams of one net_receive() */

struct net_place {
    uint8_t ip[16];
    uint16_t port;
    bool v6; /* written as an IPv6 address; [::] takes IPv4 too */
};

/* "192.0.2.1:2055" or "[2001:db8::1]:2055", with `scheme` ("udp://") before it; "" = none.
 * Errors: ERR_ARG; the message begins with `what`. */
int net_place_parse(struct net_place *out, const char *text, const char *scheme, const char *what,
                    struct err *e) WARN_UNUSED;
/* The same back; `out` holds NET_TEXT_MAX. */
const char *net_place_text(const struct net_place *p, char *out);

bool net_have_ipv6(void);
/* Is that an address of this host? */
bool net_is_local(const struct net_place *p);

/* A bound UDP socket, not blocking, that counts what the kernel drops. `share`: several sockets
 * take this port (SO_REUSEPORT). *got_octets is the receive buffer the kernel gave. A port of 0 is
 * replaced in *p by the one chosen. Errors: ERR_BUSY (in use), ERR_IO. */
int net_udp_open(int *out, struct net_place *p, bool share, uint64_t want_octets,
                 uint64_t *got_octets, struct err *e) WARN_UNUSED;
/* Let the kernel choose among the n sockets that share this one's port by source address alone, so
 * that all datagrams of an exporter meet one socket in their order. Socket i is the i-th bound. */
int net_steer(int fd, unsigned n, struct err *e) WARN_UNUSED;

/* A socket of net_udp_open() that was kept over an upgrade: what it would have told. */
void net_udp_kept(int fd, struct net_place *p, uint64_t *got_octets, uint32_t *drops);

/* The socket that net_steer() chooses for a sender. */
unsigned net_steered(const uint8_t ip[16], unsigned n);

/* Buffers for receiving many datagrams with one call; belongs to one thread. They lie in memory
 * that a forked child shares, so that what the kernel gave to a child that died is not lost. */
struct net_inbox;
struct net_datagram {
    const uint8_t *octets; /* valid until the next net_receive() */
    size_t len;
    uint8_t ip[16];
    uint16_t port;
};
struct net_inbox *net_inbox_new(void);     /* NULL: out of memory */
void net_inbox_free(struct net_inbox *in); /* NULL is allowed */
/* Forget what it holds; before net_receive(). */
void net_inbox_clear(struct net_inbox *in);
/* Datagrams that the kernel has put there since it was cleared. */
unsigned net_inbox_held(const struct net_inbox *in);
/* Up to NET_INBOX datagrams that are there now; 0 when none. *drops: the kernel's count of
 * datagrams it dropped on this socket, since it was opened, modulo 2^32; unchanged while it says
 * nothing. */
unsigned net_receive(struct net_inbox *in, int fd, uint32_t *drops);
struct net_datagram net_inbox_get(const struct net_inbox *in, unsigned i);

/* Listening stream sockets. The Unix one replaces a dead socket file at path and refuses a living
 * one. Errors: ERR_ARG (path too long), ERR_BUSY, ERR_IO. */
int net_unix_listen(int *out, const char *path, unsigned mode, struct err *e) WARN_UNUSED;
/* `what` begins the error message: "http.listen " */
int net_tcp_listen(int *out, struct net_place *p, const char *what, struct err *e) WARN_UNUSED;
void net_tcp_kept(int fd, struct net_place *p); /* kept over an upgrade: its port */
void net_unlink(const char *path);              /* a socket file, when done */

bool net_peer_gone(int fd); /* the other side of a stream closed it */
/* User of the other side of a Unix socket, or -1. */
long net_peer_uid(int fd);

/* A wake-up call between threads: a descriptor that becomes readable. */
int net_event_open(int *fd, struct err *e) WARN_UNUSED;
void net_event_set(int fd);
void net_event_clear(int fd);
/* Wait until one of n (up to 256) descriptors is readable, at most ms. Bit i of ready[i / 64]. */
void net_wait(const int *fds, unsigned n, int64_t ms, uint64_t ready[4]);
void net_close(int fd); /* negative: nothing */

#endif
