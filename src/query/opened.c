#include "query/opened.h"

#include <stdlib.h>
#include <string.h>

#include "query/match.h"

/* Can nothing of a rowset be asked for? Counts and time bounds are known without its file. */
static bool not_needed(const struct plan *p, const struct query_control *ctl,
                       const struct rowset *rs)
{
    if (!p->option_records)
        return rs->n_rows == 0 || prune_rowset(p, ctl, rs);
    return rs->n_options == 0 || /* bounds of an open batch are those of its flow records */
           (rs->ops->open != NULL && p->framed &&
            (rs->max_received_ms < p->from_ms || rs->min_received_ms >= p->to_ms));
}

int opened_make(struct opened *o, const struct plan *p, const struct plan *wide,
                const struct query_control *ctl, const struct snapshot *snap,
                struct query_stats *st)
{
    uint32_t max = ctl != NULL && ctl->open_max > 0 ? ctl->open_max : QUERY_OPEN_MAX;

    memset(o, 0, sizeof *o);
    o->max = MIN(max, QUERY_OPEN_MAX);
    o->sets.rows_unreadable = snap->rows_unreadable;
    o->sets.segments_unreadable = snap->segments_unreadable;
    if (p->defs == NULL || p->defs->n_as_names == 0)
        o->sets.geo = geo_ref(snap->geo);
    else if (geo_with_names(&o->sets.geo, snap->geo, p->defs->as_name, p->defs->n_as_names) !=
             ERR_OK)
        return ERR_NOMEM;
    o->sets.facts = snap->facts != NULL ? fact_table_ref(snap->facts) : NULL;
    o->sets.rules = rate_rules_ref(snap->rules);
    o->sets.sets = malloc((snap->n + 1) * sizeof(struct rowset *));
    o->shut = malloc((snap->n + 1) * sizeof(struct rowset *));
    o->unreadable = calloc(snap->n + 1, sizeof *o->unreadable);
    if (o->sets.sets == NULL || o->shut == NULL || o->unreadable == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < snap->n; i++) {
        struct rowset *rs = snap->sets[i];
        st->segments++;
        st->rows += rs->n_rows;
        st->segments_pruned += not_needed(p, ctl, rs);
        if (not_needed(wide, ctl, rs))
            continue;
        o->shut[o->sets.n] = rs;
        o->sets.sets[o->sets.n++] = rowset_ref(rs);
    }
    return ERR_OK;
}

void opened_free(struct opened *o)
{
    snapshot_free(&o->sets);
    free(o->shut);
    free(o->unreadable);
}

static void mark_unreadable(struct opened *o, size_t i, struct query_stats *st, const struct err *e)
{
    o->unreadable[i] = true;
    st->segments_unreadable++;
    st->rows_unreadable += o->shut[i]->n_rows;
    st->incomplete = true;
    if (st->message[0] == '\0')
        memcpy(st->message, e->msg, sizeof st->message - 1);
}

static int open_one(struct opened *o, size_t i, struct query_stats *st, struct err *e)
{
    struct rowset *rs;
    int rc;

    if (o->unreadable[i])
        return ERR_OK;
    rc = rowset_open(o->shut[i], &rs, e);
    if (rc == ERR_OK) {
        rowset_unref(o->sets.sets[i]);
        o->sets.sets[i] = rs;
    } else if (rc != ERR_NOMEM) {
        mark_unreadable(o, i, st, e);
        rc = ERR_OK;
    }
    return rc;
}

static void shut_till(struct opened *o, size_t end)
{
    for (; o->lo < end; o->lo++) {
        rowset_unref(o->sets.sets[o->lo]);
        o->sets.sets[o->lo] = rowset_ref(o->shut[o->lo]);
    }
}

int opened_wave(struct opened *o, size_t first, uint64_t max_addrs, size_t *end,
                struct query_stats *st, struct err *e)
{
    uint64_t addrs = 0;
    size_t i;
    int rc;

    if (first >= o->lo && first <= o->hi) {
        shut_till(o, first);
    } else {
        shut_till(o, o->hi);
        o->lo = o->hi = first;
    }
    for (i = first; i < o->sets.n && i - first < o->max; i++) {
        if (i == o->hi) {
            if ((rc = open_one(o, i, st, e)) != ERR_OK)
                return rc;
            o->hi++;
        }
        addrs += o->sets.sets[i]->n_addrs;
        if (i > first && addrs > max_addrs)
            break; /* it stays open for the next wave */
    }
    *end = i;
    return ERR_OK;
}
