/* collect/quarantine.c - a datagram that killed the decoder twice is put aside as a capture that
 * any tool reads: raw IPv4 or IPv6 with UDP in a pcap file. */
#include <stdio.h>
#include <string.h>

#include "collect/internal.h"
#include "os/file.h"
#include "os/log.h"

#define LINK_TYPE_RAW 101u
#define UDP_OCTETS    8u

static void put_ip(struct buf *b, const struct frame *f)
{
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff }, none[16] = { 0 };

    if (memcmp(f->ip, v4, sizeof v4) == 0) {
        buf_be(b, 0x4500, 2);
        buf_be(b, 20 + UDP_OCTETS + f->len, 2);
        buf_be(b, 0, 4);
        buf_be(b, 0x40110000, 4); /* time to live, UDP, no checksum */
        buf_put(b, f->ip + 12, 4);
        buf_put(b, none, 4);
        return;
    }
    buf_be(b, 0x60000000, 4);
    buf_be(b, UDP_OCTETS + f->len, 2);
    buf_be(b, 0x1140, 2);
    buf_put(b, f->ip, 16);
    buf_put(b, none, 16);
}

static void put_capture(struct buf *b, const struct frame *f, uint16_t port)
{
    struct buf packet = buf_init(1u << 17);

    put_ip(&packet, f);
    buf_be(&packet, f->port, 2);
    buf_be(&packet, port, 2);
    buf_be(&packet, UDP_OCTETS + f->len, 2);
    buf_be(&packet, 0, 2);
    buf_put(&packet, f + 1, f->len);
    buf_le(b, 0xa1b2c3d4, 4);
    buf_le(b, 2, 2);
    buf_le(b, 4, 2);
    buf_le(b, 0, 8);
    buf_le(b, 262144, 4);
    buf_le(b, LINK_TYPE_RAW, 4);
    buf_le(b, (uint64_t)f->received_ms / 1000, 4);
    buf_le(b, (uint64_t)f->received_ms % 1000 * 1000, 4);
    buf_le(b, packet.len, 4);
    buf_le(b, packet.len, 4);
    buf_put(b, packet.p, packet.len);
    b->bad |= !buf_ok(&packet);
    buf_free(&packet);
}

void collect_quarantine(struct shard *s, const struct frame *f)
{
    const struct collect *k = s->k;
    unsigned l = f->listener & FRAME_LISTENER;
    struct buf b = buf_init(1u << 18);
    char path[sizeof k->quarantine_dir + 64];
    struct err e = { 0 };
    int fd = -1, rc;

    (void)snprintf(path, sizeof path, "%s/%02u-%llu.pcap", k->quarantine_dir, s->number,
                   (unsigned long long)f->serial);
    put_capture(&b, f, l < k->n_listeners ? k->listener[l].port : 0);
    if ((rc = os_mkdir(k->quarantine_dir, &e)) == ERR_OK &&
        (rc = os_file_open(&fd, path, OS_OPEN_TRUNC, &e)) == ERR_OK && buf_ok(&b))
        rc = os_file_write(fd, path, 0, b.p, b.len, &e);
    os_file_close(&fd);
    buf_free(&b);
    log_line(LOG_LEVEL_ERROR, "a datagram at which decoding ended twice is kept in %s%s%s", path,
             rc != ERR_OK ? ", which cannot be written: " : "", rc != ERR_OK ? e.msg : "");
}
