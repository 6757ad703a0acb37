/* Sampling rates. A row has the rate that its record or header stated; where it stated none, what
 * the exporter said in options counts, by sampler, interface or for all (DESIGN section 4). */
#include <stdlib.h>

#include "query/match.h"

#define RATE_MEMO 256u /* power of two */

/* An answer of fact_rate() and what it holds for. */
struct rate_memo {
    int64_t since_ms, until_ms; /* equal: empty */
    uint32_t exporter, sampler, in_if, rate;
};

int rate_enter(struct scan *s, const struct fact_table *t)
{
    s->facts = NULL;
    for (uint32_t i = 0; t != NULL && i < s->rs->n_exporters && s->facts == NULL; i++)
        if (fact_any_rate(t, &s->rs->exporters[i]))
            s->facts = t;
    if (s->facts == NULL)
        return ERR_OK;
    free(s->rate_memo); /* exporters have other numbers now */
    s->rate_memo = calloc(RATE_MEMO, sizeof *s->rate_memo);
    if (s->rate == NULL)
        s->rate = malloc(ROWSET_VECTOR * sizeof *s->rate);
    if (s->rate_memo == NULL || s->rate == NULL)
        return err_set(s->e, ERR_NOMEM, "query: out of memory");
    return ERR_OK;
}

static uint32_t look_up(struct scan *s, uint32_t row)
{
    uint32_t exporter = (uint32_t)s->col[COL_EXPORTER][row],
             sampler = (uint32_t)s->col[COL_SAMPLER][row], in_if = (uint32_t)s->col[COL_IN_IF][row];
    int64_t at_ms = (int64_t)s->col[COL_START][row];
    uint32_t h = (exporter * 0x9e3779b1u ^ sampler * 0x85ebca6bu ^ in_if * 0xc2b2ae35u) >> 24;
    struct rate_memo *m = &s->rate_memo[h & (RATE_MEMO - 1)];

    if (at_ms < m->since_ms || at_ms >= m->until_ms || m->exporter != exporter ||
        m->sampler != sampler || m->in_if != in_if) {
        *m = (struct rate_memo){ .exporter = exporter, .sampler = sampler, .in_if = in_if };
        m->rate = fact_rate(s->facts, &s->rs->exporters[exporter], sampler, in_if, at_ms,
                            &m->since_ms, &m->until_ms);
    }
    return m->rate;
}

int scan_rate(struct scan *s, const uint64_t **out)
{
    const uint64_t *sent;
    int rc = scan_col(s, COL_RATE, &sent);

    *out = s->rate_now = sent;
    if (rc != ERR_OK || s->facts == NULL)
        return rc;
    *out = s->rate_now = s->rate;
    if (s->rate_loaded)
        return ERR_OK;
    rc = scan_load(s, COL_BIT(COL_EXPORTER) | COL_BIT(COL_SAMPLER) | COL_BIT(COL_IN_IF) |
                          COL_BIT(COL_START));
    for (uint32_t i = 0; rc == ERR_OK && i < s->n; i++)
        s->rate[i] = sent[i] != 0 ? sent[i] : look_up(s, i);
    s->rate_loaded = rc == ERR_OK;
    return rc;
}

bool scan_unscaled(const struct scan *s)
{
    uint64_t one;

    return s->facts == NULL ? scan_const(s, COL_RATE, &one) && one <= 1
                            : scan_const(s, COL_RATE, &one) && one == 1;
}
