/* The table for people: rows are held back until enough of them show how wide each column is. */
#include <stdlib.h>
#include <string.h>

#include "flow/elem.h"
#include "present/form.h"

static struct present *of(struct answer_sink *s)
{
    return (struct present *)(void *)s;
}

/* Characters on a terminal: UTF-8 continuation octets take no room. */
static uint32_t shown(const uint8_t *p, uint32_t len)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < len; i++)
        n += (p[i] & 0xc0) != 0x80;
    return n;
}

static bool right(const struct present *p, uint32_t i)
{
    const char *n = p->col[i].name;

    if (p->col[i].role == ROLE_MEASURE)
        return true;
    return strstr(n, "if") == NULL && strstr(n, "vrf") == NULL && strstr(n, "ip") == NULL &&
           strstr(n, "host") == NULL && strcmp(n, "proto") != 0 && strcmp(n, "exporter") != 0 &&
           p->col[i].role != ROLE_BIN;
}

static void pad(struct buf *out, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        buf_char(out, ' ');
}

static void put_cell(struct present *p, uint32_t i, const uint8_t *text, uint32_t len)
{
    uint32_t w = shown(text, len), fill = p->width[i] > w ? p->width[i] - w : 0;
    bool last = i + 1 == p->n_cols;

    if (i > 0)
        buf_str(&p->out, "  ");
    if (right(p, i))
        pad(&p->out, fill);
    buf_put(&p->out, text, len);
    if (!right(p, i) && !last)
        pad(&p->out, fill);
}

static void put_held(struct present *p, const struct table_row *r)
{
    for (uint32_t i = 0; i < p->n_cols; i++)
        put_cell(p, i, p->held.p + r->off[i], r->off[i + 1] - r->off[i]);
    if (p->share_of > 0)
        buf_printf(&p->out, "  %5.1f %%", 100 * r->first / p->share_of);
    buf_char(&p->out, '\n');
}

/* Sums have shares; averages, distinct counts and times have not. */
static bool additive(const struct answer_column *col)
{
    return col->role == ROLE_MEASURE &&
           (col->measure == MEASURE_BYTES || col->measure == MEASURE_BITS ||
            col->measure == MEASURE_PACKETS || col->measure == MEASURE_FLOWS ||
            col->measure == MEASURE_DURATION_MS);
}

static double first_measure(const struct present *p, const struct cell *cell)
{
    for (uint32_t i = 0; i < p->n_cols; i++)
        if (p->col[i].role == ROLE_MEASURE)
            return !additive(&p->col[i])       ? 0
                   : cell[i].kind == CELL_UINT ? (double)cell[i].u
                   : cell[i].kind == CELL_REAL ? cell[i].real
                                               : 0;
    return 0;
}

static void release(struct present *p)
{
    for (uint32_t i = 0; i < p->n_cols; i++) {
        p->width[i] = MAX(p->width[i], (uint32_t)strlen(p->col[i].name));
        for (uint32_t k = 0; k < p->n_held && !p->widths_known; k++) {
            const struct table_row *r = &p->row[k];
            p->width[i] = MAX(p->width[i], shown(p->held.p + r->off[i], r->off[i + 1] - r->off[i]));
        }
    }
    if (!p->widths_known) {
        for (uint32_t i = 0; i < p->n_cols; i++)
            put_cell(p, i, (const uint8_t *)p->col[i].name, (uint32_t)strlen(p->col[i].name));
        buf_str(&p->out, p->share_of > 0 ? "    share\n" : "\n");
    }
    p->widths_known = true;
    for (uint32_t k = 0; k < p->n_held; k++)
        put_held(p, &p->row[k]);
    p->n_held = 0;
    buf_clear(&p->held);
}

/* "AS3320 Deutsche Telekom AG": what stands before the number is there already. */
static void as_name(struct present *p, const struct answer_column *col, const struct cell *c)
{
    struct geo_name name;
    struct cell text = { .kind = CELL_TEXT };

    if (col->what != WHAT_AS || c->kind != CELL_UINT || c->u > UINT32_MAX ||
        !geo_name(p->geo, (uint32_t)c->u, &name))
        return;
    buf_char(&p->held, ' ');
    text.text = name.text;
    text.text_len = name.len;
    text_cell_human(&p->held, &text, col, p->zone);
}

static void hold(struct present *p, const struct cell *cell, const char *label)
{
    struct table_row *r = &p->row[p->n_held++];
    bool labelled = false;

    r->first = first_measure(p, cell);
    for (uint32_t i = 0; i < p->n_cols; i++) {
        r->off[i] = (uint32_t)p->held.len;
        if (label != NULL && p->col[i].role == ROLE_KEY) {
            if (!labelled)
                buf_str(&p->held, label);
            labelled = true;
        } else if (label != NULL && cell[i].kind == CELL_ABSENT) {
            continue;
        } else {
            text_cell_human(&p->held, &cell[i], &p->col[i], p->zone);
            text_error(&p->held, cell[i].error);
            as_name(p, &p->col[i], &cell[i]);
        }
    }
    r->off[p->n_cols] = (uint32_t)p->held.len;
    if (p->n_held == TABLE_ROWS)
        release(p);
}

int table_begin(struct answer_sink *s, const struct answer_head *h)
{
    (void)s;
    (void)h;
    return ERR_OK;
}

/* A record with all its elements: one line for the row, one a element. */
static void put_record(struct present *p, const struct answer_row *r)
{
    struct record_iter it = { 0 };
    struct record_field f;
    char text[128];

    (void)addr_format(&r->record->exporter->addr, text);
    text_time(&p->out, r->received_ms, p->zone, ' ');
    buf_printf(&p->out, "  from %s, ", text);
    text_domain(&p->out, r->record->exporter->domain, r->record->exporter->version);
    buf_char(&p->out, '\n');
    while (record_next(r->record, &it, &f)) {
        (void)elem_name(f.f->pen, f.f->id, text, sizeof text);
        buf_printf(&p->out, "  %-36s ", text);
        elem_text(&p->out, f.f->pen, f.f->id, f.p, f.len);
        buf_char(&p->out, '\n');
    }
}

int table_row(struct answer_sink *s, const struct answer_row *r)
{
    struct present *p = of(s);

    p->rows++;
    if (r->record != NULL)
        put_record(p, r);
    else
        hold(p, r->cell, r->kind == ROW_REST ? "rest" : NULL);
    if (!buf_ok(&p->held))
        return ERR_NOMEM;
    return present_flush(p, false);
}

static void count(struct buf *out, uint64_t n, const char *one, const char *many)
{
    text_human(out, n);
    buf_printf(out, " %s", n == 1 ? one : many);
}

static void put_dedup(struct buf *out, const struct query_stats *st)
{
    if (st->aside_rows > 0) {
        buf_str(out, "Each flow counts once: ");
        count(out, st->aside_rows, "record", "records");
        buf_str(out, " of other observation points set aside, with ");
        count(out, st->aside_bytes, "byte", "bytes");
        buf_str(out, ".\n");
    } else if (!st->dedup && st->dedup_why[0] != '\0' && st->rows > 0) {
        buf_printf(out, "Flows count as often as they were reported: %s.\n", st->dedup_why);
    }
}

static void put_stats(struct buf *out, const struct query_stats *st)
{
    if (st->rows == 0 && !st->incomplete) {
        buf_str(
            out,
            "Nothing is stored here yet: point an exporter at weir serve, or weir import FILE.\n");
        return;
    }
    buf_str(out, "Scanned ");
    count(out, st->rows_scanned, "record", "records");
    buf_str(out, " of ");
    text_human(out, st->rows);
    buf_printf(out, " (%llu of %llu segments skipped), matched ",
               (unsigned long long)st->segments_pruned, (unsigned long long)st->segments);
    text_human(out, st->rows_matched);
    buf_printf(out, ", in %.3f s.\n", st->seconds);
    put_dedup(out, st);
    if (st->geo_today)
        buf_str(
            out,
            "AS numbers or countries of some addresses are looked up today: nothing was known when "
            "their records were sealed.\n");
    if (st->geo_none)
        buf_str(out, "Nothing is known of the countries of some addresses: weir help data.\n");
    if (!st->incomplete)
        return;
    buf_str(out, "INCOMPLETE: ");
    if (st->rows_unreadable == 0 && st->segments_unreadable == 0) {
        buf_printf(out, "%s\n", st->message);
        return;
    }
    count(out, st->rows_unreadable, "record", "records");
    buf_printf(out, " in %u damaged segments or blocks could not be read. %s\n",
               st->segments_unreadable, st->message);
}

/* The total is known only now: shares stand in tables whose rows were all held back until here. */
static void hold_total(struct present *p, const struct cell *total)
{
    if (!p->widths_known && p->plan->step_ms == 0)
        p->share_of = first_measure(p, total);
    hold(p, total, "total");
}

int table_end(struct answer_sink *s, const struct answer_end *end)
{
    struct present *p = of(s);
    const struct answer_totals *t = end->totals;

    if (p->plan->view == VIEW_RANK && end->total != NULL && p->plan->n_keys > 0)
        hold_total(p, end->total);
    if (!p->records && p->n_cols > 0 && (p->rows > 0 || p->plan->view != VIEW_TOTALS))
        release(p);
    buf_printf(&p->out, "%sTotal: ", p->rows > 0 ? "\n" : "");
    count(&p->out, t->flows, "flow", "flows");
    buf_str(&p->out, ", ");
    count(&p->out, t->bytes, "byte", "bytes");
    text_error(&p->out, t->bytes_error);
    buf_str(&p->out, ", ");
    count(&p->out, t->packets, "packet", "packets");
    text_error(&p->out, t->packets_error);
    buf_str(&p->out, ".\n");
    put_stats(&p->out, end->stats);
    if (p->gaps != NULL)
        gaps_line(&p->out, p->gaps, gaps_frame_of(p->plan));
    return present_flush(p, true);
}
