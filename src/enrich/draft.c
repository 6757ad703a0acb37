/* Ranges as they are gathered, and the file made of them. */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "enrich/ranges.h"

struct item {
    struct addr first, last;
    uint32_t number;
    uint32_t order; /* in which it was added */
};

struct named {
    uint32_t number, order, off, len;
};

struct ranges_draft {
    struct item *item[2]; /* IPv4, all others */
    size_t n[2], cap[2];
    struct named *name;
    size_t n_names, cap_names;
    struct buf text;
    uint32_t order;
};

int ranges_draft_new(struct ranges_draft **out)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return ERR_NOMEM;
    (*out)->text = buf_init(RANGES_OCTETS / 4);
    return ERR_OK;
}

void ranges_draft_free(struct ranges_draft *d)
{
    if (d == NULL)
        return;
    free(d->item[0]);
    free(d->item[1]);
    free(d->name);
    buf_free(&d->text);
    free(d);
}

/* Room for one more in an array of `size` octets each. */
static int grow(void **p, size_t *cap, size_t n, size_t size)
{
    size_t more = *cap > 0 ? *cap * 2 : 1024;
    void *q;

    if (n < *cap)
        return ERR_OK;
    if (n >= RANGES_MAX)
        return ERR_LIMIT;
    if ((q = realloc(*p, more * size)) == NULL)
        return ERR_NOMEM;
    *p = q;
    *cap = more;
    return ERR_OK;
}

int ranges_draft_add(struct ranges_draft *d, const struct addr *first, const struct addr *last,
                     uint32_t number)
{
    unsigned f = !addr_is_v4(first);
    void *p = d->item[f];
    int rc;

    if (addr_cmp(first, last) > 0 || addr_is_v4(first) != addr_is_v4(last))
        return ERR_ARG;
    rc = grow(&p, &d->cap[f], d->n[f], sizeof **d->item);
    d->item[f] = p;
    if (rc == ERR_OK)
        d->item[f][d->n[f]++] = (struct item){ *first, *last, number, d->order++ };
    return rc;
}

int ranges_draft_name(struct ranges_draft *d, uint32_t number, const char *text, size_t len)
{
    void *p = d->name;
    uint32_t off = (uint32_t)d->text.len;
    int rc;

    /* files name an AS in every range: the one before is mostly the same */
    if (len == 0 || (d->n_names > 0 && d->name[d->n_names - 1].number == number))
        return ERR_OK;
    rc = grow(&p, &d->cap_names, d->n_names, sizeof *d->name);
    d->name = p;
    if (rc != ERR_OK)
        return rc;
    if (len > RANGES_NAME) /* not in the midst of a character of UTF-8 */
        for (len = RANGES_NAME; len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80;)
            len--;
    buf_put(&d->text, text, len);
    if (!buf_ok(&d->text))
        return ERR_NOMEM;
    d->name[d->n_names] = (struct named){ number, (uint32_t)d->n_names, off, (uint32_t)len };
    d->n_names++;
    return ERR_OK;
}

/* ------------------------------------------------------------------ flat */

static int by_start(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int c = addr_cmp(&x->first, &y->first);

    if (c == 0)
        c = addr_cmp(&y->last, &x->last); /* the longer one first: the shorter lies on it */
    return c != 0 ? c : x->order < y->order ? -1 : x->order > y->order;
}

static int by_number(const void *a, const void *b)
{
    const struct named *x = a, *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* a + 1; false behind the last address. */
static bool next_addr(struct addr *a)
{
    for (unsigned i = 16; i-- > 0;)
        if (++a->b[i] != 0)
            return true;
    return false;
}

/* The flat list of one family: where a range begins, and its number. */
struct flat {
    struct addr *start;
    uint32_t *number;
    size_t n, cap;
    uint32_t said; /* ranges that say something */
};

static void put(struct flat *f, const struct addr *start, uint32_t number)
{
    if (f->n > 0 && addr_cmp(&f->start[f->n - 1], start) == 0)
        f->n--; /* the one before came to nothing */
    if (f->n > 0 && f->number[f->n - 1] == number)
        return;
    f->start[f->n] = *start;
    f->number[f->n++] = number;
}

/* Items on the stack cover each other, the top one counts. When it ends, what lies below and still
 * lasts counts again. */
static void end_until(struct flat *f, const struct item *it, uint32_t *stack, size_t *depth,
                      const struct addr *before)
{
    while (*depth > 0 && (before == NULL || addr_cmp(&it[stack[*depth - 1]].last, before) < 0)) {
        struct addr end = it[stack[--*depth]].last;
        if (!next_addr(&end)) { /* it was the last address: what lies below has ended too */
            *depth = 0;
            return;
        }
        while (*depth > 0 && addr_cmp(&it[stack[*depth - 1]].last, &end) < 0)
            --*depth;
        put(f, &end, *depth > 0 ? it[stack[*depth - 1]].number : 0);
    }
}

static int flatten(struct item *it, size_t n, struct flat *f, const struct addr *begin)
{
    uint32_t *stack = malloc((n + 1) * sizeof *stack);
    size_t depth = 0;

    f->start = malloc((2 * n + 2) * sizeof *f->start);
    f->number = malloc((2 * n + 2) * sizeof *f->number);
    if (stack == NULL || f->start == NULL || f->number == NULL) {
        free(stack);
        return ERR_NOMEM;
    }
    if (n > 0)
        qsort(it, n, sizeof *it, by_start);
    put(f, begin, 0);
    for (size_t i = 0; i < n; i++) {
        end_until(f, it, stack, &depth, &it[i].first);
        put(f, &it[i].first, it[i].number);
        stack[depth++] = (uint32_t)i;
    }
    end_until(f, it, stack, &depth, NULL);
    for (size_t i = 0; i < f->n; i++)
        f->said += f->number[i] != 0;
    free(stack);
    return ERR_OK;
}

static void put_text(struct buf *out, const char *s)
{
    size_t n = MIN(strlen(s), RANGES_TEXT - 1u);

    buf_le(out, n, 2);
    buf_put(out, s, n);
}

static void put_names(struct ranges_draft *d, struct buf *out)
{
    uint32_t end = 0;

    for (size_t i = 0; i < d->n_names; i++)
        buf_le(out, d->name[i].number, 4);
    for (size_t i = 0; i < d->n_names; i++)
        buf_le(out, end += d->name[i].len, 4);
    for (size_t i = 0; i < d->n_names; i++)
        buf_put(out, d->text.p + d->name[i].off, d->name[i].len);
}

/* One name for a number: the first told. */
static uint32_t sort_names(struct ranges_draft *d)
{
    size_t n = 0;
    uint64_t octets = 0;

    if (d->n_names > 0)
        qsort(d->name, d->n_names, sizeof *d->name, by_number);
    for (size_t i = 0; i < d->n_names; i++)
        if (n == 0 || d->name[n - 1].number != d->name[i].number)
            d->name[n++] = d->name[i];
    d->n_names = n;
    for (size_t i = 0; i < n; i++)
        octets += d->name[i].len;
    return (uint32_t)octets;
}

int ranges_write(struct ranges_draft *d, struct ranges_about *about, struct buf *out, struct err *e)
{
    struct flat f[2] = { { .n = 0 } };
    const struct addr v4 = addr_from_v4(0), v6 = { { 0 } };
    size_t at = out->len;
    uint32_t octets = sort_names(d);
    int rc = flatten(d->item[0], d->n[0], &f[0], &v4);

    if (rc == ERR_OK)
        rc = flatten(d->item[1], d->n[1], &f[1], &v6);
    /* ranges of IPv4 end with its last address, and what begins behind it is of no use */
    while (f[0].n > 0 && !addr_is_v4(&f[0].start[f[0].n - 1]))
        f[0].n--;
    if (rc == ERR_OK) {
        about->n_v4 = f[0].said;
        about->n_v6 = f[1].said;
        about->n_names = (uint32_t)d->n_names;
        buf_put(out, RANGES_MAGIC, 8);
        buf_le(out, RANGES_DRAFT, 4);
        buf_le(out, about->kind, 4);
        buf_le(out, (uint64_t)about->version.date_ms, 8);
        buf_le(out, about->n_v4, 4);
        buf_le(out, about->n_v6, 4);
        buf_le(out, f[0].n, 4);
        buf_le(out, f[1].n, 4);
        buf_le(out, d->n_names, 4);
        buf_le(out, octets, 4);
        put_text(out, about->source);
        put_text(out, about->licence);
        for (size_t i = 0; i < f[0].n; i++)
            buf_le(out, addr_v4(&f[0].start[i]), 4);
        for (size_t i = 0; i < f[0].n; i++)
            buf_le(out, f[0].number[i], 4);
        for (size_t i = 0; i < f[1].n; i++)
            buf_le(out, be64(f[1].start[i].b), 8);
        for (size_t i = 0; i < f[1].n; i++)
            buf_le(out, be64(f[1].start[i].b + 8), 8);
        for (size_t i = 0; i < f[1].n; i++)
            buf_le(out, f[1].number[i], 4);
        put_names(d, out);
        if (buf_ok(out)) {
            about->version.id = XXH3_64bits(out->p + at, out->len - at);
            buf_le(out, about->version.id, 8);
            about->version.id = MAX(about->version.id, 1);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        free(f[i].start);
        free(f[i].number);
    }
    if (rc == ERR_OK && !buf_ok(out))
        rc = ERR_NOMEM;
    return rc == ERR_OK ? rc : err_set(e, rc, "ranges: out of memory");
}
