#include <stdlib.h>
#include <string.h>

#include "query/answer.h"

/* A row kept for sorting. Texts and extras stand in `hold`. */
struct kept {
    uint64_t hi, lo, seq;
    struct cell *cell;
    struct record *record;
    struct rowset *rs; /* behind what the record points to */
    int64_t received_ms, start_ms, end_ms;
    uint8_t *hold;
    size_t octets; /* counted in the budget */
};

struct list {
    struct group *g;
    struct answer_sink *sink;
    struct kept *heap; /* worst on top while it is full */
    size_t n, cap;
    uint64_t seq, sent;
    struct buf text;
    struct cell cell[PLAN_MAX_COLUMNS];
    size_t text_at[PLAN_MAX_COLUMNS];
    struct record record;
};

static int row_cells(struct list *l, uint32_t row)
{
    struct scan *s = l->g->s;
    const struct plan *p = s->p;

    buf_clear(&l->text);
    for (uint32_t i = 0; i < p->n_cols; i++) {
        const struct value_alts *a = &p->cols[i].value;
        struct cell *c = &l->cell[i];
        struct cellv v;
        *c = (struct cell){ .kind = CELL_ABSENT };
        if (!scan_value(s, a, row, &v))
            continue;
        c->u = v.u;
        switch (value_type(a)) {
        case TYPE_NUMBER:
            c->kind = CELL_UINT;
            break;
        case TYPE_TIME:
            c->kind = CELL_TIME;
            break;
        case TYPE_ADDR:
            c->kind = CELL_ADDR;
            c->a = v.a;
            c->prefix = 255;
            break;
        case TYPE_TEXT:
            c->kind = CELL_TEXT;
            l->text_at[i] = l->text.len;
            c->text_len = s->text.len;
            buf_put(&l->text, s->text.p, s->text.len);
            break;
        }
    }
    for (uint32_t i = 0; i < p->n_cols; i++)
        if (l->cell[i].kind == CELL_TEXT)
            l->cell[i].text = l->text.p != NULL ? (const char *)l->text.p + l->text_at[i] : "";
    return buf_ok(&l->text) ? ERR_OK : ERR_NOMEM;
}

/* Order of kept rows: the key, then as they came. */
static int order(const struct kept *a, const struct kept *b, bool desc)
{
    if (a->hi != b->hi)
        return (a->hi < b->hi) != desc ? -1 : 1;
    if (a->lo != b->lo)
        return (a->lo < b->lo) != desc ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}
static int rising(const void *a, const void *b)
{
    return order(a, b, false);
}
static int falling(const void *a, const void *b)
{
    return order(a, b, true);
}

/* Texts are ordered by their first 16 octets. */
static void sort_key(struct scan *s, uint32_t row, struct kept *k)
{
    struct cellv v;
    struct addr a = { { 0 } };
    bool there = scan_value(s, &s->p->sort, row, &v);
    enum value_type type = value_type(&s->p->sort);

    if (!there)
        return;
    if (type == TYPE_TEXT && s->text.len > 0)
        memcpy(a.b, s->text.p, MIN(s->text.len, sizeof a.b));
    else if (type == TYPE_ADDR)
        a = v.a;
    else
        be_put(a.b + 8, v.u, 8);
    k->hi = be64(a.b);
    k->lo = be64(a.b + 8);
}

static void kept_free(struct list *l, struct kept *k)
{
    l->g->budget.used -= k->octets;
    rowset_unref(k->rs);
    free(k->cell);
    free(k->record);
    free(k->hold);
    memset(k, 0, sizeof *k);
}

static int kept_fill(struct list *l, uint32_t row, struct kept *k)
{
    struct scan *s = l->g->s;
    const struct plan *p = s->p;
    size_t n = 0;

    k->received_ms = (int64_t)s->col[COL_RECEIVED][row];
    k->start_ms = (int64_t)s->col[COL_START][row];
    k->end_ms = (int64_t)s->col[COL_END][row];
    if (p->all_columns) {
        scan_record(s, row, &l->record);
        n = l->record.extra_len;
    } else if (row_cells(l, row) != ERR_OK) {
        return ERR_NOMEM;
    } else {
        n = l->text.len;
    }
    k->octets = n + sizeof *k + (p->all_columns ? sizeof *k->record : p->n_cols * sizeof *k->cell);
    if (budget_take(&l->g->budget, k->octets) != ERR_OK) {
        k->octets = 0;
        return ERR_LIMIT;
    }
    if ((k->hold = malloc(n + 1)) == NULL)
        return ERR_NOMEM;
    if (p->all_columns) {
        if ((k->record = malloc(sizeof *k->record)) == NULL)
            return ERR_NOMEM;
        *k->record = l->record;
        k->rs = rowset_ref((struct rowset *)(uintptr_t)s->rs); /* addresses, shape, exporter */
        if (n > 0)
            memcpy(k->hold, l->record.extra, n);
        k->record->extra = k->hold;
        return ERR_OK;
    }
    if ((k->cell = malloc((p->n_cols + 1) * sizeof *k->cell)) == NULL)
        return ERR_NOMEM;
    memcpy(k->cell, l->cell, p->n_cols * sizeof *k->cell);
    if (n > 0)
        memcpy(k->hold, l->text.p, n);
    for (uint32_t i = 0; i < p->n_cols; i++)
        if (k->cell[i].kind == CELL_TEXT)
            k->cell[i].text = (const char *)k->hold + l->text_at[i];
    return ERR_OK;
}

static void sift_down(struct kept *h, size_t n, size_t i, int (*cmp)(const void *, const void *))
{
    for (size_t k = 2 * i + 1; k < n; i = k, k = 2 * i + 1) {
        struct kept t = h[i];
        if (k + 1 < n && cmp(&h[k + 1], &h[k]) > 0)
            k++;
        if (cmp(&h[k], &h[i]) <= 0)
            return;
        h[i] = h[k];
        h[k] = t;
    }
}

static int keep(struct list *l, uint32_t row)
{
    const struct plan *p = l->g->s->p;
    int (*cmp)(const void *, const void *) = p->sort_desc ? falling : rising;
    struct kept k = { .seq = l->seq++ };
    int rc;

    sort_key(l->g->s, row, &k);
    if (p->limit > 0 && l->n == p->limit) {
        if (cmp(&k, &l->heap[0]) >= 0)
            return ERR_OK;
        kept_free(l, &l->heap[0]);
        l->heap[0] = (struct kept){ .hi = k.hi, .lo = k.lo, .seq = k.seq };
        if ((rc = kept_fill(l, row, &l->heap[0])) != ERR_OK)
            return rc;
        sift_down(l->heap, l->n, 0, cmp);
        return ERR_OK;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap * 2 + 256;
        struct kept *h = realloc(l->heap, cap * sizeof *h);
        if (h == NULL)
            return ERR_NOMEM;
        l->heap = h;
        l->cap = cap;
    }
    l->heap[l->n++] = k;
    if ((rc = kept_fill(l, row, &l->heap[l->n - 1])) != ERR_OK)
        return rc;
    if (p->limit > 0 && l->n == p->limit)
        for (size_t i = l->n / 2 + 1; i-- > 0;)
            sift_down(l->heap, l->n, i, cmp);
    return ERR_OK;
}

static int send_now(struct list *l, uint32_t row)
{
    struct scan *s = l->g->s;
    struct answer_row r = { .cell = l->cell,
                            .received_ms = (int64_t)s->col[COL_RECEIVED][row],
                            .start_ms = (int64_t)s->col[COL_START][row],
                            .end_ms = (int64_t)s->col[COL_END][row] };

    if (s->p->all_columns) {
        scan_record(s, row, &l->record);
        r.record = &l->record;
    } else if (row_cells(l, row) != ERR_OK) {
        return ERR_NOMEM;
    }
    l->sent++;
    return l->sink->row(l->sink, &r);
}

static int load_columns(struct scan *s)
{
    static const uint8_t times[] = { COL_RECEIVED, COL_START, COL_END };
    const struct plan *p = s->p;
    const uint64_t *v;
    int rc = p->all_columns ? scan_load_all(s) : ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(times); i++)
        rc = scan_col(s, (enum col)times[i], &v);
    for (uint32_t i = 0; rc == ERR_OK && i < p->n_cols && !p->all_columns; i++)
        rc = scan_load_alts(s, &p->cols[i].value);
    if (rc == ERR_OK && p->sorted)
        rc = scan_load_alts(s, &p->sort);
    return rc;
}

static int list_vector(struct scan *s, void *list)
{
    struct list *l = list;
    bool full = !s->p->sorted && s->p->limit > 0 && l->sent >= s->p->limit;
    int rc = full ? ERR_OK : load_columns(s);

    if (rc == ERR_OK)
        rc = group_vector(s, l->g); /* the totals */
    for (uint32_t j = 0; rc == ERR_OK && j < s->n_sel && !full; j++) {
        if (s->p->sorted)
            rc = keep(l, s->sel[j]);
        else if (s->p->limit == 0 || l->sent < s->p->limit)
            rc = send_now(l, s->sel[j]);
    }
    return rc;
}

int answer_list(struct group *g, const struct snapshot *snap, struct answer_sink *sink)
{
    struct list *l = calloc(1, sizeof *l);
    int rc;

    if (l == NULL)
        return ERR_NOMEM;
    l->g = g;
    l->sink = sink;
    l->text = buf_init(16u << 20);
    rc = scan_run(g->s, snap, true, group_rowset, list_vector, l);
    if (rc == ERR_OK && l->n > 0)
        qsort(l->heap, l->n, sizeof *l->heap, g->s->p->sort_desc ? falling : rising);
    for (size_t i = 0; rc == ERR_OK && i < l->n; i++) {
        const struct kept *k = &l->heap[i];
        struct answer_row r = { .cell = k->cell,
                                .record = k->record,
                                .received_ms = k->received_ms,
                                .start_ms = k->start_ms,
                                .end_ms = k->end_ms };
        rc = sink->row(sink, &r);
    }
    for (size_t i = 0; i < l->n; i++)
        kept_free(l, &l->heap[i]);
    free(l->heap);
    buf_free(&l->text);
    free(l);
    return rc;
}

static int options_of(struct scan *s, const struct rowset *rs, struct answer_sink *sink,
                      uint64_t *rows)
{
    const struct plan *p = s->p;
    struct rowset_option o;
    int rc;

    for (uint32_t i = 0; i < rs->n_options && (p->limit == 0 || *rows < p->limit); i++) {
        struct record r = { .addrs = rs->addrs };
        struct answer_row row = { .record = &r };
        if ((rc = rs->ops->option(rs, i, &o, s->e)) != ERR_OK)
            return rc;
        if (p->framed && (o.received_ms < p->from_ms || o.received_ms >= p->to_ms))
            continue;
        r.v[COL_RECEIVED] = (uint64_t)o.received_ms;
        r.shape = rs->shapes[o.shape];
        r.exporter = &rs->exporters[o.exporter];
        r.extra = o.octets;
        r.extra_len = o.len;
        row.received_ms = row.start_ms = row.end_ms = o.received_ms;
        ++*rows;
        if ((rc = sink->row(sink, &row)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int option_rows(struct scan *s, struct rowset *lazy, struct answer_sink *sink,
                       uint64_t *rows)
{
    const struct plan *p = s->p;
    struct rowset *rs;
    int rc;

    if (lazy->n_options == 0 || (p->limit != 0 && *rows >= p->limit))
        return ERR_OK;
    if (lazy->ops->open != NULL && /* bounds of an open batch are those of its flow records */
        (p->framed && (lazy->max_received_ms < p->from_ms || lazy->min_received_ms >= p->to_ms)))
        return ERR_OK;
    rc = rowset_open(lazy, &rs, s->e);
    if (rc != ERR_OK) {
        s->stats->segments_unreadable++;
        return rc == ERR_NOMEM ? rc : ERR_CORRUPT;
    }
    rc = options_of(s, rs, sink, rows);
    rowset_unref(rs);
    return rc;
}

int answer_options(struct scan *s, const struct snapshot *snap, struct answer_sink *sink,
                   uint64_t *rows)
{
    int rc = ERR_OK;

    if (s->root != NULL)
        return err_set(s->e, ERR_UNSUPPORTED,
                       "option records cannot be filtered yet: leave the "
                       "filter out");
    for (size_t i = 0; rc == ERR_OK && i < snap->n; i++) {
        s->stats->segments++;
        rc = option_rows(s, snap->sets[i], sink, rows);
        if (rc == ERR_CORRUPT) {
            s->stats->incomplete = true;
            rc = ERR_OK;
        }
    }
    return rc;
}
