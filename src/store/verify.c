/* Every checksum of a segment. */
#include <stdio.h>
#include <string.h>

#include "store/check.h"
#include "store/read.h"

struct walk {
    const struct segment *s;
    uint8_t *block_bad;
    void (*bad)(void *ctx, const struct seg_damage *d);
    void (*step)(void *ctx, uint64_t octets);
    void *ctx;
    bool attr_bad[ATTR_N];
};

static bool sound(const struct walk *w, struct seg_ref r)
{
    const struct segment *s = w->s;

    if (r.len == 0)
        return true;
    if (r.len > s->map.len || r.off > s->map.len - r.len)
        return false;
    return seg_sum(s->map.p + r.off, r.len) == r.sum;
}

static void tables(struct walk *w)
{
    static const char *const names[TABLE_N] = {
        [TABLE_ADDRS] = "address table",
        [TABLE_PAGES] = "index of addresses",
        [TABLE_EXPORTERS] = "exporter table",
        [TABLE_SHAPES] = "shape table",
        [TABLE_OPTIONS] = "option records",
        [TABLE_MARGINAL + MARGINAL_IF] = "totals by interface",
        [TABLE_MARGINAL + MARGINAL_PROTO] = "totals by protocol",
        [TABLE_MARGINAL + MARGINAL_SERVICE] = "totals by service",
        [TABLE_ATTR + ATTR_AS] = "AS of addresses",
        [TABLE_ATTR + ATTR_MASK] = "mask of addresses",
        [TABLE_ATTR + ATTR_VLAN] = "VLAN of addresses",
        [TABLE_ATTR + ATTR_NEXT] = "next hop of addresses",
        [TABLE_GEO + GEO_AS] = "looked up AS of addresses",
        [TABLE_GEO + GEO_COUNTRY] = "country of addresses",
    };
    const struct segment *s = w->s;

    for (unsigned t = 0; t < TABLE_N; t++) {
        struct seg_damage d = { .block = UINT32_MAX };
        w->step(w->ctx, s->table[t].len);
        if (sound(w, s->table[t]))
            continue;
        (void)snprintf(d.part, sizeof d.part, "%s", names[t]);
        d.derived = t == TABLE_PAGES || t >= TABLE_GEO || (t >= TABLE_MARGINAL && t < TABLE_ATTR);
        if (t == TABLE_OPTIONS)
            d.options = s->info.n_options;
        if (t >= TABLE_ATTR && t < TABLE_GEO) {
            w->attr_bad[t - TABLE_ATTR] = true; /* rows are counted by the columns that need it */
            d.derived = true;
        }
        w->bad(w->ctx, &d);
    }
}

static bool column_sound(const struct walk *w, const struct seg_block *b, unsigned c,
                         const struct seg_column *x)
{
    const struct derive *d = &seg_derive[c];

    if (x->form == 1 && d->kind == DERIVE_ATTR && w->attr_bad[d->attr])
        return false;
    (void)b;
    return sound(w, x->ref);
}

static void block(struct walk *w, uint32_t i)
{
    const struct seg_block *b = &w->s->block[i];
    struct seg_damage d = { .block = i, .rows = b->n };
    uint32_t at = 0;
    uint64_t octets = b->extras.len + b->filter.len;

    for (unsigned c = 0; c < COL_N; c++) {
        const struct seg_column *x;
        if ((b->present >> c & 1) == 0)
            continue;
        x = &b->column[at++];
        octets += x->ref.len;
        if (column_sound(w, b, c, x))
            continue;
        (void)snprintf(d.part, sizeof d.part, "column %s", col_info[c].name);
        w->block_bad[i] = 1;
        w->bad(w->ctx, &d);
    }
    if (!sound(w, b->extras)) {
        (void)snprintf(d.part, sizeof d.part, "extras");
        w->block_bad[i] = 1;
        w->bad(w->ctx, &d);
    }
    if (!sound(w, b->filter)) {
        (void)snprintf(d.part, sizeof d.part, "index of translations");
        d.rows = 0;
        d.derived = true;
        w->bad(w->ctx, &d);
    }
    w->step(w->ctx, octets);
}

void segment_verify(const struct rowset *rs, uint8_t *block_bad,
                    void (*bad)(void *ctx, const struct seg_damage *d),
                    void (*step)(void *ctx, uint64_t octets), void *ctx)
{
    struct walk w = {
        .s = segment_of(rs), .block_bad = block_bad, .bad = bad, .step = step, .ctx = ctx
    };

    tables(&w);
    for (uint32_t i = 0; i < rs->n_blocks; i++)
        block(&w, i);
}
