/* Retention: what is deleted, what is written anew without some classes, what moves. The rule
 * stands in store.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "store/check.h"

#define WORK_OCTETS ((uint64_t)1 << 30) /* rewritten and moved per call, about */

/* ------------------------------------------------------------------ settings */

static int bad_class(struct err *e, const char *text, const char *why)
{
    return err_set(e, ERR_ARG,
                   "retention.classes: \"%s\": %s; write NAME=NETWORK+NETWORK=AGE/SIZE, as in "
                   "lab=10.1.0.0/16+fd00::/8=7d/20G",
                   text, why);
}

static int read_nets(struct store_class *c, const char *text, const char *p, const char *end,
                     struct err *e)
{
    while (p < end) {
        const char *plus = memchr(p, '+', (size_t)(end - p));
        size_t n = (size_t)((plus != NULL ? plus : end) - p);
        if (c->n_nets == STORE_CLASS_NETS)
            return bad_class(e, text, "more than 64 networks");
        if (!net_parse(&c->net[c->n_nets++], p, n, NULL))
            return bad_class(e, text, "not a network");
        p += n + (plus != NULL);
    }
    return c->n_nets > 0 ? ERR_OK : bad_class(e, text, "no network");
}

/* "7d", "20G", "7d/20G": what reads as a time is the age. */
static int read_limits(struct store_class *c, const char *text, const char *p, struct err *e)
{
    const char *slash = strchr(p, '/');
    char age[32] = "", size[32] = "";
    uint64_t ms, octets;

    (void)snprintf(age, sizeof age, "%.*s", slash != NULL ? (int)(slash - p) : 31, p);
    if (slash != NULL)
        (void)snprintf(size, sizeof size, "%s", slash + 1);
    if (conf_parse_number(OPT_TYPE_DURATION, age, &ms) && ms < INT64_MAX)
        c->max_age_ms = (int64_t)ms;
    else if (slash == NULL)
        (void)snprintf(size, sizeof size, "%s", age);
    else
        return bad_class(e, text, "not an age");
    if (size[0] != '\0' && !conf_parse_number(OPT_TYPE_SIZE, size, &octets))
        return bad_class(e, text, "neither an age nor a size");
    c->max_octets = size[0] != '\0' ? octets : 0;
    return ERR_OK;
}

static int read_class(struct store_class *c, const char *text, struct err *e)
{
    const char *nets = strchr(text, '='), *limits = nets != NULL ? strrchr(text, '=') : NULL;
    int rc;

    memset(c, 0, sizeof *c);
    if (nets == NULL || limits == nets || nets == text)
        return bad_class(e, text, "three parts are needed");
    if ((size_t)(nets - text) >= sizeof c->name)
        return bad_class(e, text, "the name is longer than 31 octets");
    memcpy(c->name, text, (size_t)(nets - text));
    rc = read_nets(c, text, nets + 1, limits, e);
    return rc == ERR_OK ? read_limits(c, text, limits + 1, e) : rc;
}

int store_retention_read(struct store_retention *r, const struct conf *c, struct err *e)
{
    const struct conf_value *v = &c->v[OPT_RETENTION_CLASSES];
    int rc = ERR_OK;

    memset(r, 0, sizeof *r);
    r->max_octets = conf_num(c, OPT_RETENTION_SIZE);
    r->max_age_ms = (int64_t)conf_num(c, OPT_RETENTION_AGE);
    r->import_keep_ms = (int64_t)conf_num(c, OPT_RETENTION_IMPORT_KEEP);
    r->min_free = conf_num(c, OPT_RETENTION_FREE);
    if (conf_text(c, OPT_STORAGE_SLOW)[0] != '\0')
        r->slow_after_ms = (int64_t)conf_num(c, OPT_STORAGE_SLOW_AFTER);
    if (v->n_items > STORE_CLASSES)
        return err_set(e, ERR_ARG, "retention.classes: at most %u classes", STORE_CLASSES);
    for (size_t i = 0; i < v->n_items && rc == ERR_OK; i++)
        rc = read_class(&r->class[r->n_classes++], v -> item[i], e);
    return rc;
}

/* ------------------------------------------------------------------ classes */

/* Number of a set of rules, to see whether what was counted is of it; never 0. */
static uint32_t rules_number(const struct store_retention *r)
{
    uint32_t h = r->n_classes;

    for (uint32_t i = 0; i < r->n_classes; i++)
        h = h * 31 + seg_sum(r->class[i].net, r->class[i].n_nets * sizeof r->class[i].net[0]);
    return h | 1;
}

static uint8_t class_of(const struct store_retention *r, const struct addr *a)
{
    for (uint32_t i = 0; i < r->n_classes; i++)
        for (uint32_t k = 0; k < r->class[i].n_nets; k++)
            if (net_has(&r->class[i].net[k], a))
                return (uint8_t)i;
    return STORE_CLASSES;
}

/* One class per exporter of a segment; NULL: out of memory. */
static uint8_t *classes_of(const struct store_retention *r, const struct rowset *rs)
{
    uint8_t *of = malloc(rs->n_exporters + 1u);

    for (uint32_t i = 0; of != NULL && i < rs->n_exporters; i++)
        of[i] = class_of(r, &rs->exporters[i].addr);
    return of;
}

static int count_rows(const struct rowset *rs, const uint8_t *of, uint32_t *rows, struct err *e)
{
    uint32_t v[ROWSET_VECTOR];
    int rc = ERR_OK;

    for (uint32_t b = 0; b < rs->n_blocks && rc == ERR_OK; b++) {
        uint32_t all = rs->ops->block_rows(rs, b);
        for (uint32_t first = 0; first < all && rc == ERR_OK; first += ROWSET_VECTOR) {
            uint32_t n = MIN(ROWSET_VECTOR, all - first);
            rc = rs->ops->read(rs, b, COL_EXPORTER, first, n, v, e);
            for (uint32_t i = 0; i < n && rc == ERR_OK; i++)
                rows[of[v[i]]]++;
        }
    }
    return rc;
}

static bool stopped(const struct store_retention *r)
{
    return r->stop != NULL && atomic_load(r->stop);
}

/* Rows per class of one segment that was not counted under these rules. One that cannot be read
 * stays uncounted: it is kept as long as the longest rule. False: there is none left. */
static bool classify_next(struct store *s, const struct store_retention *r, uint32_t rules,
                          size_t *at)
{
    uint32_t rows[STORE_CLASSES + 1] = { 0 };
    struct rowset *lazy = NULL, *rs = NULL;
    uint64_t id = 0;
    uint8_t *of = NULL;
    struct entry *x;

    os_lock(&s->list);
    for (; *at < s->n_entries && lazy == NULL; ++*at) {
        x = &s->entry[*at];
        if (x->class_seen == rules)
            continue;
        lazy = rowset_ref(&x->file->rs);
        id = x->info.id;
    }
    os_unlock(&s->list);
    if (lazy == NULL)
        return false;
    if (rowset_open(lazy, &rs, NULL) == ERR_OK && (of = classes_of(r, rs)) != NULL &&
        count_rows(rs, of, rows, NULL) == ERR_OK) {
        os_lock(&s->list);
        if ((x = store_entry(s, id)) != NULL) {
            x->class_seen = rules;
            memcpy(x->class_rows, rows, sizeof rows);
        }
        os_unlock(&s->list);
    }
    free(of);
    rowset_unref(rs);
    rowset_unref(lazy);
    return true;
}

/* ------------------------------------------------------------------ choosing */

#define ALL_CLASSES ((1u << (STORE_CLASSES + 1)) - 1)

struct fate {
    struct seg_info info;
    enum tier tier;
    bool spared; /* by age: a fresh import */
    bool no_rewrite;
    uint32_t rows[STORE_CLASSES + 1];
    unsigned has, due; /* bit per class */
};

static int64_t age_of(const struct store_retention *r, unsigned class)
{
    return class < STORE_CLASSES ? r->class[class].max_age_ms : r->max_age_ms;
}

static void take_fate(const struct store *s, const struct store_retention *r, uint32_t rules,
                      int64_t now_ms, const struct entry *x, struct fate *f)
{
    *f = (struct fate){ .info = x->info, .tier = x->tier, .no_rewrite = x->no_rewrite };
    f->spared =
        x->import != 0 && s->m.import[x->import - 1].what.at_ms > now_ms - r->import_keep_ms;
    if (r->n_classes == 0 || (x->class_seen == rules && x->info.n_rows == 0)) {
        f->rows[STORE_CLASSES] = x->info.n_rows;
        f->has = 1u << STORE_CLASSES;
    } else if (x->class_seen == rules) {
        memcpy(f->rows, x->class_rows, sizeof f->rows);
        for (unsigned c = 0; c <= STORE_CLASSES; c++)
            f->has |= f->rows[c] > 0 ? 1u << c : 0;
    } else { /* not known: any */
        f->has = (1u << r->n_classes) - 1u;
        f->has |= 1u << STORE_CLASSES;
    }
    for (unsigned c = 0; c <= STORE_CLASSES && !f->spared; c++)
        if ((f->has >> c & 1) != 0 && age_of(r, c) > 0 &&
            x->info.max_received_ms < now_ms - age_of(r, c))
            f->due |= 1u << c;
}

static int oldest_first(const void *a, const void *b)
{
    const struct fate *x = a, *y = b;

    if (x->info.max_received_ms != y->info.max_received_ms)
        return x->info.max_received_ms < y->info.max_received_ms ? -1 : 1;
    return x->info.id < y->info.id ? -1 : x->info.id > y->info.id;
}

static bool goes(const struct fate *f)
{
    return (f->has & ~f->due) == 0;
}

/* Octets of one class in a segment: its share of the rows. */
static uint64_t share(const struct fate *f, unsigned class)
{
    if (f->info.n_rows == 0)
        return 0;
    return (uint64_t)((double)f->info.octets * f->rows[class] / f->info.n_rows);
}

static void by_class_size(const struct store_retention *r, struct fate *f, size_t n)
{
    for (unsigned c = 0; c < r->n_classes; c++) {
        uint64_t octets = 0;
        for (size_t i = 0; i < n; i++)
            octets += (f[i].due >> c & 1) == 0 ? share(&f[i], c) : 0;
        for (size_t i = 0; i < n && r->class[c].max_octets > 0 && octets > r->class[c].max_octets;
             i++) {
            if ((f[i].due >> c & 1) != 0 || f[i].rows[c] == 0)
                continue;
            octets -= share(&f[i], c);
            f[i].due |= 1u << c;
        }
    }
}

static void by_size(const struct store_retention *r, struct fate *f, size_t n)
{
    uint64_t octets = 0;

    for (size_t i = 0; i < n; i++)
        octets += goes(&f[i]) ? 0 : f[i].info.octets;
    for (size_t i = 0; i < n && r->max_octets > 0 && octets > r->max_octets; i++) {
        if (goes(&f[i]))
            continue;
        octets -= f[i].info.octets;
        f[i].due = ALL_CLASSES;
    }
}

/* Octets that a file system lacks to min_free; what is deleted there already counts. */
static uint64_t lack(const struct store *s, const struct store_retention *r, enum tier t,
                     const struct fate *f, size_t n)
{
    char path[STORE_PATH];
    uint64_t is_free, all;

    store_path(s, path, t == TIER_SLOW ? "slow" : "");
    if (r->min_free == 0 || os_space(path, &is_free, &all, NULL) != ERR_OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        is_free += f[i].tier == t && goes(&f[i]) ? f[i].info.octets : 0;
    return is_free < r->min_free ? r->min_free - is_free : 0;
}

/* In the slow directory, and in the fast one where there is no other, the oldest go; else they move
 * (see move_all). */
static void by_space(const struct store *s, const struct store_retention *r, struct fate *f,
                     size_t n)
{
    enum tier t = store_has_slow(s) ? TIER_SLOW : TIER_FAST;
    uint64_t want = lack(s, r, t, f, n);

    for (size_t i = 0; i < n && want > 0; i++) {
        if (f[i].tier != t || goes(&f[i]))
            continue;
        want -= MIN(want, f[i].info.octets);
        f[i].due = ALL_CLASSES;
    }
}

/* ------------------------------------------------------------------ doing */

/* All that goes, in one record. Under `files`. */
static int remove_all(struct store *s, const struct fate *f, size_t n, uint32_t *removed,
                      struct err *e)
{
    struct buf record = buf_init(1u << 28);
    uint64_t *id = malloc((n + 1) * sizeof *id);
    struct seg_file **gone = calloc(n + 1, sizeof(struct seg_file *));
    size_t k = 0;
    int rc = ERR_OK;

    if (id == NULL || gone == NULL) {
        rc = err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
        goto out;
    }
    os_lock(&s->log);
    for (size_t i = 0; i < n; i++)
        if (goes(&f[i]) && manifest_find(&s->m, f[i].info.id) != NULL)
            id[k++] = f[i].info.id;
    manifest_put_remove(&record, id, k);
    rc = k > 0 ? store_log(s, &record, e) : ERR_OK;
    os_lock(&s->list);
    for (size_t i = 0; i < k && rc == ERR_OK; i++) {
        gone[i] = store_forget(s, id[i]);
        s->segments_removed++;
        s->rows_removed += gone[i] != NULL ? gone[i]->rs.n_rows : 0;
        ++*removed;
    }
    os_unlock(&s->list);
    os_unlock(&s->log);
    for (size_t i = 0; i < *removed; i++) {
        int one = gone[i] != NULL ? store_discard(s, gone[i], e) : ERR_OK;
        rc = rc == ERR_OK ? one : rc;
    }
out:
    buf_free(&record);
    free(id);
    free(gone);
    return rc;
}

/* Rows of exporters whose class is due do not stay. */
struct dropping {
    const uint8_t *of;
    unsigned due;
};

static int stays(void *ctx, const struct rowset *rs, uint32_t block, uint32_t first, uint32_t n,
                 uint8_t *keep, struct err *e)
{
    const struct dropping *d = ctx;
    uint32_t v[ROWSET_VECTOR];
    int rc = rs->ops->read(rs, block, COL_EXPORTER, first, n, v, e);

    for (uint32_t i = 0; i < n && rc == ERR_OK; i++)
        keep[i] = (d->due >> d->of[v[i]] & 1) == 0;
    return rc;
}

static int rewrite(struct store *s, const struct store_retention *r, const struct fate *f,
                   struct err *e)
{
    struct written w = { .part = true, .tier = f->tier };
    struct dropping d = { .due = f->due };
    struct rowset *rs = NULL;
    struct entry *x;
    uint64_t left = 0;
    uint8_t *of = NULL;
    int rc = store_open_segment(s, f->tier, f->info.id, &rs, e);

    if (rc == ERR_OK && (d.of = of = classes_of(r, rs)) == NULL)
        rc = err_set(e, ERR_NOMEM, "retention: out of memory");
    if (rc == ERR_OK)
        rc = store_write_rest(s, rs, NULL, stays, &d, true, &w, e);
    for (size_t i = 0; i < w.n; i++)
        left += w.info[i].n_rows;
    if (rc == ERR_OK)
        rc = store_replace_some(s, &f->info.id, 1, &w, false, e);
    os_lock(&s->list);
    if (rc == ERR_OK)
        s->rows_removed += f->info.n_rows - left;
    else if (rc == ERR_CORRUPT && (x = store_entry(s, f->info.id)) != NULL)
        x->no_rewrite = true;
    os_unlock(&s->list);
    if (rc != ERR_OK)
        written_free(&w, s);
    free(of);
    rowset_unref(rs);
    return rc == ERR_NOTFOUND ? ERR_OK : rc; /* compaction was faster: its result is next */
}

static int rewrite_all(struct store *s, const struct store_retention *r, const struct fate *f,
                       size_t n, uint64_t *budget, struct err *e)
{
    int rc = ERR_OK;

    for (size_t i = 0; i<n && * budget> 0 && !stopped(r); i++) {
        int one;
        if (goes(&f[i]) || (f[i].due & f[i].has) == 0 || f[i].no_rewrite || f[i].info.n_rows == 0)
            continue;
        one = rewrite(s, r, &f[i], e);
        rc = rc == ERR_OK ? one : rc;
        *budget -= MIN(*budget, f[i].info.octets);
    }
    return rc;
}

static int move_all(struct store *s, const struct store_retention *r, const struct fate *f,
                    size_t n, int64_t now_ms, uint64_t *budget, struct err *e)
{
    uint64_t want = lack(s, r, TIER_FAST, f, n);
    int rc = ERR_OK;

    if (!store_has_slow(s))
        return ERR_OK;
    for (size_t i = 0; i<n && * budget> 0 && rc == ERR_OK && !stopped(r); i++) {
        bool old = r->slow_after_ms > 0 && f[i].info.max_received_ms < now_ms - r->slow_after_ms;
        if (f[i].tier != TIER_FAST || goes(&f[i]) || (!old && want == 0))
            continue;
        if ((f[i].due & f[i].has) != 0 && !f[i].no_rewrite) /* rewritten first */
            continue;
        rc = store_move(s, f[i].info.id, TIER_SLOW, r->stop, e);
        if (rc == ERR_CORRUPT || rc == ERR_NOTFOUND) { /* stays where it is; the others do not */
            rc = ERR_OK;
            continue;
        }
        want -= MIN(want, f[i].info.octets);
        *budget -= MIN(*budget, f[i].info.octets);
    }
    return rc;
}

/* Fates of all segments, oldest first. NULL: out of memory. */
static struct fate *judge(struct store *s, const struct store_retention *r, int64_t now_ms,
                          size_t *n)
{
    uint32_t rules = rules_number(r);
    struct fate *f;

    os_lock(&s->log);
    os_lock(&s->list);
    *n = s->n_entries;
    f = calloc(*n + 1, sizeof *f);
    for (size_t i = 0; f != NULL && i < *n; i++)
        take_fate(s, r, rules, now_ms, &s->entry[i], &f[i]);
    os_unlock(&s->list);
    os_unlock(&s->log);
    if (f == NULL)
        return NULL;
    qsort(f, *n, sizeof *f, oldest_first);
    by_class_size(r, f, *n);
    by_size(r, f, *n);
    by_space(s, r, f, *n);
    return f;
}

int store_retain(struct store *s, const struct store_retention *r, int64_t now_ms,
                 uint32_t *removed, struct err *e)
{
    uint64_t budget = WORK_OCTETS;
    struct fate *f;
    size_t n = 0;
    int rc, more;

    *removed = 0;
    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    if (r->n_classes > 0)
        for (size_t at = 0; !stopped(r) && classify_next(s, r, rules_number(r), &at);)
            continue;
    f = judge(s, r, now_ms, &n);
    if (f == NULL)
        return err_set(e, ERR_NOMEM, "store %s: out of memory", s->dir);
    os_lock(&s->files);
    rc = remove_all(s, f, n, removed, e);
    store_empty_trash(s);
    os_unlock(&s->files);
    more = rewrite_all(s, r, f, n, &budget, rc == ERR_OK ? e : NULL);
    rc = rc == ERR_OK ? more : rc;
    more = move_all(s, r, f, n, now_ms, &budget, rc == ERR_OK ? e : NULL);
    free(f);
    return rc == ERR_OK ? more : rc;
}
