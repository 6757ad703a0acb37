/* DIR/names: what exporters said about themselves and when, as a log that only grows. It is written
 * when option records are sealed, before the segment that holds them. */
#include <stdlib.h>
#include <string.h>

#include "store/entry.h"

#define NAMES_MAX ((size_t)512 << 20)

/* What stands behind the good part is a torn record, or damage: the exporters tell all of it again
 * within minutes, and the option records stand in the segments. */
int store_open_names(struct store *s, struct err *e)
{
    struct buf b = buf_init(NAMES_MAX);
    char path[STORE_PATH];
    struct fact_table *t = NULL;
    size_t good = 0;
    int rc = fact_table_new(&t, NULL);

    store_path(s, path, "names");
    if (rc != ERR_OK)
        return err_set(e, rc, "%s: out of memory", path);
    rc = os_file_slurp(path, &b, e);
    if (rc == ERR_OK)
        rc = names_read(b.p, b.len, path, t, &good, e);
    else if (rc == ERR_NOTFOUND)
        rc = ERR_OK;
    s->names_damaged = rc == ERR_CORRUPT && good < b.len;
    buf_free(&b);
    if (rc != ERR_OK && rc != ERR_CORRUPT) {
        fact_table_unref(t);
        return rc;
    }
    s->names_good = good;
    os_lock(&s->list);
    fact_table_unref(s->facts);
    s->facts = t;
    os_unlock(&s->list);
    return ERR_OK;
}

static int append(struct store *s, const struct buf *news, struct err *e)
{
    struct buf head = buf_init(NAMES_HEAD);
    char path[STORE_PATH];
    int fd, rc;

    store_path(s, path, "names");
    if ((rc = os_file_open(&fd, path, OS_OPEN_CREATE, e)) != ERR_OK)
        return rc;
    rc = os_file_truncate(fd, path, s->names_good, e);
    if (rc == ERR_OK && s->names_good == 0) {
        names_put_head(&head);
        rc = os_file_write(fd, path, 0, head.p, head.len, e);
        s->names_good = rc == ERR_OK ? NAMES_HEAD : 0;
        buf_free(&head);
        if (rc == ERR_OK)
            rc = os_dir_sync(s->dir, e);
    }
    if (rc == ERR_OK)
        rc = os_file_write(fd, path, s->names_good, news->p, news->len, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, path, e);
    if (rc == ERR_OK)
        s->names_good += news->len;
    os_file_close(&fd);
    return rc;
}

static void keep(void *ctx, const struct exporter_key *x, int64_t from_ms, const struct fact *f)
{
    names_put(ctx, x, from_ms, f);
}

static int learn_batch(struct fact_table *t, const struct flow_batch *b, struct buf *news)
{
    uint32_t n = atomic_load_explicit(&b->n_options, memory_order_acquire);
    int rc = ERR_OK;

    for (uint32_t i = 0; rc == ERR_OK && i < n; i++) {
        const struct option_row *o = &b->options[i];
        rc = fact_table_learn(t, &b->exporters[o->exporter], b->shapes[o->shape],
                              b->opt_octets + o->off, o->len, o->received_ms, keep, news);
    }
    return rc;
}

struct fact_table *store_facts(struct store *s)
{
    struct fact_table *t;

    os_lock(&s->list);
    t = s->facts != NULL ? fact_table_ref(s->facts) : NULL;
    os_unlock(&s->list);
    return t;
}

/* What fill() adds to a table over the known facts, and says in `news`, goes to the log and counts
 * from then on. */
static int learn(struct store *s, int (*fill)(void *ctx, struct fact_table *more, struct buf *news),
                 void *ctx, struct err *e)
{
    struct fact_table *more = NULL, *all = NULL, *old;
    struct buf news = buf_init(NAMES_MAX);
    int rc;

    os_lock(&s->learn);
    old = store_facts(s);
    rc = fact_table_new(&more, old);
    if (rc == ERR_OK)
        rc = fill(ctx, more, &news);
    if (rc == ERR_OK && !buf_ok(&news))
        rc = ERR_NOMEM;
    if (rc == ERR_OK && news.len > 0)
        rc = fact_table_flat(&all, more);
    if (rc != ERR_OK)
        rc = err_set(e, rc, "store %s: names: out of memory", s->dir);
    if (rc == ERR_OK && news.len > 0 && (rc = append(s, &news, e)) == ERR_OK) {
        os_lock(&s->list);
        s->facts = all;
        os_unlock(&s->list);
        fact_table_unref(old); /* s->facts held it too */
        all = NULL;
    }
    fact_table_unref(all);
    fact_table_unref(more);
    fact_table_unref(old);
    buf_free(&news);
    os_unlock(&s->learn);
    return rc;
}

struct batches {
    struct flow_batch *const *b;
    size_t n;
};

static int fill_batches(void *ctx, struct fact_table *more, struct buf *news)
{
    const struct batches *x = ctx;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < x->n; i++)
        rc = learn_batch(more, x->b[i], news);
    return rc;
}

int store_learn(struct store *s, struct flow_batch *const *b, size_t n, struct err *e)
{
    struct batches x = { b, n };
    uint64_t options = 0;

    for (size_t i = 0; i < n; i++)
        options += atomic_load_explicit(&b[i]->n_options, memory_order_acquire);
    return options > 0 ? learn(s, fill_batches, &x, e) : ERR_OK;
}

struct told {
    const struct exporter_key *x;
    int64_t from_ms;
    const struct fact *f;
    size_t n;
};

static int fill_told(void *ctx, struct fact_table *more, struct buf *news)
{
    const struct told *t = ctx;

    for (size_t i = 0; i < t->n; i++) {
        bool is_new;
        int rc = fact_table_add(more, t->x, t->from_ms, &t->f[i], &is_new);
        if (rc != ERR_OK && rc != ERR_LIMIT)
            return rc;
        if (rc == ERR_OK && is_new)
            names_put(news, t->x, t->from_ms, &t->f[i]);
    }
    return ERR_OK;
}

int store_tell(struct store *s, const struct exporter_key *x, int64_t from_ms, const struct fact *f,
               size_t n, struct err *e)
{
    struct told t = { x, from_ms, f, n };

    return n > 0 ? learn(s, fill_told, &t, e) : ERR_OK;
}
