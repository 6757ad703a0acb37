#include "query/scan.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/define.h"
#include "query/match.h"

#define MORSEL_BLOCKS 16u

/* ------------------------------------------------------------------ the walk */

/* Rows of the time asked for. */
static int frame_mask(struct scan *s, uint8_t *live)
{
    const uint64_t *a, *b;
    int rc;

    if (s->ctl != NULL && s->ctl->received_to_ms != 0) {
        if ((rc = scan_col(s, COL_RECEIVED, &a)) != ERR_OK)
            return rc;
        for (uint32_t i = 0; i < s->n; i++)
            live[i] &=
                (int64_t)a[i] >= s->ctl->received_from_ms && (int64_t)a[i] < s->ctl->received_to_ms;
    }
    if (s->inside)
        return ERR_OK;
    if ((rc = scan_col(s, COL_START, &a)) != ERR_OK || (rc = scan_col(s, COL_END, &b)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++) {
        int64_t start = (int64_t)a[i], end = (int64_t)b[i], from = s->p->from_ms;
        live[i] &= start < s->p->to_ms && (end > from || start >= from);
    }
    return ERR_OK;
}

static void select_rows(struct scan *s, const uint8_t *live)
{
    uint32_t k = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        s->sel[k] = (uint16_t)i;
        k += live[i];
    }
    s->n_sel = k;
}

static int one_vector(struct scan *s, const struct walk *w, const struct visitor *v)
{
    uint8_t live[ROWSET_VECTOR], out[ROWSET_VECTOR];
    int rc;

    s->loaded = s->loaded32 = 0;
    s->extras_loaded = s->rate_loaded = false;
    s->sides_loaded = 0;
    s->vector++;
    memset(live, 1, s->n);
    if ((rc = frame_mask(s, live)) != ERR_OK)
        return rc;
    if (s->root != NULL && memchr(live, 1, s->n) != NULL) {
        if ((rc = node_eval(s, s->root, live, out)) != ERR_OK)
            return rc;
        memcpy(live, out, s->n);
    }
    select_rows(s, live);
    rc = s->n_sel > 0 ? v->vector(s, v->ctx) : ERR_OK;
    if (rc == ERR_OK && w->count) {
        s->stats->rows_scanned += s->n;
        s->stats->rows_matched += s->n_sel;
    }
    return rc;
}

static void damaged(struct scan *s, const struct walk *w, uint64_t rows)
{
    s->stats->incomplete = true;
    if (w->count)
        s->stats->rows_unreadable += rows;
    if (s->stats->message[0] == '\0' && s->e != NULL)
        memcpy(s->stats->message, s->e->msg, sizeof s->stats->message - 1);
}

static bool ended(struct scan *s, const struct walk *w)
{
    return atomic_load_explicit(&w->stop, memory_order_relaxed) ||
           (s->ctl != NULL && atomic_load_explicit(&s->ctl->cancel, memory_order_relaxed));
}

static int one_block(struct scan *s, const struct walk *w, const struct visitor *v)
{
    uint32_t rows = s->rs->ops->block_rows(s->rs, s->block);
    int rc;

    s->inside = prune_inside(s, s->block);
    for (s->first = 0; s->first < rows; s->first += ROWSET_VECTOR) {
        uint32_t page = ROWSET_PAGE(s->block, s->first);
        if (ended(s, w))
            return err_set(s->e, ERR_CANCEL, "query: cancelled");
        if (s->by_page && (s->pages[page / 64] >> page % 64 & 1) == 0)
            continue;
        s->n = MIN(rows - s->first, ROWSET_VECTOR);
        rc = one_vector(s, w, v);
        if (rc == ERR_CORRUPT)
            damaged(s, w, s->n);
        else if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* Make a rowset the one that is read. s->rs = NULL: nothing of it can match. */
static int enter(struct scan *s, const struct rowset *rs, const struct snapshot *snap,
                 const struct visitor *v)
{
    int rc;

    s->rs = rs;
    s->wire = snap->facts;
    geo_enter(s, snap->geo);
    s->app_nets_known = false;
    if ((rc = rate_enter(s, snap)) != ERR_OK || (rc = prune_tables(s)) != ERR_OK)
        return rc;
    s->nothing = prune_filter(s, UINT32_MAX) == TRI_NEVER;
    if (s->nothing)
        return ERR_OK;
    if (v->enter != NULL && (rc = v->enter(s, v->ctx)) != ERR_OK)
        return rc;
    s->by_page = prune_pages(s);
    return ERR_OK;
}

static int one_morsel(struct scan *s, const struct walk *w, const struct morsel *m,
                      const struct visitor *v)
{
    const struct rowset *rs = w->snap->sets[m->set];
    int rc;

    s->set = m->set;
    rc = s->rs != rs ? enter(s, rs, w->snap, v) : ERR_OK;
    if (rc != ERR_OK)
        return rc;
    if (s->nothing) {
        s->stats->segments_pruned += w->count && m->block == 0;
        return ERR_OK;
    }
    for (s->block = m->block; s->block < m->end; s->block++) {
        s->stats->blocks += w->count;
        if (prune_block(s, s->block) || prune_filter(s, s->block) == TRI_NEVER) {
            s->stats->blocks_pruned += w->count;
            continue;
        }
        if ((rc = one_block(s, w, v)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static uint64_t rows_of(const struct walk *w, const struct morsel *m)
{
    const struct rowset *rs = w->snap->sets[m->set];
    uint64_t n = 0;

    for (uint32_t b = m->block; b < m->end; b++)
        n += rs->ops->block_rows(rs, b);
    return n;
}

static int leave(struct scan *s, const struct visitor *v)
{
    bool entered = s->rs != NULL && !s->nothing;

    if (!entered || v->leave == NULL)
        return ERR_OK;
    return v->leave(s, v->ctx);
}

static int walk_morsels(struct scan *s, struct walk *w, const struct visitor *v)
{
    size_t i;
    int rc = ERR_OK;

    while (rc == ERR_OK && (i = atomic_fetch_add(&w->next, 1)) < w->n) {
        const struct morsel *m = &w->m[i];
        if (s->rs != NULL && s->rs != w->snap->sets[m->set] && (rc = leave(s, v)) != ERR_OK)
            break;
        rc = one_morsel(s, w, m, v);
        if (rc == ERR_CORRUPT) { /* the rowset's own tables */
            damaged(s, w, rows_of(w, m));
            s->rs = NULL;
            rc = ERR_OK;
        }
    }
    return rc == ERR_OK ? leave(s, v) : rc;
}

int scan_walk(struct scan *s, struct walk *w, const struct visitor *v)
{
    int rc;

    s->rs = NULL;
    rc = walk_morsels(s, w, v);
    s->rs = NULL;
    if (rc == ERR_OK)
        return ERR_OK;
    if (atomic_exchange(&w->stop, true) && rc == ERR_CANCEL)
        return ERR_OK; /* the one that failed first has told why */
    return rc;
}

int walk_init(struct walk *w, const struct plan *p, const struct query_control *ctl,
              const struct snapshot *snap, size_t first, size_t end, const bool *done, bool count)
{
    size_t max = 0;

    memset(w, 0, sizeof *w);
    w->snap = snap;
    w->count = count;
    for (size_t i = first; i < end; i++)
        max += snap->sets[i]->n_blocks / MORSEL_BLOCKS + 1;
    if ((w->m = malloc((max + 1) * sizeof *w->m)) == NULL)
        return ERR_NOMEM;
    for (size_t i = first; i < end; i++) {
        const struct rowset *rs = snap->sets[i];
        bool out = done[i] || rs->n_rows == 0 || prune_rowset(p, ctl, rs);
        for (uint32_t b = 0; b < rs->n_blocks && !out; b += MORSEL_BLOCKS)
            w->m[w->n++] = (struct morsel){ (uint32_t)i, b, MIN(b + MORSEL_BLOCKS, rs->n_blocks) };
    }
    return ERR_OK;
}

void walk_free(struct walk *w)
{
    free(w->m);
    w->m = NULL;
    w->n = 0;
}

/* ------------------------------------------------------------------ life */

int node_make(struct node *x, const struct expr *e)
{
    x->x = e;
    if (e->n_kids == 0)
        return ERR_OK;
    if ((x->kid = calloc(e->n_kids, sizeof *x->kid)) == NULL)
        return ERR_NOMEM;
    x->n_kids = e->n_kids;
    for (uint32_t k = 0; k < e->n_kids; k++)
        if (node_make(&x->kid[k], e->kid[k]) != ERR_OK)
            return ERR_NOMEM;
    return ERR_OK;
}

void node_free(struct node *x)
{
    for (uint32_t k = 0; k < x->n_kids; k++)
        node_free(&x->kid[k]);
    free(x->kid);
    free(x->table);
    free(x->as);
}

int scan_init(struct scan *s, const struct plan *p, struct query_control *ctl,
              struct query_stats *stats, struct err *e)
{
    bool all = p->filter->op == EXPR_CONST && p->filter->yes;

    memset(s, 0, sizeof *s);
    s->p = p;
    s->ctl = ctl;
    s->stats = stats;
    s->e = e;
    s->text = buf_init(1u << 20);
    s->extras = calloc(1, sizeof *s->extras);
    s->match = pcre2_match_data_create(8, NULL);
    s->root = all ? NULL : calloc(1, sizeof *s->root);
    if (s->extras == NULL || s->match == NULL || (!all && s->root == NULL))
        return err_set(e, ERR_NOMEM, "query: out of memory");
    s->extras->hold = buf_init(BATCH_EXTRA_OCTETS);
    if (s->root != NULL && node_make(s->root, p->filter) != ERR_OK)
        return err_set(e, ERR_NOMEM, "query: out of memory");
    return ERR_OK;
}

void scan_free(struct scan *s)
{
    if (s->root != NULL)
        node_free(s->root);
    free(s->root);
    for (unsigned c = 0; c < COL_N; c++)
        free(s->col[c]);
    for (unsigned c = 0; c < COL_N; c++)
        free(s->col32[c]);
    free(s->app_net);
    for (unsigned k = 0; k < GEO_N; k++)
        free(s->geo_room[k]);
    for (unsigned k = 0; k < GEO_SIDES; k++)
        free(s->side[k]);
    define_free(s->define);
    free(s->shape_cols);
    free(s->rate_memo);
    free(s->rate);
    if (s->extras != NULL)
        buf_free(&s->extras->hold);
    free(s->extras);
    pcre2_match_data_free(s->match);
    buf_free(&s->text);
    free(s->pages);
}
