/* Random batches for tests and benchmarks of the store: many shapes, both families, extras fixed
 * and variable, option records. Deterministic by seed. */
#ifndef WEIR_TESTS_RANDOM_BATCH_H
#define WEIR_TESTS_RANDOM_BATCH_H

#include "flow/batch.h"

struct rnd {
    uint64_t s;
};

static inline uint64_t rnd_next(struct rnd *r)
{
    r->s ^= r->s << 13;
    r->s ^= r->s >> 7;
    r->s ^= r->s << 17;
    return r->s * 0x2545f4914f6cdd1du >> 11;
}

/* A shape with `fixed` extras of 1..8 octets, one of 16, and `var` variable ones. */
static inline const struct shape *random_shape(unsigned number, unsigned fixed, unsigned var)
{
    struct shape_field f[600] = { { .id = 8, .len = 4, .col = COL_SRC_IP, .conv = CONV_IP4 },
                                  { .id = 1, .len = 8, .col = COL_BYTES, .conv = CONV_UINT } };
    struct shape *s = NULL;
    unsigned n = 2;

    for (unsigned i = 0; i < fixed; i++)
        f[n++] = (struct shape_field){ .pen = number,
                                       .id = (uint16_t)(100 + i),
                                       .len = (uint16_t)(1 + (i + number) % 8),
                                       .col = COL_NONE };
    if (fixed % 2 != 0)
        f[n++] = (struct shape_field){ .pen = 9, .id = 27, .len = 16, .col = COL_NONE };
    for (unsigned i = 0; i < var; i++)
        f[n++] = (struct shape_field){
            .pen = 9, .id = (uint16_t)(300 + i), .len = SHAPE_LEN_VAR, .col = COL_NONE
        };
    if (shape_new(&s, 10, SHAPE_FLOW, 0, f, n) != ERR_OK)
        return NULL;
    return s;
}

static inline uint32_t random_extras(struct rnd *r, const struct shape *s, uint8_t *p)
{
    uint8_t *q = p;

    for (unsigned i = 0; i < s->n_fields; i++) {
        size_t n = s->f[i].len;
        if (s->f[i].col != COL_NONE)
            continue;
        if (n == SHAPE_LEN_VAR) {
            n = rnd_next(r) % 50 == 0 ? 300 : rnd_next(r) % 12;
            if (n >= 255 || rnd_next(r) % 20 == 0) {
                *q++ = 255;
                be_put(q, n, 2);
                q += 2;
            } else {
                *q++ = (uint8_t)n;
            }
        }
        for (size_t k = 0; k < n; k++)
            *q++ = (uint8_t)(k + 2 < n ? 0 : rnd_next(r));
    }
    return (uint32_t)(q - p);
}

static inline uint32_t random_addr(struct rnd *r, struct flow_batch *b)
{
    struct addr a = addr_from_v4(0x0a140000u + (uint32_t)(rnd_next(r) % 20000));
    unsigned kind = (unsigned)(rnd_next(r) % 16);

    if (kind == 0)
        return 0;
    if (kind == 1 || kind == 2) {
        memset(&a, 0, sizeof a);
        be_put(a.b, 0x20010db800200000u + rnd_next(r) % 64, 8);
        be_put(a.b + 8, rnd_next(r), 8);
    } else if (kind == 3) {
        memset(&a, 0, sizeof a);
        a.b[15] = (uint8_t)rnd_next(r); /* below the IPv4 ones */
    } else if (kind < 8) {
        a = addr_from_v4((uint32_t)rnd_next(r));
    }
    return flow_batch_addr(b, &a);
}

static inline void set_col(struct flow_batch *b, enum col c, uint32_t i, uint64_t v)
{
    switch (col_info[c].bits) {
    case 8:
        ((uint8_t *)b->col[c])[i] = (uint8_t)v;
        return;
    case 16:
        ((uint16_t *)b->col[c])[i] = (uint16_t)v;
        return;
    case 32:
        ((uint32_t *)b->col[c])[i] = (uint32_t)v;
        return;
    default:
        ((uint64_t *)b->col[c])[i] = v;
        return;
    }
}

/* n rows and `options` option records. `t` is the time the first datagram came, advanced. Columns
 * in `wild` get random values all over their width. */
static inline struct flow_batch *random_batch(struct rnd *r, uint32_t n, uint32_t options,
                                              int64_t *t, unsigned shapes, uint64_t wild)
{
    struct flow_batch *b;
    const struct shape *s[64];
    uint64_t used = ~0ull >> (64 - COL_N) & ~(1ull << COL_OUT_BYTES) & ~(1ull << COL_REV_BYTES);
    uint32_t exporters[8], number[64] = { 0 };

    if (flow_batch_new(&b) != ERR_OK)
        return NULL;
    for (unsigned i = 0; i < shapes; i++) {
        s[i] = random_shape(i, i % 4 * 3, i % 3);
        number[i] = flow_batch_shape(b, s[i]); /* some are alike */
    }
    for (unsigned i = 0; i < 8; i++) {
        struct exporter_key k = { .addr = addr_from_v4(0xc0000200u + (uint32_t)(rnd_next(r) % 9)),
                                  .domain = i,
                                  .version = 9 };
        exporters[i] = flow_batch_exporter(b, &k);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t shape = (uint32_t)(rnd_next(r) % 10 != 0 ? i / 24 % shapes : rnd_next(r) % shapes);
        uint64_t end, duration = rnd_next(r) % 3 != 0 ? rnd_next(r) % 9000 : 0, packets;
        if (i % 24 == 0)
            *t += (int64_t)(rnd_next(r) % 3);
        end = (uint64_t)*t - rnd_next(r) % 15000;
        packets = 1 + rnd_next(r) % (1 + rnd_next(r) % 60);
        for (unsigned c = 0; c < COL_N; c++)
            if ((wild >> c & 1) != 0)
                set_col(b, c, i, rnd_next(r) << 11 ^ rnd_next(r));
        set_col(b, COL_RECEIVED, i, (uint64_t)*t);
        set_col(b, COL_END, i, end);
        set_col(b, COL_START, i, end - duration);
        set_col(b, COL_UPTIME_BASE, i, 1234567 + exporters[i % 8]);
        set_col(b, COL_EXPORTER, i, exporters[i / 24 % 8]);
        set_col(b, COL_SHAPE, i, number[shape]);
        set_col(b, COL_SRC_IP, i, random_addr(r, b));
        set_col(b, COL_DST_IP, i, random_addr(r, b));
        set_col(b, COL_NEXT_IP, i, 0);
        set_col(b, COL_BGP_NEXT_IP, i, 0);
        set_col(b, COL_SRC_PORT, i, rnd_next(r) % 2 != 0 ? 443 : 1024 + rnd_next(r) % 60000);
        set_col(b, COL_DST_PORT, i, rnd_next(r) % 2 != 0 ? 53 : 1024 + rnd_next(r) % 60000);
        set_col(b, COL_PROTO, i, rnd_next(r) % 4 != 0 ? 6 : 17);
        set_col(b, COL_TCP_FLAGS, i, rnd_next(r) % 3 != 0 ? 27 : 2);
        if ((wild >> COL_PACKETS & 1) == 0)
            set_col(b, COL_PACKETS, i, packets);
        if ((wild >> COL_BYTES & 1) == 0)
            set_col(b, COL_BYTES, i, packets * (40 + rnd_next(r) % 1400));
        set_col(b, COL_IN_IF, i, 1 + rnd_next(r) % 4);
        set_col(b, COL_OUT_IF, i, 1 + rnd_next(r) % 4);
        b->extra_off[i] = b->extra_used;
        b->extra_len[i] = random_extras(r, s[shape], b->extra_octets + b->extra_used);
        b->extra_used += b->extra_len[i];
    }
    flow_batch_publish(b, n, used);
    for (uint32_t i = 0; i < options; i++) {
        uint8_t o[40];
        memset(o, (int)(i % 7), sizeof o);
        if (flow_batch_option(b, exporters[i % 8], number[i % shapes], *t, o, i % 41) != ERR_OK)
            break;
    }
    for (unsigned i = 0; i < shapes; i++)
        shape_unref(s[i]);
    flow_batch_seal(b);
    return b;
}

#endif
