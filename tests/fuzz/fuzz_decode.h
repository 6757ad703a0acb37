/* A sequence of datagrams for the decoder: pieces of 2 octets length, 1 octet of flags (below),
 * then the datagram without its version, which the target gives. Limits are low, so that ceilings
 * are met. After every datagram the ledgers must hold, and every row must encode. */
#ifndef WEIR_TESTS_FUZZ_DECODE_H
#define WEIR_TESTS_FUZZ_DECODE_H

#include <stdlib.h>
#include <string.h>

#include "../unit/ledger.h"
#include "base/rd.h"
#include "decode/checkpoint.h"

enum fuzz_flag {
    FUZZ_PORT = 3, /* source port 0 to 3 */
    FUZZ_UNTRUSTED = 4,
    FUZZ_LATER = 8, /* 30 s pass; with FUZZ_TICK 700 s: longer than a port or exporter may rest */
    FUZZ_TICK = 16,
    FUZZ_AS_IS = 32,  /* the piece has a version of its own, or is too short for one; with
                         FUZZ_PORT 3 its last octet is the source port */
    FUZZ_RESTART = 2, /* FUZZ_PORT of an empty piece with FUZZ_AS_IS: fuzz_restart() behind it */
    FUZZ_PEER = 6     /* shift of the exporter's address, 0 to 3 */
};

static int fuzz_next(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static void fuzz_check(const struct decoder *d, const struct flow_batch *b, uint32_t row)
{
    struct decode_counters t;
    struct decode_exporter x;
    struct decode_memory m;
    uint32_t n = 0;

    decoder_totals(d, &t);
    decoder_memory(d, &m);
    if (!ledger_holds(&t) || m.plans > m.exporters)
        abort();
    for (uint32_t i = 0; decoder_exporter(d, i, &x); i++)
        if (!ledger_holds(&x.c) || x.lost > (uint64_t)1 << 62 || x.templates > 16)
            abort();
    while (decoder_exporter(d, n, &x))
        n++;
    if (n != decoder_exporters(d))
        abort();
    for (unsigned i = 0; i <= DECODE_REASON_N; i++)
        if (decode_reason_name((enum decode_reason)i)[0] == '\0')
            abort();
    for (; row < flow_batch_rows(b); row++) {
        struct record r = batch_record(b, row);
        struct buf out = buf_init(1u << 18);
        if (record_encode(&r, &out) != ERR_OK || out.len < r.shape->min_octets ||
            r.v[COL_START] > r.v[COL_END])
            abort();
        buf_free(&out);
    }
}

static inline bool fuzz_even(void *ctx, const struct exporter_key *k)
{
    (void)ctx;
    return (k->addr.b[15] & 1) == 0;
}

/* Weir stops and starts again with another number of shards: half of the exporters go to another
 * decoder, and back. */
static inline void fuzz_shards(struct decoder *d, const struct decoder_limits *lim)
{
    struct decoder *half;

    if (decoder_new(&half, lim) != ERR_OK || decoder_move(half, d, fuzz_even, NULL) != ERR_OK ||
        decoder_move(d, half, fuzz_even, NULL) != ERR_OK)
        abort();
    decoder_free(half);
}

/* Weir stops and starts again: the decoder goes on as it was. */
static inline void fuzz_restart(struct decoder **d, const struct decoder_limits *lim)
{
    struct buf saved = buf_init(64u << 20);
    struct decode_counters before, after;
    struct decoder *fresh;

    decoder_totals(*d, &before);
    if (decoder_save(*d, &saved) != ERR_OK ||
        decoder_load(&fresh, lim, saved.p, saved.len, NULL) != ERR_OK)
        abort();
    decoder_free(*d);
    *d = fresh;
    fuzz_shards(*d, lim);
    decoder_totals(*d, &after);
    if (before.flows != after.flows || before.sets_waiting != after.sets_waiting)
        abort();
    buf_free(&saved);
}

/* More exporters than are near by themselves, and one that sends from more ports than it may have.
 */
static inline void fuzz_crowd(struct decoder *d, struct decode_sink *sink, int64_t now_ms)
{
    for (unsigned i = 0; i < 140; i++) {
        uint8_t g[24] = { 0, 5 };
        struct datagram in = { .octets = g,
                               .len = sizeof g,
                               .peer = addr_from_v4(0xc0000201u),
                               .peer_port = (uint16_t)(100 + i),
                               .trusted = true,
                               .received_ms = now_ms };
        be_put(g + 20, i < 70 ? i + 1 : 0, 2);
        if (decoder_feed(d, &in, sink) != ERR_OK)
            abort();
    }
}

static inline void fuzz_datagrams(uint16_t version, const uint8_t *data, size_t size)
{
    struct decoder_limits lim = { .max_exporters = 4,
                                  .max_untrusted = 2,
                                  .max_templates = 8,
                                  .max_fields = 64,
                                  .max_waiting_octets = 4096,
                                  .max_waiting_total = 8192,
                                  .waiting_ttl_s = 60,
                                  .template_ttl_s = 600,
                                  .max_octets = 24000,
                                  .reorder_window = 16 };
    static struct decode_sink sink = { .next = fuzz_next }; /* a batch is slow to make */
    struct rd r = rd_init(data, size);
    struct decoder *d;
    int64_t now_ms = 1700000000000;
    bool crowd = size > 0 && data[0] == 0xff; /* else it is half of a length, and not so large */

    if (crowd) {
        lim.max_exporters = 100;
        lim.max_octets = 0;
        (void)rd_u8(&r);
    }
    if (decoder_new(&d, &lim) != ERR_OK ||
        (sink.batch == NULL && flow_batch_new(&sink.batch) != ERR_OK))
        abort();
    if (crowd)
        fuzz_crowd(d, &sink, now_ms);
    while (r.left > 3) {
        size_t want = rd_u16(&r);
        uint8_t flags = rd_u8(&r);
        size_t len = MIN(want, r.left);
        struct rd piece = rd_sub(&r, len);
        bool as_is = (flags & FUZZ_AS_IS) != 0;
        size_t head = as_is ? 0 : 2;
        uint8_t *g = malloc(len + head + (len + head == 0)); /* exact: one octet too many is seen */
        struct datagram in = { .octets = g,
                               .len = len + head,
                               .peer = addr_from_v4(0xc0000201u + (flags >> FUZZ_PEER)),
                               .peer_port = flags & FUZZ_PORT,
                               .trusted = (flags & FUZZ_UNTRUSTED) == 0,
                               .received_ms = now_ms };
        uint32_t row = flow_batch_rows(sink.batch);
        uint64_t id = sink.batch->id;
        if (g == NULL)
            abort();
        if (!as_is)
            be_put(g, version, 2);
        if (len > 0)
            memcpy(g + head, piece.p, len);
        if (as_is && len > 0 && in.peer_port == FUZZ_PORT)
            in.peer_port = g[len - 1];
        decoder_expect(d, &in, 1);
        if (decoder_feed(d, &in, &sink) != ERR_OK)
            abort();
        if (len == 1)
            decoder_refuse(d, &in, DECODE_QUARANTINED);
        free(g);
        if (as_is && len == 0 && in.peer_port == FUZZ_RESTART)
            fuzz_restart(&d, &lim);
        fuzz_check(d, sink.batch, id == sink.batch->id ? row : 0);
        now_ms += (flags & FUZZ_LATER) == 0 ? 10 : (flags & FUZZ_TICK) == 0 ? 30000 : 700000;
        if ((flags & FUZZ_TICK) != 0)
            decoder_tick(d, now_ms);
    }
    fuzz_check(d, sink.batch, flow_batch_rows(sink.batch));
    decoder_free(d);
}

#endif
