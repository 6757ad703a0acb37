#include "cmd/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/udp_packet.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/send.h"

#define HOLD_OCTETS  (1u << 20)
#define PCAP_RAW_IP  101u
#define EXPORT_PORT  2055u /* of both ends, in captures */
#define LONGEST_US   200000
#define SEND_WAIT_MS 1000

static void pcap_head(struct buf *b)
{
    buf_le(b, 0xa1b2c3d4, 4);
    buf_le(b, 2, 2);
    buf_le(b, 4, 2);
    buf_le(b, 0, 8); /* zone and accuracy */
    buf_le(b, 65535, 4);
    buf_le(b, PCAP_RAW_IP, 4);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);

    return n > k && strcmp(s + n - k, end) == 0;
}

static int open_udp(struct target *t, struct err *e)
{
    int rc = net_place_parse(&t->place, t->text, "udp://", "--target", e);

    if (rc != ERR_OK)
        return rc;
    if (t->place.port == 0)
        return err_set(e, ERR_ARG, "--target %s: port 0 is none", t->text);
    return t->keep_source ? send_open_raw(&t->fd, t->place.v6, e) : send_open(&t->fd, &t->place, e);
}

int target_open(struct target *t, const char *text, bool ipfix, struct err *e)
{
    int rc;

    t->fd = -1;
    t->text = text;
    t->hold = buf_init(4u * HOLD_OCTETS);
    if (strstr(text, "://") != NULL) {
        t->kind = TARGET_UDP;
        return open_udp(t, e);
    }
    t->kind = ends_with(text, ".pcap") ? TARGET_PCAP : TARGET_MESSAGES;
    if (t->kind == TARGET_MESSAGES && !ipfix)
        return err_set(e, ERR_ARG,
                       "--target %s: a file of messages is one of IPFIX (--as ipfix); v5 and v9 go "
                       "to udp://ADDRESS:PORT or to FILE.pcap",
                       text);
    if (t->keep_source)
        return err_set(e, ERR_ARG,
                       "--keep-source is for udp:// targets; a capture keeps it anyway");
    rc = os_file_open(&t->fd, text, OS_OPEN_TRUNC, e);
    if (rc == ERR_OK && t->kind == TARGET_PCAP)
        pcap_head(&t->hold);
    return rc;
}

bool target_speed(struct target *t, const char *text)
{
    char *end;
    double v;

    t->times = 0;
    t->per_s = 0;
    if (strcmp(text, "max") == 0)
        return true;
    if (text[0] < '0' || text[0] > '9' || text[strspn(text, "0123456789.x/s")] != '\0')
        return false;
    v = strtod(text, &end);
    if (!(v > 0 && v <= 1e9))
        return false;
    if (strcmp(end, "/s") == 0 && v >= 1)
        t->per_s = (uint64_t)v;
    else if (*end == '\0' || strcmp(end, "x") == 0)
        t->times = v;
    else
        return false;
    return true;
}

/* --- files --- */

static int write_hold(struct target *t, struct err *e)
{
    int rc = ERR_OK;

    if (!buf_ok(&t->hold))
        rc = err_set(e, ERR_NOMEM, "%s: out of memory", t->text);
    else if (t->hold.len > 0)
        rc = os_file_write(t->fd, t->text, t->at, t->hold.p, t->hold.len, e);
    t->at += t->hold.len;
    buf_clear(&t->hold);
    return rc;
}

static void put_packet(struct target *t, const struct message *m)
{
    struct udp_ends x = { .src_port = EXPORT_PORT, .dst_port = EXPORT_PORT };
    struct addr to = addr_from_v4(0x7f000001), from = m->exporter;
    uint8_t head[UDP_PACKET_V6];
    size_t n;

    if (addr_is_zero(&from)) /* nobody knows who it was */
        from = addr_from_v4(0);
    if (!addr_is_v4(&from)) {
        to = (struct addr){ { 0 } };
        to.b[15] = 1;
    }
    memcpy(x.src, from.b, 16);
    memcpy(x.dst, to.b, 16);
    n = udp_packet_head(&x, m->octets, m->len, head);
    buf_le(&t->hold, (uint64_t)m->received_ms / 1000, 4);
    buf_le(&t->hold, (uint64_t)m->received_ms % 1000 * 1000, 4);
    buf_le(&t->hold, n + m->len, 4);
    buf_le(&t->hold, n + m->len, 4);
    buf_put(&t->hold, head, n);
    buf_put(&t->hold, m->octets, m->len);
}

/* --- speed --- */

static void wait_for(struct target *t, const struct message *m)
{
    int64_t now = clock_mono_us(), due;

    if (t->records == 0) {
        t->begin_us = now;
        t->first_ms = m->received_ms;
    }
    if (t->per_s > 0)
        due = t->begin_us + (int64_t)((double)t->records * 1e6 / (double)t->per_s);
    else if (t->times > 0)
        due = t->begin_us + (int64_t)((double)(m->received_ms - t->first_ms) * 1000 / t->times);
    else
        return;
    for (; due - now > 500; now = clock_mono_us())
        clock_sleep_us(MIN(due - now, LONGEST_US));
}

static int send_one(struct target *t, const struct message *m)
{
    int rc;

    for (;;) {
        if (t->keep_source)
            rc = send_as(t->fd, &t->place, m->exporter.b, EXPORT_PORT, m->octets, m->len);
        else
            rc = send_datagram(t->fd, m->octets, m->len);
        if (rc != ERR_FULL)
            break;
        send_wait(t->fd, SEND_WAIT_MS);
        clock_sleep_us(1000); /* what a raw socket has no room for, poll does not tell */
    }
    if (rc == ERR_UNSUPPORTED)
        return err_set(&t->e, rc,
                       "%s: the exporter's address is of another family; without --keep-source it "
                       "goes out under this host's",
                       t->text);
    return rc == ERR_OK ? rc : err_set(&t->e, rc, "%s: %s", t->text, strerror(errno));
}

int target_send(struct target *t, const struct message *m)
{
    int rc = ERR_OK;

    wait_for(t, m);
    if (t->kind == TARGET_UDP)
        rc = send_one(t, m);
    else if (t->kind == TARGET_PCAP)
        put_packet(t, m);
    else
        buf_put(&t->hold, m->octets, m->len);
    if (t->hold.len >= HOLD_OCTETS)
        rc = write_hold(t, &t->e);
    t->records += m->records;
    t->octets += m->len;
    return rc;
}

int target_close(struct target *t, struct err *e)
{
    int rc = ERR_OK;

    if (t->fd >= 0 && t->kind != TARGET_UDP) {
        rc = write_hold(t, e);
        os_file_close(&t->fd);
    }
    net_close(t->fd);
    t->fd = -1;
    buf_free(&t->hold);
    return rc;
}
