/* Sampling rates. A row has the rate that its record or header stated; where it stated none, what
 * the exporter said in options counts, by sampler, interface or for all, and where that is nothing,
 * what the operator declared; what he forced comes before all of it (DESIGN section 4). */
#include <stdlib.h>

#include "query/match.h"

#define RATE_MEMO 256u /* power of two */

/* An answer and what it holds for. */
struct rate_memo {
    int64_t since_ms, until_ms; /* equal: empty */
    uint32_t exporter, sampler, in_if, rate;
    bool forced;
};

int rate_enter(struct scan *s, const struct snapshot *snap)
{
    const struct fact_table *t = snap->facts;

    s->facts = NULL;
    s->rules = NULL;
    s->forced = false;
    for (uint32_t i = 0; i < s->rs->n_exporters; i++) {
        bool forced;
        if (t != NULL && s->facts == NULL && fact_any_rate(t, &s->rs->exporters[i]))
            s->facts = t;
        if (rate_rules_any(snap->rules, &s->rs->exporters[i].addr, &forced))
            s->rules = snap->rules;
        s->forced |= forced;
    }
    if (s->facts == NULL && s->rules == NULL)
        return ERR_OK;
    free(s->rate_memo); /* exporters have other numbers now */
    s->rate_memo = calloc(RATE_MEMO, sizeof *s->rate_memo);
    if (s->rate == NULL)
        s->rate = malloc(ROWSET_VECTOR * sizeof *s->rate);
    if (s->rate_memo == NULL || s->rate == NULL)
        return err_set(s->e, ERR_NOMEM, "query: out of memory");
    return ERR_OK;
}

static void resolve(const struct scan *s, struct rate_memo *m, int64_t at_ms)
{
    const struct exporter_key *x = &s->rs->exporters[m->exporter];
    const struct rate_rule *r = rate_rule_find(s->rules, &x->addr, m->in_if);

    m->since_ms = INT64_MIN;
    m->until_ms = INT64_MAX;
    m->forced = r != NULL && r->force;
    if (m->forced) {
        m->rate = r->rate;
        return;
    }
    m->rate = s->facts != NULL
                  ? fact_rate(s->facts, x, m->sampler, m->in_if, at_ms, &m->since_ms, &m->until_ms)
                  : 0;
    if (m->rate == 0 && r != NULL)
        m->rate = r->rate;
}

static const struct rate_memo *look_up(struct scan *s, uint32_t row)
{
    uint32_t exporter = (uint32_t)s->col[COL_EXPORTER][row],
             sampler = (uint32_t)s->col[COL_SAMPLER][row], in_if = (uint32_t)s->col[COL_IN_IF][row];
    int64_t at_ms = (int64_t)s->col[COL_START][row];
    uint32_t h = (exporter * 0x9e3779b1u ^ sampler * 0x85ebca6bu ^ in_if * 0xc2b2ae35u) >> 24;
    struct rate_memo *m = &s->rate_memo[h & (RATE_MEMO - 1)];

    if (at_ms < m->since_ms || at_ms >= m->until_ms || m->exporter != exporter ||
        m->sampler != sampler || m->in_if != in_if) {
        *m = (struct rate_memo){ .exporter = exporter, .sampler = sampler, .in_if = in_if };
        resolve(s, m, at_ms);
    }
    return m;
}

int scan_rate(struct scan *s, const uint64_t **out)
{
    const uint64_t *sent;
    int rc = scan_col(s, COL_RATE, &sent);

    *out = s->rate_now = sent;
    if (rc != ERR_OK || (s->facts == NULL && s->rules == NULL))
        return rc;
    *out = s->rate_now = s->rate;
    if (s->rate_loaded)
        return ERR_OK;
    rc = scan_load(s, COL_BIT(COL_EXPORTER) | COL_BIT(COL_SAMPLER) | COL_BIT(COL_IN_IF) |
                          COL_BIT(COL_START));
    for (uint32_t i = 0; rc == ERR_OK && i < s->n; i++) {
        const struct rate_memo *m = sent[i] == 0 || s->forced ? look_up(s, i) : NULL;
        s->rate[i] = m != NULL && (sent[i] == 0 || m->forced) ? m->rate : sent[i];
    }
    s->rate_loaded = rc == ERR_OK;
    return rc;
}

bool scan_unscaled(const struct scan *s)
{
    uint64_t one;

    if (s->forced || !scan_const(s, COL_RATE, &one))
        return false;
    return s->facts == NULL && s->rules == NULL ? one <= 1 : one == 1;
}
