/* Marginals: per-minute totals kept beside the rows. */
#include <stdlib.h>
#include <string.h>

#include "codec/vec.h"
#include "flow/share.h"
#include "store/build.h"

#define MINUTE_MS 60000
#define MAX_MINUTES                                                              \
    1441u /* a record clamped to 24 h touches as many; longer ones: no marginals \
           */
#define MAX_TIME_MS ((int64_t)1 << 52) /* no real time: sums of it could overflow */
#define MIN_CEILING 4096u
#define WORK_PER_ROW \
    16u /* shares computed, over all rows: a flood of day-long records is not kept */

struct table {
    struct marginal_row *row;
    uint32_t *slot; /* number + 1 */
    uint32_t mask, n, ceiling;
    uint64_t work; /* shares that may still be computed */
    bool full;
};

/* One row as the marginals see it. */
struct counted {
    int64_t start, end;
    uint64_t counter[4]; /* bytes, packets, of the reverse direction too */
    uint32_t rate;
};

/* Its share of one minute. */
struct slice {
    int64_t minute;
    bool begins; /* here */
    uint64_t counter[4];
};

static bool key_equal(const struct marginal_row *r, int64_t minute, const uint32_t key[3],
                      uint32_t rate)
{
    return r->minute_ms == minute && r->key[0] == key[0] && r->key[1] == key[1] &&
           r->key[2] == key[2] && r->rate == rate;
}

static uint64_t hash_key(const uint32_t key[3], uint32_t rate)
{
    return ((uint64_t)key[0] << 32 | key[1]) * 0xff51afd7ed558ccdu ^
           ((uint64_t)key[2] << 32 | rate) * 0xc4ceb9fe1a85ec53u;
}

/* The entry of a key, made if new; NULL at the ceiling. */
static struct marginal_row *entry(struct table *t, int64_t minute, const uint32_t key[3],
                                  uint32_t rate, uint64_t hash)
{
    uint64_t h = (uint64_t)minute * 0x9e3779b97f4a7c15u ^ hash;
    uint32_t at = (uint32_t)(h >> 32 ^ h) & t->mask;

    for (; t->slot[at] != 0; at = (at + 1) & t->mask)
        if (key_equal(&t->row[t->slot[at] - 1], minute, key, rate))
            return &t->row[t->slot[at] - 1];
    if (t->n >= t->ceiling) {
        t->full = true;
        return NULL;
    }
    t->row[t->n] = (struct marginal_row){ .minute_ms = minute,
                                          .key = { key[0], key[1], key[2] },
                                          .rate = rate };
    t->slot[at] = ++t->n;
    return &t->row[t->n - 1];
}

static int64_t minute_of(int64_t ms)
{
    int64_t m = ms % MINUTE_MS;

    return ms - (m < 0 ? m + MINUTE_MS : m);
}

/* Minutes that a record touches; 0: too many, or times that are none. */
static uint32_t minutes_of(const struct counted *c, int64_t *first)
{
    int64_t last;

    if (c->start < -MAX_TIME_MS || c->end > MAX_TIME_MS || c->end < -MAX_TIME_MS ||
        c->start > MAX_TIME_MS)
        return 0;
    *first = minute_of(c->start);
    if (c->end <= *first + MINUTE_MS || c->end <= c->start)
        return 1;
    last = minute_of(c->end - 1);
    if ((uint64_t)(last - *first) / MINUTE_MS >= MAX_MINUTES)
        return 0;
    return (uint32_t)((last - *first) / MINUTE_MS) + 1;
}

/* The same shares as share_inside(): each boundary is computed once, for all tables. */
static void cut(const struct counted *c, int64_t first, uint32_t minutes, struct slice *out)
{
    uint64_t before[4] = { 0 };

    for (uint32_t i = 0; i < minutes; i++) {
        int64_t upper = first + (int64_t)(i + 1) * MINUTE_MS;
        out[i].minute = upper - MINUTE_MS;
        out[i].begins = i == 0;
        for (unsigned k = 0; k < 4; k++) {
            uint64_t until = c->counter[k];
            if (until != 0 && i + 1 < minutes)
                until = share_before(until, c->start, c->end, upper);
            out[i].counter[k] = until - before[k];
            before[k] = until;
        }
    }
}

static void add(struct table *t, const struct slice *s, uint32_t minutes, const uint32_t key[3],
                uint32_t rate)
{
    uint64_t hash = hash_key(key, rate);

    if (minutes == 0 || minutes > t->work) {
        t->full = true;
        return;
    }
    t->work -= minutes;
    for (uint32_t i = 0; i < minutes; i++) {
        struct marginal_row *r = entry(t, s[i].minute, key, rate, hash);
        if (r == NULL)
            return;
        r->flows += s[i].begins;
        r->bytes += s[i].counter[0];
        r->packets += s[i].counter[1];
        r->rev_bytes += s[i].counter[2];
        r->rev_packets += s[i].counter[3];
    }
}

static void add_block(struct table t[MARGINAL_N], const struct build_block *k)
{
    struct slice slice[MAX_MINUTES];
    void *const *col = k->b->col;

    for (uint32_t i = 0; i < k->n; i++) {
        uint32_t sp = ((const uint16_t *)col[COL_SRC_PORT])[i],
                 dp = ((const uint16_t *)col[COL_DST_PORT])[i],
                 proto = ((const uint8_t *)col[COL_PROTO])[i];
        const struct counted c = {
            .start = ((const int64_t *)col[COL_START])[i],
            .end = ((const int64_t *)col[COL_END])[i],
            .counter = { ((const uint64_t *)col[COL_BYTES])[i],
                         ((const uint64_t *)col[COL_PACKETS])[i],
                         ((const uint64_t *)col[COL_REV_BYTES])[i],
                         ((const uint64_t *)col[COL_REV_PACKETS])[i] },
            .rate = ((const uint32_t *)col[COL_RATE])[i],
        };
        const uint32_t key[MARGINAL_N][3] = {
            [MARGINAL_IF] = { k->exporter[((const uint16_t *)col[COL_EXPORTER])[i]],
                              ((const uint32_t *)col[COL_IN_IF])[i],
                              ((const uint32_t *)col[COL_OUT_IF])[i] },
            [MARGINAL_PROTO] = { proto, 0, 0 },
            [MARGINAL_SERVICE] = { proto, MIN(sp, dp), 0 },
        };
        int64_t first = 0;
        uint32_t minutes = minutes_of(&c, &first);
        cut(&c, first, minutes, slice);
        for (unsigned m = 0; m < MARGINAL_N; m++)
            if (!t[m].full)
                add(&t[m], slice, minutes, key[m], c.rate);
    }
}

static int by_key(const void *x, const void *y)
{
    const struct marginal_row *a = x, *b = y;

    if (a->minute_ms != b->minute_ms)
        return a->minute_ms < b->minute_ms ? -1 : 1;
    for (unsigned i = 0; i < 3; i++)
        if (a->key[i] != b->key[i])
            return a->key[i] < b->key[i] ? -1 : 1;
    return a->rate < b->rate ? -1 : a->rate > b->rate;
}

void build_sort_marginal(struct marginal_row *row, uint32_t n)
{
    qsort(row, n, sizeof *row, by_key);
}

uint32_t build_marginal_ceiling(uint32_t n_rows)
{
    return MAX(MIN_CEILING, n_rows / 50);
}

/* u32 rows; vectors: minute, key 0..2, rate, flows, bytes, packets, rev_bytes, rev_packets */
void build_put_marginal(struct build *s, struct marginal_row *row, uint32_t n, enum marginal which,
                        uint64_t *v)
{
    size_t at = s->out->len;

    build_sort_marginal(row, n);
    buf_le(s->out, n, 4);
    for (unsigned c = 0; c < 10; c++) {
        for (uint32_t i = 0; i < n; i++) {
            const struct marginal_row *r = &row[i];
            const uint64_t all[10] = { (uint64_t)r->minute_ms,
                                       r->key[0],
                                       r->key[1],
                                       r->key[2],
                                       r->rate,
                                       r->flows,
                                       r->bytes,
                                       r->packets,
                                       r->rev_bytes,
                                       r->rev_packets };
            v[i] = all[c];
        }
        vec_encode(s->out, v, n);
    }
    s->table[TABLE_MARGINAL + which] = build_ref(s->out, at);
}

int build_marginals(struct build *s)
{
    uint32_t ceiling = build_marginal_ceiling(s->n_rows), slots = 16384;
    struct table t[MARGINAL_N] = { 0 };
    uint64_t *v = malloc((size_t)ceiling * sizeof *v);
    int rc = v != NULL ? ERR_OK : ERR_NOMEM;

    while (slots < ceiling * 3)
        slots *= 2;
    for (unsigned m = 0; m < MARGINAL_N; m++) {
        t[m] = (struct table){ .row = malloc((size_t)ceiling * sizeof *t[m].row),
                               .slot = calloc(slots, sizeof *t[m].slot),
                               .mask = slots - 1,
                               .ceiling = ceiling,
                               .work = (uint64_t)s->n_rows * WORK_PER_ROW + MAX_MINUTES * 16 };
        if (t[m].row == NULL || t[m].slot == NULL)
            rc = ERR_NOMEM;
    }
    for (size_t i = 0; i < s->n_blocks && rc == ERR_OK; i++)
        if (s->block[i].n > 0)
            add_block(t, &s->block[i]);
    for (unsigned m = 0; m < MARGINAL_N; m++) {
        if (rc == ERR_OK && !t[m].full && s->n_rows > 0)
            build_put_marginal(s, t[m].row, t[m].n, m, v);
        free(t[m].row);
        free(t[m].slot);
    }
    free(v);
    return rc;
}
