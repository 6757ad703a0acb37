/* Effective times (DESIGN section 4): the exporter's own where they can be true, else corrected and
 * marked; the shift columns keep what the exporter said. */
#include "decode/run.h"

#define NTP_UNIX_S 2208988800u /* 1900 to 1970 */

static int64_t ntp_ms(uint64_t v)
{
    return ((int64_t)(v >> 32) - (int64_t)NTP_UNIX_S) * 1000 +
           (int64_t)(((v & 0xffffffffu) * 1000u) >> 32);
}

/* sysUpTime values wrap every 49.7 days; the nearest to the header's own is meant. */
static int64_t uptime_ms(const struct export_info *h, uint32_t v)
{
    uint32_t d = v - h->uptime_ms;

    return h->export_ms + (d <= INT32_MAX ? (int64_t)d : (int64_t)d - ((int64_t)1 << 32));
}

static int64_t boot_relative_ms(const struct run_env *env, int64_t boot_ms, uint32_t v)
{
    struct export_info h = env->h;

    h.uptime_ms = (uint32_t)((uint64_t)h.export_ms - (uint64_t)boot_ms);
    return uptime_ms(&h, v);
}

static bool field_at(const struct run_rows *r, uint32_t i, uint16_t field, const uint8_t **p,
                     uint32_t *len)
{
    if (field == PLAN_NO_FIELD)
        return false;
    *p = r->p + i * r->stride + r->at[field];
    *len = r->len[field];
    return true;
}

static bool boot_of(const struct run_rows *r, uint32_t i, int64_t *boot_ms)
{
    const uint8_t *p;
    uint32_t len;

    if (field_at(r, i, r->plan->aux[AUX_BOOT_MS], &p, &len) && len == 8) {
        *boot_ms = (int64_t)be64(p);
        return true;
    }
    *boot_ms = r->env->boot_ms;
    return r->env->boot_known;
}

/* Time of a candidate that does not live in its column; false if it cannot be known. */
static bool picked_ms(const struct run_rows *r, uint32_t i, const struct plan_cand *c, int64_t *out)
{
    const uint8_t *p;
    uint32_t len;
    int64_t boot;

    if (!field_at(r, i, c->field, &p, &len))
        return false;
    switch ((enum conv)c->conv) {
    case CONV_MS:
        *out = (int64_t)be64(p);
        return true;
    case CONV_SEC:
        *out = (int64_t)be32(p) * 1000;
        return true;
    case CONV_NTP:
        *out = ntp_ms(be64(p));
        return true;
    case CONV_DELTA_US:
        *out = r->env->h.export_ms - (int64_t)(run_value(p, len) / 1000);
        return len >= 1 && len <= 8;
    case CONV_UPTIME:
        if (r->plan->shape->proto != 10) {
            *out = uptime_ms(&r->env->h, be32(p));
            return true;
        }
        if (!boot_of(r, i, &boot))
            return false;
        *out = boot_relative_ms(r->env, boot, be32(p));
        return true;
    case CONV_NONE:
    case CONV_UINT:
    case CONV_IP4:
    case CONV_IP6:
    case CONV_N:
        break;
    }
    return false;
}

/* When an event was observed (elements 322 to 325). */
static bool seen_ms(const struct run_rows *r, uint32_t i, int64_t *out)
{
    static const struct {
        uint8_t aux, conv, len;
    } kind[] = { { AUX_SEEN_MS, CONV_MS, 8 },
                 { AUX_SEEN_SEC, CONV_SEC, 4 },
                 { AUX_SEEN_US, CONV_NTP, 8 },
                 { AUX_SEEN_NS, CONV_NTP, 8 } };
    const uint8_t *p;
    uint32_t len;

    for (unsigned k = 0; k < ARRAY_LEN(kind); k++) {
        struct plan_cand c = { r->plan->aux[kind[k].aux], kind[k].conv, 0 };
        if (field_at(r, i, c.field, &p, &len) && len == kind[k].len)
            return picked_ms(r, i, &c, out);
    }
    return false;
}

static bool duration_ms(const struct run_rows *r, uint32_t i, int64_t *out)
{
    const uint8_t *p;
    uint32_t len;

    if (field_at(r, i, r->plan->aux[AUX_DURATION_MS], &p, &len) && len >= 1 && len <= 4)
        *out = (int64_t)run_value(p, len);
    else if (field_at(r, i, r->plan->aux[AUX_DURATION_US], &p, &len) && len >= 1 && len <= 4)
        *out = (int64_t)(run_value(p, len) / 1000);
    else
        return false;
    return true;
}

static bool known_ms(const struct run_rows *r, uint32_t i, const struct plan_pick *pick,
                     bool loaded, int64_t *v)
{
    if (loaded)
        return true;
    return pick != NULL && pick->n > 0 && picked_ms(r, i, &r->plan->cand[pick->first], v);
}

/* Rows whose start and end do not both stand in their columns already. */
static void fill_times(struct run_rows *r)
{
    const struct plan_pick *pick[2] = { NULL, NULL };
    int64_t *start = (int64_t *)r->b->col[COL_START] + r->row;
    int64_t *end = (int64_t *)r->b->col[COL_END] + r->row;

    for (unsigned k = 0; k < r->plan->n_pick; k++)
        if (r->plan->pick[k].rule == PICK_TIME)
            pick[r->plan->pick[k].col == COL_END] = &r->plan->pick[k];
    for (uint32_t i = 0; i < r->n; i++) {
        bool has_start = known_ms(r, i, pick[0], r->plan->has_start && pick[0] == NULL, &start[i]);
        bool has_end = known_ms(r, i, pick[1], r->plan->has_end && pick[1] == NULL, &end[i]);
        int64_t d = 0, seen;
        if (has_start && has_end)
            continue;
        if (!has_start && !has_end) {
            if (seen_ms(r, i, &seen)) {
                start[i] = end[i] = seen;
                continue;
            }
            start[i] = end[i] = r->env->h.received_ms + r->env->clock_offset_ms;
            run_mark(r, i, MARK_NO_TIME);
            continue;
        }
        if (!duration_ms(r, i, &d) && has_start && seen_ms(r, i, &seen) && seen > start[i])
            d = (int64_t)((uint64_t)seen - (uint64_t)start[i]);
        if (has_start)
            end[i] = (int64_t)((uint64_t)start[i] + (uint64_t)d);
        else
            start[i] = (int64_t)((uint64_t)end[i] - (uint64_t)d);
    }
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* Start and end, `lo` to `hi`. A record that lies outside as a whole is moved there as a whole: its
 * duration does not depend on clocks. */
static void clamp_both(int64_t *start, int64_t *end, int64_t lo, int64_t hi)
{
    uint64_t took = *end > *start ? (uint64_t)*end - (uint64_t)*start : 0;
    int64_t kept = (int64_t)MIN(took, (uint64_t)(hi - lo));

    if (*start < lo && *end < lo) {
        *start = lo;
        *end = lo + kept;
    } else if (*start > hi && *end > hi) {
        *start = hi - kept;
        *end = hi;
    } else {
        *start = clamp(*start, lo, hi);
        *end = clamp(*end, *start, hi);
    }
}

static void correct(struct run_rows *r, uint32_t i, int64_t lo, int64_t hi)
{
    struct flow_batch *b = r->b;
    uint32_t row = r->row + i;
    int64_t *start = (int64_t *)b->col[COL_START] + row, *end = (int64_t *)b->col[COL_END] + row;
    uint64_t off = (uint64_t)r->env->clock_offset_ms, s = (uint64_t)*start, e = (uint64_t)*end;
    int64_t cs = (int64_t)(s - off), ce = (int64_t)(e - off);
    unsigned m = 0;

    clamp_both(&cs, &ce, lo, hi);
    if ((((const uint16_t *)b->col[COL_MARKS])[row] & MARK_NO_TIME) != 0) {
        *start = *end = r->env->h.received_ms;
        return;
    }
    if (off != 0)
        m |= MARK_TIME_SHIFTED;
    if ((uint64_t)cs != s - off || (uint64_t)ce != e - off)
        m |= MARK_TIME_CLAMPED;
    if (ce - cs > LONG_FLOW_MS)
        m |= MARK_LONG;
    *start = cs;
    *end = ce;
    ((uint64_t *)b->col[COL_START_SHIFT])[row] = s - (uint64_t)cs;
    ((uint64_t *)b->col[COL_END_SHIFT])[row] = e - (uint64_t)ce;
    if (s != (uint64_t)cs || e != (uint64_t)ce)
        r->used |= 1ull << COL_START_SHIFT | 1ull << COL_END_SHIFT;
    if (m != 0)
        run_mark(r, i, (uint16_t)m);
}

void run_times(struct run_rows *r)
{
    const struct plan *p = r->plan;
    const int64_t *start = (const int64_t *)r->b->col[COL_START] + r->row;
    const int64_t *end = (const int64_t *)r->b->col[COL_END] + r->row;
    int64_t lo = r->env->h.received_ms - r->env->max_age_ms, hi = r->env->h.received_ms + 60000;
    bool loaded = p->has_start && p->has_end;

    for (unsigned k = 0; k < p->n_pick; k++)
        loaded &= p->pick[k].rule != PICK_TIME;
    if (!loaded)
        fill_times(r);
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->env->clock_offset_ms == 0 && start[i] >= lo && start[i] <= end[i] && end[i] <= hi &&
            end[i] - start[i] <= LONG_FLOW_MS)
            continue;
        correct(r, i, lo, hi);
    }
}
