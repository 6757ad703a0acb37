#include "convert/internal.h"

#include <stdlib.h>
#include <string.h>

#define LAST_NTP_US 2085978495999999 /* 2036-02-07, where times since 1900 end */

static const char *const format_names[] = {
    [CONVERT_NONE] = "none", [CONVERT_ZEEK] = "zeek", [CONVERT_ARGUS] = "argus",
    [CONVERT_VPC] = "vpc",   [CONVERT_CSV] = "csv",   [CONVERT_NFDUMP] = "nfdump",
};

const char *convert_format_name(enum convert_format f)
{
    return format_names[f];
}

enum convert_format convert_format_parse(const char *name)
{
    for (size_t i = 1; i < ARRAY_LEN(format_names); i++)
        if (strcmp(name, format_names[i]) == 0)
            return (enum convert_format)i;
    return CONVERT_NONE;
}

const char *convert_reason_name(enum convert_reason r)
{
    static const char *const names[CONVERT_REASON_N] = {
        [CONVERT_TOO_LONG] = "too long", [CONVERT_COLUMNS] = "number of columns",
        [CONVERT_TIME] = "time",         [CONVERT_ADDRESS] = "address",
        [CONVERT_NUMBER] = "number",     [CONVERT_JSON] = "not JSON",
        [CONVERT_EMPTY] = "empty",       [CONVERT_NO_DATA] = "NODATA",
        [CONVERT_SKIPPED] = "SKIPDATA",
    };

    return names[r];
}

/* --- which format --- */

static bool begins(const uint8_t *p, size_t len, const char *word)
{
    size_t n = strlen(word);

    return len >= n && memcmp(p, word, n) == 0;
}

static bool line_has(const uint8_t *p, size_t len, const char *word)
{
    return memmem(p, len, word, strlen(word)) != NULL;
}

/* A line of VPC's default format: version, 13 more words, a status at the end. */
static bool is_vpc_line(const uint8_t *p, size_t len)
{
    size_t words = 1;

    for (size_t i = 0; i < len; i++)
        words += p[i] == ' ';
    return words == 14 && begins(p, len, "2 ") &&
           (line_has(p, len, " OK") || line_has(p, len, " NODATA") ||
            line_has(p, len, " SKIPDATA"));
}

enum convert_format convert_detect(const uint8_t *p, size_t len)
{
    const uint8_t *nl = len > 0 ? memchr(p, '\n', len) : NULL;
    size_t first = nl != NULL ? (size_t)(nl - p) : len;

    if (first > 0 && p[first - 1] == '\r')
        first--;
    if (begins(p, len, "#separator "))
        return CONVERT_ZEEK;
    if (len > 0 && p[0] == '{' && line_has(p, first, "\"id.orig_h\""))
        return CONVERT_ZEEK;
    if (len > 0 && (p[0] == '{' || p[0] == '[') && line_has(p, len, "\"export_sysid\""))
        return CONVERT_NFDUMP;
    if (line_has(p, first, "StartTime") && line_has(p, first, "SrcAddr") && line_has(p, first, ","))
        return CONVERT_ARGUS;
    if ((line_has(p, first, "srcaddr") && line_has(p, first, "dstaddr") &&
         line_has(p, first, " ")) ||
        is_vpc_line(p, first))
        return CONVERT_VPC;
    return CONVERT_NONE;
}

bool convert_is_nfdump_file(const uint8_t *p, size_t len)
{
    /* magic 0xA50C and the layout's version, 1 or 2, in the order of the machine that wrote it */
    return len >= 4 && ((le16(p) == 0xa50c && (le16(p + 2) == 1 || le16(p + 2) == 2)) ||
                        (be16(p) == 0xa50c && (be16(p + 2) == 1 || be16(p + 2) == 2)));
}

/* --- lines --- */

bool split_line(struct convert *c, char *line, size_t len, char sep, bool quotes)
{
    char *p = line, *end = line + len;

    for (c->n_columns = 0; c->n_columns < MAX_COLUMNS;) {
        char *begin = p, *to = p;
        if (quotes && p < end && *p == '"') {
            for (p++; p < end; p++) {
                if (*p == '"' && (p + 1 == end || p[1] != '"'))
                    break;
                p += *p == '"';
                *to++ = *p;
            }
            p += p < end;
            while (p < end && *p != sep)
                *to++ = *p++;
        } else {
            while (p < end && *p != sep)
                p++;
            to = p;
        }
        c->column[c->n_columns] = begin;
        c->column_len[c->n_columns++] = (size_t)(to - begin);
        if (p >= end)
            return true;
        p++;
    }
    return false;
}

int convert_header(struct convert *c, const struct field_spec *table)
{
    size_t octets = 1, at = 0;

    for (size_t i = 0; i < c->n_columns; i++)
        octets += c->column_len[i] + 1;
    free(c->names);
    if ((c->names = malloc(octets)) == NULL)
        return err_set(c->e, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < c->n_columns; i++) {
        const struct field_spec *f = field_find(table, c->column[i], c->column_len[i]);
        c->spec[i] =
            f != NULL
                ? *f
                : (struct field_spec){ .kind = KIND_TEXT, .pen = PEN_WEIR, .id = IMPORTED_COLUMN };
        memcpy(c->names + at, c->column[i], c->column_len[i]);
        c->spec[i].name = c->names + at;
        at += c->column_len[i];
        c->names[at++] = '\0';
    }
    c->n_specs = c->n_columns;
    return ERR_OK;
}

bool convert_has(const struct convert *c, const char *name)
{
    for (size_t i = 0; i < c->n_specs; i++)
        if (text_is(c->spec[i].name, strlen(c->spec[i].name), name))
            return true;
    return false;
}

/* --- rows --- */

enum convert_reason convert_value(struct convert *c, const struct field_spec *f, const char *s,
                                  size_t len)
{
    for (; len > 0 && (s[0] == ' ' || s[0] == '\t'); len--)
        s++;
    while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
        len--;
    if (len == 0 || (len == 1 && s[0] == '-'))
        return CONVERT_REASON_N;
    if (f->pen == PEN_WEIR && f->id == IMPORTED_COLUMN) {
        c->st->unknown_columns = true;
        row_unknown(&c->row, f->name, strlen(f->name), s, len);
        return CONVERT_REASON_N;
    }
    return field_put(&c->row, f, s, len);
}

static void not_taken(struct convert *c, enum convert_reason why, const char *text, size_t len)
{
    struct convert_stats *st = c->st;
    size_t n;

    st->not_taken[why]++;
    if (st->n_shown == CONVERT_SHOWN || why == CONVERT_NO_DATA || why == CONVERT_SKIPPED)
        return;
    n = MIN(len, sizeof st->shown[0].text - 1);
    st->shown[st->n_shown].line = st->lines;
    st->shown[st->n_shown].reason = (uint8_t)why;
    for (size_t i = 0; i < n; i++) /* it goes to a terminal */
        st->shown[st->n_shown].text[i] = text[i] >= ' ' && text[i] < 0x7f ? text[i] : '.';
    st->shown[st->n_shown++].text[n] = '\0';
}

/* Start and end in the coarsest form that keeps them exactly: milliseconds have columns. */
static void put_times(struct row *r)
{
    bool fine;

    if (r->has_duration && r->has_start && !r->has_end) {
        r->end_us = r->start_us + r->duration_us;
        r->has_end = true;
    } else if (r->has_duration && r->has_end && !r->has_start && r->end_us >= r->duration_us) {
        r->start_us = r->end_us - r->duration_us;
        r->has_start = true;
    }
    fine = ((r->has_start && r->start_us % 1000 != 0) || (r->has_end && r->end_us % 1000 != 0)) &&
           r->start_us <= LAST_NTP_US && r->end_us <= LAST_NTP_US;
    if (r->has_start)
        row_uint(r, 0, fine ? 154 : 152, 8,
                 fine ? field_ntp(r->start_us) : (uint64_t)r->start_us / 1000);
    if (r->has_end)
        row_uint(r, 0, fine ? 155 : 153, 8,
                 fine ? field_ntp(r->end_us) : (uint64_t)r->end_us / 1000);
}

static void put_icmp(struct row *r)
{
    bool v6 = r->proto == 58 || r->v6;

    if (r->icmp_type_set)
        row_uint(r, 0, v6 ? 178 : 176, 1, r->icmp_type);
    if (r->icmp_code_set)
        row_uint(r, 0, v6 ? 179 : 177, 1, r->icmp_code);
}

int convert_row(struct convert *c, enum convert_reason why, const char *text, size_t len)
{
    struct row *r = &c->row;
    struct message_record m;
    int rc;

    if (why == CONVERT_REASON_N && r->n == 0 && !r->has_start && !r->has_end)
        why = CONVERT_EMPTY;
    if (why != CONVERT_REASON_N) {
        not_taken(c, why, text, len);
        return ERR_OK;
    }
    field_put_proto(r);
    put_icmp(r);
    put_times(r);
    if (r->received_ms == 0 && (r->has_end || r->has_start))
        r->received_ms =
            (MAX(r->has_end ? r->end_us : 0, r->has_start ? r->start_us : 0) + 999) / 1000;
    m = (struct message_record){
        .exporter = r->exporter,
        .export_ms = r->received_ms != 0 ? r->received_ms : c->opt->default_ms,
        .received_ms = r->received_ms != 0 ? r->received_ms : c->opt->default_ms,
        .n_fields = (uint16_t)r->n,
        .f = r->f,
        .octets = r->octets.p,
        .len = r->octets.len,
    };
    rc = buf_ok(&r->octets) ? messages_add(c->messages, &m) : ERR_LIMIT;
    if (rc == ERR_LIMIT)
        not_taken(c, CONVERT_TOO_LONG, text, len);
    c->st->rows += rc == ERR_OK;
    return rc == ERR_LIMIT ? ERR_OK : rc;
}

static int give(void *ctx, const struct message *m)
{
    struct convert *c = ctx;

    return c->opt->give(c->opt->ctx, m->octets, m->len, &m->exporter, m->received_ms);
}

int convert_run(const struct convert_options *opt, struct convert_stats *st, struct err *e)
{
    struct err unheard = { 0 };
    struct messages_options mo = {
        .version = 10, .max_octets = MESSAGES_MAX_OCTETS, .per_exporter = true, .send = give
    };
    struct convert *c = calloc(1, sizeof *c);
    int rc = ERR_NOMEM;

    *st = (struct convert_stats){ 0 };
    if (c == NULL)
        return err_set(e, ERR_NOMEM, "out of memory");
    c->opt = opt;
    c->st = st;
    c->e = e != NULL ? e : &unheard;
    c->e->code = ERR_OK;
    c->row.octets = buf_init(MESSAGES_MAX_OCTETS);
    c->hold = buf_init(CONVERT_MAX_LINE * 2u);
    mo.ctx = c;
    if (input_open(&c->in, opt) == ERR_OK)
        rc = messages_new(&c->messages, &mo);
    if (rc == ERR_OK)
        switch (opt->format) {
        case CONVERT_ZEEK:
            rc = zeek_run(c);
            break;
        case CONVERT_ARGUS:
            rc = argus_run(c);
            break;
        case CONVERT_VPC:
            rc = vpc_run(c);
            break;
        case CONVERT_CSV:
            rc = csv_run(c);
            break;
        case CONVERT_NFDUMP:
            rc = nfdump_run(c);
            break;
        case CONVERT_NONE:
            rc = ERR_FORMAT;
            break;
        }
    if (rc == ERR_OK)
        rc = messages_flush(c->messages);
    if (rc != ERR_OK && rc != ERR_CANCEL && c->e->code != rc)
        (void)err_set(c->e, rc, "%s", err_name(rc));
    messages_free(c->messages);
    input_close(&c->in);
    buf_free(&c->row.octets);
    buf_free(&c->hold);
    free(c->names);
    free(c);
    return rc == ERR_CANCEL ? ERR_OK : rc;
}
