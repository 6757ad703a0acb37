#include "decode/totals.h"

#include <stdlib.h>
#include <string.h>

#include "base/var.h"
#include "decode/run.h"

#define SETS 2048u /* times WAYS flows; about half a megabyte for an exporter that sends totals */
#define WAYS 4u

struct entry {
    uint64_t key; /* 0 = free */
    int64_t seen_ms;
    uint64_t v[TOTAL_N];
};
struct totals {
    struct entry e[SETS][WAYS];
    int64_t evicted_ms[SETS]; /* when a flow was last put out of this set; 0 = never */
};

int totals_new(struct totals **out)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? ERR_OK : ERR_NOMEM;
}

void totals_free(struct totals *t)
{
    free(t);
}

bool totals_delta(struct totals *t, uint64_t key, int64_t start_ms, int64_t received_ms,
                  const uint64_t v[TOTAL_N], uint64_t delta[TOTAL_N])
{
    unsigned set = (unsigned)(key >> 32) % SETS;
    struct entry *e = t->e[set], *old = &e[0];
    bool known = false;

    key |= 1;
    for (unsigned w = 0; w < WAYS && !known; w++) {
        if (e[w].key == key) {
            known = true;
            old = &e[w];
        } else if (old->key != 0 && (e[w].key == 0 || e[w].seen_ms < old->seen_ms)) {
            old = &e[w];
        }
    }
    if (known) {
        bool down = false;
        for (unsigned i = 0; i < TOTAL_N; i++) {
            down |= v[i] < old->v[i];
            delta[i] = v[i] - old->v[i];
            old->v[i] = v[i];
        }
        old->seen_ms = received_ms;
        return !down;
    }
    known = t->evicted_ms[set] == 0 || start_ms > t->evicted_ms[set];
    if (old->key != 0)
        t->evicted_ms[set] = received_ms;
    *old = (struct entry){ .key = key, .seen_ms = received_ms };
    memcpy(old->v, v, sizeof old->v);
    memcpy(delta, v, sizeof old->v);
    return known;
}

/* ------------------------------------------------------------------------- as octets, and back */

static unsigned ways_used(const struct entry *e)
{
    unsigned used = 0;

    for (unsigned w = 0; w < WAYS; w++)
        used |= (unsigned)(e[w].key != 0) << w;
    return used;
}

/* A set can have lost a flow without holding one only in octets that nobody wrote. */
void totals_save(const struct totals *t, struct buf *out)
{
    uint64_t n = 0;

    for (unsigned s = 0; s < SETS; s++)
        n += ways_used(t->e[s]) != 0;
    buf_var(out, n);
    for (unsigned s = 0; s < SETS; s++) {
        unsigned used = ways_used(t->e[s]);
        if (used == 0)
            continue;
        buf_var(out, s);
        buf_svar(out, t->evicted_ms[s]);
        buf_le(out, used, 1);
        for (unsigned w = 0; w < WAYS; w++) {
            if ((used >> w & 1) == 0)
                continue;
            buf_le(out, t->e[s][w].key, 8);
            buf_svar(out, t->e[s][w].seen_ms);
            for (unsigned i = 0; i < TOTAL_N; i++)
                buf_var(out, t->e[s][w].v[i]);
        }
    }
}

static bool entry_load(struct entry *e, struct rd *r)
{
    e->key = rd_le(r, 8);
    e->seen_ms = rd_svar(r);
    for (unsigned i = 0; i < TOTAL_N; i++)
        e->v[i] = rd_var(r, UINT64_MAX);
    return rd_ok(r) && (e->key & 1) != 0;
}

static bool set_load(struct totals *t, unsigned s, struct rd *r)
{
    unsigned used;

    t->evicted_ms[s] = rd_svar(r);
    used = (unsigned)rd_le(r, 1);
    if (!rd_ok(r) || used == 0 || used >> WAYS != 0)
        return false;
    for (unsigned w = 0; w < WAYS; w++)
        if ((used >> w & 1) != 0 &&
            (!entry_load(&t->e[s][w], r) || (unsigned)(t->e[s][w].key >> 32) % SETS != s))
            return false;
    return true;
}

int totals_load(struct totals **out, struct rd *r)
{
    uint64_t n = rd_var(r, SETS);
    unsigned next = 0; /* sets stand in ascending order */
    bool ok = rd_ok(r);

    if (totals_new(out) != ERR_OK)
        return ERR_NOMEM;
    for (uint64_t i = 0; i < n && ok; i++) {
        unsigned s = (unsigned)rd_var(r, SETS - 1);
        ok = rd_ok(r) && s >= next && set_load(*out, s, r);
        next = s + 1;
    }
    if (ok)
        return ERR_OK;
    totals_free(*out);
    *out = NULL;
    return ERR_CORRUPT;
}

/* ------------------------------------------------------------------------------ rows of a batch */

static uint64_t flow_key(const struct run_rows *r, uint32_t row)
{
    const struct flow_batch *b = r->b;
    uint64_t start = ((const uint64_t *)b->col[COL_START])[row] +
                     ((const uint64_t *)b->col[COL_START_SHIFT])[row];
    uint64_t h = addr_hash(&b->addrs[((const uint32_t *)b->col[COL_SRC_IP])[row]]);

    h = h * 0x9e3779b97f4a7c15u ^ addr_hash(&b->addrs[((const uint32_t *)b->col[COL_DST_IP])[row]]);
    h = (h ^ h >> 29) * 0xff51afd7ed558ccdu;
    h ^= (uint64_t)((const uint16_t *)b->col[COL_SRC_PORT])[row] << 40 |
         (uint64_t)((const uint16_t *)b->col[COL_DST_PORT])[row] << 8 |
         ((const uint8_t *)b->col[COL_PROTO])[row];
    h = (h ^ h >> 31) * 0xc4ceb9fe1a85ec53u;
    h = (h ^ start) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 32;
}

void run_totals(struct run_rows *r)
{
    static const uint8_t col[TOTAL_N] = { COL_BYTES, COL_PACKETS, COL_REV_BYTES, COL_REV_PACKETS };

    for (uint32_t i = 0; i < r->n; i++) {
        const uint8_t *p = r->p + i * r->stride;
        uint64_t v[TOTAL_N] = { 0 }, delta[TOTAL_N];
        uint32_t row = r->row + i;
        bool known, told = false;
        for (unsigned t = 0; t < TOTAL_N; t++) {
            unsigned f = r->plan->total[t];
            if (f != PLAN_NO_FIELD)
                v[t] = run_value(p + r->at[f], r->len[f]);
        }
        known =
            r->env->totals != NULL && totals_delta(r->env->totals, flow_key(r, row),
                                                   (int64_t)((uint64_t *)r->b->col[COL_START])[row],
                                                   r->env->h.received_ms, v, delta);
        for (unsigned t = 0; t < TOTAL_N; t++) {
            uint64_t *to = (uint64_t *)r->b->col[col[t]] + row;
            if (r->plan->total[t] == PLAN_NO_FIELD || *to != 0)
                continue; /* a better counter has given it */
            *to = known ? delta[t] : v[t];
            told = true;
        }
        if (told && !known)
            run_mark(r, i, MARK_TOTALS);
    }
}
