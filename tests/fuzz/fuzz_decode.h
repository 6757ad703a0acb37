/* A sequence of datagrams for the decoder: pieces of 2 octets length, 1 octet port and flags, then
 * the datagram without its version, which the target gives. Limits are low, so that ceilings are
 * met. After every datagram the ledgers must hold, and every row must encode. */
#ifndef WEIR_TESTS_FUZZ_DECODE_H
#define WEIR_TESTS_FUZZ_DECODE_H

#include <stdlib.h>
#include <string.h>

#include "../unit/ledger.h"
#include "base/rd.h"

static int fuzz_next(struct decode_sink *s)
{
    flow_batch_unref(s->batch);
    return flow_batch_new(&s->batch);
}

static void fuzz_check(const struct decoder *d, const struct flow_batch *b, uint32_t row)
{
    struct decode_counters t;
    struct decode_exporter x;

    decoder_totals(d, &t);
    if (!ledger_holds(&t))
        abort();
    for (uint32_t i = 0; decoder_exporter(d, i, &x); i++)
        if (!ledger_holds(&x.c) || x.lost > (uint64_t)1 << 62)
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

static inline void fuzz_datagrams(uint16_t version, const uint8_t *data, size_t size)
{
    struct decoder_limits lim = { .max_exporters = 4,
                                  .max_untrusted = 2,
                                  .max_templates = 8,
                                  .max_fields = 64,
                                  .max_waiting_octets = 4096,
                                  .max_waiting_total = 8192,
                                  .waiting_ttl_s = 60,
                                  .reorder_window = 16 };
    static struct decode_sink sink = { .next = fuzz_next }; /* a batch is slow to make */
    struct rd r = rd_init(data, size);
    struct decoder *d;
    int64_t now_ms = 1700000000000;

    if (decoder_new(&d, &lim) != ERR_OK ||
        (sink.batch == NULL && flow_batch_new(&sink.batch) != ERR_OK))
        abort();
    while (r.left > 3) {
        size_t want = rd_u16(&r);
        uint8_t flags = rd_u8(&r);
        size_t len = MIN(want, r.left);
        struct rd piece = rd_sub(&r, len);
        uint8_t *g = malloc(len + 2); /* exact size: one octet too many is seen */
        struct datagram in = { .octets = g,
                               .len = len + 2,
                               .peer = addr_from_v4(0xc0000201u + (flags >> 6)),
                               .peer_port = flags & 3,
                               .trusted = (flags & 4) == 0,
                               .received_ms = now_ms };
        uint32_t row = flow_batch_rows(sink.batch);
        uint64_t id = sink.batch->id;
        if (g == NULL)
            abort();
        be_put(g, version, 2);
        if (len > 0)
            memcpy(g + 2, piece.p, len);
        if (decoder_feed(d, &in, &sink) != ERR_OK)
            abort();
        free(g);
        fuzz_check(d, sink.batch, id == sink.batch->id ? row : 0);
        now_ms += (flags & 8) != 0 ? 30000 : 10;
        if ((flags & 16) != 0)
            decoder_tick(d, now_ms);
    }
    fuzz_check(d, sink.batch, flow_batch_rows(sink.batch));
    decoder_free(d);
}

#endif
