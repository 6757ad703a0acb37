#include "flow/shape.h"

#include <stdlib.h>
#include <string.h>

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0xff51afd7ed558ccdu;
    return h ^ h >> 32;
}

int shape_new(struct shape **out, uint8_t proto, enum shape_kind kind, unsigned n_scope,
              const struct shape_field *f, unsigned n_fields)
{
    struct shape *s;

    *out = NULL;
    if (n_fields > SHAPE_MAX_FIELDS || n_scope > n_fields)
        return ERR_ARG;
    s = calloc(1, sizeof *s + n_fields * sizeof *f);
    if (s == NULL)
        return ERR_NOMEM;
    atomic_init(&s->refs, 1);
    s->proto = proto;
    s->kind = (uint8_t)kind;
    s->n_scope = (uint16_t)n_scope;
    s->n_fields = (uint16_t)n_fields;
    s->hash = mix(mix(proto, kind), n_scope);
    for (unsigned i = 0; i < n_fields; i++) {
        bool var = f[i].len == SHAPE_LEN_VAR;
        s->f[i] = f[i];
        s->hash = mix(s->hash, (uint64_t)f[i].pen << 32 | (uint64_t)f[i].id << 16 | f[i].len);
        s->hash = mix(s->hash, (uint64_t)f[i].col << 8 | f[i].conv);
        s->has_var |= var;
        s->min_octets += var ? 1 : f[i].len;
        if (f[i].col == COL_NONE) {
            s->extra_var |= var;
            s->extra_octets += var ? 1 : f[i].len;
        }
    }
    *out = s;
    return ERR_OK;
}

const struct shape *shape_ref(const struct shape *s)
{
    atomic_fetch_add_explicit(&((struct shape *)(uintptr_t)s)->refs, 1, memory_order_relaxed);
    return s;
}

void shape_unref(const struct shape *s)
{
    struct shape *m = (struct shape *)(uintptr_t)s;

    if (m != NULL && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1)
        free(m);
}

static bool field_equal(const struct shape_field *a, const struct shape_field *b)
{
    return a->pen == b->pen && a->id == b->id && a->len == b->len && a->col == b->col &&
           a->conv == b->conv;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a == b)
        return true;
    if (a->hash != b->hash || a->proto != b->proto || a->kind != b->kind ||
        a->n_scope != b->n_scope || a->n_fields != b->n_fields)
        return false;
    for (unsigned i = 0; i < a->n_fields; i++)
        if (!field_equal(&a->f[i], &b->f[i]))
            return false;
    return true;
}

uint64_t shape_section_cols(uint32_t pen, uint16_t id)
{
    if (pen != 0 || (id != 313 && id != 315 && id != 104))
        return 0;
    return 1ull << COL_SRC_IP | 1ull << COL_DST_IP | 1ull << COL_SRC_PORT | 1ull << COL_DST_PORT |
           1ull << COL_PROTO | 1ull << COL_TCP_FLAGS | 1ull << COL_TOS | 1ull << COL_BYTES |
           1ull << COL_PACKETS | (id != 313 ? 1ull << COL_SRC_VLAN : 0);
}

void shape_write(const struct shape *s, struct buf *out)
{
    buf_le(out, s->proto, 1);
    buf_le(out, s->kind, 1);
    buf_le(out, s->n_scope, 2);
    buf_le(out, s->n_fields, 2);
    for (unsigned i = 0; i < s->n_fields; i++) {
        const struct shape_field *f = &s->f[i];
        buf_le(out, f->pen, 4);
        buf_le(out, f->id, 2);
        buf_le(out, f->len, 2);
        buf_le(out, f->col, 1);
        buf_le(out, f->conv, 1);
    }
}

/* A column can give back only what its conversion and width hold. */
static bool field_valid(const struct shape_field *f)
{
    if (f->col == COL_NONE)
        return f->conv == CONV_NONE;
    if (f->col >= COL_N)
        return false;
    switch ((enum conv)f->conv) {
    case CONV_UINT:
        return f->len >= 1 && f->len * 8u <= col_info[f->col].bits &&
               col_info[f->col].kind == COL_KIND_UINT;
    case CONV_IP4:
        return f->len == 4 && col_info[f->col].kind == COL_KIND_ADDR;
    case CONV_IP6:
        return f->len == 16 && col_info[f->col].kind == COL_KIND_ADDR;
    case CONV_UPTIME:
    case CONV_SEC:
        return f->len == 4 && (f->col == COL_START || f->col == COL_END);
    case CONV_MS:
        return f->len == 8 && (f->col == COL_START || f->col == COL_END);
    case CONV_NONE:
    case CONV_NTP:
    case CONV_DELTA_US:
    case CONV_N:
        return false;
    }
    return false;
}

int shape_read(struct shape **out, struct rd *r)
{
    uint8_t proto = (uint8_t)rd_le(r, 1), kind = (uint8_t)rd_le(r, 1);
    unsigned n_scope = (unsigned)rd_le(r, 2), n = (unsigned)rd_le(r, 2);
    struct shape_field *f;
    int rc = ERR_FORMAT;

    *out = NULL;
    if (!rd_ok(r) || n > SHAPE_MAX_FIELDS || n_scope > n || kind > SHAPE_OPTION ||
        r->left < n * 10u)
        return ERR_FORMAT;
    f = calloc(n > 0 ? n : 1, sizeof *f);
    if (f == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < n; i++) {
        f[i].pen = (uint32_t)rd_le(r, 4);
        f[i].id = (uint16_t)rd_le(r, 2);
        f[i].len = (uint16_t)rd_le(r, 2);
        f[i].col = (uint8_t)rd_le(r, 1);
        f[i].conv = (uint8_t)rd_le(r, 1);
        if (!field_valid(&f[i]))
            goto out;
    }
    rc = shape_new(out, proto, kind, n_scope, f, n);
out:
    free(f);
    return rc;
}
