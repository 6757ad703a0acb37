#include "decode/run.h"

#include <string.h>

/* ---------------------------------------------------------------- octets to integers, by column */

/* One loop per column width; the wire width is a constant in each, so that the compiler unrolls it.
 * A type cannot stand in brackets. NOLINTBEGIN(bugprone-macro-parentheses) */
#define LOAD_LOOP(type, expr)                         \
    do {                                              \
        type *o = (type *)to + row;                   \
        for (uint32_t i = 0; i < n; i++, p += stride) \
            o[i] = (type)(expr);                      \
        return;                                       \
    } while (0)
#define LOAD_WIDTHS(type)                 \
    do {                                  \
        if (len == 1)                     \
            LOAD_LOOP(type, p[0]);        \
        if (len == 2)                     \
            LOAD_LOOP(type, be16(p));     \
        if (len == 4)                     \
            LOAD_LOOP(type, be32(p));     \
        if (len == 8)                     \
            LOAD_LOOP(type, be64(p));     \
        LOAD_LOOP(type, be_uint(p, len)); \
    } while (0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void load8(void *to, uint32_t row, uint32_t n, const uint8_t *p, size_t stride, uint32_t len)
{
    LOAD_WIDTHS(uint8_t);
}
static void load16(void *to, uint32_t row, uint32_t n, const uint8_t *p, size_t stride,
                   uint32_t len)
{
    LOAD_WIDTHS(uint16_t);
}
static void load32(void *to, uint32_t row, uint32_t n, const uint8_t *p, size_t stride,
                   uint32_t len)
{
    LOAD_WIDTHS(uint32_t);
}
static void load64(void *to, uint32_t row, uint32_t n, const uint8_t *p, size_t stride,
                   uint32_t len)
{
    LOAD_WIDTHS(uint64_t);
}

static void load_uint(const struct run_rows *r, enum col col, const uint8_t *p, uint32_t len)
{
    void *to = r->b->col[col];

    switch (col_info[col].bits) {
    case 8:
        load8(to, r->row, r->n, p, r->stride, len);
        break;
    case 16:
        load16(to, r->row, r->n, p, r->stride, len);
        break;
    case 32:
        load32(to, r->row, r->n, p, r->stride, len);
        break;
    default:
        load64(to, r->row, r->n, p, r->stride, len);
        break;
    }
}

/* A value wider than its column becomes the largest that the column holds; the octets are kept. */
void run_put(const struct run_rows *r, enum col col, uint32_t i, uint64_t v)
{
    void *to = r->b->col[col];
    uint32_t row = r->row + i;

    switch (col_info[col].bits) {
    case 8:
        ((uint8_t *)to)[row] = (uint8_t)MIN(v, UINT8_MAX);
        break;
    case 16:
        ((uint16_t *)to)[row] = (uint16_t)MIN(v, UINT16_MAX);
        break;
    case 32:
        ((uint32_t *)to)[row] = (uint32_t)MIN(v, UINT32_MAX);
        break;
    default:
        ((uint64_t *)to)[row] = v;
        break;
    }
}

uint64_t run_value(const uint8_t *p, uint32_t len)
{
    return len >= 1 && len <= 8 ? be_uint(p, len) : 0;
}

void run_mark(struct run_rows *r, uint32_t i, uint16_t mark)
{
    ((uint16_t *)r->b->col[COL_MARKS])[r->row + i] |= mark;
    r->used |= 1ull << COL_MARKS;
}

/* -------------------------------------------------------------------------------------- columns */

static void load_times(const struct run_rows *r, const struct plan_load *l, const uint8_t *p)
{
    uint64_t *o = (uint64_t *)r->b->col[l->col] + r->row;
    const struct export_info *h = &r->env->h;

    if (l->conv == CONV_SEC) {
        for (uint32_t i = 0; i < r->n; i++, p += r->stride)
            o[i] = (uint64_t)be32(p) * 1000;
        return;
    }
    /* the nearest time that this sysUpTime can mean: the counter wraps (RFC 3954 section 5.1) */
    for (uint32_t i = 0; i < r->n; i++, p += r->stride) {
        uint32_t d = be32(p) - h->uptime_ms;
        o[i] = (uint64_t)h->export_ms + (d <= INT32_MAX ? d : d | 0xffffffff00000000u);
    }
}

static bool load_columns(struct run_rows *r)
{
    for (unsigned k = 0; k < r->plan->n_load; k++) {
        const struct plan_load *l = &r->plan->load[k];
        const uint8_t *p = r->p + r->at[l->field];
        /* where the records after these will go */
        be_prefetch_write(r->b->col[l->col], (r->row + r->n) * (col_info[l->col].bits / 8u) + 128);
        switch ((enum conv)l->conv) {
        case CONV_UINT:
        case CONV_MS:
            load_uint(r, (enum col)l->col, p, r->len[l->field]);
            break;
        case CONV_IP4:
        case CONV_IP6:
            if (!flow_batch_addrs(r->b, p, r->stride, l->conv == CONV_IP6, r->n,
                                  (uint32_t *)r->b->col[l->col] + r->row))
                return false;
            break;
        case CONV_SEC:
        case CONV_UPTIME:
            load_times(r, l, p);
            break;
        case CONV_NONE:
        case CONV_NTP:
        case CONV_DELTA_US:
        case CONV_N:
            break; /* never loads */
        }
    }
    return true;
}

static const uint8_t *cand_at(const struct run_rows *r, const struct plan_cand *c, uint32_t i)
{
    return r->p + i * r->stride + r->at[c->field];
}

static uint64_t pick_number(const struct run_rows *r, const struct plan_pick *k, uint32_t i)
{
    const struct plan_cand *c = &r->plan->cand[k->first];

    for (unsigned j = 0; j < k->n; j++) {
        uint64_t v = run_value(cand_at(r, &c[j], i), r->len[c[j].field]);
        if (k->rule == PICK_COUNTER ? v != 0 : r->len[c[j].field] - 1u < 8)
            return v;
    }
    return 0;
}

static bool pick_address(const struct run_rows *r, const struct plan_pick *k, uint32_t i,
                         uint32_t *code)
{
    const struct plan_cand *c = &r->plan->cand[k->first];
    struct addr a = { { 0 } };
    bool found = false;

    for (unsigned j = 0; j < k->n && !found; j++) {
        const uint8_t *p = cand_at(r, &c[j], i);
        struct addr x;
        if (c[j].conv == CONV_IP4)
            x = addr_from_v4(be32(p));
        else
            memcpy(x.b, p, sizeof x.b);
        found = c[j].conv == CONV_IP4 ? addr_v4(&x) != 0 : !addr_is_zero(&x);
        if (found || j == 0)
            a = x;
    }
    *code = flow_batch_addr(r->b, &a);
    return *code != UINT32_MAX;
}

static uint64_t aux_value(const struct run_rows *r, enum aux a, uint32_t i)
{
    unsigned f = r->plan->aux[a];

    return f != PLAN_NO_FIELD ? run_value(r->p + i * r->stride + r->at[f], r->len[f]) : 0;
}

/* ICMP has no ports; type * 256 + code is what everybody puts there. */
static uint64_t icmp_port(const struct run_rows *r, uint32_t i)
{
    uint8_t proto = ((const uint8_t *)r->b->col[COL_PROTO])[r->row + i];
    uint64_t v = 0;

    if ((r->plan->used >> COL_PROTO & 1) == 0)
        return 0;
    if (proto == 1) {
        v = aux_value(r, AUX_ICMP4, i);
        if (v == 0)
            v = aux_value(r, AUX_ICMP4_TYPE, i) << 8 | aux_value(r, AUX_ICMP4_CODE, i);
    } else if (proto == 58) {
        v = aux_value(r, AUX_ICMP6, i);
        if (v == 0)
            v = aux_value(r, AUX_ICMP6_TYPE, i) << 8 | aux_value(r, AUX_ICMP6_CODE, i);
    }
    return v;
}

static uint64_t pick_rate(const struct run_rows *r, const struct plan_pick *k, uint32_t i)
{
    uint64_t v = pick_number(r, k, i), interval;

    if (v != 0)
        return v;
    interval = aux_value(r, AUX_RATE_INTERVAL, i);
    if (interval == 0 || interval > UINT32_MAX)
        return 0;
    /* RFC 5477 section 8.2: of interval + space packets, interval are taken */
    v = MIN(aux_value(r, AUX_RATE_SPACE, i), (uint64_t)UINT32_MAX);
    return (interval + v + interval / 2) / interval;
}

static bool pick_column(struct run_rows *r, const struct plan_pick *k)
{
    if (col_info[k->col].kind == COL_KIND_ADDR) {
        uint32_t *codes = (uint32_t *)r->b->col[k->col] + r->row;
        for (uint32_t i = 0; i < r->n; i++)
            if (!pick_address(r, k, i, &codes[i]))
                return false;
        return true;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        uint64_t v = 0;
        switch ((enum pick_rule)k->rule) {
        case PICK_FIRST:
        case PICK_COUNTER:
            v = pick_number(r, k, i);
            break;
        case PICK_PORT:
            v = pick_number(r, k, i);
            v = v != 0 ? v : icmp_port(r, i);
            break;
        case PICK_RATE:
            v = pick_rate(r, k, i);
            break;
        case PICK_TIME:
            return true; /* run_times() does it */
        }
        run_put(r, (enum col)k->col, i, v);
    }
    return true;
}

static bool pick_columns(struct run_rows *r)
{
    const struct plan *p = r->plan;

    for (unsigned pass = 0; pass < 2; pass++) /* the port looks at the protocol */
        for (unsigned k = 0; k < p->n_pick; k++)
            if ((p->pick[k].rule == PICK_PORT) == (pass == 1) && !pick_column(r, &p->pick[k]))
                return false;
    return true;
}

static void fill_constants(struct run_rows *r, uint32_t exporter_no, uint32_t shape_no)
{
    const struct run_env *env = r->env;
    uint16_t marks = env->marks | (uint16_t)(r->plan->biflow ? MARK_BIFLOW : 0);
    uint32_t base = (uint32_t)((uint64_t)env->h.export_ms - env->h.uptime_ms);
    uint32_t row = r->row, n = r->n;
    int64_t *received = (int64_t *)r->b->col[COL_RECEIVED] + row;
    uint16_t *exporter = (uint16_t *)r->b->col[COL_EXPORTER] + row;
    uint16_t *shape = (uint16_t *)r->b->col[COL_SHAPE] + row;
    uint16_t *mark = (uint16_t *)r->b->col[COL_MARKS] + row;

    for (uint32_t i = 0; i < n; i++)
        received[i] = env->h.received_ms;
    for (uint32_t i = 0; i < n; i++)
        exporter[i] = (uint16_t)exporter_no;
    for (uint32_t i = 0; i < n; i++)
        shape[i] = (uint16_t)shape_no;
    for (uint32_t i = 0; r->plan->needs_base && i < n; i++)
        ((uint32_t *)r->b->col[COL_UPTIME_BASE])[row + i] = base;
    if (marks != 0) {
        for (uint32_t i = 0; i < n; i++)
            mark[i] = marks;
        r->used |= 1ull << COL_MARKS;
    }
    if (env->h.rate != 0) {
        for (uint32_t i = 0; i < n; i++)
            ((uint32_t *)r->b->col[COL_RATE])[row + i] = env->h.rate;
        r->used |= 1ull << COL_RATE;
    }
}

/* --------------------------------------------------------------------------------------- extras */

static void fixed_extras(struct run_rows *r)
{
    struct flow_batch *b = r->b;
    uint32_t each = r->plan->shape->extra_octets, at = b->extra_used;

    for (uint32_t i = 0; i < r->n; i++, at += each) {
        const uint8_t *p = r->p + i * r->stride;
        uint8_t *to = b->extra_octets + at;
        b->extra_off[r->row + i] = at;
        b->extra_len[r->row + i] = each;
        for (unsigned k = 0; k < r->plan->n_span; k++) {
            const struct plan_span *s = &r->plan->span[k];
            memcpy(to, p + s->off, s->len);
            to += s->len;
        }
    }
    b->extra_used = at;
}

/* Octets of a field as they stand in the record, the length before a variable value included. */
static void raw_field(const struct run_rows *r, unsigned f, uint32_t *from, uint32_t *n)
{
    uint32_t end = r->at[f] + r->len[f];

    *from = r->at[f];
    if (r->plan->shape->f[f].len == SHAPE_LEN_VAR)
        *from = f > 0 ? r->at[f - 1] + r->len[f - 1] : 0;
    *n = end - *from;
}

static void variable_extras(struct run_rows *r)
{
    struct flow_batch *b = r->b;
    uint32_t at = b->extra_used;

    b->extra_off[r->row] = at;
    for (unsigned f = 0; f < r->plan->shape->n_fields; f++) {
        uint32_t from, n;
        if (r->plan->shape->f[f].col != COL_NONE)
            continue;
        raw_field(r, f, &from, &n);
        memcpy(b->extra_octets + at, r->p + from, n);
        at += n;
    }
    b->extra_len[r->row] = at - b->extra_used;
    b->extra_used = at;
}

/* ---------------------------------------------------------------------------------- into batches
 */

/* Rows that were begun and cannot be completed must read as zeros again. */
static void clear_rows(const struct run_rows *r)
{
    for (unsigned c = 0; c < COL_N; c++) {
        size_t width = col_info[c].bits / 8u;
        memset((uint8_t *)r->b->col[c] + r->row * width, 0, r->n * width);
    }
}

static bool numbers(struct plan *plan, const struct run_env *env)
{
    struct flow_batch *b = env->sink->batch;

    if (env->number->batch_id != b->id) {
        env->number->no = flow_batch_exporter(b, env->key);
        if (env->number->no == UINT32_MAX)
            return false;
        env->number->batch_id = b->id;
    }
    if (plan->batch_id != b->id) {
        plan->shape_no = flow_batch_shape(b, plan->shape);
        if (plan->shape_no == UINT32_MAX)
            return false;
        plan->batch_id = b->id;
    }
    return true;
}

/* How many of `want` records, with `extra_each` octets of extras, the batch takes; at least one, of
 * a fresh batch if need be. */
static int make_room(struct plan *plan, const struct run_env *env, size_t want, uint32_t extra_each,
                     uint32_t *k)
{
    for (int tries = 0; tries < 2; tries++) {
        struct flow_batch *b = env->sink->batch;
        uint32_t room = BATCH_ROWS - flow_batch_rows(b);
        int rc;
        if (extra_each > 0)
            room = MIN(room, (BATCH_EXTRA_OCTETS - b->extra_used) / extra_each);
        *k = (uint32_t)MIN((size_t)room, want);
        if (*k > 0 && numbers(plan, env))
            return ERR_OK;
        rc = env->sink->next(env->sink);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_NOMEM;
}

static int append(struct plan *plan, struct run_rows *r)
{
    const struct run_env *env = r->env;

    r->b = env->sink->batch;
    r->row = flow_batch_rows(r->b);
    r->used = plan->used;
    fill_constants(r, env->number->no, plan->shape_no);
    if (!load_columns(r) || !pick_columns(r) || (plan->from_section != 0 && !run_sections(r))) {
        clear_rows(r);
        return ERR_NOMEM;
    }
    run_times(r);
    if (plan->totals)
        run_totals(r);
    if (plan->shape->has_var)
        variable_extras(r);
    else
        fixed_extras(r);
    flow_batch_publish(r->b, r->n, r->used);
    return ERR_OK;
}

static int run_fixed(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t octets,
                     struct run_result *out)
{
    size_t stride = plan->shape->min_octets, left = octets / stride;
    struct run_rows r = {
        .plan = plan, .env = env, .p = p, .stride = stride, .at = plan->off, .len = plan->len
    };

    out->malformed = left == 0 && octets >= 4;
    while (left > 0) {
        int rc = make_room(plan, env, left, plan->shape->extra_octets, &r.n);
        if (rc == ERR_OK)
            rc = append(plan, &r);
        if (rc != ERR_OK)
            return rc;
        out->records += r.n;
        left -= r.n;
        r.p += r.n * stride;
    }
    return ERR_OK;
}

size_t run_walk(const struct shape *s, const uint8_t *p, size_t left, uint32_t *at, uint32_t *len)
{
    struct rd r = rd_init(p, left);

    for (unsigned f = 0; f < s->n_fields; f++) {
        size_t n = s->f[f].len;
        if (n == SHAPE_LEN_VAR) { /* RFC 7011 section 7 */
            n = rd_u8(&r);
            if (n == 255)
                n = rd_u16(&r);
        }
        at[f] = (uint32_t)(left - r.left);
        len[f] = (uint32_t)n;
        if (rd_take(&r, n) == NULL)
            return 0;
    }
    return left - r.left;
}

static int run_variable(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t left,
                        struct run_result *out)
{
    struct run_rows r = { .plan = plan, .env = env, .n = 1, .at = env->at, .len = env->len };

    out->malformed = left < plan->shape->min_octets && left >= 4;
    while (left >= plan->shape->min_octets) {
        size_t n = run_walk(plan->shape, p, left, env->at, env->len);
        uint32_t k;
        int rc;
        out->malformed = n == 0;
        if (n == 0)
            break;
        rc = make_room(plan, env, 1, (uint32_t)n, &k);
        r.p = p;
        r.stride = n;
        if (rc == ERR_OK)
            rc = append(plan, &r);
        if (rc != ERR_OK)
            return rc;
        out->records++;
        p += n;
        left -= n;
    }
    return ERR_OK;
}

static int option_record(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t n)
{
    for (int tries = 0; tries < 2; tries++) {
        int rc;
        if (numbers(plan, env) &&
            flow_batch_option(env->sink->batch, env->number->no, plan->shape_no, env->h.received_ms,
                              p, n) == ERR_OK)
            return ERR_OK;
        rc = env->sink->next(env->sink);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_NOMEM;
}

static int run_options(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t left,
                       struct run_result *out)
{
    unsigned boot = plan->aux[AUX_BOOT_MS];

    out->malformed = left < plan->shape->min_octets && left >= 4;
    while (left >= plan->shape->min_octets) {
        size_t n = run_walk(plan->shape, p, left, env->at, env->len);
        int rc;
        out->malformed = n == 0;
        if (n == 0)
            break;
        rc = option_record(plan, env, p, n);
        if (rc != ERR_OK)
            return rc;
        if (boot != PLAN_NO_FIELD && env->len[boot] == 8) {
            out->boot_found = true;
            out->boot_ms = (int64_t)be64(p + env->at[boot]);
        }
        out->records++;
        p += n;
        left -= n;
    }
    return ERR_OK;
}

int run_set(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t octets,
            struct run_result *out)
{
    *out = (struct run_result){ 0 };
    if (plan->shape->kind == SHAPE_OPTION)
        return run_options(plan, env, p, octets, out);
    if (plan->shape->has_var)
        return run_variable(plan, env, p, octets, out);
    return run_fixed(plan, env, p, octets, out);
}
