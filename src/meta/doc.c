#include "meta/doc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "meta/item.h"

/* clang-format off */
const struct meta_table_info meta_table_info[META_TABLES] = {
    [META_GROUPS] = { "groups", "group", 1, 7, {
        { "name", META_TEXT, NULL, 0, "name" },
        { "kind", META_WORD, "customer|site|role|service|other", 0, "what it is a group of" },
        { "contact", META_TEXT, NULL, 0, "whom to ask" },
        { "note", META_TEXT, NULL, 0, "anything" },
        { "capacity", META_RATE, NULL, 0, "bit/s that it may use" },
        { "tags", META_TEXT, NULL, 0, "words, separated by commas" },
        { "source", META_TEXT, NULL, 0, "where its members come from" } } },
    [META_MEMBERS] = { "members", "member", 2, 2, {
        { "group", META_TEXT, NULL, 0, "group" },
        { "item", META_TEXT, NULL, 0, "member" } } },
    [META_NAMES] = { "names", "name", 1, 2, {
        { "of", META_TEXT, NULL, 0, "address, network or AS number" },
        { "name", META_TEXT, NULL, 0, "friendly name" } } },
    [META_EXPORTERS] = { "exporters", "exporter", 1, 9, {
        { "address", META_ADDRESS, NULL, 0, "source address" },
        { "name", META_TEXT, NULL, 0, "name; several addresses may share one" },
        { "site", META_TEXT, NULL, 0, "where it stands" },
        { "role", META_TEXT, NULL, 0, "what it is for: core, edge, access" },
        { "region", META_TEXT, NULL, 0, "region of the site" },
        { "as_source", META_WORD, "exporter|database|both|auto", 0, "whose AS numbers count",
          "AS numbers by exporter" },
        { "sampling", META_NUMBER, NULL, UINT32_MAX, "one packet of so many" },
        { "force", META_YES, NULL, 0, "sampling goes before what the exporter says" },
        { "trusted", META_YES, NULL, 0, "counts as evidence", "trust by exporter" } } },
    [META_INTERFACES] = { "interfaces", "interface", 2, 9, {
        { "exporter", META_TEXT, NULL, 0, "exporter's name or address" },
        { "index", META_NUMBER, NULL, UINT32_MAX, "ifIndex" },
        { "name", META_TEXT, NULL, 0, "name" },
        { "description", META_TEXT, NULL, 0, "description" },
        { "speed", META_RATE, NULL, 0, "bit/s" },
        { "boundary", META_WORD, "internal|external", 0, "does the own network end here?" },
        { "connectivity", META_TEXT, NULL, 0, "transit, peering, ix, customer, backbone ..." },
        { "provider", META_TEXT, NULL, 0, "who is at the other end" },
        { "role", META_WORD, "edge|internal|ignore|disjoint", 0, "which point counts a conversation" } } },
    [META_RULES] = { "rules", "rule", 1, 7, {
        { "order", META_NUMBER, NULL, UINT32_MAX, "the lowest that matches decides" },
        { "on", META_WORD, "name|description|exporter", 0, "what the pattern looks at" },
        { "match", META_TEXT, NULL, 0, "regular expression (PCRE2)" },
        { "boundary", META_WORD, "internal|external", 0, "does the own network end here?" },
        { "connectivity", META_TEXT, NULL, 0, "transit, peering, ix, customer, backbone ..." },
        { "provider", META_TEXT, NULL, 0, "who is at the other end" },
        { "role", META_WORD, "edge|internal|ignore|disjoint", 0, "which point counts a conversation" } } },
};
/* clang-format on */

/* ------------------------------------------------------------------ rows */

static void row_free(struct meta_row *r)
{
    for (unsigned c = 0; r->v != NULL && c < META_COLUMNS; c++)
        free(r->v[c]);
    free(r->v);
}

void meta_doc_free(struct meta_doc *d)
{
    for (unsigned t = 0; t < META_TABLES; t++) {
        for (size_t i = 0; i < d->t[t].n; i++)
            row_free(&d->t[t].row[i]);
        free(d->t[t].row);
    }
    *d = (struct meta_doc){ 0 };
}

int meta_doc_copy(struct meta_doc *out, const struct meta_doc *d)
{
    *out = (struct meta_doc){ 0 };
    for (unsigned t = 0; t < META_TABLES; t++) {
        out->t[t].row = calloc(d->t[t].n + 1, sizeof(struct meta_row));
        if (out->t[t].row == NULL)
            goto memory;
        out->t[t].cap = d->t[t].n + 1;
        while (out->t[t].n < d->t[t].n) {
            const struct meta_row *from = &d->t[t].row[out->t[t].n];
            struct meta_row *to = &out->t[t].row[out->t[t].n];
            if ((to->v = calloc(META_COLUMNS, sizeof *to->v)) == NULL)
                goto memory;
            out->t[t].n++;
            for (unsigned c = 0; c < META_COLUMNS; c++)
                if (from->v[c] != NULL && (to->v[c] = strdup(from->v[c])) == NULL)
                    goto memory;
        }
    }
    return ERR_OK;
memory:
    meta_doc_free(out);
    return ERR_NOMEM;
}

static int text_cmp(uint8_t type, const char *a, const char *b)
{
    if (type == META_NUMBER && strlen(a) != strlen(b)) /* canonical: no leading zeros */
        return strlen(a) < strlen(b) ? -1 : 1;
    return strcasecmp(a, b);
}

static int key_cmp(enum meta_table t, char *const *a, const char *const *b, unsigned n)
{
    int c = 0;

    for (unsigned i = 0; i < n && c == 0; i++)
        c = text_cmp(meta_table_info[t].col[i].type, a[i], b[i]);
    return c;
}

int meta_row_cmp(enum meta_table t, char *const *a, char *const *b)
{
    int c = 0;

    for (unsigned i = 0; i < meta_table_info[t].n_keys && c == 0; i++)
        c = text_cmp(meta_table_info[t].col[i].type, a[i], b[i]);
    return c;
}

size_t meta_find(const struct meta_doc *d, enum meta_table t, const char *const *key, unsigned n,
                 size_t *first)
{
    size_t lo = 0, hi = d->t[t].n, k;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (key_cmp(t, d->t[t].row[mid].v, key, n) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *first = lo;
    for (k = lo; k < d->t[t].n && key_cmp(t, d->t[t].row[k].v, key, n) == 0;)
        k++;
    return k - lo;
}

struct meta_row *meta_row(struct meta_doc *d, enum meta_table t, const char *const *key, bool *made)
{
    unsigned n = meta_table_info[t].n_keys;
    struct meta_row fresh;
    size_t at;

    if (made != NULL)
        *made = false;
    if (meta_find(d, t, key, n, &at) > 0)
        return &d->t[t].row[at];
    if (d->t[t].n >= META_ROWS_MAX)
        return NULL;
    if (d->t[t].n == d->t[t].cap) {
        size_t cap = d->t[t].cap * 2 + 16;
        struct meta_row *p = realloc(d->t[t].row, cap * sizeof *p);
        if (p == NULL)
            return NULL;
        d->t[t].row = p;
        d->t[t].cap = cap;
    }
    if ((fresh.v = calloc(META_COLUMNS, sizeof *fresh.v)) == NULL)
        return NULL;
    for (unsigned i = 0; i < n; i++)
        if ((fresh.v[i] = strdup(key[i])) == NULL) {
            row_free(&fresh);
            return NULL;
        }
    memmove(d->t[t].row + at + 1, d->t[t].row + at, (d->t[t].n - at) * sizeof fresh);
    d->t[t].row[at] = fresh;
    d->t[t].n++;
    if (made != NULL)
        *made = true;
    return &d->t[t].row[at];
}

void meta_delete(struct meta_doc *d, enum meta_table t, size_t at, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = at; i < at + n; i++)
        row_free(&d->t[t].row[i]);
    memmove(d->t[t].row + at, d->t[t].row + at + n, (d->t[t].n - at - n) * sizeof(struct meta_row));
    d->t[t].n -= n;
}

/* ------------------------------------------------------------------ columns */

int meta_column(enum meta_table t, const char *name, size_t len, struct err *e)
{
    const struct meta_table_info *info = &meta_table_info[t];
    const char *all[META_COLUMNS], *near;
    char text[256] = "";
    size_t n = 0;

    for (unsigned c = info->n_keys; c < info->n; c++) {
        if (strlen(info->col[c].name) == len && strncasecmp(info->col[c].name, name, len) == 0)
            return (int)c;
        if (info->col[c].later != NULL)
            continue;
        all[n++] = info->col[c].name;
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", n > 1 ? " " : "",
                       info->col[c].name);
    }
    near = near_word(name, len, all, n);
    if (near != NULL)
        (void)err_set(e, ERR_ARG, "%s has no \"%.*s\"; did you mean %s?", info->one,
                      (int)MIN(len, 64u), name, near);
    else
        (void)err_set(e, ERR_ARG, "%s has no \"%.*s\"; it has: %s", info->one, (int)MIN(len, 64u),
                      name, text);
    return -1;
}

/* `out` may be NULL. */
static bool one_word(const char *words, const char *s, struct buf *out)
{
    size_t len = strlen(s);

    while (*words != '\0') {
        size_t n = strcspn(words, "|");
        if (n == len && strncasecmp(words, s, n) == 0) {
            if (out != NULL)
                buf_put(out, words, n);
            return true;
        }
        words += n + (words[n] != '\0');
    }
    return false;
}

static int near_words(const struct meta_column *c, const char *s, struct err *e)
{
    char text[200], *all[16];
    const char *near;
    size_t n = 0;

    (void)snprintf(text, sizeof text, "%s", c->words);
    for (char *p = text; n < 16; p++) {
        all[n++] = p;
        if ((p = strchr(p, '|')) == NULL)
            break;
        *p = '\0';
    }
    near = near_word(s, strlen(s), (const char *const *)all, n);
    if (near != NULL)
        return err_set(e, ERR_ARG, "%s: \"%.64s\" is none of %s; did you mean %s?", c->name, s,
                       c->words, near);
    return err_set(e, ERR_ARG, "%s: \"%.64s\" is none of %s", c->name, s, c->words);
}

/* Powers of 1000: 10G, 2.5M, 400000; "bit/s" behind it is allowed. */
static int rate(const struct meta_column *c, const char *s, struct buf *out, struct err *e)
{
    static const char letters[] = "kmgtp";
    uint64_t v = 0, places = 1, mul = 1;
    const char *p = s, *at;
    bool bad = *p < '0' || *p > '9';

    for (; *p >= '0' && *p <= '9' && v < UINT64_MAX / 20; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    if (*p == '.')
        for (p++; *p >= '0' && *p <= '9' && places < 1000000; p++, places *= 10)
            v = v * 10 + (uint64_t)(*p - '0');
    if (*p != '\0' && (at = strchr(letters, *p | 32)) != NULL) {
        for (ptrdiff_t i = 0; i <= at - letters; i++)
            mul *= 1000;
        p++;
    }
    if (*p != '\0' && strcasecmp(p, "bit/s") != 0 && strcasecmp(p, "bps") != 0 &&
        strcmp(p, "b") != 0)
        bad = true;
    if (bad || v > UINT64_MAX / mul || v * mul % places != 0)
        return err_set(e, ERR_ARG, "%s: \"%.64s\" is no number of bit/s: 10G, 2.5M, 400000",
                       c->name, s);
    buf_printf(out, "%" PRIu64, v * mul / places);
    return ERR_OK;
}

static int number(const struct meta_column *c, const char *s, struct buf *out, struct err *e)
{
    uint64_t v = 0;
    const char *p = s;

    for (; *p >= '0' && *p <= '9' && v <= c->max; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    if (p == s || *p != '\0' || v > c->max)
        return err_set(e, ERR_ARG, "%s: \"%.64s\" is no number of 0 to %" PRIu64, c->name, s,
                       c->max);
    buf_printf(out, "%" PRIu64, v);
    return ERR_OK;
}

static int address(const char *s, struct buf *out, struct err *e)
{
    static const struct meta_column domain = { "domain", META_NUMBER, NULL, UINT32_MAX, NULL };
    size_t n = strcspn(s, "#");
    char text[ADDR_TEXT_MAX];
    struct addr a;

    if (!addr_parse(&a, s, n))
        return err_set(e, ERR_ARG,
                       "\"%.64s\" is no exporter's address: 192.0.2.1, 2001:db8::1, or with its "
                       "observation domain behind it: 192.0.2.1#7",
                       s);
    (void)addr_format(&a, text);
    buf_str(out, text);
    if (s[n] == '\0')
        return ERR_OK;
    buf_char(out, '#');
    return number(&domain, s + n + 1, out, e);
}

static int member(const char *s, struct buf *out, struct err *e)
{
    struct item x;
    int rc = item_parse(&x, s, e);

    if (rc == ERR_OK)
        item_text(out, &x);
    item_free(&x);
    return rc;
}

/* What has a name: an address, a network, an AS number. */
static int named(const char *s, struct buf *out, struct err *e)
{
    struct addr from, to;
    uint32_t as;
    int rc;

    if (item_as(s, strlen(s), &as)) {
        buf_printf(out, "AS%u", as);
        return as > 0 ? ERR_OK : err_set(e, ERR_ARG, "AS0 stands for no AS (RFC 7607)");
    }
    rc = item_net(s, strlen(s), &from, &to, e);
    if (rc == ERR_NOTFOUND)
        return err_set(e, ERR_ARG, "\"%.64s\" is no address, network or AS number", s);
    if (rc == ERR_OK)
        item_net_text(out, &from, &to);
    return rc;
}

int meta_canonical(enum meta_table t, unsigned column, const char *text, struct buf *out,
                   struct err *e)
{
    const struct meta_column *c = &meta_table_info[t].col[column];

    if (strlen(text) > META_TEXT_MAX)
        return err_set(e, ERR_ARG, "%s: longer than %u octets", c->name, META_TEXT_MAX);
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            return err_set(e, ERR_ARG, "%s: a line end or control character inside", c->name);
    if (t == META_MEMBERS && column == 1)
        return member(text, out, e);
    if (t == META_NAMES && column == 0)
        return named(text, out, e);
    switch ((enum meta_type)c->type) {
    case META_WORD:
        return one_word(c->words, text, out) ? ERR_OK : near_words(c, text, e);
    case META_YES:
        if (one_word("yes|no", text, out))
            return ERR_OK;
        if (one_word("true|on|1", text, NULL)) {
            buf_str(out, "yes");
            return ERR_OK;
        }
        if (one_word("false|off|0", text, NULL)) {
            buf_str(out, "no");
            return ERR_OK;
        }
        return err_set(e, ERR_ARG, "%s: \"%.64s\" is neither yes nor no", c->name, text);
    case META_RATE:
        return rate(c, text, out, e);
    case META_NUMBER:
        return number(c, text, out, e);
    case META_ADDRESS:
        return address(text, out, e);
    case META_TEXT:
        break;
    }
    buf_str(out, text);
    return ERR_OK;
}

int meta_set(struct meta_row *r, enum meta_table t, unsigned column, const char *text,
             struct err *e)
{
    struct buf b = buf_init(META_TEXT_MAX + 64);
    char *copy = NULL;
    int rc = ERR_OK;

    if (text[0] != '\0' && meta_table_info[t].col[column].later != NULL)
        return err_set(e, ERR_UNSUPPORTED, "not yet: %s", meta_table_info[t].col[column].later);
    if (text[0] != '\0') {
        rc = meta_canonical(t, column, text, &b, e);
        if (rc == ERR_OK && (!buf_ok(&b) || (copy = strdup(buf_cstr(&b))) == NULL))
            rc = err_set(e, ERR_NOMEM, "definitions: out of memory");
    }
    buf_free(&b);
    if (rc != ERR_OK)
        return rc;
    free(r->v[column]);
    r->v[column] = copy;
    return ERR_OK;
}

/* ------------------------------------------------------------------ differences */

static bool same_row(enum meta_table t, const struct meta_row *a, const struct meta_row *b)
{
    for (unsigned c = 0; c < meta_table_info[t].n; c++) {
        if ((a->v[c] == NULL) != (b->v[c] == NULL))
            return false;
        if (a->v[c] != NULL && strcmp(a->v[c], b->v[c]) != 0)
            return false;
    }
    return true;
}

int meta_diff(const struct meta_doc *a, const struct meta_doc *b,
              int (*each)(void *ctx, enum meta_table t, const struct meta_row *was,
                          const struct meta_row *is),
              void *ctx)
{
    int rc = ERR_OK;

    for (enum meta_table t = 0; t < META_TABLES; t++) {
        size_t i = 0, k = 0;
        while (rc == ERR_OK && (i < a->t[t].n || k < b->t[t].n)) {
            const struct meta_row *x = i < a->t[t].n ? &a->t[t].row[i] : NULL;
            const struct meta_row *y = k < b->t[t].n ? &b->t[t].row[k] : NULL;
            int c = x == NULL ? 1 : y == NULL ? -1 : meta_row_cmp(t, x->v, y->v);
            i += c <= 0;
            k += c >= 0;
            if (c != 0 || !same_row(t, x, y))
                rc = each(ctx, t, c <= 0 ? x : NULL, c >= 0 ? y : NULL);
        }
    }
    return rc;
}
