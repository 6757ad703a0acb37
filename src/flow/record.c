#include "flow/record.h"

#include <string.h>

/* The exporter's own time: the effective one plus what was added to it (see column start_shift). */
static uint64_t sent_ms(const struct record *r, unsigned col)
{
    return r->v[col] + r->v[col == COL_START ? COL_START_SHIFT : COL_END_SHIFT];
}

/* Octets of a field that lives in a column. */
static void from_column(const struct record *r, struct record_field *out)
{
    const struct shape_field *f = out->f;
    uint8_t *p = out->scratch;

    out->p = p;
    out->len = f->len;
    switch ((enum conv)f->conv) {
    case CONV_UINT:
        be_put(p, r->v[f->col], f->len);
        return;
    case CONV_IP4:
        memcpy(p, r->addrs[r->v[f->col]].b + 12, 4);
        return;
    case CONV_IP6:
        memcpy(p, r->addrs[r->v[f->col]].b, 16);
        return;
    case CONV_UPTIME:
        be_put(p, sent_ms(r, f->col) - r->v[COL_UPTIME_BASE], 4);
        return;
    case CONV_SEC:
        be_put(p, sent_ms(r, f->col) / 1000, 4);
        return;
    case CONV_MS:
        be_put(p, sent_ms(r, f->col), 8);
        return;
    case CONV_NONE:
    case CONV_NTP:
    case CONV_DELTA_US:
    case CONV_N:
        break; /* never stand in a shape (shape_read, plan compiler) */
    }
    memset(p, 0, sizeof out->scratch);
}

bool record_next(const struct record *r, struct record_iter *it, struct record_field *out)
{
    struct rd x;
    size_t n;

    if (it->bad || it->field >= r->shape->n_fields)
        return false;
    out->f = &r->shape->f[it->field++];
    out->long_len = false;
    if (out->f->col != COL_NONE) {
        from_column(r, out);
        return true;
    }
    x = rd_init(r->extra + it->extra_at, r->extra_len - it->extra_at);
    n = out->f->len;
    if (n == SHAPE_LEN_VAR) {
        n = rd_u8(&x);
        if (n == 255) {
            n = rd_u16(&x);
            out->long_len = true;
        }
    }
    out->p = rd_take(&x, n);
    out->len = (uint32_t)n;
    it->bad = !rd_ok(&x);
    it->extra_at = r->extra_len - (uint32_t)x.left;
    return !it->bad;
}

int record_encode(const struct record *r, struct buf *out)
{
    struct record_iter it = { 0 };
    struct record_field f;

    while (record_next(r, &it, &f)) {
        if (f.f->len == SHAPE_LEN_VAR) {
            if (f.long_len)
                buf_be(out, 255, 1);
            buf_be(out, f.len, f.long_len ? 2 : 1);
        }
        buf_put(out, f.p, f.len);
    }
    if (it.bad || it.extra_at != r->extra_len)
        return ERR_CORRUPT;
    return buf_ok(out) ? ERR_OK : ERR_NOMEM;
}
