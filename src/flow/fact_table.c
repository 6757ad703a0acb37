/* Facts with the times from which they hold; a table may lie over another. */
#include "flow/fact.h"

#include <stdlib.h>
#include <string.h>

#define FACT_MAX          1048576u /* values in all */
#define FACT_EXPORTER_MAX 65536u   /* of one exporter */

struct value {
    int64_t from_ms;
    uint32_t number, len;
    uint8_t *text; /* of this value alone */
};

/* All values of one thing, in the order of time. */
struct line {
    struct line *next; /* in the bucket */
    uint64_t hash, id;
    struct exporter_key x;
    struct value *v;
    uint32_t n, cap;
    uint8_t kind;
};

/* How many lines an exporter has, and whether one is a rate. */
struct owner {
    struct owner *next;
    struct exporter_key x;
    uint64_t hash;
    uint32_t n_values;
    bool any_rate;
};

struct fact_table {
    _Atomic uint32_t refs;
    struct fact_table *base; /* looked at too; reference held, may be NULL */
    struct line **line;
    struct owner **owner;
    uint32_t mask; /* of both */
    uint32_t n_lines;
    size_t n_values;
    uint64_t refused;
};

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t exporter_hash(const struct exporter_key *x)
{
    return mix(addr_hash(&x->addr) ^
               ((uint64_t)x->domain << 32 | (uint32_t)x->version << 16 | x->import));
}

static uint64_t line_hash(const struct exporter_key *x, unsigned kind, uint64_t id)
{
    return mix(exporter_hash(x) ^ mix(id * FACT_KINDS + kind));
}

static struct line *find_line(const struct fact_table *t, const struct exporter_key *x,
                              unsigned kind, uint64_t id)
{
    uint64_t h = line_hash(x, kind, id);

    for (struct line *l = t->line[h & t->mask]; l != NULL; l = l->next)
        if (l->hash == h && l->kind == kind && l->id == id && exporter_key_equal(&l->x, x))
            return l;
    return NULL;
}

static struct owner *find_owner(const struct fact_table *t, const struct exporter_key *x)
{
    uint64_t h = exporter_hash(x);

    for (struct owner *o = t->owner[h & t->mask]; o != NULL; o = o->next)
        if (o->hash == h && exporter_key_equal(&o->x, x))
            return o;
    return NULL;
}

static void line_free(struct line *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        free(l->v[i].text);
    free(l->v);
    free(l);
}

static void table_free(struct fact_table *t)
{
    for (uint32_t i = 0; t->line != NULL && i <= t->mask; i++)
        while (t->line[i] != NULL) {
            struct line *l = t->line[i];
            t->line[i] = l->next;
            line_free(l);
        }
    for (uint32_t i = 0; t->owner != NULL && i <= t->mask; i++)
        while (t->owner[i] != NULL) {
            struct owner *o = t->owner[i];
            t->owner[i] = o->next;
            free(o);
        }
    free(t->line);
    free(t->owner);
    fact_table_unref(t->base);
    free(t);
}

static int buckets(struct fact_table *t, uint32_t n)
{
    struct line **line = calloc(n, sizeof(struct line *));
    struct owner **owner = calloc(n, sizeof(struct owner *));

    if (line == NULL || owner == NULL) {
        free(line);
        free(owner);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; t->line != NULL && i <= t->mask; i++) {
        for (struct line *l = t->line[i], *next; l != NULL; l = next) {
            next = l->next;
            l->next = line[l->hash & (n - 1)];
            line[l->hash & (n - 1)] = l;
        }
        for (struct owner *o = t->owner[i], *next; o != NULL; o = next) {
            next = o->next;
            o->next = owner[o->hash & (n - 1)];
            owner[o->hash & (n - 1)] = o;
        }
    }
    free(t->line);
    free(t->owner);
    t->line = line;
    t->owner = owner;
    t->mask = n - 1;
    return ERR_OK;
}

static struct owner *make_owner(struct fact_table *t, const struct exporter_key *x)
{
    struct owner *o = find_owner(t, x);

    if (o != NULL || (o = calloc(1, sizeof *o)) == NULL)
        return o;
    o->x = *x;
    o->hash = exporter_hash(x);
    o->next = t->owner[o->hash & t->mask];
    t->owner[o->hash & t->mask] = o;
    return o;
}

static struct line *make_line(struct fact_table *t, const struct exporter_key *x, unsigned kind,
                              uint64_t id)
{
    struct line *l = find_line(t, x, kind, id);

    if (l != NULL || (l = calloc(1, sizeof *l)) == NULL)
        return l;
    l->x = *x;
    l->kind = (uint8_t)kind;
    l->id = id;
    l->hash = line_hash(x, kind, id);
    l->next = t->line[l->hash & t->mask];
    t->line[l->hash & t->mask] = l;
    t->n_lines++;
    return l;
}

/* The last value told at or before a time: its place + 1; 0 = all were told later. */
static uint32_t at_time(const struct line *l, int64_t ms)
{
    uint32_t lo = 0, hi = l->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->v[mid].from_ms <= ms)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct fact fact_of(const struct line *l, uint32_t k)
{
    return (struct fact){ .kind = l->kind,
                          .id = l->id,
                          .number = l->v[k].number,
                          .text = l->v[k].text,
                          .len = l->v[k].len };
}

static int insert(struct line *l, uint32_t at, int64_t from_ms, const struct fact *f)
{
    struct value v = { .from_ms = from_ms, .number = f->number, .len = f->len };

    if (l->n == l->cap) {
        uint32_t cap = l->cap > 0 ? l->cap * 2 : 1;
        struct value *grown = realloc(l->v, cap * sizeof *grown);
        if (grown == NULL)
            return ERR_NOMEM;
        l->v = grown;
        l->cap = cap;
    }
    if (f->len > 0) {
        if ((v.text = malloc(f->len)) == NULL)
            return ERR_NOMEM;
        memcpy(v.text, f->text, f->len);
    }
    memmove(&l->v[at + 1], &l->v[at], (l->n - at) * sizeof *l->v);
    l->v[at] = v;
    l->n++;
    return ERR_OK;
}

static size_t values_of(const struct fact_table *t)
{
    return t->n_values + (t->base != NULL ? t->base->n_values : 0);
}

static uint32_t values_of_exporter(const struct fact_table *t, const struct owner *o)
{
    const struct owner *of_base = t->base != NULL ? find_owner(t->base, &o->x) : NULL;

    return o->n_values + (of_base != NULL ? of_base->n_values : 0);
}

int fact_table_add(struct fact_table *t, const struct exporter_key *x, int64_t from_ms,
                   const struct fact *f, bool *news)
{
    struct fact known;
    struct line *l;
    struct owner *o;
    int rc;

    *news = false;
    if (fact_get(t, x, (enum fact_kind)f->kind, f->id, from_ms, &known, NULL, NULL) &&
        known.number == f->number && known.len == f->len &&
        (f->len == 0 || memcmp(known.text, f->text, f->len) == 0))
        return ERR_OK;
    if (t->n_lines > t->mask && (rc = buckets(t, (t->mask + 1) * 2)) != ERR_OK)
        return rc;
    if ((o = make_owner(t, x)) == NULL)
        return ERR_NOMEM;
    if (values_of(t) >= FACT_MAX || values_of_exporter(t, o) >= FACT_EXPORTER_MAX) {
        t->refused++;
        return ERR_LIMIT;
    }
    if ((l = make_line(t, x, f->kind, f->id)) == NULL ||
        insert(l, at_time(l, from_ms), from_ms, f) != ERR_OK)
        return ERR_NOMEM;
    o->n_values++;
    o->any_rate |= f->kind <= FACT_RATE_IF;
    t->n_values++;
    *news = true;
    return ERR_OK;
}

static int copy_line(struct fact_table *t, const struct line *l)
{
    for (uint32_t k = 0; k < l->n; k++) {
        struct fact f = fact_of(l, k);
        bool news;
        int rc = fact_table_add(t, &l->x, l->v[k].from_ms, &f, &news);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

int fact_table_new(struct fact_table **out, struct fact_table *base)
{
    struct fact_table *t = calloc(1, sizeof *t);

    *out = NULL;
    if (t == NULL)
        return ERR_NOMEM;
    atomic_init(&t->refs, 1);
    if (buckets(t, 64) != ERR_OK) {
        table_free(t);
        return ERR_NOMEM;
    }
    if (base != NULL) {
        t->base = fact_table_ref(base);
        t->refused = base->refused;
    }
    *out = t;
    return ERR_OK;
}

int fact_table_flat(struct fact_table **out, const struct fact_table *t)
{
    uint64_t refused = t->refused;
    int rc = fact_table_new(out, NULL);

    for (const struct fact_table *from = t; rc == ERR_OK && from != NULL; from = from->base)
        for (uint32_t i = 0; rc == ERR_OK && i <= from->mask; i++)
            for (const struct line *l = from->line[i]; rc == ERR_OK && l != NULL; l = l->next)
                rc = copy_line(*out, l);
    if (rc != ERR_OK) {
        fact_table_unref(*out);
        *out = NULL;
        return rc;
    }
    (*out)->refused = refused;
    return ERR_OK;
}

struct fact_table *fact_table_ref(struct fact_table *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void fact_table_unref(struct fact_table *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        table_free(t);
}

size_t fact_table_count(const struct fact_table *t, uint64_t *refused)
{
    *refused = t->refused;
    return values_of(t);
}

/* ------------------------------------------------------------------------------------- answers */

/* A line and the time: the value that holds, what comes next. */
struct look {
    const struct line *l;
    uint32_t at; /* values told at or before the time */
};

static struct look look_at(const struct fact_table *t, const struct exporter_key *x,
                           enum fact_kind kind, uint64_t id, int64_t ms)
{
    struct look k = { t != NULL ? find_line(t, x, kind, id) : NULL, 0 };

    if (k.l != NULL)
        k.at = at_time(k.l, ms);
    return k;
}

static int64_t next_ms(const struct look *k)
{
    return k->l != NULL && k->at < k->l->n ? k->l->v[k->at].from_ms : INT64_MAX;
}

/* Told before the time: when; INT64_MIN: not. */
static int64_t told_ms(const struct look *k)
{
    return k->l != NULL && k->at > 0 ? k->l->v[k->at - 1].from_ms : INT64_MIN;
}

bool fact_get(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
              uint64_t id, int64_t at_ms, struct fact *out, int64_t *since_ms, int64_t *until_ms)
{
    struct look a = look_at(t, x, kind, id, at_ms), b = look_at(t->base, x, kind, id, at_ms);
    bool told = told_ms(&a) != INT64_MIN || told_ms(&b) != INT64_MIN;
    struct look *best;

    if (told)
        best = told_ms(&a) >= told_ms(&b) ? &a : &b;
    else
        best = next_ms(&a) <= next_ms(&b) ? &a : &b;
    if (best->l == NULL || best->l->n == 0)
        return false;
    if (!told) /* the first that was told later holds for what was before */
        best->at++;
    *out = fact_of(best->l, best->at - 1);
    if (since_ms != NULL)
        *since_ms = told ? told_ms(best) : INT64_MIN;
    if (until_ms != NULL)
        *until_ms = MIN(next_ms(&a), next_ms(&b));
    return true;
}

/* One value of a line of t or of its base: is it what fact_get() gives, and when? */
static bool value_holds(const struct fact_table *t, const struct line *l, uint32_t k, int64_t *from,
                        int64_t *to)
{
    struct fact f;
    int64_t since, ms = l->v[k].from_ms;

    if (!fact_get(t, &l->x, (enum fact_kind)l->kind, l->id, ms, &f, from, to) ||
        f.text != l->v[k].text || f.number != l->v[k].number)
        return false; /* another was told at the same time */
    if (ms > INT64_MIN &&
        fact_get(t, &l->x, (enum fact_kind)l->kind, l->id, ms - 1, &f, &since, NULL) &&
        since == INT64_MIN)
        *from = INT64_MIN; /* the first of all holds for what was before */
    return true;
}

void fact_each_value(const struct fact_table *t, enum fact_kind kind,
                     bool (*found)(void *ctx, const struct exporter_key *x, const struct fact *f,
                                   int64_t from_ms, int64_t to_ms),
                     void *ctx)
{
    for (const struct fact_table *in = t; in != NULL; in = in->base)
        for (uint32_t i = 0; i <= in->mask; i++)
            for (const struct line *l = in->line[i]; l != NULL; l = l->next)
                for (uint32_t k = 0; l->kind == kind && k < l->n; k++) {
                    struct fact f = fact_of(l, k);
                    int64_t from, to;
                    if (value_holds(t, l, k, &from, &to) && !found(ctx, &l->x, &f, from, to))
                        return;
                }
}

bool fact_any_rate(const struct fact_table *t, const struct exporter_key *x)
{
    for (; t != NULL; t = t->base) {
        const struct owner *o = find_owner(t, x);
        if (o != NULL && o->any_rate)
            return true;
    }
    return false;
}

uint32_t fact_rate(const struct fact_table *t, const struct exporter_key *x, uint32_t sampler,
                   uint32_t in_if, int64_t at_ms, int64_t *since_ms, int64_t *until_ms)
{
    struct fact f;

    if (sampler != 0 && fact_get(t, x, FACT_RATE_SAMPLER, sampler, at_ms, &f, since_ms, until_ms))
        return f.number;
    if (fact_get(t, x, FACT_RATE_IF, in_if, at_ms, &f, since_ms, until_ms) ||
        fact_get(t, x, FACT_RATE_SYSTEM, 0, at_ms, &f, since_ms, until_ms))
        return f.number;
    *since_ms = INT64_MIN;
    *until_ms = INT64_MAX;
    return 0;
}

struct learning {
    struct fact_table *t;
    const struct exporter_key *x;
    int64_t from_ms;
    void (*told)(void *ctx, const struct exporter_key *x, int64_t from_ms, const struct fact *f);
    void *ctx;
    int rc;
};

static void learn(void *ctx, const struct fact *f)
{
    struct learning *n = ctx;
    bool news = false;
    int rc = fact_table_add(n->t, n->x, n->from_ms, f, &news);

    if (rc != ERR_OK && rc != ERR_LIMIT)
        n->rc = rc;
    if (news && n->told != NULL)
        n->told(n->ctx, n->x, n->from_ms, f);
}

int fact_table_learn(struct fact_table *t, const struct exporter_key *x, const struct shape *s,
                     const uint8_t *p, size_t len, int64_t from_ms,
                     void (*told)(void *ctx, const struct exporter_key *x, int64_t from_ms,
                                  const struct fact *f),
                     void *ctx)
{
    struct learning l = {
        .t = t, .x = x, .from_ms = from_ms, .told = told, .ctx = ctx, .rc = ERR_OK
    };

    fact_each(s, p, len, learn, &l);
    return l.rc;
}
