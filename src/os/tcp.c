#include "os/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "os/net.h"

/* A peer that is gone without a word is noticed within two minutes. */
#define KEEP_IDLE_S 60
#define KEEP_EACH_S 15
#define KEEP_PROBES 4

static void keep_alive(int fd)
{
    int on = 1, idle = KEEP_IDLE_S, each = KEEP_EACH_S, probes = KEEP_PROBES;

    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &each, sizeof each);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

enum tcp_accept tcp_accept(int listener, int *fd, uint8_t ip[16], uint16_t *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = { 0 };
    socklen_t len = sizeof a;

    *fd = accept4(listener, &a.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (*fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM
                   ? TCP_NO_ROOM
                   : TCP_NONE;
    memset(ip, 0, 16);
    if (a.any.sa_family == AF_INET6) {
        memcpy(ip, &a.v6.sin6_addr, 16);
        *port = ntohs(a.v6.sin6_port);
    } else {
        ip[10] = ip[11] = 0xff;
        memcpy(ip + 12, &a.v4.sin_addr, 4);
        *port = ntohs(a.v4.sin_port);
    }
    keep_alive(*fd);
    return TCP_ACCEPTED;
}

long tcp_read(int fd, uint8_t *to, size_t cap)
{
    ssize_t n = recv(fd, to, cap, MSG_DONTWAIT);

    if (n > 0)
        return (long)n;
    if (n == 0)
        return TCP_CLOSED;
    return errno == EAGAIN || errno == EINTR ? TCP_NOTHING : TCP_RESET;
}

struct poller {
    int fd;
    struct epoll_event ready[POLLER_READY];
};

int poller_new(struct poller **out, struct err *e)
{
    struct poller *p = calloc(1, sizeof *p);

    *out = NULL;
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "epoll: out of memory");
    p->fd = epoll_create1(EPOLL_CLOEXEC);
    if (p->fd < 0) {
        free(p);
        return err_set(e, ERR_IO, "epoll: %s", strerror(errno));
    }
    *out = p;
    return ERR_OK;
}

void poller_free(struct poller *p)
{
    if (p == NULL)
        return;
    net_close(p->fd);
    free(p);
}

int poller_add(struct poller *p, int fd, uint32_t token)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u32 = token };

    return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &ev) == 0 ? ERR_OK : ERR_IO;
}

void poller_want(struct poller *p, int fd, uint32_t token, bool read, bool write)
{
    struct epoll_event ev = { .data.u32 = token };

    ev.events = (read ? EPOLLIN : 0u) | (write ? EPOLLOUT : 0u);
    if (!read && !write)
        ev.events = EPOLLET; /* an end is told once, and does not wake us again and again */
    (void)epoll_ctl(p->fd, EPOLL_CTL_MOD, fd, &ev);
}

unsigned poller_wait(struct poller *p, int64_t ms, uint32_t *token)
{
    int n = epoll_wait(p->fd, p->ready, POLLER_READY, (int)MIN(ms, (int64_t)INT32_MAX));

    for (int i = 0; i < n; i++)
        token[i] = p->ready[i].data.u32;
    return n > 0 ? (unsigned)n : 0;
}
