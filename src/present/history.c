#include "present/history.h"

#include <stdio.h>
#include <string.h>

#include "present/text.h"

#define MINUTE_MS 60000
#define OF_EACH   7u /* counts that an exporter has too */
#define COUNTS    (OF_EACH + OWN_N)
#define TEXT_MAX  24u

static const char *const names[COUNTS] = {
    "datagrams",        "records",        "lost",         "restarts",      "undecoded", "silent",
    "template_changes", "kernel_dropped", "ring_dropped", "not_journaled", "refused",   "damaged",
};

void history_choose_step(struct history_series *s, int64_t step_ms)
{
    if (step_ms <= 0 && s->n > 0)
        step_ms = query_auto_step(s->row[s->n - 1].to_ms - s->row[0].from_ms);
    else if (step_ms > 0 && step_ms < MINUTE_MS)
        step_ms = 0; /* nothing finer is kept */
    if (step_ms > MINUTE_MS)
        history_series_sum(s, step_ms);
}

static unsigned counts_of(const struct history_series *s)
{
    return s->of_exporter ? OF_EACH : COUNTS;
}

/* A count as text; "" = not known. */
static void count(const struct history_row *r, unsigned i, char out[TEXT_MAX])
{
    const uint64_t v[] = { r->datagrams, r->records, 0,           r->restarts,
                           r->undecoded, r->silent,  r->templates };

    out[0] = '\0';
    if (r->down || r->unknown)
        return;
    if (i == 2)
        (void)snprintf(out, TEXT_MAX, "%lld", (long long)r->lost);
    else
        (void)snprintf(out, TEXT_MAX, "%llu",
                       (unsigned long long)(i < OF_EACH ? v[i] : r->own[i - OF_EACH]));
}

static void show_json(struct buf *out, const struct history_series *s, const struct zone *z)
{
    char text[TEXT_MAX];

    buf_printf(out, "{\"step_ms\":%lld,\"rows\":[", (long long)s->step_ms);
    for (size_t k = 0; k < s->n; k++) {
        const struct history_row *r = &s->row[k];
        buf_str(out, k > 0 ? ",\n{\"from\":\"" : "\n{\"from\":\"");
        text_time(out, r->from_ms, z, 'T');
        buf_str(out, "\",\"to\":\"");
        text_time(out, r->to_ms, z, 'T');
        buf_printf(out, "\",\"running\":%s", r->down ? "false" : "true");
        for (unsigned i = 0; i < counts_of(s) && !r->down; i++) {
            count(r, i, text);
            buf_printf(out, ",\"%s\":%s", names[i], text[0] != '\0' ? text : "null");
        }
        buf_char(out, '}');
    }
    buf_str(out, "]}\n");
}

static void show_csv(struct buf *out, const struct history_series *s, const struct zone *z)
{
    char text[TEXT_MAX];

    buf_str(out, "from,to,running");
    for (unsigned i = 0; i < counts_of(s); i++)
        buf_printf(out, ",%s", names[i]);
    buf_char(out, '\n');
    for (size_t k = 0; k < s->n; k++) {
        const struct history_row *r = &s->row[k];
        text_time(out, r->from_ms, z, 'T');
        buf_char(out, ',');
        text_time(out, r->to_ms, z, 'T');
        buf_str(out, r->down ? ",no" : ",yes");
        for (unsigned i = 0; i < counts_of(s); i++) {
            count(r, i, text);
            buf_printf(out, ",%s", text);
        }
        buf_char(out, '\n');
    }
}

/* Columns as wide as their widest; those of Weir's own and of the rarer mishaps only where they
 * have something to say. */
static void widths(const struct history_series *s, unsigned width[COUNTS])
{
    char text[TEXT_MAX];

    for (unsigned i = 0; i < COUNTS; i++) {
        bool some = i < 3;
        width[i] = (unsigned)strlen(names[i]);
        for (size_t k = 0; k < s->n; k++) {
            count(&s->row[k], i, text);
            some |= text[0] != '\0' && strcmp(text, "0") != 0;
            width[i] = MAX(width[i], (unsigned)strlen(text));
        }
        width[i] = some && i < counts_of(s) ? width[i] : 0;
    }
}

static void show_table(struct buf *out, const struct history_series *s, const struct zone *z)
{
    unsigned width[COUNTS];
    char text[TEXT_MAX];
    struct buf time = buf_init(64);
    int wide;

    if (s->n == 0) {
        buf_str(out, "nothing was written down in that time; a minute is told when it is over\n");
        return;
    }
    widths(s, width);
    text_time(&time, s->row[0].from_ms, z, ' ');
    wide = (int)time.len;
    buf_free(&time);
    buf_printf(out, "%-*s  %-*s", wide, "from", wide, "to");
    for (unsigned i = 0; i < COUNTS; i++)
        if (width[i] > 0)
            buf_printf(out, "  %*s", (int)width[i], names[i]);
    buf_char(out, '\n');
    for (size_t k = 0; k < s->n; k++) {
        const struct history_row *r = &s->row[k];
        text_time(out, r->from_ms, z, ' ');
        buf_str(out, "  ");
        text_time(out, r->to_ms, z, ' ');
        if (r->down)
            buf_str(out, "  not running");
        for (unsigned i = 0; i < COUNTS && !r->down; i++) {
            count(r, i, text);
            if (width[i] > 0)
                buf_printf(out, "  %*s", (int)width[i], text[0] != '\0' ? text : "-");
        }
        buf_char(out, '\n');
    }
}

void history_show(struct buf *out, const struct history_series *s, const struct zone *z,
                  enum present_format f)
{
    if (f == PRESENT_TABLE)
        show_table(out, s, z);
    else if (f == PRESENT_CSV)
        show_csv(out, s, z);
    else
        show_json(out, s, z);
}
