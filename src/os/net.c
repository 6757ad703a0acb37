#include "os/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/share.h"

static const uint8_t v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

union any_addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_port(const char *s, uint16_t *out)
{
    uint32_t v = 0;

    if (*s == '\0')
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint32_t)(*s - '0');
        if (v > 65535)
            return false;
    }
    *out = (uint16_t)v;
    return true;
}

int net_place_parse(struct net_place *out, const char *text, const char *scheme, const char *what,
                    struct err *e)
{
    const char *s = text, *colon;
    char host[INET6_ADDRSTRLEN];
    size_t n;

    *out = (struct net_place){ 0 };
    if (strncmp(s, scheme, strlen(scheme)) != 0)
        return err_set(e, ERR_ARG,
                       "%s: \"%s\" does not begin with %s; write %sADDRESS:PORT, "
                       "such as %s[::]:2055",
                       what, text, scheme, scheme, scheme);
    s += strlen(scheme);
    colon = strrchr(s, ':');
    if (colon == NULL || !parse_port(colon + 1, &out->port))
        return err_set(e, ERR_ARG, "%s: \"%s\" has no port; write %sADDRESS:PORT", what, text,
                       scheme);
    n = (size_t)(colon - s);
    out->v6 = n >= 2 && s[0] == '[' && s[n - 1] == ']';
    if (out->v6) {
        s++;
        n -= 2;
    }
    if (n < sizeof host) {
        memcpy(host, s, n);
        host[n] = '\0';
        if (out->v6 && inet_pton(AF_INET6, host, out->ip) == 1)
            return ERR_OK;
        memcpy(out->ip, v4_prefix, sizeof v4_prefix);
        if (!out->v6 && inet_pton(AF_INET, host, out->ip + 12) == 1)
            return ERR_OK;
    }
    return err_set(e, ERR_ARG,
                   "%s: \"%s\" holds no address; write %s192.0.2.1:PORT or %s[2001:db8::1]:PORT",
                   what, text, scheme, scheme);
}

const char *net_place_text(const struct net_place *p, char *out)
{
    char host[INET6_ADDRSTRLEN] = "";

    if (p->v6)
        (void)inet_ntop(AF_INET6, p->ip, host, sizeof host);
    else
        (void)inet_ntop(AF_INET, p->ip + 12, host, sizeof host);
    (void)snprintf(out, NET_TEXT_MAX, p->v6 ? "[%s]:%u" : "%s:%u", host, p->port);
    return out;
}

bool net_have_ipv6(void)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0;

    net_close(fd);
    return yes;
}

static socklen_t to_sockaddr(const struct net_place *p, union any_addr *a)
{
    memset(a, 0, sizeof *a);
    if (p->v6) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(p->port);
        memcpy(&a->v6.sin6_addr, p->ip, 16);
        return sizeof a->v6;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons(p->port);
    memcpy(&a->v4.sin_addr, p->ip + 12, 4);
    return sizeof a->v4;
}

bool net_is_local(const struct net_place *p)
{
    struct net_place q = *p;
    union any_addr a;
    socklen_t len;
    int fd;
    bool yes;

    q.port = 0;
    len = to_sockaddr(&q, &a);
    fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    yes = fd >= 0 && bind(fd, &a.any, len) == 0;
    net_close(fd);
    return yes;
}

static void chosen_port(int fd, struct net_place *p)
{
    union any_addr a = { 0 };
    socklen_t len = sizeof a;

    if (p->port == 0 && getsockname(fd, &a.any, &len) == 0)
        p->port = ntohs(p->v6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* SO_RCVBUFFORCE goes beyond net.core.rmem_max but needs CAP_NET_ADMIN. */
static uint64_t set_buffer(int fd, uint64_t want)
{
    int v = (int)MIN(want, (uint64_t)INT32_MAX / 2);
    socklen_t len = sizeof v;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &v, sizeof v) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, sizeof v);
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &len) != 0)
        return 0;
    return (uint64_t)v /
           2; /* the kernel doubles it for its own bookkeeping, and tells the double */
}

static int bind_error(const struct net_place *p, const char *kind, struct err *e)
{
    char text[NET_TEXT_MAX];
    int why = errno;

    return err_set(e, why == EADDRINUSE ? ERR_BUSY : ERR_IO, "%s%s: %s%s", kind,
                   net_place_text(p, text), strerror(why),
                   why == EADDRINUSE
                       ? "; ss -lnp shows by whom, and --listen or --http.listen takes another port"
                       : "");
}

int net_udp_open(int *out, struct net_place *p, bool share, uint64_t want_octets,
                 uint64_t *got_octets, struct err *e)
{
    int on = 1, off = 0, rc;
    union any_addr a;
    socklen_t len = to_sockaddr(p, &a);
    int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *out = -1;
    if (fd < 0)
        return bind_error(p, "udp://", e);
    if (p->v6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    (void)setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    *got_octets = set_buffer(fd, want_octets);
    if ((share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) ||
        bind(fd, &a.any, len) != 0) {
        rc = bind_error(p, "udp://", e);
        net_close(fd);
        return rc;
    }
    chosen_port(fd, p);
    *out = fd;
    return ERR_OK;
}

void net_udp_kept(int fd, struct net_place *p, uint64_t *got_octets, uint32_t *drops)
{
    uint32_t mem[SK_MEMINFO_VARS] = { 0 };
    socklen_t len = sizeof mem;
    int v = 0;
    socklen_t vlen = sizeof v;

    chosen_port(fd, p);
    *got_octets = getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &v, &vlen) == 0 ? (uint64_t)v / 2 : 0;
    *drops = getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len) == 0 ? mem[SK_MEMINFO_DROPS] : 0;
}

int net_steer(int fd, unsigned n, struct err *e)
{
    /* Version nibble first: a dual-stack socket sees both headers. IPv4's source stands at octet
     * 12; of IPv6's at octet 8 the four words are folded. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)SKF_NET_OFF),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 12)),
        BPF_JUMP(BPF_JMP | BPF_JA, 10, 0, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 8)),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 12)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 16)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_NET_OFF + 20)),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1),
        BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, n),
        BPF_STMT(BPF_RET | BPF_A, 0),
    };
    struct sock_fprog prog = { .len = ARRAY_LEN(code), .filter = code };

    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof prog) != 0)
        return err_set(e, ERR_IO, "shards: the kernel refuses to steer by source address: %s",
                       strerror(errno));
    return ERR_OK;
}

static uint32_t word(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

unsigned net_steered(const uint8_t ip[16], unsigned n)
{
    uint32_t w = word(ip + 12);

    if (memcmp(ip, v4_prefix, sizeof v4_prefix) != 0)
        w ^= word(ip) ^ word(ip + 4) ^ word(ip + 8);
    return (w * 0x9e3779b1u >> 16) % n;
}

#define UNTOUCHED UINT32_MAX /* msg_len before the kernel writes it */

struct net_inbox {
    struct mmsghdr msg[NET_INBOX];
    struct iovec iov[NET_INBOX];
    union any_addr from[NET_INBOX];
    union {
        char room[CMSG_SPACE(sizeof(uint32_t))];
        struct cmsghdr align;
    } control[NET_INBOX];
    uint8_t octets[NET_INBOX][NET_DATAGRAM_MAX + 1];
};

struct net_inbox *net_inbox_new(void)
{
    struct net_inbox *in = os_share_new(sizeof *in);

    if (in == NULL)
        return NULL;
    for (unsigned i = 0; i < NET_INBOX; i++) {
        in->iov[i] = (struct iovec){ in->octets[i], NET_DATAGRAM_MAX };
        in->msg[i].msg_hdr = (struct msghdr){ .msg_name = &in->from[i],
                                              .msg_iov = &in->iov[i],
                                              .msg_iovlen = 1,
                                              .msg_control = in->control[i].room };
    }
    net_inbox_clear(in);
    return in;
}

void net_inbox_free(struct net_inbox *in)
{
    os_share_free(in, sizeof *in);
}

void net_inbox_clear(struct net_inbox *in)
{
    for (unsigned i = 0; i < NET_INBOX; i++)
        in->msg[i].msg_len = UNTOUCHED;
}

unsigned net_inbox_held(const struct net_inbox *in)
{
    unsigned n = 0;

    while (n < NET_INBOX && in->msg[n].msg_len != UNTOUCHED)
        n++;
    return n;
}

static void read_drops(struct msghdr *h, uint32_t *drops)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
            memcpy(drops, CMSG_DATA(c), sizeof *drops);
}

unsigned net_receive(struct net_inbox *in, int fd, uint32_t *drops)
{
    int n;

    for (unsigned i = 0; i < NET_INBOX; i++) {
        in->msg[i].msg_hdr.msg_namelen = sizeof in->from[i];
        in->msg[i].msg_hdr.msg_controllen = sizeof in->control[i].room;
    }
    /* errors (an ICMP answer, EINTR, no datagram) all mean: nothing now */
    n = recvmmsg(fd, in->msg, NET_INBOX, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    read_drops(&in->msg[n - 1].msg_hdr, drops);
    return (unsigned)n;
}

struct net_datagram net_inbox_get(const struct net_inbox *in, unsigned i)
{
    struct net_datagram d = { .octets = in->octets[i], .len = in->msg[i].msg_len };
    const union any_addr *a = &in->from[i];

    if (a->any.sa_family == AF_INET6) {
        memcpy(d.ip, &a->v6.sin6_addr, 16);
        d.port = ntohs(a->v6.sin6_port);
    } else {
        memcpy(d.ip, v4_prefix, sizeof v4_prefix);
        memcpy(d.ip + 12, &a->v4.sin_addr, 4);
        d.port = ntohs(a->v4.sin_port);
    }
    return d;
}

int net_unix_listen(int *out, const char *path, unsigned mode, struct err *e)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd, probe, rc;

    *out = -1;
    if (strlen(path) >= sizeof a.sun_path)
        return err_set(e, ERR_ARG,
                       "socket %s: longer than %zu octets; set a shorter one with --socket", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path) + 1);
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (probe >= 0 && connect(probe, (const struct sockaddr *)&a, sizeof a) == 0) {
        net_close(probe);
        return err_set(e, ERR_BUSY, "socket %s: a server answers there already", path);
    }
    net_close(probe);
    net_unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 ||
        chmod(path, mode) != 0 || listen(fd, 128) != 0) {
        rc = err_set(e, ERR_IO, "socket %s: %s", path, strerror(errno));
        net_close(fd);
        return rc;
    }
    *out = fd;
    return ERR_OK;
}

void net_unlink(const char *path)
{
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
        (void)unlink(path);
}

int net_tcp_listen(int *out, struct net_place *p, const char *what, struct err *e)
{
    int on = 1, off = 0, rc;
    union any_addr a;
    socklen_t len = to_sockaddr(p, &a);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *out = -1;
    if (p->v6 && fd >= 0)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, &a.any, len) != 0 || listen(fd, 128) != 0) {
        rc = bind_error(p, what, e);
        net_close(fd);
        return rc;
    }
    chosen_port(fd, p);
    *out = fd;
    return ERR_OK;
}

void net_tcp_kept(int fd, struct net_place *p)
{
    chosen_port(fd, p);
}

bool net_peer_gone(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

long net_peer_uid(int fd)
{
    struct ucred c;
    socklen_t len = sizeof c;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) != 0)
        return -1;
    return (long)c.uid;
}

int net_event_open(int *fd, struct err *e)
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (*fd < 0)
        return err_set(e, ERR_IO, "eventfd: %s", strerror(errno));
    return ERR_OK;
}

void net_event_set(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof one) < 0)
        return; /* EAGAIN: it is set already */
}

void net_event_clear(int fd)
{
    uint64_t v;

    if (read(fd, &v, sizeof v) < 0)
        return; /* EAGAIN: it was not set */
}

void net_wait(const int *fds, unsigned n, int64_t ms, uint64_t ready[4])
{
    struct pollfd p[256];

    n = MIN(n, (unsigned)ARRAY_LEN(p));
    memset(ready, 0, 4 * sizeof ready[0]);
    for (unsigned i = 0; i < n; i++)
        p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
    if (poll(p, n, (int)MIN(ms, (int64_t)INT32_MAX)) <= 0)
        return;
    for (unsigned i = 0; i < n; i++)
        if (p[i].revents != 0)
            ready[i / 64] |= 1ull << i % 64;
}

void net_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}
