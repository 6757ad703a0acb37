/* flow/elem_own.c - a user's own rows of the element dictionary. */
#include "flow/elem_own.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "flow/shape.h"

#define COLUMNS   6u
#define UNITS_MAX 64u
#define PEN_TOP   (PEN_WEIR - 1)

#define HEAD      "pen,id,name,type,semantics,units"

static const char *const column[COLUMNS] = { "pen", "id", "name", "type", "semantics", "units" };

/* RFC 5610 section 3.6 and RFC 6313 section 4.4 */
static const char *const semantics_word[] = {
    "default", "quantity", "totalCounter", "deltaCounter", "identifier",
    "flags",   "list",     "snmpCounter",  "snmpGauge",
};

struct cell {
    char *s; /* terminated */
    size_t len;
    size_t at; /* octet of the line where it begins */
};

struct reader {
    const char *path, *given; /* given: the text as it came, with its line ends */
    char *at, *end;
    size_t line, columns;
    struct cell cell[COLUMNS];
    struct err *e;
};

static int refuse(struct reader *r, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static int refuse(struct reader *r, size_t at, const char *fmt, ...)
{
    char text[320];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_SYNTAX, "%.120s:%zu:%zu: %s", r->path, r->line, at + 1, text);
}

/* A quoted cell, unquoted in place; *from goes behind it. */
static bool quoted(struct cell *c, char **from, const char *end)
{
    char *w = *from, *s = *from + 1;

    c->s = w;
    for (; s < end; s++) {
        if (*s == '"' && (s + 1 == end || s[1] != '"'))
            break;
        if (*s == '"')
            s++;
        *w++ = *s;
    }
    if (s >= end || (s + 1 < end && s[1] != ','))
        return false;
    c->len = (size_t)(w - c->s);
    *from = s + 1;
    return true;
}

/* The cells of one line, terminated in place. */
static int split(struct reader *r, char *line, char *end, size_t *n)
{
    char *s = line;

    *n = 0;
    for (;;) {
        struct cell *c = &r->cell[*n];
        if (*n == COLUMNS)
            return refuse(r, (size_t)(s - line), "a line has at most six cells: " HEAD);
        c->at = (size_t)(s - line);
        if (s < end && *s == '"') {
            if (!quoted(c, &s, end))
                return refuse(r, c->at, "the cell's closing quote and a comma are expected");
        } else {
            char *comma = memchr(s, ',', (size_t)(end - s));
            c->s = s;
            s = comma != NULL ? comma : end;
            c->len = (size_t)(s - c->s);
        }
        ++*n;
        if (s >= end)
            break;
        s++;
    }
    for (size_t i = 0; i < *n; i++) {
        r->cell[i].s[r->cell[i].len] = '\0'; /* on a comma, a quote or the line's end */
        if (strlen(r->cell[i].s) != r->cell[i].len)
            return refuse(r, r->cell[i].at, "a NUL octet is no text");
    }
    return ERR_OK;
}

/* The next line with something on it; false at the end. */
static bool next_line(struct reader *r, char **line, char **end)
{
    while (r->at < r->end) {
        char *stop = memchr(r->at, '\n', (size_t)(r->end - r->at));
        *line = r->at;
        *end = stop != NULL ? stop : r->end;
        r->at = stop != NULL ? stop + 1 : r->end;
        r->line++;
        if (*end > *line && (*end)[-1] == '\r')
            --*end;
        if (*end > *line && **line != '#')
            return true;
    }
    return false;
}

static int read_head(struct reader *r)
{
    char *line, *end;
    size_t n = 0;
    int rc;

    if (!next_line(r, &line, &end)) {
        r->line = 1;
        return refuse(r, 0, "the first line is to name the columns: " HEAD);
    }
    if ((rc = split(r, line, end, &n)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (strcmp(r->cell[i].s, column[i]) != 0)
            return refuse(r, r->cell[i].at,
                          "the column %s is expected here; the first line is " HEAD, column[i]);
    if (n < 4)
        return refuse(r, (size_t)(end - line), "the column %s is missing; the first line is " HEAD,
                      column[n]);
    r->columns = n;
    return ERR_OK;
}

static bool number(const char *s, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;

    if (*s == '\0' || strlen(s) > 10)
        return false;
    for (; *s != '\0'; s++) {
        if (*s < '0' || *s > '9')
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    *out = (uint32_t)v;
    return v <= max;
}

/* Letters, digits and underscores, a letter first: what a question can spell. */
static bool name_fits(const struct cell *c)
{
    for (size_t i = 0; i < c->len; i++) {
        char k = c->s[i];
        bool letter = (k >= 'a' && k <= 'z') || (k >= 'A' && k <= 'Z');
        if (!letter && (i == 0 || (k != '_' && (k < '0' || k > '9'))))
            return false;
    }
    return c->len > 0 && c->len <= ELEM_OWN_NAME;
}

static bool units_fit(const struct cell *c)
{
    for (size_t i = 0; i < c->len; i++)
        if ((unsigned char)c->s[i] < 0x20 || c->s[i] == 0x7f)
            return false;
    return c->len <= UNITS_MAX;
}

/* Place of a word in a list, or -1. */
static int word_place(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0)
            return (int)i;
    return -1;
}

static int unknown_word(struct reader *r, const struct cell *c, const char *what,
                        const char *const *words, size_t n)
{
    const char *near = near_word(c->s, c->len, words, n);

    return refuse(r, c->at, "%s: %.40s is none; %s%s", what, c->s,
                  near != NULL ? "did you mean " : "the first of them is ",
                  near != NULL ? near : words[0]);
}

static int read_row(struct reader *r, size_t n, struct elem *row)
{
    static char nothing[] = "";
    static const struct cell none = { .s = nothing };
    const struct cell *c = r->cell, *sem = n > 4 ? &c[4] : &none, *units = n > 5 ? &c[5] : &none;
    uint32_t id = 0;
    int type;

    if (n < 4)
        return refuse(r, c[n - 1].at + c[n - 1].len, "the cell %s is missing", column[n]);
    if (n > r->columns)
        return refuse(r, c[r->columns].at, "one cell more than the first line has");
    if (!number(c[0].s, PEN_TOP, &row->pen))
        return refuse(r, c[0].at, "pen: %.40s is no enterprise number, 0 (none) to %lu", c[0].s,
                      (unsigned long)PEN_TOP);
    if (!number(c[1].s, UINT16_MAX, &id) || (row->pen != 0 && id > INT16_MAX))
        return refuse(r, c[1].at, "id: %.40s is no number of an element, 0 to %s", c[1].s,
                      row->pen != 0 ? "32767" : "65535");
    row->id = (uint16_t)id;
    if (!name_fits(&c[2]))
        return refuse(r, c[2].at,
                      "name: %.80s is not 1 to 64 letters, digits or _ with a letter first",
                      c[2].len > 0 ? c[2].s : "an empty cell");
    if ((type = word_place(c[3].s, elem_type_word, ELEM_TYPE_N)) < 0)
        return unknown_word(r, &c[3], "type", elem_type_word, ELEM_TYPE_N);
    row->type = (uint8_t)type;
    if (sem->len > 0 && word_place(sem->s, semantics_word, ARRAY_LEN(semantics_word)) < 0)
        return unknown_word(r, sem, "semantics", semantics_word, ARRAY_LEN(semantics_word));
    if (!units_fit(units))
        return refuse(r, units->at, "units: at most 64 octets of text are expected");
    row->name = c[2].s;
    row->semantics = sem->s;
    row->units = units->s;
    return ERR_OK;
}

static int by_number(const void *a, const void *b)
{
    const struct elem *x = a, *y = b;

    if (x->pen != y->pen)
        return x->pen < y->pen ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Then by the place in the text, so that the later of two is the one that is named. */
static int by_name(const void *a, const void *b)
{
    const struct elem *x = a, *y = b;
    int c = strcasecmp(x->name, y->name);

    if (c != 0)
        return c;
    if (x->pen != y->pen)
        return x->pen < y->pen ? -1 : 1;
    return x->name < y->name ? -1 : x->name > y->name;
}

static int built_in_by_name(const void *a, const void *b)
{
    const struct elem *x = *(const struct elem *const *)a, *y = *(const struct elem *const *)b;
    int c = strcasecmp(x->name, y->name);

    return c != 0 ? c : x < y ? -1 : x > y; /* the table is in the order of numbers */
}

static int by_number_then_place(const void *a, const void *b)
{
    const struct elem *x = a, *y = b;
    int c = by_number(a, b);

    return c != 0 ? c : x->name < y->name ? -1 : x->name > y->name;
}

static size_t line_of(const struct reader *r, const struct elem_own *o, const struct elem *row)
{
    size_t line = 1;

    for (size_t i = 0; i < (size_t)(row->name - o->text); i++)
        line += r->given[i] == '\n';
    return line;
}

static int twice(struct reader *r, const struct elem_own *o, const struct elem *a,
                 const struct elem *b, bool name)
{
    return err_set(r->e, ERR_SYNTAX,
                   "%.120s:%zu:1: %lu/%u %s stands twice: line %zu has the same %s; take one away",
                   r->path, line_of(r, o, b), (unsigned long)b->pen, b->id, b->name,
                   line_of(r, o, a), name ? "name" : "number");
}

/* The built-in elements by name, those of one name by number. */
static const struct elem **built_in(void)
{
    const struct elem **all = malloc(elem_count * sizeof(const struct elem *));

    for (size_t i = 0; all != NULL && i < elem_count; i++)
        all[i] = &elem_table[i];
    if (all != NULL)
        qsort(all, elem_count, sizeof *all, built_in_by_name);
    return all;
}

/* A bare name means the built-in element before the user's, and PEN/NAME only one element. */
static int beside_built_in(struct reader *r, const struct elem_own *o,
                           const struct elem *const *all, struct elem *row)
{
    size_t lo = 0, hi = elem_count;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcasecmp(all[mid]->name, row->name) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (size_t i = lo; i < elem_count && strcasecmp(all[i]->name, row->name) == 0; i++) {
        bool same = all[i]->pen == row->pen && all[i]->id == row->id;
        if (all[i]->pen == row->pen && !same)
            return err_set(
                r->e, ERR_SYNTAX, "%.120s:%zu:1: %s is the name of %lu/%u already; choose another",
                r->path, line_of(r, o, row), row->name, (unsigned long)row->pen, all[i]->id);
        if (i == lo)
            row->shared = !same;
    }
    return ERR_OK;
}

static int names_differ(struct reader *r, struct elem_own *o, const struct elem *const *all)
{
    int rc = ERR_OK;

    qsort(o->row, o->n, sizeof *o->row, by_name);
    for (size_t i = 0; rc == ERR_OK && i < o->n; i++) {
        struct elem *row = &o->row[i];
        rc = beside_built_in(r, o, all, row);
        if (rc == ERR_OK && i > 0 && strcasecmp(row[-1].name, row->name) == 0) {
            if (row[-1].pen == row->pen)
                return twice(r, o, &row[-1], row, row[-1].id != row->id);
            row->shared = 1;
        }
    }
    return rc;
}

static int look_for_twins(struct reader *r, struct elem_own *o)
{
    const struct elem **all = built_in();
    int rc = all != NULL ? names_differ(r, o, all)
                         : err_set(r->e, ERR_NOMEM, "%.120s: out of memory", r->path);

    free(all);
    if (rc != ERR_OK)
        return rc;
    qsort(o->row, o->n, sizeof *o->row, by_number_then_place);
    for (size_t i = 1; i < o->n; i++)
        if (by_number(&o->row[i - 1], &o->row[i]) == 0)
            return twice(r, o, &o->row[i - 1], &o->row[i], false);
    return ERR_OK;
}

static int read_rows(struct reader *r, struct elem_own *o)
{
    char *line, *end;
    size_t n, cap = 0;
    int rc = read_head(r);

    while (rc == ERR_OK && next_line(r, &line, &end)) {
        if (o->n == ELEM_OWN_ROWS)
            return err_set(r->e, ERR_LIMIT, "%.120s:%zu:1: more than %u elements", r->path, r->line,
                           ELEM_OWN_ROWS);
        if (o->n == cap) {
            size_t more = cap > 0 ? cap * 2 : 64;
            struct elem *row = realloc(o->row, more * sizeof *row);
            if (row == NULL)
                return err_set(r->e, ERR_NOMEM, "%.120s: out of memory", r->path);
            o->row = row;
            cap = more;
        }
        o->row[o->n] = (struct elem){ 0 };
        rc = split(r, line, end, &n);
        if (rc == ERR_OK)
            rc = read_row(r, n, &o->row[o->n++]);
    }
    return rc != ERR_OK || o->n == 0 ? rc : look_for_twins(r, o);
}

int elem_own_parse(struct elem_own **out, const char *path, const char *text, size_t len,
                   struct err *e)
{
    struct elem_own *o = calloc(1, sizeof *o);
    struct reader r = { .path = path, .given = text, .e = e };
    int rc;

    *out = NULL;
    if (len > ELEM_OWN_OCTETS) {
        free(o);
        return err_set(e, ERR_LIMIT, "%.120s: more than %u MiB", path, ELEM_OWN_OCTETS >> 20);
    }
    if (o == NULL || (o->text = malloc(len + 1)) == NULL) {
        free(o);
        return err_set(e, ERR_NOMEM, "%.120s: out of memory", path);
    }
    if (len > 0)
        memcpy(o->text, text, len);
    o->text[len] = '\0';
    r.at = o->text;
    r.end = o->text + len;
    if (len >= 3 && memcmp(r.at, "\xef\xbb\xbf", 3) == 0)
        r.at += 3; /* spreadsheets put a byte order mark there */
    rc = read_rows(&r, o);
    if (rc != ERR_OK) {
        elem_own_free(o);
        return rc;
    }
    *out = o;
    return ERR_OK;
}

void elem_own_free(struct elem_own *o)
{
    if (o == NULL)
        return;
    free(o->row);
    free(o->text);
    free(o);
}
