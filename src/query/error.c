/* How far sampling may be off. Each packet is looked at with a chance of one in N, so a sum of N v
 * over the packets looked at has the variance N (N - 1) v^2 summed over them, and variances of
 * different N add up. Of packets v is 1: for one rate the error at 95 % is 1.96 sqrt((N - 1) / N) /
 * sqrt(n), about 196 / sqrt(n) %. Of bytes v is a packet's length; a record tells only the sum of
 * its packets, so they are taken as equally long.
 *
 * Sums are whole numbers, so that an answer does not depend on who summed what. A row's variance of
 * bytes goes to one of two sums: exact where it is small, in units of VAR_UNIT where not, so that
 * neither runs over before the error is far below what is shown. */
#include <math.h>

#include "query/error.h"
#include "query/match.h"
#include "query/pass.h"

#define VAR_SMALL 67108864.0 /* 2^26 */
#define VAR_UNIT  262144.0   /* 2^18 */

#define SIGMAS    1.96 /* of a normal distribution, 95 % lie within */

bool group_guess_sampled(const struct group *g, size_t end)
{
    uint32_t rate[ROWSET_VECTOR];

    for (size_t i = 0; i < end; i++) {
        const struct rowset *rs = g->snap->sets[i];
        for (uint32_t x = 0; x < rs->n_exporters; x++)
            if (rate_rules_any(g->snap->rules, &rs->exporters[x].addr, NULL) ||
                fact_any_rate(g->snap->facts, &rs->exporters[x]))
                return true;
        for (uint32_t b = 0; b < rs->n_blocks && rs->ops->zone != NULL; b++) {
            uint32_t rows = rs->ops->block_rows(rs, b);
            uint64_t lo, hi;
            if (rs->ops->zone(rs, b, COL_RATE, &lo, &hi)) {
                if (hi > 1)
                    return true;
                continue;
            }
            for (uint32_t first = 0; first < rows; first += ROWSET_VECTOR) {
                uint32_t n = MIN(rows - first, ROWSET_VECTOR);
                if (rs->ops->read(rs, b, COL_RATE, first, n, rate, NULL) != ERR_OK)
                    break;
                for (uint32_t k = 0; k < n; k++)
                    if (rate[k] > 1)
                        return true;
            }
        }
    }
    return false;
}

void error_rows(const struct error_rows *r, uint32_t n, uint64_t *lo, uint64_t *hi,
                uint64_t *packets)
{
    for (uint32_t j = 0; j < n; j++) {
        uint64_t more = r->rate[j] > 1 ? r->rate[j] - 1 : 0;
        double mean = (double)r->raw_bytes[j] / (double)MAX(r->raw_packets[j], 1);
        double v = (double)more * (double)r->bytes[j] * mean;
        bool small = v < VAR_SMALL;
        packets[j] = more * r->packets[j];
        lo[j] = small ? (uint64_t)(v + 0.5) : 0;
        hi[j] = small ? 0 : (uint64_t)(v / VAR_UNIT + 0.5);
    }
}

static double relative(double variance, uint64_t sum)
{
    return sum > 0 && variance > 0 ? SIGMAS * sqrt(variance) / (double)sum : 0;
}

static double bytes_error(uint64_t lo, uint64_t hi, uint64_t bytes)
{
    return relative((double)lo + (double)hi * VAR_UNIT, bytes);
}

double group_error(const struct group *g, uint32_t m, const uint64_t *acc)
{
    unsigned kind = g->p->measures[m].kind;
    bool pk = kind == MEASURE_PACKETS || kind == MEASURE_PPS;
    bool by = kind == MEASURE_BYTES || kind == MEASURE_BITS || kind == MEASURE_BPS;

    if (!g->sampled || g->p->measures[m].raw || (!pk && !by))
        return 0;
    if (pk)
        return relative((double)acc[g->at[ACC_VAR_PACKETS]], acc[g->at[ACC_PACKETS]]);
    return bytes_error(acc[g->at[ACC_VAR_BYTES_LO]], acc[g->at[ACC_VAR_BYTES_HI]],
                       acc[g->at[ACC_BYTES]]);
}

double group_total_error(const struct group *g, bool packets)
{
    const uint64_t *t = g->total;

    if (!g->sampled)
        return 0;
    return packets ? relative((double)t[ACC_VAR_PACKETS], t[ACC_PACKETS])
                   : bytes_error(t[ACC_VAR_BYTES_LO], t[ACC_VAR_BYTES_HI], t[ACC_BYTES]);
}
