#include "query/names.h"

#include <stdlib.h>
#include <string.h>

#define IE_INGRESS_VRF 234u
#define IE_EGRESS_VRF  235u

bool names_kind(const struct value_alts *a, enum fact_kind *kind)
{
    const struct value *v = &a->v[0];

    if (a->n != 1)
        return false;
    if (v->kind == VALUE_COL && (v->col == COL_IN_IF || v->col == COL_OUT_IF)) {
        *kind = FACT_IF_NAME;
        return true;
    }
    *kind = FACT_VRF_NAME;
    return v->kind == VALUE_ELEM && v->pen == 0 && v->part_len == 0 &&
           (v->id == IE_INGRESS_VRF || v->id == IE_EGRESS_VRF);
}

/* An interface that has no name may have a description. */
static bool find_told(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
                      uint64_t id, int64_t at_ms, struct fact *f)
{
    return (fact_get(t, x, kind, id, at_ms, f, NULL, NULL) && f->len > 0) ||
           (kind == FACT_IF_NAME && fact_get(t, x, FACT_IF_TEXT, id, at_ms, f, NULL, NULL) &&
            f->len > 0);
}

/* Else what was asked by SNMP. */
static bool find_asked(const struct fact_table *t, const struct addr *a, enum fact_kind kind,
                       uint64_t id, int64_t at_ms, struct fact *f)
{
    const struct exporter_key x = { .addr = *a };

    return kind == FACT_IF_NAME &&
           (fact_get(t, &x, FACT_SNMP_IF_NAME, id, at_ms, f, NULL, NULL) ||
            fact_get(t, &x, FACT_SNMP_IF_TEXT, id, at_ms, f, NULL, NULL)) &&
           f->len > 0;
}

void names_cell(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
                int64_t at_ms, struct cell *c)
{
    struct fact f;

    if (t == NULL || c->kind != CELL_UINT ||
        (!find_told(t, x, kind, c->u, at_ms, &f) &&
         !find_asked(t, &x->addr, kind, c->u, at_ms, &f)))
        return;
    c->name = (const char *)f.text;
    c->name_len = f.len;
}

/* ------------------------------------------------------------------ of groups */

int names_meet(struct names_met *m, const struct exporter_key *x)
{
    struct exporter_key *more;
    uint32_t cap = m->cap * 2 + 16;

    for (uint32_t k = 0; k < m->n; k++)
        if (exporter_key_equal(&m->x[k], x))
            return ERR_OK;
    if (m->n == NAMES_EXPORTERS) {
        m->many = true;
        return ERR_OK;
    }
    if (m->n == m->cap) {
        if ((more = realloc(m->x, cap * sizeof *more)) == NULL)
            return ERR_NOMEM;
        m->x = more;
        m->cap = cap;
    }
    m->x[m->n++] = *x;
    return ERR_OK;
}

static int by_key(const void *a, const void *b)
{
    return exporter_key_cmp(a, b);
}

void names_sort(struct names_met *m)
{
    if (m->n > 1)
        qsort(m->x, m->n, sizeof *m->x, by_key);
}

void names_free(struct names_met *m)
{
    free(m->x);
    *m = (struct names_met){ .n = 0 };
}

/* First exporter whose address is not below. */
static uint32_t first_of(const struct names_met *m, const struct addr *a)
{
    uint32_t lo = 0, hi = m->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&m->x[mid].addr, a) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* A device numbers its interfaces once, whichever of its domains tells their names. */
static bool of_address(const struct fact_table *t, const struct names_met *m, uint32_t *at,
                       enum fact_kind kind, uint64_t id, int64_t at_ms, struct fact *f)
{
    const struct addr *a = &m->x[*at].addr;
    bool found = false;

    for (; *at < m->n && addr_cmp(&m->x[*at].addr, a) == 0; ++*at)
        found = found || find_told(t, &m->x[*at], kind, id, at_ms, f);
    return found || find_asked(t, a, kind, id, at_ms, f);
}

void names_common(const struct fact_table *t, const struct names_met *m, const struct addr *who,
                  enum fact_kind kind, int64_t at_ms, struct cell *c)
{
    struct fact name = { .len = 0 }, f = { .len = 0 };
    uint32_t at = who != NULL ? first_of(m, who) : 0;

    if (t == NULL || m->many || c->kind != CELL_UINT)
        return;
    while (at < m->n && (who == NULL || addr_cmp(&m->x[at].addr, who) == 0)) {
        if (!of_address(t, m, &at, kind, c->u, at_ms, &f) ||
            (name.len > 0 && (f.len != name.len || memcmp(f.text, name.text, f.len) != 0)))
            return;
        name = f;
    }
    c->name = (const char *)name.text;
    c->name_len = name.len;
}
