/* Any CSV: the first line names the columns, a map says what they are. Without a map a column is
 * known by its name: a word of the query language, an element's name. */
#include "convert/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "flow/elem.h"

/* What a map may name besides elements; the first of each line is what the reference says. */
static const struct field_spec words[] = {
    { "start", KIND_START, .id = 0 },
    { "end", KIND_END, .id = 0 },
    { "duration", KIND_DURATION, .id = 0 },
    { "duration ms", KIND_DURATION_MS, .id = 0 },
    { "src ip", KIND_ADDR, .id = 8, .id6 = 27 },
    { "dst ip", KIND_ADDR, .id = 12, .id6 = 28 },
    { "next ip", KIND_NEXT, .id = 15, .id6 = 62 },
    { "src port", KIND_PORT, 2, .id = 7 },
    { "dst port", KIND_PORT, 2, .id = 11 },
    { "proto", KIND_PROTO, .id = 4 },
    { "flags", KIND_FLAGS, .id = 6 },
    { "tos", KIND_UINT, 1, .id = 5 },
    { "bytes", KIND_UINT, 8, .id = 1 },
    { "packets", KIND_UINT, 8, .id = 2 },
    { "rev bytes", KIND_UINT, 8, PEN_REVERSE, 1 },
    { "rev packets", KIND_UINT, 8, PEN_REVERSE, 2 },
    { "in if", KIND_UINT, 4, .id = 10 },
    { "out if", KIND_UINT, 4, .id = 14 },
    { "src as", KIND_UINT, 4, .id = 16 },
    { "dst as", KIND_UINT, 4, .id = 17 },
    { "src mask", KIND_MASK, 1, .id = 9, .id6 = 29 },
    { "dst mask", KIND_MASK, 1, .id = 13, .id6 = 30 },
    { "src vlan", KIND_UINT, 2, .id = 58 },
    { "dst vlan", KIND_UINT, 2, .id = 59 },
    { "label", KIND_TEXT, 0, PEN_WEIR, IMPORTED_LABEL },
    { "app", KIND_TEXT, .id = 96 },
    { "ignore", KIND_SKIP, .id = 0 },
    { 0 },
};

/* "src_ip", "src-ip" and "src ip" are one word. */
static bool word_is(const char *s, size_t len, const char *word)
{
    char text[64];

    if (len >= sizeof text)
        return false;
    for (size_t i = 0; i < len; i++)
        text[i] = s[i] == '_' || s[i] == '-' ? ' ' : s[i];
    return text_is(text, len, word);
}

static bool can_hold(uint32_t pen, uint16_t id)
{
    const struct elem *x = elem_find(pen == PEN_REVERSE ? 0 : pen, id);

    if (x == NULL)
        return false;
    return x->type == ELEM_STRING || x->type == ELEM_BOOLEAN || x->type == ELEM_MAC_ADDRESS ||
           (x->type >= ELEM_UNSIGNED8 && x->type <= ELEM_UNSIGNED64) ||
           (x->type >= ELEM_DATE_TIME_SECONDS && x->type <= ELEM_IPV6_ADDRESS);
}

static bool known(const char *s, size_t len, struct field_spec *out)
{
    *out = (struct field_spec){ .kind = KIND_ELEMENT };
    for (const struct field_spec *w = words; w->name != NULL; w++)
        if (word_is(s, len, w->name)) {
            *out = *w;
            return true;
        }
    /* a bare number is a value more likely than an element */
    if (len == 0 || (s[0] >= '0' && s[0] <= '9'))
        return false;
    return elem_parse(s, len, &out->pen, &out->id) && can_hold(out->pen, out->id);
}

static const char *nearest(const char *s, size_t len)
{
    const char *all[ARRAY_LEN(words)], *near;
    size_t n = 0;

    while (words[n].name != NULL) {
        all[n] = words[n].name;
        n++;
    }
    near = near_word(s, len, all, n);
    return near != NULL ? near : elem_nearest(s, len);
}

static void trim(const char **s, size_t *len)
{
    for (; *len > 0 && (**s == ' ' || **s == '\t'); --*len)
        ++*s;
    while (*len > 0 && ((*s)[*len - 1] == ' ' || (*s)[*len - 1] == '\t'))
        --*len;
}

static int one_of_map(struct convert *c, const char *pair, size_t len)
{
    const char *eq = memchr(pair, '=', len), *what = pair, *name;
    size_t what_len, name_len;
    struct field_spec f;
    bool there = false;

    if (eq == NULL)
        return err_set(c->e, ERR_ARG,
                       "--map %.*s: wanted is FIELD=COLUMN, as in: start=ts,src ip=saddr",
                       (int)MIN(len, 60), pair);
    what_len = (size_t)(eq - pair);
    name = eq + 1;
    name_len = len - what_len - 1;
    trim(&what, &what_len);
    trim(&name, &name_len);
    if (!known(what, what_len, &f)) {
        const char *near = nearest(what, what_len);
        return err_set(c->e, ERR_ARG,
                       "--map: \"%.*s\" is no field and no element that a text can fill%s%s%s",
                       (int)MIN(what_len, 60), what, near != NULL ? "; did you mean " : "",
                       near != NULL ? near : "", near != NULL ? "?" : "");
    }
    for (size_t i = 0; i < c->n_specs; i++) {
        const char *keep = c->spec[i].name;
        if (!text_is(name, name_len, keep))
            continue;
        c->spec[i] = f;
        c->spec[i].name = keep;
        there = true;
    }
    if (!there)
        return err_set(c->e, ERR_ARG, "--map: the file has no column \"%.*s\"; its first is \"%s\"",
                       (int)MIN(name_len, 60), name, c->spec[0].name);
    return ERR_OK;
}

static int read_map(struct convert *c)
{
    const char *p = c->opt->map;
    int rc = ERR_OK;

    while (rc == ERR_OK && p != NULL && *p != '\0') {
        size_t len = strcspn(p, ",");
        rc = one_of_map(c, p, len);
        p += len + (p[len] == ',');
    }
    return rc;
}

static bool mapped(const struct convert *c)
{
    for (size_t i = 0; i < c->n_specs; i++)
        if (!(c->spec[i].pen == PEN_WEIR && c->spec[i].id == IMPORTED_COLUMN) &&
            c->spec[i].kind != KIND_SKIP)
            return true;
    return false;
}

/* The separator of the header: the most frequent of these. */
static char separator(const char *line, size_t len)
{
    static const char any[] = ",;\t|";
    size_t best = 0;
    char sep = ',';

    for (const char *a = any; *a != '\0'; a++) {
        size_t n = 0;
        for (size_t i = 0; i < len; i++)
            n += line[i] == *a;
        if (n > best) {
            best = n;
            sep = *a;
        }
    }
    return sep;
}

static int header(struct convert *c, char *line, size_t len, char *sep)
{
    static const struct field_spec none[] = { { 0 } };
    int rc;

    if (len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) { /* octet order mark of UTF-8 */
        line += 3;
        len -= 3;
    }
    *sep = separator(line, len);
    if (!split_line(c, line, len, *sep, true))
        return err_set(c->e, ERR_FORMAT, "the header has more than %u columns", MAX_COLUMNS);
    for (size_t i = 0; i < c->n_columns; i++)
        trim(&c->column[i], &c->column_len[i]);
    if ((rc = convert_header(c, none)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < c->n_specs; i++) {
        struct field_spec f;
        const char *name = c->spec[i].name;
        if (!known(name, strlen(name), &f))
            continue;
        c->spec[i] = f;
        c->spec[i].name = name;
    }
    if ((rc = read_map(c)) != ERR_OK)
        return rc;
    if (!mapped(c))
        return err_set(c->e, ERR_FORMAT,
                       "no column of the header is known (the first is \"%.60s\"); say what they "
                       "are: --map start=COLUMN,src ip=COLUMN,...",
                       c->spec[0].name);
    return ERR_OK;
}

static enum convert_reason one_line(struct convert *c, const char **bad, size_t *bad_len)
{
    enum convert_reason why = CONVERT_REASON_N;

    if (c->n_columns != c->n_specs)
        return CONVERT_COLUMNS;
    for (size_t i = 0; why == CONVERT_REASON_N && i < c->n_specs; i++) {
        *bad = c->column[i];
        *bad_len = c->column_len[i];
        why = convert_value(c, &c->spec[i], c->column[i], c->column_len[i]);
    }
    return why;
}

int csv_run(struct convert *c)
{
    const char *line, *bad;
    size_t len, bad_len;
    char sep = ',';
    int rc;

    while ((rc = input_line(&c->in, &line, &len, c->e)) == ERR_OK) {
        enum convert_reason why = CONVERT_TOO_LONG;
        char *own = (char *)c->in.p + (line - (const char *)c->in.p); /* of the buffer */
        c->st->lines++;
        if (len == 0)
            continue;
        if (c->n_specs == 0) {
            if (len == SIZE_MAX)
                return err_set(c->e, ERR_FORMAT, "the first line is too long for a header");
            if ((rc = header(c, own, len, &sep)) != ERR_OK)
                return rc;
            continue;
        }
        row_clear(&c->row, &c->opt->exporter);
        bad = line;
        bad_len = len == SIZE_MAX ? 40 : len;
        if (len != SIZE_MAX)
            why =
                split_line(c, own, len, sep, true) ? one_line(c, &bad, &bad_len) : CONVERT_COLUMNS;
        if ((rc = convert_row(c, why, bad, bad_len)) != ERR_OK)
            return rc;
    }
    if (rc != ERR_NOTFOUND)
        return rc;
    return c->n_specs > 0 ? ERR_OK : err_set(c->e, ERR_FORMAT, "the file is empty");
}
