#include "flow/translated.h"

#include <xxhash.h>

#define ADDRS_MAX 4u
#define PORTS_MAX 4u

uint64_t translated_key(enum translated_kind kind, const struct addr *a, unsigned number)
{
    uint8_t v[20];

    memcpy(v, a->b, 16);
    v[16] = (uint8_t)kind;
    v[17] = 0;
    le_put(v + 18, number, 2);
    return XXH3_64bits(v, sizeof v);
}

static bool is_address(const struct shape_field *f)
{
    return f->pen == 0 &&
           (f->id == TRANSLATED_IP4 || f->id == TRANSLATED_IP6 || f->id == TRANSLATED_IP4_CISCO);
}

bool translated_shape(const struct shape *s)
{
    for (unsigned i = 0; s->kind == SHAPE_FLOW && i < s->n_fields; i++)
        if (is_address(&s->f[i]))
            return true;
    return false;
}

struct said {
    struct addr a[ADDRS_MAX];
    uint64_t port[PORTS_MAX], start, end;
    unsigned n_addrs, n_ports;
    bool has_start, has_end, has_port; /* has_port: 227, not Cisco's */
};

/* One value; false: there are more than we have room for. */
static bool take(struct said *x, const struct shape_field *f, const uint8_t *p, size_t n)
{
    uint64_t v = n >= 1 && n <= 8 ? be_uint(p, n) : 0;

    if (is_address(f) && (n == 4 || n == 16)) {
        if (x->n_addrs == ADDRS_MAX)
            return false;
        if (n == 4)
            x->a[x->n_addrs++] = addr_from_v4(be32(p));
        else
            memcpy(x->a[x->n_addrs++].b, p, 16);
        return true;
    }
    if (f->pen != 0)
        return true;
    if (f->id == TRANSLATED_PORT || f->id == TRANSLATED_PORT_CISCO) {
        if (x->n_ports == PORTS_MAX)
            return false;
        x->has_port |= f->id == TRANSLATED_PORT;
        x->port[x->n_ports++] = v;
    } else if (f->id == TRANSLATED_BLOCK_START) {
        x->start = x->has_start ? MIN(x->start, v) : v;
        x->has_start = true;
    } else if (f->id == TRANSLATED_BLOCK_END) {
        x->end = x->has_end ? MAX(x->end, v) : v;
        x->has_end = true;
    }
    return true;
}

static bool read_row(struct said *x, const struct shape *s, struct rd r)
{
    for (unsigned i = 0; i < s->n_fields; i++) {
        const struct shape_field *f = &s->f[i];
        size_t n = f->len;
        const uint8_t *p;
        if (f->col != COL_NONE)
            continue;
        if (n == SHAPE_LEN_VAR) {
            n = rd_u8(&r);
            n = n == 255 ? rd_u16(&r) : n;
        }
        p = rd_take(&r, n);
        if (p == NULL || !take(x, f, p, n))
            return false;
    }
    return true;
}

bool translated_row(const struct shape *s, const uint8_t *extra, size_t len,
                    void (*each)(void *ctx, uint64_t key, bool often), void *ctx)
{
    struct said x = { 0 };

    if (!read_row(&x, s, rd_init(extra, len)) || x.start > UINT16_MAX)
        return false;
    x.end = MIN(x.end, (uint64_t)UINT16_MAX);
    for (unsigned i = 0; i < x.n_addrs; i++) {
        const struct addr *a = &x.a[i];
        each(ctx, translated_key(TRANSLATED_ADDRESS, a, 0), true);
        for (unsigned k = 0; k < x.n_ports; k++)
            if (x.port[k] <= UINT16_MAX)
                each(ctx, translated_key(TRANSLATED_WITH_PORT, a, (unsigned)x.port[k]), false);
        if (x.has_end && x.start <= x.end)
            for (uint64_t c = x.start / TRANSLATED_CHUNK; c <= x.end / TRANSLATED_CHUNK; c++)
                each(ctx, translated_key(TRANSLATED_IN_BLOCK, a, (unsigned)c), false);
        if (!x.has_port && !x.has_end)
            each(ctx, translated_key(TRANSLATED_OTHER, a, 0), true);
    }
    return true;
}
