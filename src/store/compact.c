/* Compaction: one step, from the choice to the manifest. */
#include "store/compact.h"

#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/fault.h"
#include "store/entry.h"
#include "store/merge.h"

#define BUSY_MS     20
#define BUSY_MAX_MS 1000 /* for every piece: what is always busy is compacted nevertheless */
#define NAP_MS      100
#define RESERVE     (256ull << 20) /* left free on the disk for what is received */
#define NAME_OCTETS 64u

/* ------------------------------------------------------------------ pace */

struct pace {
    const struct store_compact_options *o;
    int64_t begun_ms;
    uint64_t octets;
};

static bool stopped(const struct store_compact_options *o)
{
    return o->stop != NULL && o->stop(o->ctx);
}

static int wait_for_turn(void *ctx, uint64_t octets)
{
    struct pace *p = ctx;
    const struct store_compact_options *o = p->o;
    int64_t due_ms, now_ms;

    p->octets += octets;
    for (int waited = 0; o->busy != NULL && waited < BUSY_MAX_MS && o->busy(o->ctx);
         waited += BUSY_MS) {
        if (stopped(o))
            return ERR_CANCEL;
        clock_sleep_ms(BUSY_MS);
    }
    if (o->rate == 0)
        return stopped(o) ? ERR_CANCEL : ERR_OK;
    due_ms = p->begun_ms + (int64_t)(p->octets / MAX(1u, o->rate / 1000));
    while (!stopped(o)) {
        now_ms = clock_mono_ms();
        if (now_ms >= due_ms)
            return ERR_OK;
        clock_sleep_ms(MIN(due_ms - now_ms, NAP_MS));
    }
    return ERR_CANCEL;
}

/* ------------------------------------------------------------------ what is chosen */

static bool is_spared(const struct store *s, uint64_t id)
{
    for (size_t i = 0; i < s->n_spared; i++)
        if (s->spared[i] == id)
            return true;
    return false;
}

/* Never chosen again by this process. Out of memory: it is tried in vain once more. */
static void spare(struct store *s, uint64_t id)
{
    if (s->n_spared == s->cap_spared) {
        size_t cap = MAX(16u, s->cap_spared * 2);
        uint64_t *p = realloc(s->spared, cap * sizeof *p);
        if (p == NULL)
            return;
        s->spared = p;
        s->cap_spared = cap;
    }
    s->spared[s->n_spared++] = id;
}

/* The catalogue as it stands, but for what cannot be read. */
static struct compact_seg *list_all(struct store *s, size_t *n)
{
    struct compact_seg *list;

    os_lock(&s->list);
    *n = 0;
    list = malloc((s->n_entries + 1) * sizeof *list);
    for (size_t i = 0; list != NULL && i < s->n_entries; i++) {
        const struct entry *x = &s->entry[i];
        if (!atomic_load(&x->file->damaged) && !is_spared(s, x->info.id))
            list[(*n)++] = (struct compact_seg){ x->info, x->import, x->tier };
    }
    os_unlock(&s->list);
    return list;
}

/* The segments of a merge, opened for it alone: questions keep theirs. */
struct run {
    struct store *s;
    const struct store_compact_options *o;
    const struct compact_seg *seg;
    struct rowset *rs[COMPACT_MAX_RUN];
    uint64_t id[COMPACT_MAX_RUN];
    size_t n;
    struct store_compact_result *r;
    struct err *e;
};

static void close_run(struct run *x, size_t from)
{
    while (x->n > from)
        rowset_unref(x->rs[--x->n]);
}

/* As many of the chosen ones as memory allows, at least two. */
static int open_run(struct run *x, size_t n)
{
    uint64_t octets = 0;

    for (x->n = 0; x->n < n; x->n++) {
        const struct compact_seg *c = &x->seg[x->n];
        struct rowset *rs = NULL;
        int rc = store_open_segment(x->s, (enum tier)c->tier, c->info.id, &rs, x->e);
        if (rc == ERR_NOTFOUND || rc == ERR_IO) { /* removed or moved since it was listed */
            x->r->again = rc == ERR_NOTFOUND;
            return rc == ERR_NOTFOUND ? ERR_OK : rc;
        }
        if (rc == ERR_CORRUPT || rc == ERR_VERSION)
            spare(x->s, c->info.id);
        if (rc != ERR_OK)
            return rc == ERR_VERSION ? ERR_CORRUPT : rc;
        x->rs[x->n] = rs;
        x->id[x->n] = c->info.id;
        octets += (uint64_t)rs->n_addrs * (MERGE_IN_OCTETS + MERGE_OUT_OCTETS / 2) +
                  (uint64_t)rs->n_options * 32;
        if (x->o->memory > 0 && octets > x->o->memory && x->n >= 2) {
            rowset_unref(rs);
            break;
        }
    }
    return ERR_OK;
}

/* ------------------------------------------------------------------ where the rows come from */

static bool knows(const struct seg_import *list, uint32_t n, const struct seg_import *im)
{
    for (uint32_t i = 0; i < n; i++)
        if (memcmp(list[i].sha256, im->sha256, sizeof im->sha256) == 0)
            return true;
    return false;
}

/* Origins of the inputs, and what becomes of them. */
struct origins {
    struct seg_past past[COMPACT_MAX_RUN];
    struct seg_origin o;
    struct seg_import *import;
};

static int join_origins(const struct run *x, struct origins *g)
{
    uint32_t room = 0;
    bool live = false;
    int rc = ERR_OK;

    for (size_t i = 0; i < x->n && rc == ERR_OK; i++) {
        rc = segment_past(x->rs[i], &g->past[i], x->e);
        room += rc == ERR_OK ? g->past[i].o.n_import : 0;
    }
    if (rc != ERR_OK)
        return rc;
    g->import = calloc((size_t)room + 1, sizeof *g->import);
    if (g->import == NULL)
        return err_set(x->e, ERR_NOMEM, "compaction: out of memory");
    for (size_t i = 0; i < x->n; i++) {
        const struct seg_origin *o = &g->past[i].o;
        live |= o->kind != SEG_IMPORT;
        if (o->cut > g->o.cut || i == 0) {
            g->o.cut = o->cut;
            g->o.n_shards = o->n_shards;
            g->o.journal = o->journal;
        }
        for (uint32_t k = 0; k < o->n_import; k++)
            if (!knows(g->import, g->o.n_import, &o->import[k]))
                g->import[g->o.n_import++] = o->import[k];
    }
    g->o.import = g->import;
    g->o.kind = g->o.n_import == 0            ? SEG_LIVE
                : g->o.n_import == 1 && !live ? SEG_IMPORT
                                              : SEG_MIXED;
    g->o.replaced = x->id;
    g->o.n_replaced = (uint32_t)x->n;
    return ERR_OK;
}

static void origins_free(struct origins *g)
{
    for (size_t i = 0; i < COMPACT_MAX_RUN; i++)
        segment_past_free(&g->past[i]);
    free(g->import);
    free(g);
}

/* ------------------------------------------------------------------ a merge */

static int check_room(const struct run *x)
{
    uint64_t have, all, want = RESERVE;
    char path[STORE_PATH];
    int rc;

    store_path(x->s, path, x->seg[0].tier == TIER_SLOW ? "slow" : ".");
    rc = os_space(path, &have, &all, x->e);

    for (size_t i = 0; i < x->n; i++)
        want += x->seg[i].info.octets + x->seg[i].info.octets / 8;
    if (rc != ERR_OK || have >= want)
        return rc;
    return err_set(x->e, ERR_FULL,
                   "%s: compaction wants %llu octets free, there are %llu; make room, or lower "
                   "retention.size",
                   path, (unsigned long long)want, (unsigned long long)have);
}

/* Merge the run to a part file, open it, put it in place of the old ones. */
static int replace_run(struct run *x, const struct seg_origin *from)
{
    struct pace pace = { .o = x->o, .begun_ms = clock_mono_ms() };
    struct merge_options mo = {
        .from = from, .memory = x->o->memory, .pace = wait_for_turn, .ctx = &pace
    };
    struct written w = { .part = true, .tier = (enum tier)x->seg[0].tier };
    struct merge_result *m = calloc(1, sizeof *m);
    struct rowset *rs = NULL;
    struct os_map map;
    char path[STORE_PATH];
    int rc;

    if (m == NULL)
        return err_set(x->e, ERR_NOMEM, "compaction: out of memory");
    if ((rc = store_take_id(x->s, &mo.id, x->e)) != ERR_OK)
        goto out;
    store_part_path(x->s, path, w.tier, mo.id);
    rc = segment_merge(x->rs, x->n, path, &mo, m, x->e);
    x->r->octets_read += m->octets_read;
    if (rc == ERR_CORRUPT && m->damaged < x->n)
        spare(x->s, x->id[m->damaged]);
    if (rc != ERR_OK)
        goto out;
    rc = os_map_file(&map, path, x->e);
    if (rc == ERR_OK)
        rc = segment_open(&rs, "merged", map, true, x->e);
    if (rc == ERR_OK && written_add(&w, &m->info, rs) != ERR_OK)
        rc = err_set(x->e, ERR_NOMEM, "compaction: out of memory");
    if (rc == ERR_OK) {
        x->r->octets_written += m->info.octets;
        x->r->rows = m->info.n_rows;
        x->r->id = mo.id;
        rc = store_replace(x->s, x->id, x->n, &w, x->e);
    } else {
        rowset_unref(rs);
        (void)os_unlink(path, NULL);
    }
    if (rc == ERR_OK)
        x->r->merged = (uint32_t)x->n;
    else
        written_free(&w, x->s);
out:
    free(m);
    return rc;
}

static int merge_run(struct run *x)
{
    struct origins *g = calloc(1, sizeof *g);
    int rc = g != NULL ? join_origins(x, g) : err_set(x->e, ERR_NOMEM, "compaction: out of memory");

    if (rc == ERR_OK)
        rc = replace_run(x, &g->o);
    if (g != NULL)
        origins_free(g);
    return rc;
}

int store_compact(struct store *s, const struct store_compact_options *o,
                  struct store_compact_result *out, struct err *e)
{
    struct run *x;
    struct compact_seg *list;
    struct err own;
    size_t n_list, first, n;
    int rc = ERR_OK;

    fault_in("compact");
    memset(out, 0, sizeof *out);
    if (s->mode != STORE_WRITE)
        return err_set(e, ERR_ARG, "store %s: opened for reading", s->dir);
    list = list_all(s, &n_list);
    x = calloc(1, sizeof *x);
    if (list == NULL || x == NULL)
        rc = err_set(e, ERR_NOMEM, "compaction: out of memory");
    else if (compact_plan(list, n_list, o->now_ms, o->max_octets, &first, &n)) {
        *x = (struct run){ .s = s, .o = o, .seg = list + first, .r = out, .e = e ? e : &own };
        rc = open_run(x, n);
        if (rc == ERR_OK && !out->again && (rc = check_room(x)) == ERR_OK)
            rc = merge_run(x);
        while (rc == ERR_LIMIT && x->n > 2) { /* what only the merge itself can know */
            close_run(x, MAX(2u, x->n / 2));
            rc = merge_run(x);
        }
        if (rc == ERR_LIMIT) { /* these two never become one */
            spare(s, x->id[0]);
            out->again = true;
            rc = ERR_OK;
        }
        if (rc == ERR_NOTFOUND) { /* retention was faster */
            out->again = true;
            rc = ERR_OK;
        }
        close_run(x, 0);
    }
    free(list);
    free(x);
    return rc;
}
