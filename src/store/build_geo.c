/* AS numbers and countries of a segment's addresses, as they are known when it is sealed. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "store/build.h"

uint8_t build_geo_version(struct build_geo *g, const struct geo_version *v)
{
    for (uint32_t i = 0; i < g->n_versions; i++)
        if (g->version[i].id == v->id)
            return (uint8_t)(i + 1);
    if (g->n_versions == SEG_GEO_VERSIONS)
        return 0;
    g->version[g->n_versions++] = *v;
    return (uint8_t)g->n_versions;
}

/* As another segment has them: both lists of addresses ascend. */
static int from_segment(struct build *s, struct build_geo *g, const struct rowset *rs,
                        const struct rowset_geo *old)
{
    uint32_t at = 0;

    g->which = calloc((size_t)s->n_addrs + 1, 1);
    if (g->which == NULL)
        return ERR_NOMEM;
    memcpy(g->version, old->version, old->n_versions * sizeof *old->version);
    g->n_versions = old->n_versions;
    for (uint32_t i = 0; i < s->n_addrs; i++) {
        while (at < rs->n_addrs && addr_cmp(&rs->addrs[at], &s->addrs[i]) < 0)
            at++;
        g->value[i] = 0;
        if (at == rs->n_addrs || addr_cmp(&rs->addrs[at], &s->addrs[i]) != 0)
            continue;
        g->value[i] = old->value[at];
        g->which[i] = old->which != NULL ? old->which[at] : 1;
    }
    return ERR_OK;
}

static int fill(struct build *s, enum geo_kind kind)
{
    struct build_geo *g = &s->geo[kind];
    const struct rowset *kept = s->known->kept;
    struct rowset_geo old;
    bool has =
        kept != NULL && kept->ops->geo != NULL && kept->ops->geo(kept, kind, &old, NULL) == ERR_OK;

    if (kept != NULL ? !has : !geo_has(s->known->today, kind))
        return ERR_OK;
    g->value = malloc(((size_t)s->n_addrs + 1) * sizeof *g->value);
    if (g->value == NULL)
        return ERR_NOMEM;
    if (kept != NULL)
        return from_segment(s, g, kept, &old);
    (void)build_geo_version(g, &s->known->today->version[kind]);
    geo_look_up(s->known->today, kind, s->addrs, s->n_addrs, g->value);
    return ERR_OK;
}

int build_geo(struct build *s)
{
    int rc = ERR_OK;

    for (unsigned k = 0; k < GEO_N && s->known != NULL && rc == ERR_OK; k++)
        rc = fill(s, (enum geo_kind)k);
    return rc;
}

void build_geo_free(struct build *s)
{
    for (unsigned k = 0; k < GEO_N; k++) {
        free(s->geo[k].value);
        free(s->geo[k].which);
    }
}

/* u8 versions; u64 id and u64 date of each; u8 1: a vector says which is whose; values. */
void build_put_geo(struct build *s)
{
    uint64_t *v = malloc(((size_t)s->n_addrs + 1) * sizeof *v);

    s->out->bad |= v == NULL;
    for (unsigned k = 0; k < GEO_N && v != NULL; k++) {
        const struct build_geo *g = &s->geo[k];
        size_t at = s->out->len;
        if (g->value == NULL || g->n_versions == 0)
            continue;
        buf_le(s->out, g->n_versions, 1);
        for (uint32_t i = 0; i < g->n_versions; i++) {
            buf_le(s->out, g->version[i].id, 8);
            buf_le(s->out, (uint64_t)g->version[i].date_ms, 8);
        }
        buf_le(s->out, g->which != NULL, 1);
        for (uint32_t i = 0; g->which != NULL && i < s->n_addrs; i++)
            v[i] = g->which[i];
        if (g->which != NULL)
            vec_encode(s->out, v, s->n_addrs);
        for (uint32_t i = 0; i < s->n_addrs; i++)
            v[i] = g->value[i];
        vec_encode(s->out, v, s->n_addrs);
        s->table[TABLE_GEO + k] = build_ref(s->out, at);
    }
    free(v);
}
