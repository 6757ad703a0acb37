#include "query/survey.h"

#include <stdlib.h>
#include <string.h>

#include "query/match.h"
#include "query/opened.h"
#include "query/survey_if.h"

#define SLOTS     (SURVEY_TALKS * 2u) /* power of two */
#define PATHS     32u /* (interface, sampler) whose rate is remembered, by exporter */
#define IPPROTO_6 6u

/* A conversation: both directions of addresses and ports. */
struct talk {
    uint64_t hash;    /* 0: empty */
    uint64_t packets; /* of both, as exported */
    uint8_t seen;     /* bit 0, 1: direction in which it was seen */
    uint8_t dir[2];   /* by direction: bit 0 metered on its way in, bit 1 on its way out */
};
struct path {
    uint64_t key; /* + 1; 0: empty */
    uint32_t rate;
};
struct watched {
    struct survey_exporter x;
    struct talk *talk;      /* SLOTS, made with the first */
    uint32_t n_talks, thin; /* only hashes with `thin` zero bits at the top are kept */
    struct path path[PATHS];
};

struct surveying {
    struct watched *w; /* in the order they were met */
    size_t n, room;
    uint32_t *slot; /* hash of the key -> place + 1; SURVEY_EXPORTERS * 2 */
    uint64_t rows;
    int64_t from_ms;
    uint32_t *of; /* exporter of the rowset -> place + 1; 0: not watched */
    uint32_t of_room;
    struct counted_list counted;
    const struct survey_counter *asked;
    size_t n_asked;
    uint32_t *makers; /* shape of the rowset -> bits */
    uint32_t makers_room;
};

/* ------------------------------------------------------------------ exporters */

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static int watch(struct surveying *v, const struct exporter_key *k, uint32_t *out)
{
    uint32_t mask = SURVEY_EXPORTERS * 2 - 1;
    uint32_t at =
        (uint32_t)mix(addr_hash(&k->addr) ^ ((uint64_t)k->domain << 16 | k->version)) & mask;
    struct watched *more;

    *out = 0;
    if (k->import != 0)
        return ERR_OK;
    for (; v->slot[at] != 0; at = (at + 1) & mask)
        if (exporter_key_equal(&v->w[v->slot[at] - 1].x.key, k)) {
            *out = v->slot[at];
            return ERR_OK;
        }
    if (v->n == SURVEY_EXPORTERS)
        return ERR_OK;
    if (v->n == v->room) {
        more = realloc(v->w, (v->room * 2 + 16) * sizeof *more);
        if (more == NULL)
            return ERR_NOMEM;
        v->w = more;
        v->room = v->room * 2 + 16;
    }
    v->w[v->n++] = (struct watched){ .x = { .key = *k } };
    *out = v->slot[at] = (uint32_t)v->n;
    return ERR_OK;
}

/* Elements by which a maker is known: enterprise numbers, and numbers that NetFlow v9 has instead.
 */
static uint32_t makers_of(const struct shape *s)
{
    uint32_t m = 0;

    for (unsigned i = 0; i < s->n_fields; i++) {
        uint32_t pen = s->f[i].pen, id = s->f[i].id;
        if (pen == 9)
            m |= MAKER_CISCO;
        else if (pen == 2011)
            m |= MAKER_HUAWEI;
        else if (pen == 2636)
            m |= MAKER_JUNIPER;
        else if (pen == 12356)
            m |= MAKER_FORTINET;
        else if (pen == 14988)
            m |= MAKER_MIKROTIK;
        else if (pen == 25461)
            m |= MAKER_PALOALTO;
        else if (pen == 0 && s->proto == 9 && (id == 56701 || id == 56702))
            m |= MAKER_PALOALTO;
        else if (pen == 0 && s->proto == 9 && (id == 33000 || id == 33001 || id == 33002))
            m |= MAKER_ASA;
    }
    return m;
}

static int room_for(uint32_t **p, uint32_t *room, uint32_t n)
{
    uint32_t *more;

    if (n <= *room)
        return ERR_OK;
    if ((more = realloc(*p, n * sizeof *more)) == NULL)
        return ERR_NOMEM;
    *p = more;
    *room = n;
    return ERR_OK;
}

static int enter(struct scan *s, void *ctx)
{
    struct surveying *v = ctx;
    int rc = room_for(&v->of, &v->of_room, s->rs->n_exporters);

    if (rc == ERR_OK)
        rc = room_for(&v->makers, &v->makers_room, s->rs->n_shapes);
    for (uint32_t i = 0; rc == ERR_OK && i < s->rs->n_exporters; i++)
        rc = watch(v, &s->rs->exporters[i], &v->of[i]);
    for (uint32_t i = 0; rc == ERR_OK && i < s->rs->n_shapes; i++)
        v->makers[i] = makers_of(s->rs->shapes[i]);
    return rc;
}

/* ------------------------------------------------------------------ conversations */

/* Twice as few are kept, told by their hashes, so that those kept are a fair sample. */
static void thin_out(struct watched *w)
{
    struct talk old[SLOTS];

    memcpy(old, w->talk, sizeof old);
    memset(w->talk, 0, sizeof old);
    w->n_talks = 0;
    w->thin++;
    for (uint32_t i = 0; i < SLOTS; i++) {
        uint32_t at = (uint32_t)old[i].hash & (SLOTS - 1);
        if (old[i].hash == 0 || old[i].hash >> (64 - w->thin) != 0)
            continue;
        while (w->talk[at].hash != 0)
            at = (at + 1) & (SLOTS - 1);
        w->talk[at] = old[i];
        w->n_talks++;
    }
}

static struct talk *find_talk(struct watched *w, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & (SLOTS - 1);

    if (hash == 0 || (w->thin > 0 && hash >> (64 - w->thin) != 0))
        return NULL;
    if (w->talk == NULL && (w->talk = calloc(SLOTS, sizeof *w->talk)) == NULL)
        return NULL;
    for (; w->talk[at].hash != 0; at = (at + 1) & (SLOTS - 1))
        if (w->talk[at].hash == hash)
            return &w->talk[at];
    if (w->n_talks == SURVEY_TALKS) {
        if (w->thin < 63)
            thin_out(w);
        return w->n_talks < SURVEY_TALKS ? find_talk(w, hash) : NULL;
    }
    w->n_talks++;
    w->talk[at].hash = hash;
    return &w->talk[at];
}

static void talk(struct scan *s, struct watched *w, uint32_t i)
{
    uint64_t *const *c = s->col;
    const struct addr *a = &s->rs->addrs[c[COL_SRC_IP][i]], *b = &s->rs->addrs[c[COL_DST_IP][i]];
    uint64_t x = mix(addr_hash(a) ^ c[COL_SRC_PORT][i] << 8),
             y = mix(addr_hash(b) ^ c[COL_DST_PORT][i] << 8);
    unsigned way = x > y, to;
    struct talk *t = find_talk(w, mix(x + y));

    if (t == NULL)
        return;
    t->packets += c[COL_PACKETS][i] + c[COL_REV_PACKETS][i];
    t->seen |= (uint8_t)(1u << way);
    if (c[COL_REV_PACKETS][i] > 0 || (c[COL_MARKS][i] & MARK_BIFLOW) != 0)
        t->seen = 3;
    to = (unsigned)c[COL_DIRECTION][i];
    if (to < 2 && scan_has(s, i, COL_BIT(COL_DIRECTION)))
        t->dir[way] |= (uint8_t)(1u << to);
}

/* ------------------------------------------------------------------ rows */

static void see_rate(struct surveying *v, struct scan *s, struct watched *w, uint32_t i)
{
    uint32_t sent = (uint32_t)s->col[COL_RATE][i], rate = (uint32_t)s->rate_now[i], said = 0;
    uint64_t key = mix(s->col[COL_IN_IF][i] << 32 | s->col[COL_SAMPLER][i]);
    struct path *p = &w->path[key & (PATHS - 1)];
    int64_t since, until;

    (void)v;
    w->x.rate_unknown += rate == 0;
    if (rate != 0)
        w->x.rate = rate;
    if (p->key != key + 1)
        *p = (struct path){ .key = key + 1, .rate = rate };
    else if (p->rate != rate && rate != 0) {
        w->x.rate_turns += p->rate != 0;
        w->x.rate_two = p->rate != 0 ? p->rate : w->x.rate_two;
        p->rate = rate;
    }
    /* what the operator forced settles it */
    if (sent == 0 || sent != rate || s->facts == NULL || w->x.key.version == EXPORT_SFLOW5)
        return;
    said = fact_rate(s->facts, &w->x.key, (uint32_t)s->col[COL_SAMPLER][i],
                     (uint32_t)s->col[COL_IN_IF][i], (int64_t)s->col[COL_START][i], &since, &until);
    if (said != 0 && said != sent) {
        w->x.rate_against++;
        w->x.rate_two = said;
    }
}

/* Against the counter of the interface at which it came in. */
static void see_counter(struct surveying *v, const struct scan *s, uint32_t exporter, uint32_t i)
{
    uint64_t *const *c = s->col;
    struct counted *to = counted_find(&v->counted, exporter, (uint32_t)c[COL_IN_IF][i]);

    if (to != NULL)
        counted_row(to, s->rate_now[i], c[COL_BYTES][i], c[COL_PACKETS][i],
                    (int64_t)c[COL_START][i], (int64_t)c[COL_END][i]);
}

static int vector(struct scan *s, void *ctx)
{
    struct surveying *v = ctx;
    const uint64_t *rate;
    int rc = scan_rate(s, &rate);

    if (rc == ERR_OK)
        rc = scan_load(s, COL_BIT(COL_EXPORTER) | COL_BIT(COL_SHAPE) | COL_BIT(COL_RECEIVED) |
                              COL_BIT(COL_START) | COL_BIT(COL_END) | COL_BIT(COL_SAMPLER) |
                              COL_BIT(COL_IN_IF) | COL_BIT(COL_PROTO) | COL_BIT(COL_SRC_IP) |
                              COL_BIT(COL_DST_IP) | COL_BIT(COL_SRC_PORT) | COL_BIT(COL_DST_PORT) |
                              COL_BIT(COL_BYTES) | COL_BIT(COL_PACKETS) | COL_BIT(COL_REV_PACKETS) |
                              COL_BIT(COL_MARKS) | COL_BIT(COL_DIRECTION));
    for (uint32_t k = 0; rc == ERR_OK && k < s->n_sel; k++) {
        uint32_t i = s->sel[k], at = v->of[s->col[COL_EXPORTER][i]];
        int64_t ms = (int64_t)(s->col[COL_END][i] - s->col[COL_START][i]);
        struct watched *w = at > 0 ? &v->w[at - 1] : NULL;
        if (w == NULL)
            continue;
        w->x.rows++;
        v->rows++;
        v->from_ms = MIN(v->from_ms, (int64_t)s->col[COL_RECEIVED][i]);
        w->x.makers |= v->makers[s->col[COL_SHAPE][i]];
        w->x.lasting += ms > SURVEY_LONG_MS;
        w->x.longest_ms = MAX(w->x.longest_ms, ms);
        see_rate(v, s, w, i);
        if (v->counted.n > 0)
            see_counter(v, s, at, i);
        if (s->col[COL_PROTO][i] == IPPROTO_6)
            talk(s, w, i);
    }
    return rc;
}

/* ------------------------------------------------------------------ the whole */

static void count_talks(struct watched *w)
{
    for (uint32_t i = 0; w->talk != NULL && i < SLOTS; i++) {
        const struct talk *t = &w->talk[i];
        bool metered = (t->dir[0] | t->dir[1]) != 0;
        if (t->hash == 0)
            continue;
        w->x.talks += t->packets >= SURVEY_TALK_PACKETS;
        w->x.talks_both += t->packets >= SURVEY_TALK_PACKETS && t->seen == 3;
        w->x.metered += metered;
        w->x.metered_both += t->dir[0] == 3 || t->dir[1] == 3;
    }
}

static int by_key(const void *a, const void *b)
{
    return exporter_key_cmp(&((const struct survey_exporter *)a)->key,
                            &((const struct survey_exporter *)b)->key);
}

static int newest_first(const void *a, const void *b)
{
    const struct rowset *x = *(struct rowset *const *)a, *y = *(struct rowset *const *)b;

    if (x->max_received_ms != y->max_received_ms)
        return x->max_received_ms > y->max_received_ms ? -1 : 1;
    return (x->id < y->id) - (x->id > y->id);
}

/* The newest rowsets, with SURVEY_ROWS rows or little more. References stay the snapshot's. */
static int newest(struct snapshot *out, const struct snapshot *snap, int64_t from_ms)
{
    uint64_t rows = 0;

    *out = *snap;
    out->n = 0;
    out->sets = malloc((snap->n + 1) * sizeof(struct rowset *));
    if (out->sets == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < snap->n; i++)
        if (snap->sets[i]->n_rows > 0 && snap->sets[i]->max_received_ms >= from_ms)
            out->sets[out->n++] = snap->sets[i];
    qsort(out->sets, out->n, sizeof *out->sets, newest_first);
    for (size_t i = 0; i < out->n; i++) {
        rows += out->sets[i]->n_rows;
        if (rows > SURVEY_ROWS && i > 0)
            out->n = i;
    }
    for (size_t i = 0; i < out->n / 2; i++) { /* rates are followed in the order of time */
        struct rowset *x = out->sets[i];
        out->sets[i] = out->sets[out->n - 1 - i];
        out->sets[out->n - 1 - i] = x;
    }
    return ERR_OK;
}

/* Before the rows: when the counters of which interfaces were told. */
static int counters_of(struct surveying *v, const struct rowset *rs, int64_t from_ms)
{
    struct rowset_option o;
    uint32_t exporter;
    int rc = ERR_OK;

    for (uint32_t i = 0; rc == ERR_OK && v->n_asked > 0 && i < rs->n_exporters; i++)
        rc = watch(v, &rs->exporters[i], &exporter);
    for (uint32_t i = 0; rc == ERR_OK && i < rs->n_options; i++) {
        if (rs->ops->option(rs, i, &o, NULL) != ERR_OK)
            return ERR_OK; /* damaged: without them */
        if (o.received_ms < from_ms)
            continue;
        rc = watch(v, &rs->exporters[o.exporter], &exporter);
        if (rc == ERR_OK && exporter != 0)
            rc = counted_option(&v->counted, exporter, rs->shapes[o.shape], &o);
    }
    return rc;
}

/* The only exporter of an address: place + 1; 0: there is none, or several, whose rows would have
 * to be taken together. */
static uint32_t only_of(const struct surveying *v, const struct addr *a)
{
    uint32_t at = 0;

    for (size_t i = 0; i < v->n; i++)
        if (addr_cmp(&v->w[i].x.key.addr, a) == 0) {
            if (at != 0)
                return 0;
            at = (uint32_t)i + 1;
        }
    return at;
}

static int asked_counters(struct surveying *v)
{
    const struct survey_counter *before = NULL;
    uint32_t at = 0;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < v->n_asked; i++) {
        const struct survey_counter *c = &v->asked[i];
        if (before == NULL || addr_cmp(&before->exporter, &c->exporter) != 0)
            at = only_of(v, &c->exporter);
        before = c;
        if (at != 0 && c->to_ms - c->from_ms >= c->least_ms)
            rc = counted_asked(&v->counted, at, c);
    }
    return rc;
}

static int counters(struct surveying *v, struct opened *o, int64_t from_ms, struct query_stats *st,
                    struct err *e)
{
    int rc = ERR_OK;

    for (size_t first = 0, end; rc == ERR_OK && first < o->sets.n; first = end) {
        rc = opened_wave(o, first, OPENED_ADDRS, &end, st, e);
        for (size_t i = first; rc == ERR_OK && i < end; i++)
            if (!o->unreadable[i])
                rc = counters_of(v, o->sets.sets[i], from_ms);
    }
    return rc == ERR_OK ? asked_counters(v) : rc;
}

static int walk(struct surveying *v, const struct snapshot *snap, struct query_control *ctl,
                struct err *e)
{
    struct expr all = { .op = EXPR_CONST, .yes = true };
    struct plan *p = calloc(1, sizeof *p);
    struct query_stats stats = { 0 };
    struct opened o = { .max = 0 };
    struct scan s = { .p = NULL };
    struct walk w = { .snap = NULL };
    const struct visitor visit = { .ctx = v, .enter = enter, .vector = vector };
    int rc = p != NULL ? ERR_OK : ERR_NOMEM;

    if (rc == ERR_OK) {
        p->filter = &all;
        p->from_ms = INT64_MIN;
        p->to_ms = INT64_MAX;
        if ((rc = opened_make(&o, p, p, ctl, snap, &stats)) == ERR_OK)
            rc = scan_init(&s, p, ctl, &stats, e);
        if (rc == ERR_OK)
            rc = counters(v, &o, ctl->received_from_ms, &stats, e);
    }
    for (size_t first = 0, end; rc == ERR_OK && first < o.sets.n; first = end) {
        rc = opened_wave(&o, first, OPENED_ADDRS, &end, &stats, e);
        if (rc == ERR_OK)
            rc = walk_init(&w, p, ctl, &o.sets, first, end, o.unreadable, false);
        if (rc == ERR_OK)
            rc = scan_walk(&s, &w, &visit);
        walk_free(&w);
    }
    scan_free(&s);
    opened_free(&o);
    free(p);
    return rc;
}

int survey_run(struct survey *out, const struct snapshot *snap, int64_t from_ms,
               const struct survey_counter *asked, size_t n_asked, struct err *e)
{
    struct surveying v = { .from_ms = INT64_MAX, .asked = asked, .n_asked = n_asked };
    struct query_control own = { .open_max = 8 };
    struct snapshot few = { .n = 0 };
    int rc;

    *out = (struct survey){ .n = 0 };
    own.received_from_ms = from_ms;
    own.received_to_ms = INT64_MAX;
    v.slot = calloc(SURVEY_EXPORTERS * 2, sizeof *v.slot);
    rc = v.slot != NULL ? newest(&few, snap, from_ms) : ERR_NOMEM;
    if (rc == ERR_OK)
        rc = walk(&v, &few, &own, e);
    if (rc == ERR_OK && (out->x = malloc((v.n + 1) * sizeof *out->x)) == NULL)
        rc = ERR_NOMEM;
    for (size_t i = 0; i < v.n; i++) {
        count_talks(&v.w[i]);
        counted_sum(&v.counted, (uint32_t)i + 1, &v.w[i].x);
        if (rc == ERR_OK && v.w[i].x.rows > 0)
            out->x[out->n++] = v.w[i].x;
        free(v.w[i].talk);
    }
    if (rc == ERR_OK)
        qsort(out->x, out->n, sizeof *out->x, by_key);
    out->rows = v.rows;
    out->from_ms = v.from_ms;
    free(v.w);
    free(v.slot);
    free(v.of);
    free(v.makers);
    counted_free(&v.counted);
    free(few.sets);
    return rc == ERR_OK ? ERR_OK : err_set(e, rc, "survey of exporters: %s", err_name(rc));
}

const struct survey_exporter *survey_find(const struct survey *s, const struct exporter_key *k)
{
    struct survey_exporter key = { .key = *k };

    return s->n > 0 ? bsearch(&key, s->x, s->n, sizeof *s->x, by_key) : NULL;
}

void survey_free(struct survey *s)
{
    free(s->x);
    *s = (struct survey){ .n = 0 };
}
