/* Segment reader: AS numbers and countries of addresses as they were when it was sealed. */
#include <stdlib.h>
#include <string.h>

#include "store/read.h"

void segment_geo_free(struct seg_geo_table *t)
{
    if (t == NULL)
        return;
    free(t->value);
    free(t->which);
    free(t);
}

static int decode(struct seg_geo_table *t, struct rd *r, uint32_t n)
{
    uint64_t *which = NULL, *value;
    bool mixed;
    int rc = ERR_OK;

    t->n_versions = (uint32_t)rd_le(r, 1);
    for (uint32_t i = 0; i < t->n_versions; i++) {
        t->version[i].id = rd_le(r, 8);
        t->version[i].date_ms = (int64_t)rd_le(r, 8);
    }
    mixed = rd_le(r, 1) != 0;
    if (!rd_ok(r) || t->n_versions == 0)
        return ERR_CORRUPT;
    if (mixed)
        which = segment_vector(r, n, &rc);
    value = segment_vector(r, n, &rc);
    t->value = rc == ERR_OK ? malloc((size_t)n * sizeof *t->value) : NULL;
    t->which = rc == ERR_OK && mixed ? malloc(n) : NULL;
    if (rc == ERR_OK && (t->value == NULL || (mixed && t->which == NULL)))
        rc = ERR_NOMEM;
    for (uint32_t i = 0; rc == ERR_OK && i < n; i++) {
        t->value[i] = (uint32_t)value[i];
        if (mixed && which[i] > t->n_versions)
            rc = ERR_CORRUPT;
        else if (mixed)
            t->which[i] = (uint8_t)which[i];
    }
    free(which);
    free(value);
    return rc == ERR_OK && r->left != 0 ? ERR_CORRUPT : rc;
}

static int load(struct segment *s, enum geo_kind kind, struct err *e)
{
    static const char *const what[GEO_N] = { "looked up AS of addresses", "country of addresses" };
    struct seg_ref ref = s->table[TABLE_GEO + kind];
    const uint8_t *p = segment_chunk(s, ref, what[kind], e);
    struct rd r = rd_init(p, p != NULL ? ref.len : 0);
    struct seg_geo_table *t;
    int rc;

    if (p == NULL)
        return ERR_CORRUPT;
    if ((t = calloc(1, sizeof *t)) == NULL)
        return err_set(e, ERR_NOMEM, "segment %s: out of memory", s->name);
    rc = decode(t, &r, s->rs.n_addrs);
    if (rc == ERR_OK && !segment_held(s, ref))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK) {
        atomic_fetch_add_explicit(&s->late_octets,
                                  sizeof *t + (uint64_t)s->rs.n_addrs * (t->which != NULL ? 5 : 4),
                                  memory_order_relaxed);
        atomic_store_explicit(&s->geo[kind], t, memory_order_release);
        return ERR_OK;
    }
    segment_geo_free(t);
    return rc == ERR_NOMEM ? err_set(e, rc, "segment %s: out of memory", s->name)
                           : err_set(e, rc, "segment %s: %s damaged", s->name, what[kind]);
}

int segment_geo(const struct rowset *rs, enum geo_kind kind, struct rowset_geo *out, struct err *e)
{
    struct segment *s = segment_of(rs);
    struct seg_geo_table *t = atomic_load_explicit(&s->geo[kind], memory_order_acquire);
    int rc = ERR_OK;

    if (s->table[TABLE_GEO + kind].len == 0)
        return ERR_UNSUPPORTED;
    if (t == NULL) {
        os_lock(&s->late);
        if (atomic_load_explicit(&s->geo[kind], memory_order_relaxed) == NULL)
            rc = load(s, kind, e);
        t = atomic_load_explicit(&s->geo[kind], memory_order_relaxed);
        os_unlock(&s->late);
    }
    if (t != NULL)
        *out = (struct rowset_geo){ t->value, t->which, t->version, t->n_versions };
    return rc;
}
