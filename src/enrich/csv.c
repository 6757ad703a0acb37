/* CSV files of address ranges. */
#include <stdlib.h>
#include <string.h>

#include "base/csv.h"
#include "enrich/source.h"

#define FIELDS 5u

struct line {
    struct csv_field f[FIELDS];
    size_t n;
};

void geo_source_free(struct geo_source *s)
{
    for (unsigned k = 0; k < GEO_N; k++)
        ranges_draft_free(s->draft[k]);
    memset(s, 0, sizeof *s);
}

static struct addr last_of(const struct net *n)
{
    struct addr a = n->a;

    for (unsigned i = n->len; i < 128; i++)
        a.b[i / 8] |= (uint8_t)(0x80u >> i % 8);
    return a;
}

static bool letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* "3320", "AS3320", "DE" */
static bool value(const struct csv_field *f, enum geo_kind *kind, uint32_t *number)
{
    const char *p = f->text;
    uint64_t v = 0;

    if (f->len == 2 && letter(p[0]) && letter(p[1])) {
        *kind = GEO_COUNTRY;
        *number = GEO_LETTERS(p[0] & ~32, p[1] & ~32);
        return true;
    }
    if (f->len > 2 && (p[0] & ~32) == 'A' && (p[1] & ~32) == 'S')
        p += 2;
    *kind = GEO_AS;
    if (*p == '\0')
        return false;
    for (; *p >= '0' && *p <= '9' && v <= UINT32_MAX; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    *number = (uint32_t)v;
    return *p == '\0' && v <= UINT32_MAX;
}

/* The range of a line; *at is the field behind it. */
static bool range(const struct line *x, struct addr *first, struct addr *last, uint32_t *at)
{
    struct net n;

    *at = 1;
    if (memchr(x->f[0].text, '/', x->f[0].len) != NULL) {
        if (!net_parse(&n, x->f[0].text, x->f[0].len, NULL))
            return false;
        *first = n.a;
        *last = last_of(&n);
        return true;
    }
    *at = 2;
    return x->n > 1 && addr_parse(first, x->f[0].text, x->f[0].len) &&
           addr_parse(last, x->f[1].text, x->f[1].len);
}

static int take(struct geo_source *s, const struct line *x, const char *name, size_t number,
                struct err *e)
{
    struct addr first, last;
    enum geo_kind kind;
    uint32_t at, v;
    int rc = ERR_OK;

    if (!range(x, &first, &last, &at) || at >= x->n || !value(&x->f[at], &kind, &v)) {
        if (number == 1 && letter(x->f[0].text[0]) && strchr(x->f[0].text, ':') == NULL)
            return ERR_OK; /* names of the columns */
        return err_set(e, ERR_FORMAT,
                       "%s: line %zu: FIRST,LAST,AS,NAME or FIRST,LAST,COUNTRY is expected (a "
                       "network may stand for FIRST,LAST)",
                       name, number);
    }
    if (s->draft[kind] == NULL)
        rc = ranges_draft_new(&s->draft[kind]);
    if (rc == ERR_OK)
        rc = ranges_draft_add(s->draft[kind], &first, &last, v);
    if (rc == ERR_OK && kind == GEO_AS && at + 1 < x->n)
        rc = ranges_draft_name(s->draft[kind], v, x->f[at + 1].text, x->f[at + 1].len);
    if (rc == ERR_ARG)
        return err_set(e, ERR_FORMAT, "%s: line %zu: the last address lies before the first", name,
                       number);
    if (rc == ERR_LIMIT)
        return err_set(e, rc, "%s: line %zu: more than %u ranges", name, number, RANGES_MAX);
    return rc == ERR_OK ? rc : err_set(e, rc, "%s: out of memory", name);
}

int geo_source_csv(struct geo_source *s, const char *name, const char *text, size_t len,
                   struct err *e)
{
    struct line *x = malloc(sizeof *x);
    size_t number = 0, at = 0, n;
    const char *line;
    int rc = x != NULL ? ERR_OK : err_set(e, ERR_NOMEM, "%s: out of memory", name);

    while (rc == ERR_OK && csv_line(text, len, &at, &line, &n)) {
        number++;
        if (n == 0 || line[0] == '#')
            continue;
        x->n = csv_split(line, n, x->f, FIELDS);
        rc = take(s, x, name, number, e);
    }
    free(x);
    return rc;
}
