/* The rowsets of a snapshot that a question needs, opened. */
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

static void unreadable(const struct rowset *rs, struct query_stats *st, const struct err *e)
{
    st->segments_unreadable++;
    st->rows_unreadable += rs->n_rows;
    st->incomplete = true;
    if (st->message[0] == '\0')
        memcpy(st->message, e->msg, sizeof st->message - 1);
}

int opened_make(struct snapshot *out, const struct plan *p, const struct query_control *ctl,
                const struct snapshot *snap, struct query_stats *st, struct err *e)
{
    int rc;

    *out = (struct snapshot){ .rows_unreadable = snap->rows_unreadable,
                              .segments_unreadable = snap->segments_unreadable,
                              .facts = snap->facts != NULL ? fact_table_ref(snap->facts) : NULL };
    if ((out->sets = malloc((snap->n + 1) * sizeof(struct rowset *))) == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < snap->n; i++) {
        struct rowset *rs = snap->sets[i];
        st->segments++;
        st->rows += rs->n_rows;
        if (not_needed(p, ctl, rs)) {
            st->segments_pruned++;
            continue;
        }
        rc = rowset_open(rs, &out->sets[out->n], e);
        if (rc == ERR_OK)
            out->n++;
        else if (rc == ERR_NOMEM)
            return rc;
        else
            unreadable(rs, st, e);
    }
    return ERR_OK;
}
