/* Tests and fuzz targets: the promises that hold after any datagram. */
#ifndef WEIR_TESTS_LEDGER_H
#define WEIR_TESTS_LEDGER_H

#include "decode/decode.h"
#include "flow/record.h"
#include "flow/rowset.h"

static inline uint64_t ledger_sum(const uint64_t v[DECODE_REASON_N])
{
    uint64_t s = 0;

    for (unsigned i = 0; i < DECODE_REASON_N; i++)
        s += v[i];
    return s;
}

static inline bool ledger_holds(const struct decode_counters *c)
{
    return c->datagrams ==
               c->datagrams_accepted + ledger_sum(c->datagrams_refused) + c->session_ends &&
           c->sets == c->sets_decoded + c->sets_template + c->sets_waiting +
                          ledger_sum(c->sets_expired) + ledger_sum(c->sets_malformed);
}

static inline uint64_t batch_value(const struct flow_batch *b, unsigned c, uint32_t row)
{
    switch (col_info[c].bits) {
    case 8:
        return ((const uint8_t *)b->col[c])[row];
    case 16:
        return ((const uint16_t *)b->col[c])[row];
    case 32:
        return ((const uint32_t *)b->col[c])[row];
    default:
        return ((const uint64_t *)b->col[c])[row];
    }
}

static inline struct record batch_record(const struct flow_batch *b, uint32_t row)
{
    struct record r = { .addrs = b->addrs };

    for (unsigned c = 0; c < COL_N; c++)
        r.v[c] = batch_value(b, c, row);
    r.shape = b->shapes[r.v[COL_SHAPE]];
    r.exporter = &b->exporters[r.v[COL_EXPORTER]];
    r.extra = b->extra_octets + b->extra_off[row];
    r.extra_len = b->extra_len[row];
    return r;
}

#endif
