#include "present/present.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "present/form.h"

static const struct {
    const char *name, *type;
} formats[] = {
    [PRESENT_TABLE] = { "table", "text/plain; charset=utf-8" },
    [PRESENT_CSV] = { "csv", "text/csv; charset=utf-8" },
    [PRESENT_JSON] = { "json", "application/json" },
    [PRESENT_NDJSON] = { "ndjson", "application/x-ndjson" },
};

bool present_format_parse(const char *s, enum present_format *out)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++)
        if (strcmp(s, formats[i].name) == 0) {
            *out = (enum present_format)i;
            return true;
        }
    return false;
}

const char *present_content_type(enum present_format f)
{
    return formats[f].type;
}

int present_flush(struct present *p, bool all)
{
    int rc;

    if (!buf_ok(&p->out))
        return ERR_NOMEM;
    if (p->out.len == 0 || (!all && p->out.len < PRESENT_FLUSH_OCTETS))
        return ERR_OK;
    rc = p->write(p->ctx, p->out.p, p->out.len);
    buf_clear(&p->out);
    return rc;
}

static struct present *of(struct answer_sink *s)
{
    return (struct present *)(void *)s;
}

static int begin(struct answer_sink *s, const struct answer_head *h)
{
    struct present *p = of(s);

    p->plan = h->plan;
    geo_unref(p->geo);
    p->geo = geo_ref(h->geo);
    p->n_cols = h->n_cols;
    p->records = h->n_cols == 0 && h->plan->view == VIEW_LIST;
    memcpy(p->col, h->col, h->n_cols * sizeof *h->col);
    if (p->format == PRESENT_TABLE)
        return table_begin(s, h);
    if (p->format == PRESENT_JSON)
        buf_str(&p->out, "{\"rows\":[");
    if (p->format == PRESENT_CSV) {
        if (p->records)
            buf_str(&p->out, "received,start,end,record");
        for (uint32_t i = 0; i < p->n_cols; i++) {
            if (i > 0)
                buf_char(&p->out, ',');
            text_csv(&p->out, p->col[i].name, strlen(p->col[i].name));
        }
        buf_char(&p->out, '\n');
    }
    return present_flush(p, false);
}

/* A further field of a cell: ,"bytes_error_percent": */
static void beside(struct present *p, uint32_t i, const char *what)
{
    struct buf name = buf_init(256);

    buf_printf(&name, "%s%s", p->col[i].name, what);
    buf_char(&p->out, ',');
    text_json_string(&p->out, buf_cstr(&name), name.len);
    buf_char(&p->out, ':');
    buf_free(&name);
}

/* Behind a number of an AS its name. */
static void as_name_json(struct present *p, uint32_t i, const struct cell *c)
{
    struct geo_name name;

    if (p->col[i].what != WHAT_AS || c->kind != CELL_UINT || c->u > UINT32_MAX ||
        !geo_name(p->geo, (uint32_t)c->u, &name))
        return;
    beside(p, i, "_name");
    text_json_string(&p->out, name.text, name.len);
}

static void object(struct present *p, const struct cell *cell)
{
    buf_char(&p->out, '{');
    for (uint32_t i = 0; i < p->n_cols; i++) {
        if (i > 0)
            buf_char(&p->out, ',');
        text_json_string(&p->out, p->col[i].name, strlen(p->col[i].name));
        buf_char(&p->out, ':');
        text_cell(&p->out, &cell[i], p->zone, true);
        if (cell[i].error > 0) {
            beside(p, i, "_error_percent");
            buf_printf(&p->out, "%.2f", cell[i].error * 100);
        }
        if (cell[i].name_len > 0) {
            beside(p, i, "_name");
            text_json_string(&p->out, cell[i].name, cell[i].name_len);
        }
        as_name_json(p, i, &cell[i]);
    }
    buf_char(&p->out, '}');
}

static void row_json(struct present *p, const struct answer_row *r)
{
    if (p->format == PRESENT_JSON && r->kind == ROW_REST) {
        /* a series has a rest for each bin, so the rest is a list too */
        buf_str(&p->out, p->rest ? "," : "],\"rest\":[");
        p->rest = true;
    } else if (p->format == PRESENT_JSON && p->rows > 0) {
        buf_char(&p->out, ',');
    }
    if (r->record != NULL)
        text_record_json(&p->out, r, p->zone, !p->plan->ipfix_names);
    else
        object(p, r->cell);
    if (p->format == PRESENT_NDJSON)
        buf_char(&p->out, '\n');
}

static void row_csv(struct present *p, const struct answer_row *r)
{
    if (r->record != NULL) {
        struct buf json = buf_init(16u << 20);
        text_time(&p->out, r->received_ms, p->zone, 'T');
        buf_char(&p->out, ',');
        text_time(&p->out, r->start_ms, p->zone, 'T');
        buf_char(&p->out, ',');
        text_time(&p->out, r->end_ms, p->zone, 'T');
        buf_char(&p->out, ',');
        text_record_json(&json, r, p->zone, false);
        text_csv(&p->out, buf_cstr(&json), json.len);
        buf_free(&json);
    }
    for (uint32_t i = 0; i < p->n_cols; i++) {
        if (i > 0)
            buf_char(&p->out, ',');
        text_cell(&p->out, &r->cell[i], p->zone, false);
    }
    buf_char(&p->out, '\n');
}

static int row(struct answer_sink *s, const struct answer_row *r)
{
    struct present *p = of(s);

    /* lines of NDJSON and CSV are rows to be summed up by others: the rest would count as one */
    if (r->kind == ROW_REST && (p->format == PRESENT_CSV || p->format == PRESENT_NDJSON))
        return ERR_OK;
    if (p->format == PRESENT_CSV)
        row_csv(p, r);
    else
        row_json(p, r);
    p->rows++;
    return present_flush(p, false);
}

static void stats_json(struct present *p, const struct query_stats *st)
{
    struct buf *out = &p->out;

    buf_printf(out, "{\"seconds\":%.6f,\"segments\":%llu,\"segments_pruned\":%llu", st->seconds,
               (unsigned long long)st->segments, (unsigned long long)st->segments_pruned);
    buf_printf(out, ",\"blocks\":%llu,\"blocks_pruned\":%llu", (unsigned long long)st->blocks,
               (unsigned long long)st->blocks_pruned);
    buf_printf(out, ",\"rows\":%llu,\"rows_scanned\":%llu,\"rows_matched\":%llu",
               (unsigned long long)st->rows, (unsigned long long)st->rows_scanned,
               (unsigned long long)st->rows_matched);
    buf_printf(out, ",\"rows_unreadable\":%llu,\"segments_unreadable\":%u,\"incomplete\":%s",
               (unsigned long long)st->rows_unreadable, st->segments_unreadable,
               st->incomplete ? "true" : "false");
    buf_printf(out, ",\"dedup\":%s", st->dedup ? "true" : "false");
    if (st->dedup)
        buf_printf(out, ",\"records_set_aside\":%llu,\"bytes_set_aside\":%llu",
                   (unsigned long long)st->aside_rows, (unsigned long long)st->aside_bytes);
    else if (st->dedup_why[0] != '\0')
        buf_printf(out, ",\"dedup_off\":\"%s\"", st->dedup_why);
    if (st->geo_today || st->geo_none)
        buf_printf(out, ",\"geo\":\"%s\"", st->geo_today ? "today" : "none");
    if (st->message[0] != 0) {
        buf_str(out, ",\"message\":");
        text_json_string(out, st->message, strlen(st->message));
    }
    if (p->gaps != NULL) {
        buf_str(out, ",\"gaps\":");
        gaps_json(out, p->gaps, p->zone);
        if (p->gaps->n > GAPS_SHOWN || p->gaps->left_out > 0)
            buf_printf(
                out, ",\"gaps_not_shown\":%llu",
                (unsigned long long)(p->gaps->left_out +
                                     (p->gaps->n > GAPS_SHOWN ? p->gaps->n - GAPS_SHOWN : 0)));
    }
    buf_char(out, '}');
}

static void totals_json(struct buf *out, const struct answer_totals *t)
{
    buf_printf(out, "{\"flows\":%llu,\"bytes\":%llu,\"packets\":%llu", (unsigned long long)t->flows,
               (unsigned long long)t->bytes, (unsigned long long)t->packets);
    if (t->bytes_error > 0)
        buf_printf(out, ",\"bytes_error_percent\":%.2f", t->bytes_error * 100);
    if (t->packets_error > 0)
        buf_printf(out, ",\"packets_error_percent\":%.2f", t->packets_error * 100);
    buf_char(out, '}');
}

static int end(struct answer_sink *s, const struct answer_end *end_)
{
    struct present *p = of(s);
    const struct answer_totals *t = end_->totals;

    if (p->format == PRESENT_NDJSON && p->plan->view == VIEW_TOTALS && p->n_cols == 0) {
        totals_json(&p->out, t);
        buf_char(&p->out, '\n');
    }
    if (p->format == PRESENT_JSON) {
        buf_str(&p->out, "],\"totals\":");
        totals_json(&p->out, t);
        if (end_->total != NULL && p->n_cols > 0) {
            buf_str(&p->out, ",\"total\":");
            object(p, end_->total);
        }
        buf_str(&p->out, ",\"stats\":");
        stats_json(p, end_->stats);
        buf_str(&p->out, "}\n");
    }
    return present_flush(p, true);
}

int present_new(struct present **out, enum present_format f, const char *tz, present_write write,
                void *ctx, struct err *e)
{
    struct present *p = calloc(1, sizeof *p);
    int rc;

    *out = NULL;
    if (p == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    p->format = f;
    p->write = write;
    p->ctx = ctx;
    p->out = buf_init(256u << 20);
    p->held = buf_init(64u << 20);
    p->sink = (struct answer_sink){ .begin = begin, .row = row, .end = end };
    if (f == PRESENT_TABLE) {
        p->sink.row = table_row;
        p->sink.end = table_end;
        p->row = calloc(TABLE_ROWS, sizeof *p->row);
        if (p->row == NULL) {
            rc = err_set(e, ERR_NOMEM, "out of memory");
            goto fail;
        }
    }
    if (tz != NULL && tz[0] != 0 && (rc = zone_open(&p->zone, tz, e)) != ERR_OK)
        goto fail;
    *out = p;
    return ERR_OK;
fail:
    present_free(p);
    return rc;
}

struct answer_sink *present_sink(struct present *p)
{
    return &p->sink;
}

void present_gaps(struct present *p, const struct gap_list *gaps)
{
    p->gaps = gaps;
}

void present_free(struct present *p)
{
    if (p == NULL)
        return;
    zone_free(p->zone);
    geo_unref(p->geo);
    buf_free(&p->out);
    buf_free(&p->held);
    free(p->row);
    free(p);
}
