/* query/conv.h - the rows that pass, put together by conversation: what counting duplicates once
 * and stitching sessions have in common. Floor 4, inside query/ only.
 *
 * A conversation is a 5-tuple: of one direction, or with both directions folded together. A row
 * without one of its two addresses belongs to none. Workers note their rows in lists by the hash of
 * the 5-tuple; then every list is sorted by one worker and its conversations are handed out. What
 * does not fit into half of the question's memory is done in parts, each a scan of its own. */
#ifndef WEIR_QUERY_CONV_H
#define WEIR_QUERY_CONV_H

#include "query/group.h"

enum conv_bit {
    CONV_BACK = 1,    /* the other direction of a row that holds both */
    CONV_SWAP = 2,    /* folded: it went from b to a */
    CONV_BIFLOW = 4,  /* its row holds both directions, so its source is known to have opened */
    CONV_FLIPPED = 8, /* ... the other way round */
};

/* One direction of one row. */
struct conv_row {
    uint32_t a, b; /* addresses, as numbers of g->hosts; directed: from, to; folded: a <= b */
    uint16_t pa, pb;
    uint8_t proto, bits; /* enum conv_bit */
    uint16_t rate;       /* sampling rate, coarse and rising (conv_rate); 0, 1 in 1: 0 */
    uint64_t point;      /* exporter << 33 | direction << 32 | interface */
    int64_t start_ms;
    uint32_t ms; /* how long */
    uint16_t flags;
    uint64_t row;            /* set << 32 | block << 16 | row of the block */
    uint64_t bytes, packets; /* as the question counts them */
};
static inline int64_t conv_end(const struct conv_row *r)
{
    return r->start_ms + r->ms;
}

#define CONV_POINT_IF(p)       ((uint32_t)(p))
#define CONV_POINT_EXPORTER(p) ((uint32_t)((p) >> 33))
#define CONV_POINT_METER(p)    ((p) >> 32) /* exporter and direction: one clock, one cache */

/* A coarse float: 5 bits of exponent, 11 of mantissa. Keeps the order of rates. */
static inline uint16_t conv_rate(uint64_t rate)
{
    unsigned e;

    if (rate <= 1)
        return 0;
    rate = rate > UINT32_MAX ? UINT32_MAX : rate;
    e = 63u - (unsigned)__builtin_clzll(rate);
    return (uint16_t)(e << 11 | ((rate << (63 - e) << 1) >> 53));
}

/* n rows of one conversation, by start. May be called by many workers at once. */
typedef int conv_fn(void *ctx, unsigned worker, struct conv_row *r, size_t n);

struct conv_ask {
    bool count;                  /* into the statistics */
    bool folded;                 /* both directions are one conversation */
    const bool *out;             /* per rowset: left out; NULL = none */
    int64_t before_ms, after_ms; /* rows so far outside the frame are noted too */
    conv_fn *fn;
    void *ctx;
};

/* Exporters by number, over all rowsets; the same thing imported several times is one, that of the
 * last import. */
const struct exporter_key *conv_exporter(const struct group *g, uint32_t number);

/* Hand out all conversations. Rows that g->aside names are left out.
 * Errors: as query_run, what fn returned. */
int conv_each(struct group *g, const struct conv_ask *ask) WARN_UNUSED;
void conv_free(struct group *g); /* exporters */

#endif
