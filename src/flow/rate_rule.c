#include "flow/rate_rule.h"

#include <stdlib.h>
#include <string.h>

struct rate_rules {
    _Atomic uint32_t refs;
    size_t n;
    struct rate_rule r[]; /* by exporter; those of an interface first, by interface */
};

static int compare(const struct rate_rule *a, const struct rate_rule *b)
{
    int c = addr_cmp(&a->exporter, &b->exporter);

    if (c != 0)
        return c;
    if (a->of_if != b->of_if)
        return a->of_if ? -1 : 1;
    return !a->of_if ? 0 : (a->in_if > b->in_if) - (a->in_if < b->in_if);
}

/* Place in the order given breaks ties, so that the later one of two is the last of its like. */
struct placed {
    struct rate_rule r;
    size_t at;
};

static int by_rule(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    int c = compare(&x->r, &y->r);

    return c != 0 ? c : (x->at > y->at) - (x->at < y->at);
}

int rate_rules_new(struct rate_rules **out, const struct rate_rule *r, size_t n, struct err *e)
{
    struct rate_rules *t;
    struct placed *p;

    *out = NULL;
    if (n == 0)
        return ERR_OK;
    if (n > RATE_RULES_MAX)
        return err_set(e, ERR_LIMIT, "sampling: more than %u rates are declared", RATE_RULES_MAX);
    t = malloc(sizeof *t + n * sizeof t->r[0]);
    p = malloc(n * sizeof *p);
    if (t == NULL || p == NULL) {
        free(t);
        free(p);
        return err_set(e, ERR_NOMEM, "sampling: out of memory");
    }
    for (size_t i = 0; i < n; i++)
        p[i] = (struct placed){ r[i], i };
    qsort(p, n, sizeof *p, by_rule);
    atomic_init(&t->refs, 1);
    t->n = 0;
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || compare(&p[i].r, &p[i + 1].r) != 0)
            t->r[t->n++] = p[i].r;
    free(p);
    *out = t;
    return ERR_OK;
}

int rate_rules_join(struct rate_rules **rules, struct rate_rules *below, struct err *e)
{
    const struct rate_rules *a = *rules;
    struct rate_rules *t;
    size_t i = 0, k = 0;

    if (a == NULL || below == NULL) {
        *rules = a == NULL ? rate_rules_ref(below) : *rules;
        return ERR_OK;
    }
    t = malloc(sizeof *t + (a->n + below->n) * sizeof t->r[0]);
    if (t == NULL)
        return err_set(e, ERR_NOMEM, "sampling: out of memory");
    atomic_init(&t->refs, 1);
    t->n = 0;
    while (i < a->n || k < below->n) {
        int c = i == a->n ? 1 : k == below->n ? -1 : compare(&a->r[i], &below->r[k]);
        t->r[t->n++] = c <= 0 ? a->r[i] : below->r[k];
        i += c <= 0;
        k += c >= 0;
    }
    rate_rules_unref(*rules);
    *rules = t;
    return ERR_OK;
}

struct rate_rules *rate_rules_ref(struct rate_rules *t)
{
    if (t != NULL)
        (void)atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void rate_rules_unref(struct rate_rules *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

/* A decimal number of 32 bits from p up to end. */
static bool number(const char *p, const char *end, uint32_t *out)
{
    uint64_t v = 0;

    if (p == end || end - p > 10)
        return false;
    for (; p < end; p++) {
        if (*p < '0' || *p > '9')
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    *out = (uint32_t)v;
    return v <= UINT32_MAX;
}

static int parse_one(const char *s, struct rate_rule *out, struct err *e)
{
    const char *is = strchr(s, '='), *end = s + strlen(s), *slash;

    *out = (struct rate_rule){ .in_if = 0 };
    if (is != NULL) {
        slash = memchr(s, '/', (size_t)(is - s));
        out->of_if = slash != NULL;
        out->force = end[-1] == '!';
        if (addr_parse(&out->exporter, s, (size_t)((slash != NULL ? slash : is) - s)) &&
            (slash == NULL || number(slash + 1, is, &out->in_if)) &&
            number(is + 1, end - out->force, &out->rate) && out->rate > 0)
            return ERR_OK;
    }
    return err_set(
        e, ERR_ARG,
        "sampling: \"%.200s\" is none of ADDRESS=N, ADDRESS/INTERFACE=N; write one packet "
        "in a thousand as 192.0.2.1=1000, or 192.0.2.1=1000! against what the exporter "
        "says",
        s);
}

int rate_rules_parse(struct rate_rules **out, char *const *text, size_t n, struct err *e)
{
    struct rate_rule *r = calloc(n + 1, sizeof *r);
    int rc = ERR_OK;

    *out = NULL;
    if (r == NULL)
        return err_set(e, ERR_NOMEM, "sampling: out of memory");
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = parse_one(text[i], &r[i], e);
    if (rc == ERR_OK)
        rc = rate_rules_new(out, r, n, e);
    free(r);
    return rc;
}

/* The first rule that is not before `key`. */
static size_t lower(const struct rate_rules *t, const struct rate_rule *key)
{
    size_t lo = 0, hi = t->n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&t->r[mid], key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct rate_rule *rate_rule_find(const struct rate_rules *t, const struct addr *exporter,
                                       uint32_t in_if)
{
    struct rate_rule key = { .exporter = *exporter, .in_if = in_if, .of_if = true };

    for (unsigned i = 0; t != NULL && i < 2; i++) {
        size_t at = lower(t, &key);
        if (at < t->n && compare(&t->r[at], &key) == 0)
            return &t->r[at];
        key.of_if = false;
    }
    return NULL;
}

bool rate_rules_any(const struct rate_rules *t, const struct addr *exporter, bool *forced)
{
    struct rate_rule key = { .exporter = *exporter, .of_if = true };
    bool any = false;

    if (forced != NULL)
        *forced = false;
    for (size_t i = t != NULL ? lower(t, &key) : 0;
         t != NULL && i < t->n && addr_cmp(&t->r[i].exporter, exporter) == 0; i++) {
        any = true;
        if (forced != NULL)
            *forced |= t->r[i].force;
    }
    return any;
}
