#include <stdlib.h>
#include <string.h>

#include "query/answer.h"

/* A row kept for sorting; what it holds is one piece of memory, for its rowset may be closed before
 * the row is sent. */
struct kept {
    uint64_t hi, lo, seq;
    struct kept_row *row;
};
struct kept_row {
    size_t octets; /* counted in the budget */
    int64_t received_ms, start_ms, end_ms;
    struct record record; /* lists of all columns: what it points at stands in the row */
    struct exporter_key exporter;
    struct addr addr[GROUP_ADDR_COLS];
    struct cell cell[]; /* else; behind them texts or extras */
};

/* What one worker lists. */
struct list {
    struct group *g;
    struct hand *h;
    struct answer_sink *sink;
    struct kept *heap; /* worst on top while it is full */
    size_t n, cap;
    uint64_t sent;
    struct buf text;
    struct cell cell[PLAN_MAX_COLUMNS];
    size_t text_at[PLAN_MAX_COLUMNS];
    struct record record;
};

static int row_cells(struct list *l, uint32_t row)
{
    struct scan *s = &l->h->s;
    const struct plan *p = s->p;
    enum fact_kind kind;

    buf_clear(&l->text);
    for (uint32_t i = 0; i < p->n_cols; i++) {
        const struct value_alts *a = &p->cols[i].value;
        struct cell *c = &l->cell[i];
        struct cellv v;
        char text[ANSWER_TEXT];
        *c = (struct cell){ .kind = CELL_ABSENT };
        if (!scan_value(s, a, row, &v))
            continue;
        c->u = v.u;
        switch (value_type(a)) {
        case TYPE_NUMBER:
            c->kind = CELL_UINT;
            if (answer_text(a, v.u, text)) {
                c->kind = CELL_TEXT;
                l->text_at[i] = l->text.len;
                c->text_len = strlen(text);
                buf_str(&l->text, text);
            } else if (l->g->snap->facts != NULL && names_kind(a, &kind)) {
                names_cell(l->g->snap->facts, &s->rs->exporters[s->col[COL_EXPORTER][row]], kind,
                           (int64_t)s->col[COL_START][row], c);
            }
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

/* Order of kept rows: the key, then as they stand in the snapshot. */
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
    char text[ANSWER_TEXT];

    if (!there)
        return;
    if (type == TYPE_NUMBER && answer_text(&s->p->sort, v.u, text)) {
        memcpy(a.b, text, strnlen(text, sizeof a.b));
        k->hi = be64(a.b);
        k->lo = be64(a.b + 8);
        return;
    }
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
    if (k->row == NULL)
        return;
    budget_give(&l->g->budget, k->row->octets);
    shape_unref(k->row->record.shape);
    free(k->row);
    k->row = NULL;
}

/* The record with its extras at `hold`, owning all that it points at. */
static void keep_record(struct kept_row *r, const struct record *from, uint8_t *hold)
{
    uint64_t n = 0;

    r->record = *from;
    if (from->extra_len > 0)
        memcpy(hold, from->extra, from->extra_len);
    r->record.extra = hold;
    r->record.shape = shape_ref(from->shape);
    r->exporter = *from->exporter;
    r->record.exporter = &r->exporter;
    for (unsigned c = 0; c < COL_N; c++) {
        if (col_info[c].kind != COL_KIND_ADDR)
            continue;
        r->addr[n] = from->addrs[from->v[c]];
        r->record.v[c] = n++;
    }
    r->record.addrs = r->addr;
}

static int kept_fill(struct list *l, uint32_t row, struct kept *k)
{
    struct scan *s = &l->h->s;
    const struct plan *p = s->p;
    struct kept_row *r;
    size_t n = 0, cells = p->all_columns ? 0 : p->n_cols * sizeof *r->cell, octets;
    uint8_t *hold;

    if (p->all_columns) {
        scan_record(s, row, &l->record);
        n = l->record.extra_len;
    } else if (row_cells(l, row) != ERR_OK) {
        return ERR_NOMEM;
    } else {
        n = l->text.len;
    }
    octets = sizeof *r + cells + n + 1;
    if (budget_take(&l->g->budget, octets + sizeof *k) != ERR_OK)
        return ERR_LIMIT;
    if ((k->row = r = malloc(octets)) == NULL)
        return ERR_NOMEM;
    hold = (uint8_t *)r + sizeof *r + cells;
    r->octets = octets + sizeof *k;
    r->received_ms = (int64_t)s->col[COL_RECEIVED][row];
    r->start_ms = (int64_t)s->col[COL_START][row];
    r->end_ms = (int64_t)s->col[COL_END][row];
    r->record.shape = NULL;
    if (p->all_columns) {
        keep_record(r, &l->record, hold);
        return ERR_OK;
    }
    memcpy(r->cell, l->cell, cells);
    if (n > 0)
        memcpy(hold, l->text.p, n);
    for (uint32_t i = 0; i < p->n_cols; i++)
        if (r->cell[i].kind == CELL_TEXT)
            r->cell[i].text = (const char *)hold + l->text_at[i];
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

static bool full(const struct list *l)
{
    return l->g->p->limit > 0 && l->n == l->g->p->limit;
}

static int keep(struct list *l, uint32_t row, struct kept *k)
{
    const struct plan *p = l->g->p;
    int (*cmp)(const void *, const void *) = p->sort_desc ? falling : rising;
    int rc;

    if (full(l)) {
        if (cmp(k, &l->heap[0]) >= 0)
            return ERR_OK;
        kept_free(l, &l->heap[0]);
        l->heap[0] = *k;
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
    l->heap[l->n++] = *k;
    if ((rc = kept_fill(l, row, &l->heap[l->n - 1])) != ERR_OK)
        return rc;
    for (size_t i = full(l) ? l->n / 2 + 1 : 0; i-- > 0;)
        sift_down(l->heap, l->n, i, cmp);
    return ERR_OK;
}

static int send_now(struct list *l, uint32_t row)
{
    struct scan *s = &l->h->s;
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
    static const uint8_t times[] = { COL_RECEIVED, COL_START, COL_END, COL_EXPORTER };
    const struct plan *p = s->p;
    const uint64_t *v;
    int rc = p->all_columns ? scan_load_all(s) : ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(times); i++)
        rc = scan_col(s, (enum col)times[i], &v);
    for (uint32_t i = 0; rc == ERR_OK && i < p->n_cols && !p->all_columns; i++)
        rc = scan_load_alts(s, &p->cols[i].value);
    return rc;
}

/* Rows that are counted elsewhere are not listed. */
static void leave_aside(struct scan *s, const struct group *g)
{
    uint32_t n = 0;

    if (g->aside[0] == NULL || g->aside[0][s->set] == NULL)
        return;
    for (uint32_t j = 0; j < s->n_sel; j++) {
        s->sel[n] = s->sel[j];
        n += !group_bit(g->aside[0], s, s->sel[j]);
    }
    s->n_sel = n;
}

/* Rows of the vector that are not worse than the worst kept. The other columns are read only if
 * there are any. */
static int sorted_vector(struct scan *s, struct list *l)
{
    int (*cmp)(const void *, const void *) = s->p->sort_desc ? falling : rising;
    struct kept *k = malloc(s->n_sel * sizeof *k);
    uint32_t n = 0;
    int rc = k != NULL ? group_totals(s, l->h) : ERR_NOMEM;

    if (rc == ERR_OK)
        rc = scan_load_alts(s, &s->p->sort);
    leave_aside(s, l->g);

    for (uint32_t j = 0; rc == ERR_OK && j < s->n_sel; j++) {
        k[n] =
            (struct kept){ .seq = (uint64_t)s->set << 32 | s->block << 16 | s->first | s->sel[j] };
        sort_key(s, s->sel[j], &k[n]);
        n += !full(l) || cmp(&k[n], &l->heap[0]) < 0;
    }
    if (rc == ERR_OK && n > 0)
        rc = load_columns(s);
    for (uint32_t i = 0; rc == ERR_OK && i < n; i++)
        rc = keep(l, (uint32_t)(k[i].seq & (ROWSET_VECTOR - 1)), &k[i]);
    free(k);
    return rc;
}

static int list_vector(struct scan *s, void *hand)
{
    struct list *l = ((struct hand *)hand)->list;
    bool enough = s->p->limit > 0 && l->sent >= s->p->limit;
    int rc;

    if (s->p->sorted)
        return sorted_vector(s, l);
    rc = enough ? ERR_OK : load_columns(s);
    if (rc == ERR_OK)
        rc = group_totals(s, hand);
    leave_aside(s, l->g);
    for (uint32_t j = 0; rc == ERR_OK && j < s->n_sel && !enough; j++)
        if (s->p->limit == 0 || l->sent < s->p->limit)
            rc = send_now(l, s->sel[j]);
    return rc;
}

static int send_kept(struct group *g, struct answer_sink *sink, const struct kept *k, size_t n)
{
    int rc = ERR_OK;

    if (g->p->limit > 0)
        n = (size_t)MIN(n, g->p->limit);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        const struct kept_row *x = k[i].row;
        struct answer_row r = { .cell = x->cell,
                                .record = g->p->all_columns ? &x->record : NULL,
                                .received_ms = x->received_ms,
                                .start_ms = x->start_ms,
                                .end_ms = x->end_ms };
        rc = sink->row(sink, &r);
    }
    return rc;
}

/* The workers' rows as one list, in order. */
static int send_sorted(struct group *g, struct answer_sink *sink, const struct list *l, unsigned n)
{
    struct kept *all;
    size_t rows = 0, at = 0;
    int rc;

    for (unsigned w = 0; w < n; w++)
        rows += l[w].n;
    if ((all = malloc((rows + 1) * sizeof *all)) == NULL)
        return ERR_NOMEM;
    for (unsigned w = 0; w < n; w++) {
        if (l[w].n > 0)
            memcpy(all + at, l[w].heap, l[w].n * sizeof *all);
        at += l[w].n;
    }
    qsort(all, rows, sizeof *all, g->p->sort_desc ? falling : rising);
    rc = send_kept(g, sink, all, rows);
    free(all);
    return rc;
}

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        kept_free(l, &l->heap[i]);
    free(l->heap);
    buf_free(&l->text);
}

/* A sorted list is read by all workers; one in the order of the snapshot by one, and sent as it is
 * read. */
int answer_list(struct group *g, struct answer_sink *sink)
{
    unsigned workers = g->p->sorted ? g->workers : 1;
    struct list *l = calloc(workers, sizeof *l);
    int rc;

    if (l == NULL)
        return ERR_NOMEM;
    for (unsigned w = 0; w < workers; w++) {
        l[w].g = g;
        l[w].h = &g->hand[w];
        l[w].sink = sink;
        l[w].text = buf_init(16u << 20);
        g->hand[w].list = &l[w];
    }
    rc = group_walk(g, workers, list_vector);
    if (rc == ERR_OK && g->p->sorted)
        rc = send_sorted(g, sink, l, workers);
    for (unsigned w = 0; w < workers; w++)
        list_free(&l[w]);
    free(l);
    return rc;
}

static int option_rows(struct group *g, const struct rowset *rs, struct answer_sink *sink,
                       uint64_t *rows)
{
    const struct plan *p = g->p;
    struct rowset_option o;
    int rc;

    for (uint32_t i = 0; i < rs->n_options && (p->limit == 0 || *rows < p->limit); i++) {
        struct record r = { .addrs = rs->addrs };
        struct answer_row row = { .record = &r };
        if ((rc = rs->ops->option(rs, i, &o, g->e)) != ERR_OK)
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

static int option_wave(struct group *g, size_t first, size_t end, struct answer_sink *sink)
{
    int rc = ERR_OK;

    for (size_t i = first; rc == ERR_OK && i < end; i++) {
        if (g->open->unreadable[i])
            continue;
        rc = option_rows(g, g->snap->sets[i], sink, &g->stats->rows_matched);
        if (rc == ERR_CORRUPT) {
            g->stats->incomplete = true;
            rc = ERR_OK;
        }
    }
    return rc;
}

int answer_options(struct group *g, struct answer_sink *sink)
{
    size_t first = 0, end;
    int rc = ERR_OK;

    if (g->hand[0].s.root != NULL)
        return err_set(g->e, ERR_UNSUPPORTED,
                       "option records cannot be filtered yet: leave the "
                       "filter out");
    for (; rc == ERR_OK && first < g->snap->n; first = end) {
        rc = opened_wave(g->open, first, OPENED_ADDRS, &end, g->stats, g->e);
        if (rc == ERR_OK)
            rc = option_wave(g, first, end, sink);
    }
    return rc;
}
