#include "collect/history_file.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/var.h"

#define MAGIC       "WEIR-HIS"
#define BODY_MAX    (1u << 20)
#define SUMS_MAX    (1u << 16) /* octets gone through for the next whole record */
#define NUMBERS_MAX 65536u     /* exporters of one file */
#define TIME_MAX_MS ((int64_t)1 << 60)
#define HOUR_MS     3600000
/* with rows of their own in the hours of a day */
#define THIN_EXPORTERS 1024u

enum kind { KIND_BEGIN = 1, KIND_EXPORTER, KIND_MINUTE, KIND_GAP, KIND_HOUR, KIND_N };

/* -------------------------------------------------------------------------------------- writing */

void history_put_head(struct buf *out)
{
    buf_str(out, MAGIC);
    buf_le(out, HISTORY_DRAFT, 4);
    buf_le(out, 0, 4);
}

/* A record is its length, its sum, its body; the first two are known at its end. */
static size_t record_begin(struct buf *out, enum kind kind)
{
    size_t at = out->len;

    buf_le(out, 0, 8);
    buf_le(out, kind, 1);
    return at;
}

static void record_end(struct buf *out, size_t at)
{
    if (!buf_ok(out))
        return;
    le_put(out->p + at, out->len - at - 8, 4);
    le_put(out->p + at + 4, (uint32_t)XXH3_64bits(out->p + at + 8, out->len - at - 8), 4);
}

void history_put_begin(struct buf *out, int64_t last_ms, int64_t now_ms)
{
    size_t at = record_begin(out, KIND_BEGIN);

    buf_svar(out, last_ms);
    buf_svar(out, now_ms);
    record_end(out, at);
}

static void put_key(struct buf *out, const struct exporter_key *k)
{
    buf_put(out, k->addr.b, sizeof k->addr.b);
    buf_le(out, k->domain, 4);
    buf_le(out, k->version, 2);
    buf_le(out, k->import, 2);
}

void history_put_exporter(struct buf *out, const struct history_exporter *x)
{
    size_t at = record_begin(out, KIND_EXPORTER);

    buf_var(out, x->number);
    put_key(out, &x->key);
    buf_le(out, x->trusted, 1);
    record_end(out, at);
}

static void put_counts(struct buf *out, const struct history_exporter *x)
{
    buf_var(out, x->datagrams);
    buf_var(out, x->records);
    buf_svar(out, x->lost);
    buf_var(out, x->restarts);
    buf_var(out, x->undecoded);
    buf_var(out, x->silent_ms);
    buf_var(out, x->templates);
}

void history_put_minute(struct buf *out, const struct history_minute *m)
{
    size_t at = record_begin(out, m->hour ? KIND_HOUR : KIND_MINUTE);

    buf_svar(out, m->from_ms);
    buf_var(out, (uint64_t)(m->to_ms - m->from_ms));
    buf_var(out, OWN_N);
    for (unsigned i = 0; i < OWN_N; i++)
        buf_var(out, m->own[i]);
    buf_var(out, m->n);
    for (uint32_t i = 0; i < m->n; i++) {
        buf_var(out, m->x[i].number);
        put_counts(out, &m->x[i]);
    }
    buf_var(out, m->n_others);
    if (m->n_others > 0)
        put_counts(out, &m->others);
    record_end(out, at);
}

void history_put_gap(struct buf *out, const struct gap *g)
{
    size_t at = record_begin(out, KIND_GAP);

    buf_le(out, g->reason, 1);
    buf_le(out, g->whose, 1);
    buf_svar(out, g->from_ms);
    buf_var(out, (uint64_t)(g->to_ms - g->from_ms));
    buf_var(out, g->count);
    if (g->whose == GAP_OF_EXPORTER)
        put_key(out, &g->key);
    record_end(out, at);
}

/* ------------------------------------------------------------------------------------ to gaps */

static int add(struct gap_list *to, struct gap g, unsigned reason, uint64_t count)
{
    g.reason = (uint8_t)reason;
    g.count = count;
    return count > 0 ? gap_add(to, &g) : ERR_OK;
}

static int fold_one(struct gap_list *to, const struct history_minute *m,
                    const struct history_exporter *x, unsigned whose)
{
    struct gap g = {
        .from_ms = m->from_ms, .to_ms = m->to_ms, .key = x->key, .whose = (uint8_t)whose
    };
    int rc;

    if (x->lost < 0) {
        g.reason = GAP_LOST;
        gap_take_back(to, &g, 0 - (uint64_t)x->lost);
    }
    rc = add(to, g, GAP_LOST, x->lost > 0 ? (uint64_t)x->lost : 0);
    if (rc == ERR_OK)
        rc = add(to, g, GAP_RESTART, x->restarts);
    if (rc == ERR_OK)
        rc = add(to, g, GAP_UNDECODED, x->undecoded);
    if (rc == ERR_OK && x->silent_ms > 0) {
        g.from_ms = (int64_t)((uint64_t)m->to_ms - x->silent_ms);
        g.reason = GAP_SILENT;
        g.count = 0;
        rc = gap_add(to, &g);
    }
    return rc;
}

int history_fold(struct gap_list *gaps, const struct history_minute *m)
{
    static const uint8_t reason[OWN_N] = { [OWN_KERNEL] = GAP_KERNEL,
                                           [OWN_RING] = GAP_RING,
                                           [OWN_JOURNAL] = GAP_JOURNAL,
                                           [OWN_REFUSED] = GAP_REFUSED,
                                           [OWN_DAMAGED] = GAP_DAMAGED };
    struct gap own = { .from_ms = m->from_ms, .to_ms = m->to_ms, .whose = GAP_OF_WEIR };
    int rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < OWN_N; i++)
        rc = add(gaps, own, reason[i], m->own[i]);
    for (uint32_t i = 0; rc == ERR_OK && i < m->n; i++)
        rc = fold_one(gaps, m, &m->x[i], GAP_OF_EXPORTER);
    if (rc == ERR_OK && m->n_others > 0)
        rc = fold_one(gaps, m, &m->others, GAP_OF_OTHERS);
    return rc;
}

/* -------------------------------------------------------------------------------------- reading */

struct reader {
    struct history_scan *s;
    struct history_exporter *name; /* by number; not yet named ones have number UINT32_MAX */
    uint32_t n_names, room;
    struct history_exporter *row;
    uint32_t room_row;
};

static int64_t get_time(struct rd *r)
{
    int64_t t = rd_svar(r);

    if (t < -TIME_MAX_MS || t > TIME_MAX_MS)
        r->bad = true;
    return t;
}

static int64_t get_end(struct rd *r, int64_t from_ms)
{
    int64_t t = from_ms + (int64_t)rd_var(r, (uint64_t)TIME_MAX_MS * 2);

    if (t > TIME_MAX_MS)
        r->bad = true;
    return t;
}

static void get_key(struct rd *r, struct exporter_key *k)
{
    const uint8_t *p = rd_take(r, sizeof k->addr.b);

    if (p != NULL)
        memcpy(k->addr.b, p, sizeof k->addr.b);
    k->domain = (uint32_t)rd_le(r, 4);
    k->version = (uint16_t)rd_le(r, 2);
    k->import = (uint16_t)rd_le(r, 2);
}

static bool read_begin(struct reader *q, struct rd *r)
{
    struct gap g = { .reason = GAP_DOWN, .whose = GAP_OF_WEIR };

    g.from_ms = get_time(r);
    g.to_ms = get_time(r);
    if (!rd_ok(r))
        return false;
    q->n_names = 0;
    if (g.from_ms != 0 && g.to_ms > g.from_ms && gap_add(q->s->gaps, &g) != ERR_OK)
        q->s->no_memory = true;
    q->s->last_ms = MAX(q->s->last_ms, g.to_ms);
    return true;
}

static bool read_exporter(struct reader *q, struct rd *r)
{
    struct history_exporter x = { .number = (uint32_t)rd_var(r, NUMBERS_MAX - 1) };

    get_key(r, &x.key);
    x.trusted = (rd_le(r, 1) & 1) != 0;
    if (!rd_ok(r))
        return false;
    if (x.number >= q->room) {
        uint32_t room = MAX(MAX(x.number + 1, q->room * 2), 16u);
        struct history_exporter *more = realloc(q->name, room * sizeof *more);
        if (more == NULL) {
            q->s->no_memory = true;
            return true;
        }
        q->name = more;
        q->room = room;
    }
    for (; q->n_names <= x.number; q->n_names++) /* names between were in damaged records */
        q->name[q->n_names].number = UINT32_MAX;
    q->name[x.number] = x;
    return true;
}

static void get_counts(struct rd *r, struct history_exporter *x, int64_t to_ms)
{
    x->datagrams = rd_var(r, UINT64_MAX);
    x->records = rd_var(r, UINT64_MAX);
    x->lost = rd_svar(r);
    x->restarts = rd_var(r, UINT64_MAX);
    x->undecoded = rd_var(r, UINT64_MAX);
    x->silent_ms = rd_var(r, (uint64_t)(to_ms + TIME_MAX_MS)); /* not before all time */
    x->templates = rd_var(r, UINT64_MAX);
}

static bool row_room(struct reader *q, uint32_t n)
{
    struct history_exporter *more;

    if (n <= q->room_row)
        return true;
    more = realloc(q->row, n * sizeof *more);
    if (more == NULL) {
        q->s->no_memory = true;
        return false;
    }
    q->row = more;
    q->room_row = n;
    return true;
}

/* Rows of exporters whose name is lost are left out. */
static bool read_rows(struct reader *q, struct rd *r, struct history_minute *m)
{
    uint32_t n = (uint32_t)rd_var(r, r->left / 7);

    if (!row_room(q, n + 1))
        return true;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t no = (uint32_t)rd_var(r, NUMBERS_MAX - 1);
        struct history_exporter *x = &q->row[m->n];
        bool named = no < q->n_names && q->name[no].number == no;
        *x = named ? q->name[no] : (struct history_exporter){ 0 };
        get_counts(r, x, m->to_ms);
        m->n += named;
    }
    m->x = q->row;
    return rd_ok(r);
}

static bool read_minute(struct reader *q, struct rd *r, bool hour)
{
    struct history_minute m = { .hour = hour };
    uint64_t n_own;

    m.from_ms = get_time(r);
    m.to_ms = get_end(r, m.from_ms);
    n_own = rd_var(r, 64);
    for (uint64_t i = 0; i < n_own; i++) {
        uint64_t v = rd_var(r, UINT64_MAX);
        if (i < OWN_N)
            m.own[i] = v;
    }
    if (!read_rows(q, r, &m))
        return false;
    m.n_others = (uint32_t)rd_var(r, UINT32_MAX);
    if (m.n_others > 0)
        get_counts(r, &m.others, m.to_ms);
    if (!rd_ok(r))
        return false;
    q->s->last_ms = MAX(q->s->last_ms, m.to_ms);
    q->s->has_minutes |= !hour;
    if (!hour && history_fold(q->s->gaps, &m) != ERR_OK)
        q->s->no_memory = true;
    if (q->s->minute != NULL)
        q->s->minute(q->s->ctx, &m);
    return true;
}

static bool read_gap(struct reader *q, struct rd *r)
{
    struct gap g = { .reason = (uint8_t)rd_le(r, 1) };

    g.whose = (uint8_t)rd_le(r, 1);
    g.from_ms = get_time(r);
    g.to_ms = get_end(r, g.from_ms);
    g.count = rd_var(r, UINT64_MAX);
    if (g.whose == GAP_OF_EXPORTER)
        get_key(r, &g.key);
    if (!rd_ok(r) || g.reason >= GAP_REASON_N || g.whose > GAP_OF_OTHERS)
        return false;
    if (gap_add(q->s->gaps, &g) != ERR_OK)
        q->s->no_memory = true;
    return true;
}

static bool read_body(struct reader *q, struct rd r)
{
    switch ((unsigned)rd_le(&r, 1)) {
    case KIND_BEGIN:
        return read_begin(q, &r);
    case KIND_EXPORTER:
        return read_exporter(q, &r);
    case KIND_MINUTE:
        return read_minute(q, &r, false);
    case KIND_GAP:
        return read_gap(q, &r);
    case KIND_HOUR:
        return read_minute(q, &r, true);
    default:
        return false;
    }
}

/* Take the record that begins here; false, and *r as it was, if none is whole. */
static bool take_record(struct rd *r, struct rd *body)
{
    struct rd x = *r;
    uint32_t len = (uint32_t)rd_le(&x, 4), sum = (uint32_t)rd_le(&x, 4);

    if (len == 0 || len > BODY_MAX || len > x.left || *x.p == 0 || *x.p >= KIND_N)
        return false;
    *body = rd_sub(&x, len);
    if (sum != (uint32_t)XXH3_64bits(body->p, len))
        return false;
    *r = x;
    return true;
}

/* Go to the next whole record: a length may be what is damaged, so every octet may be its first. */
static bool find_record(struct rd *r)
{
    struct rd body;

    for (size_t sums = 0; sums < SUMS_MAX && rd_take(r, 1) != NULL && r->left > 8; sums++) {
        struct rd x = *r;
        if (take_record(&x, &body))
            return true;
    }
    return false;
}

static void note_bad(struct history_scan *s, size_t from, size_t to)
{
    s->damaged++;
    if (s->bad != NULL)
        s->bad(s->ctx, from, to);
}

uint32_t history_draft(const uint8_t *p, size_t n)
{
    struct rd r = rd_init(p, n);
    const uint8_t *magic = rd_take(&r, 8);
    uint32_t draft = (uint32_t)rd_le(&r, 4);

    return rd_ok(&r) && memcmp(magic, MAGIC, 8) == 0 ? draft : 0;
}

void history_scan(struct history_scan *s, const uint8_t *p, size_t n)
{
    struct reader q = { .s = s };
    struct rd r = rd_init(p, n), body;

    s->good_octets = 0;
    s->has_minutes = false;
    if (history_draft(p, n) != HISTORY_DRAFT || rd_take(&r, HISTORY_HEAD_OCTETS) == NULL)
        return;
    s->good_octets = HISTORY_HEAD_OCTETS;
    while (r.left > 0) {
        size_t at = n - r.left;
        bool whole = take_record(&r, &body);
        if (whole && read_body(&q, body)) {
            s->good_octets = n - r.left;
            continue;
        }
        if (!whole && !find_record(&r))
            r.left = 0;
        note_bad(s, at, n - r.left);
    }
    free(q.name);
    free(q.row);
}

/* ------------------------------------------------------------------------------------- thinning */

/* The hour that is being summed up. */
struct thinner {
    struct buf *out;
    struct history_minute m;
    struct history_exporter *x, *row; /* row: those of this hour */
    uint32_t n, room, named;
    bool begun, no_memory;
};

static void sum_up(struct history_exporter *to, const struct history_exporter *x)
{
    to->datagrams += x->datagrams;
    to->records += x->records;
    to->lost = (int64_t)((uint64_t)to->lost + (uint64_t)x->lost);
    to->restarts += x->restarts;
    to->undecoded += x->undecoded;
    to->templates += x->templates;
}

/* x[] keeps its exporters from hour to hour, so that each is named once. */
static struct history_exporter *of(struct thinner *t, const struct exporter_key *k)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->x[i].key.domain == k->domain && t->x[i].key.version == k->version &&
            t->x[i].key.import == k->import && addr_cmp(&t->x[i].key.addr, &k->addr) == 0)
            return &t->x[i];
    if (t->n == THIN_EXPORTERS)
        return NULL;
    if (t->n == t->room) {
        uint32_t room = t->room > 0 ? t->room * 2 : 32;
        struct history_exporter *more = realloc(t->x, room * sizeof *more),
                                *row = realloc(t->row, room * sizeof *row);
        t->x = more != NULL ? more : t->x;
        t->row = row != NULL ? row : t->row;
        if (more == NULL || row == NULL) {
            t->no_memory = true;
            return NULL;
        }
        t->room = room;
    }
    t->x[t->n] = (struct history_exporter){ .key = *k, .number = t->n };
    return &t->x[t->n++];
}

static void hour_end(struct thinner *t)
{
    if (!t->begun)
        return;
    t->begun = false;
    for (; t->named < t->n; t->named++)
        history_put_exporter(t->out, &t->x[t->named]);
    for (uint32_t i = 0; i < t->n; i++)
        if (t->x[i].datagrams > 0)
            t->row[t->m.n++] = t->x[i];
    t->m.x = t->row;
    t->m.hour = true;
    history_put_minute(t->out, &t->m);
    for (uint32_t i = 0; i < t->n; i++)
        t->x[i] = (struct history_exporter){ .key = t->x[i].key,
                                             .trusted = t->x[i].trusted,
                                             .number = i };
    t->m = (struct history_minute){ 0 };
}

static void thin_minute(void *ctx, const struct history_minute *m)
{
    struct thinner *t = ctx;

    if (t->begun && m->to_ms / HOUR_MS != t->m.to_ms / HOUR_MS)
        hour_end(t);
    t->m.from_ms = t->begun ? MIN(t->m.from_ms, m->from_ms) : m->from_ms; /* clocks step */
    t->m.to_ms = t->begun ? MAX(t->m.to_ms, m->to_ms) : m->to_ms;
    t->begun = true;
    for (unsigned i = 0; i < OWN_N; i++)
        t->m.own[i] += m->own[i];
    for (uint32_t i = 0; i < m->n; i++) {
        struct history_exporter *x = of(t, &m->x[i].key);
        if (x != NULL)
            x->trusted = m->x[i].trusted;
        t->m.n_others = MAX(t->m.n_others, (uint32_t)(x == NULL));
        sum_up(x != NULL ? x : &t->m.others, &m->x[i]);
    }
    t->m.n_others = MAX(t->m.n_others, m->n_others);
    sum_up(&t->m.others, &m->others);
}

int history_thin(struct buf *out, const uint8_t *p, size_t n)
{
    struct gap_list gaps = { 0 };
    struct thinner t = { .out = out };
    struct history_scan s = { .gaps = &gaps, .minute = thin_minute, .ctx = &t };
    int rc = ERR_NOMEM;

    history_put_head(out);
    history_scan(&s, p, n);
    hour_end(&t);
    for (size_t i = 0; i < gaps.n; i++)
        history_put_gap(out, &gaps.g[i]);
    if (!s.no_memory && !t.no_memory && buf_ok(out))
        rc = ERR_OK;
    gap_list_free(&gaps);
    free(t.x);
    free(t.row);
    return rc;
}
