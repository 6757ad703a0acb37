/* Merge of segments: AS numbers and countries of addresses. Of each address the first answer
 * counts, over the inputs in order of time: a fact of the record's time stays one. */
#include <stdlib.h>

#include "store/merge_part.h"

/* What input i says, into the output. Damaged: nothing was looked up. */
static int take(struct merge *m, struct build_geo *g, size_t i, enum geo_kind kind)
{
    const struct merge_input *in = &m->in[i];
    uint8_t number[SEG_GEO_VERSIONS + 1u] = { 0 };
    struct rowset_geo old;
    struct err e;
    int rc = segment_geo(&in->s->rs, kind, &old, &e);

    if (rc == ERR_NOMEM)
        return err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
    if (rc != ERR_OK)
        return ERR_OK;
    m->r->octets_read += in->s->table[TABLE_GEO + kind].len;
    for (uint32_t v = 0; v < old.n_versions; v++)
        number[v + 1] = build_geo_version(g, &old.version[v]);
    for (uint32_t c = 0; c < in->s->rs.n_addrs; c++) {
        uint32_t at = in->addr[c];
        uint8_t which = number[old.which != NULL ? old.which[c] : 1];
        if (g->which[at] != 0 || which == 0)
            continue;
        g->which[at] = which;
        g->value[at] = old.value[c];
    }
    return ERR_OK;
}

/* All of one version: nothing needs to say which. */
static void simplify(struct build_geo *g, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (g->which[i] != 1)
            return;
    if (g->n_versions != 1)
        return;
    free(g->which);
    g->which = NULL;
}

int merge_geo(struct merge *m)
{
    int rc = ERR_OK;

    for (unsigned k = 0; k < GEO_N; k++) {
        struct build_geo *g = &m->b.geo[k];
        bool any = false;
        for (size_t i = 0; i < m->n_in; i++)
            any |= m->in[i].s->table[TABLE_GEO + k].len > 0;
        if (!any)
            continue;
        g->value = calloc((size_t)m->b.n_addrs + 1, sizeof *g->value);
        g->which = calloc((size_t)m->b.n_addrs + 1, 1);
        if (g->value == NULL || g->which == NULL)
            return err_set(m->e, ERR_NOMEM, "%s: out of memory", m->path);
        for (size_t i = 0; i < m->n_in && rc == ERR_OK; i++)
            rc = take(m, g, i, (enum geo_kind)k);
        if (rc != ERR_OK)
            return rc;
        simplify(g, m->b.n_addrs);
    }
    return ERR_OK;
}
