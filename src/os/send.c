#include "os/send.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/be.h"
#include "base/udp_packet.h"

#define FRAGMENT 1480u /* octets behind the IPv4 header that Ethernet takes; a multiple of 8 */

union any_addr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t sockaddr_of(const struct net_place *p, uint16_t port, union any_addr *a)
{
    memset(a, 0, sizeof *a);
    if (p->v6) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(port);
        memcpy(&a->v6.sin6_addr, p->ip, 16);
        return sizeof a->v6;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons(port);
    memcpy(&a->v4.sin_addr, p->ip + 12, 4);
    return sizeof a->v4;
}

int send_open(int *out, const struct net_place *to, struct err *e)
{
    char text[NET_TEXT_MAX];
    union any_addr a;
    socklen_t len = sockaddr_of(to, to->port, &a);
    int fd = socket(a.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *out = -1;
    if (fd < 0 || connect(fd, &a.any, len) != 0) {
        int why = errno;
        net_close(fd);
        return err_set(e, ERR_IO, "udp://%s: %s", net_place_text(to, text), strerror(why));
    }
    *out = fd;
    return ERR_OK;
}

int send_open_raw(int *out, bool v6, struct err *e)
{
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);

    *out = fd;
    if (fd >= 0)
        return ERR_OK;
    if (errno == EPERM || errno == EACCES)
        return err_set(e, ERR_UNSUPPORTED,
                       "sending under the address of another host needs root or CAP_NET_RAW");
    return err_set(e, ERR_IO, "raw socket: %s", strerror(errno));
}

static int result(ssize_t n)
{
    if (n >= 0)
        return ERR_OK;
    return errno == EAGAIN || errno == ENOBUFS ? ERR_FULL : ERR_IO;
}

int send_datagram(int fd, const uint8_t *p, size_t len)
{
    ssize_t n = send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ECONNREFUSED) /* told of an earlier one: nobody listens, or not yet */
        n = send(fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 && errno == ECONNREFUSED ? ERR_OK : result(n);
}

static ssize_t send_parts(int fd, const union any_addr *to, socklen_t to_len, uint8_t *head,
                          size_t head_len, const uint8_t *p, size_t len)
{
    struct iovec v[2] = { { head, head_len }, { (void *)(uintptr_t)p, len } };
    struct msghdr m = { .msg_name = (void *)(uintptr_t)to,
                        .msg_namelen = to_len,
                        .msg_iov = v,
                        .msg_iovlen = len > 0 ? 2 : 1 };

    return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* An IPv4 packet in pieces: the UDP header goes with the first. The kernel fills in the header's
 * checksum, and the id only where it is 0. */
static int fragments(int fd, const union any_addr *to, socklen_t to_len, const uint8_t *head,
                     const uint8_t *p, size_t len)
{
    static _Atomic uint16_t next_id = 1;
    uint16_t id = (uint16_t)(next_id++ | 1u);
    size_t at = 0, all = len + 8;

    while (at < all) {
        uint8_t h[UDP_PACKET_V4];
        size_t n = MIN(all - at, (size_t)FRAGMENT), udp = at == 0 ? 8 : 0;
        int rc;
        memcpy(h, head, sizeof h);
        be_put(h + 2, 20 + n, 2);
        be_put(h + 4, id, 2);
        be_put(h + 6, at / 8 | (at + n < all ? 0x2000u : 0), 2);
        be_put(h + 10, 0, 2);
        rc = result(send_parts(fd, to, to_len, h, 20 + udp, p + (at == 0 ? 0 : at - 8), n - udp));
        if (rc != ERR_OK)
            return rc;
        at += n;
    }
    return ERR_OK;
}

int send_as(int fd, const struct net_place *to, const uint8_t from[16], uint16_t port,
            const uint8_t *p, size_t len)
{
    struct udp_ends x = { .src_port = port, .dst_port = to->port };
    uint8_t head[UDP_PACKET_V6];
    union any_addr a;
    socklen_t a_len =
        sockaddr_of(to, 0, &a); /* a port says something else to raw sockets of IPv6 */
    size_t n;
    ssize_t sent;

    memcpy(x.src, from, 16);
    memcpy(x.dst, to->ip, 16);
    n = udp_packet_head(&x, p, len, head);
    if (n == 0)
        return ERR_UNSUPPORTED;
    sent = send_parts(fd, &a, a_len, head, n, p, len);
    if (sent < 0 && errno == EMSGSIZE && !to->v6)
        return fragments(fd, &a, a_len, head, p, len);
    return result(sent);
}

void send_wait(int fd, int64_t ms)
{
    struct pollfd f = { .fd = fd, .events = POLLOUT };

    (void)poll(&f, 1, (int)MIN(MAX(ms, 0), 60000));
}
