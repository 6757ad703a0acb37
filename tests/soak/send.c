/* soak/send.c - sends flowgen's IPFIX capture to 127.0.0.1 again and again as if it happened now,
 * and keeps book of it.
 *
 *   send CAPTURE PORT FLOWS_PER_SECOND SECONDS BOOK
 *
 * Times are moved to the present, sequence numbers go on from loop to loop, each exporter sends
 * from an address of its own (127.0.0.11 and on). What the machine makes late is sent later, at
 * most twice as fast. Before a datagram leaves, its records stand in BOOK, a file of u64 in the
 * order of the processor that others may map (enum below). SIGTERM ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/be.h"
#include "base/defs.h"

enum {
    BOOK_FLOWS,
    BOOK_DATAGRAMS,
    BOOK_OCTETS,           /* of datagrams */
    BOOK_FIRST_MINUTE,     /* Unix minute of BOOK_MINUTE[0] */
    BOOK_LATE_MS,          /* most that the sender was behind its pace */
    BOOK_EXPORTER = 16,    /* flows of each, by number */
    BOOK_SUM_BYTES = 80,   /* of all records: IPFIX element 1 */
    BOOK_SUM_PACKETS = 81, /* element 2 */
    BOOK_MINUTE = 128,     /* flows by the minute of their start */
    BOOK_MINUTES = 4096,
    BOOK_N = BOOK_MINUTE + BOOK_MINUTES
};

#define EXPORTERS   64u
#define BATCH       64u
#define FRAME       58u /* pcap record head, Ethernet, IP, UDP */
#define TICK_NS     1000000
#define MINUTE_MS   60000
#define LONGEST_MIN 30u /* before the start of the run a record may have begun */
#define NOWHERE     UINT32_MAX

struct datagram {
    size_t at;
    uint32_t len, flows;
    unsigned exporter;
    int64_t made_ms,
        moved_ms; /* time of export in the capture; by how much its times are moved now */
};

/* Where the template has what we change or add up. */
struct plan {
    uint32_t octets, start, end, bytes, packets;
};

struct outbox {
    int fd;
    uint32_t seq;
    unsigned n;
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
};

static uint8_t *cap;
static struct plan plan[2]; /* templates 256, 257 */
static struct datagram *list;
static size_t n_list;
static struct outbox box[EXPORTERS];
static struct sockaddr_in to = { .sin_family = AF_INET };
static _Atomic uint64_t *book;
static volatile sig_atomic_t stop;

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "send: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void add(unsigned i, uint64_t v)
{
    atomic_fetch_add_explicit(&book[i], v, memory_order_relaxed);
}

/* ------------------------------------------------------------------ the capture */

static void read_template(const uint8_t *p, const uint8_t *end)
{
    while (p + 4 <= end) {
        unsigned id = be16(p), n = be16(p + 2);
        struct plan x = { 0, NOWHERE, NOWHERE, NOWHERE, NOWHERE };
        p += 4;
        for (; n > 0 && p + 4 <= end; n--, p += 4) {
            unsigned element = be16(p);
            if (element == 152)
                x.start = x.octets;
            else if (element == 153)
                x.end = x.octets;
            else if (element == 1)
                x.bytes = x.octets;
            else if (element == 2)
                x.packets = x.octets;
            x.octets += be16(p + 2);
        }
        if (id < 256 || id > 257 || MAX(x.start, MAX(x.end, MAX(x.bytes, x.packets))) == NOWHERE) {
            (void)fprintf(stderr, "send: template %u is not flowgen's\n", id);
            exit(1);
        }
        plan[id - 256] = x;
    }
}

/* Every record of a message: moved by `by_ms`, counted if `in_book`. Returns how many there are. */
static uint32_t each_record(uint8_t *p, const uint8_t *end, int64_t by_ms, bool in_book)
{
    uint32_t flows = 0;
    uint64_t bytes = 0, packets = 0;

    for (p += 16; p + 4 <= end;) {
        unsigned id = be16(p);
        uint8_t *stop_at = p + be16(p + 2), *r = p + 4;
        if (stop_at <= p || stop_at > end)
            break;
        if (id == 2)
            read_template(r, stop_at);
        for (const struct plan *x = &plan[id & 1];
             id >= 256 && id <= 257 && x->octets > 0 && r + x->octets <= stop_at; r += x->octets) {
            int64_t start = (int64_t)be64(r + x->start) + by_ms;
            uint64_t minute = (uint64_t)(start / MINUTE_MS);
            flows++;
            if (!in_book)
                continue;
            be_put(r + x->start, (uint64_t)start, 8);
            be_put(r + x->end, be64(r + x->end) + (uint64_t)by_ms, 8);
            bytes += be64(r + x->bytes);
            packets += be64(r + x->packets);
            minute -= atomic_load_explicit(&book[BOOK_FIRST_MINUTE], memory_order_relaxed);
            if (minute < BOOK_MINUTES)
                add(BOOK_MINUTE + (unsigned)minute, 1);
        }
        p = stop_at;
    }
    if (in_book) {
        add(BOOK_SUM_BYTES, bytes);
        add(BOOK_SUM_PACKETS, packets);
    }
    return flows;
}

static void load(const char *name)
{
    struct stat st;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    uint32_t had[4];

    if (fd < 0 || fstat(fd, &st) != 0)
        fail(name);
    cap = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (cap == MAP_FAILED)
        fail(name);
    list = calloc((size_t)st.st_size / (FRAME + 16) + 1, sizeof *list);
    if (list == NULL)
        fail("memory");
    for (size_t at = 24; at + FRAME <= (size_t)st.st_size; at += 16 + had[2]) {
        struct datagram *d = &list[n_list++];
        memcpy(had, cap + at, sizeof had);
        d->at = at + FRAME;
        d->len = had[2] - (FRAME - 16);
        d->made_ms = (int64_t)had[0] * 1000 + had[1] / 1000;
        d->exporter = (be16(cap + at + 16 + 14 + 20) - 50000u) % EXPORTERS;
        d->flows = each_record(cap + d->at, cap + d->at + d->len, 0, false);
    }
    (void)close(fd);
}

/* ------------------------------------------------------------------ sending */

static void open_box(unsigned e)
{
    struct sockaddr_in from = { .sin_family = AF_INET };
    int octets = 8 << 20;

    box[e].fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    from.sin_addr.s_addr = htonl(0x7f00000bu + e);
    (void)setsockopt(box[e].fd, SOL_SOCKET, SO_SNDBUF, &octets, sizeof octets);
    if (box[e].fd < 0 || bind(box[e].fd, (const struct sockaddr *)&from, sizeof from) != 0)
        fail("socket");
}

static void flush(struct outbox *x)
{
    for (unsigned done = 0; done < x->n;) {
        int k = sendmmsg(x->fd, x->m + done, x->n - done, 0);
        if (k < 0 && errno != EINTR && errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED)
            fail("sendmmsg");
        done += k > 0 ? (unsigned)k : 0;
    }
    x->n = 0;
}

static void queue(struct datagram *d)
{
    struct outbox *x = &box[d->exporter];
    uint8_t *p = cap + d->at;
    int64_t now = clock_ms(CLOCK_REALTIME), move = now - d->made_ms;

    if (x->fd == 0)
        open_box(d->exporter);
    (void)each_record(p, p + d->len, move - d->moved_ms, true);
    d->moved_ms = move;
    be_put(p + 4, (uint64_t)now / 1000, 4);
    be_put(p + 8, x->seq, 4);
    x->seq += d->flows;
    add(BOOK_FLOWS, d->flows);
    add(BOOK_DATAGRAMS, 1);
    add(BOOK_OCTETS, d->len);
    add(BOOK_EXPORTER + d->exporter, d->flows);
    x->v[x->n] = (struct iovec){ p, d->len };
    x->m[x->n].msg_hdr = (struct msghdr){
        .msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &x->v[x->n], .msg_iovlen = 1
    };
    if (++x->n == BATCH)
        flush(x);
}

static void send_all(double per_second, double seconds)
{
    int64_t began = clock_ms(CLOCK_MONOTONIC), last = began;
    double sent = 0, may;
    size_t next = 0;

    while (!stop) {
        int64_t now = clock_ms(CLOCK_MONOTONIC);
        double due = (double)(now - began) * per_second / 1000 - sent;
        uint64_t late = due > 0 ? (uint64_t)(due / per_second * 1000) : 0;
        if ((double)(now - began) > seconds * 1000)
            break;
        if (late > atomic_load(&book[BOOK_LATE_MS]))
            atomic_store(&book[BOOK_LATE_MS], late);
        may = (double)MIN(now - last, 20) * per_second / 1000 * 2;
        for (due = MIN(due, may); due > 0; next = (next + 1) % n_list) {
            queue(&list[next]);
            due -= list[next].flows;
            sent += list[next].flows;
        }
        for (unsigned e = 0; e < EXPORTERS; e++)
            flush(&box[e]);
        last = now;
        (void)nanosleep(&(struct timespec){ 0, TICK_NS }, NULL);
    }
}

int main(int argc, char **argv)
{
    struct sigaction sa = { .sa_handler = on_term };
    int fd;

    if (argc != 6) {
        (void)fprintf(stderr, "usage: send CAPTURE PORT FLOWS_PER_SECOND SECONDS BOOK\n");
        return 2;
    }
    fd = open(argv[5], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, BOOK_N * 8) != 0)
        fail(argv[5]);
    book = mmap(NULL, BOOK_N * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (book == MAP_FAILED)
        fail(argv[5]);
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGINT, &sa, NULL);
    load(argv[1]);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
    atomic_store(&book[BOOK_FIRST_MINUTE],
                 (uint64_t)(clock_ms(CLOCK_REALTIME) / MINUTE_MS) - LONGEST_MIN);
    send_all(strtod(argv[3], NULL), strtod(argv[4], NULL));
    return 0;
}
