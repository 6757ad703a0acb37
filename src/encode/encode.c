#include "encode/internal.h"

#include <stdlib.h>
#include <string.h>

#define FLOW_END_UPTIME    21u
#define FLOW_START_UPTIME  22u
#define FLOW_START_MS      152u
#define FLOW_END_MS        153u
#define OBSERVATION_DOMAIN 149u
/* What NetFlow v9 adds to the numbers of vendors (data/enterprises.csv). */
#define PEN_CISCO    9u
#define CISCO_OFFSET 32768u
#define PEN_NTOP     35632u
#define NTOP_OFFSET  57472u

const char *encode_reason_name(enum encode_reason r)
{
    static const char *const names[ENCODE_REASON_N] = {
        [ENCODE_NOT_IPV4] = "not IPv4",
        [ENCODE_COUNTER] = "counter above 32 bits",
        [ENCODE_OPTION] = "option record",
        [ENCODE_EMPTY] = "no element that NetFlow v9 has",
        [ENCODE_TOO_LONG] = "too long for a message",
    };

    return names[r];
}

static int sent(void *ctx, const struct message *m)
{
    struct encoder *e = ctx;

    e->stats.messages++;
    return e->opt.send(e->opt.ctx, m);
}

int encoder_new(struct encoder **out, const struct encode_options *opt)
{
    struct encoder *e = calloc(1, sizeof *e);
    struct messages_options mo = { .version = opt->as == ENCODE_V9 ? 9 : 10,
                                   .max_octets = opt->max_octets,
                                   .refresh = opt->refresh,
                                   .per_exporter = opt->per_exporter,
                                   .send = sent,
                                   .ctx = e };

    *out = NULL;
    if (e == NULL)
        return ERR_NOMEM;
    e->opt = *opt;
    e->octets = buf_init(1u << 20);
    if (opt->as == ENCODE_V5)
        e->v5.sequence = calloc(V5_ENGINES, sizeof *e->v5.sequence);
    if (opt->as == ENCODE_V5 ? e->v5.sequence == NULL : messages_new(&e->messages, &mo) != ERR_OK) {
        encoder_free(e);
        return ERR_NOMEM;
    }
    *out = e;
    return ERR_OK;
}

void encoder_free(struct encoder *e)
{
    if (e == NULL)
        return;
    messages_free(e->messages);
    free(e->v5.sequence);
    buf_free(&e->octets);
    free(e);
}

int encoder_flush(struct encoder *e)
{
    return e->messages != NULL ? messages_flush(e->messages) : v5_flush(e);
}

void encoder_stats(const struct encoder *e, struct encode_stats *out)
{
    *out = e->stats;
}

static bool is_uptime(const struct shape_field *f)
{
    return f->pen == 0 && (f->id == FLOW_START_UPTIME || f->id == FLOW_END_UPTIME);
}

/* NetFlow v9 scopes (RFC 3954 section 6.1) as IPFIX elements of the same meaning. */
static uint16_t scope_element(uint16_t scope)
{
    static const uint16_t id[] = { [1] = 144, [2] = 10, [3] = 141, [4] = 144, [5] = 145 };

    return scope < ARRAY_LEN(id) && id[scope] != 0 ? id[scope] : 144;
}

static void put_value(struct buf *out, const struct record_field *f)
{
    if (f->f->len == SHAPE_LEN_VAR) {
        if (f->long_len)
            buf_be(out, 255, 1);
        buf_be(out, f->len, f->long_len ? 2 : 1);
    }
    buf_put(out, f->p, f->len);
}

static void to_ipfix(struct encoder *e, const struct record *r, const struct record_field *f,
                     struct message_field *to)
{
    const struct shape_field *s = f->f;
    bool v9 = r->shape->proto != 10;
    unsigned col = s->id == FLOW_START_UPTIME ? COL_START : COL_END;

    *to = (struct message_field){ s->pen, s->id, s->len };
    if (v9 && is_uptime(s) && r->shape->kind == SHAPE_FLOW) {
        to->id = s->id == FLOW_START_UPTIME ? FLOW_START_MS : FLOW_END_MS;
        to->len = 8;
        buf_be(&e->octets, r->v[col] + r->v[col == COL_START ? COL_START_SHIFT : COL_END_SHIFT], 8);
        return;
    }
    if (s->pen == SHAPE_PEN_V9_SCOPE) {
        to->pen = 0;
        to->id = scope_element(s->id);
    } else if (s->pen == 0 && s->id >= NTOP_OFFSET) {
        to->pen = PEN_NTOP;
        to->id = (uint16_t)(s->id - NTOP_OFFSET);
    } else if (s->pen == 0 && s->id >= CISCO_OFFSET) {
        to->pen = PEN_CISCO;
        to->id = (uint16_t)(s->id - CISCO_OFFSET);
    }
    put_value(&e->octets, f);
}

/* False: v9 cannot say it. */
static bool to_v9(struct encoder *e, const struct record *r, const struct record_field *f,
                  struct message_field *to)
{
    const struct shape_field *s = f->f;

    if ((s->len == SHAPE_LEN_VAR && r->shape->proto != 9) ||
        (s->pen != 0 && s->pen != SHAPE_PEN_V9_SCOPE) || (r->shape->proto == 10 && is_uptime(s))) {
        e->stats.fields_left_out++;
        return false;
    }
    *to = (struct message_field){ s->pen, s->id, s->len };
    put_value(&e->octets, f);
    return true;
}

/* When it was sent, by the exporter's clock: where that was told to be off, and times were
 * corrected by it, the difference is known. */
int64_t encode_export_ms(const struct record *r)
{
    int64_t received = (int64_t)r->v[COL_RECEIVED];

    return (r->v[COL_MARKS] & MARK_TIME_SHIFTED) != 0 && (r->v[COL_MARKS] & MARK_TIME_CLAMPED) == 0
               ? (int64_t)((uint64_t)received + r->v[COL_END_SHIFT])
               : received;
}

static bool has_scope(const struct shape *s)
{
    for (unsigned i = 0; i < s->n_scope; i++)
        if (s->f[i].len > 0)
            return true;
    return false;
}

static int as_messages(struct encoder *e, const struct record *r)
{
    struct record_iter it = { 0 };
    struct record_field f;
    struct message_record m = { .exporter = r->exporter->addr,
                                .domain = r->exporter->domain,
                                .export_ms = encode_export_ms(r),
                                .received_ms = (int64_t)r->v[COL_RECEIVED],
                                .uptime_base_ms = (uint32_t)r->v[COL_UPTIME_BASE],
                                .option = r->shape->kind == SHAPE_OPTION,
                                .f = e->f };
    bool v9 = e->opt.as == ENCODE_V9;
    int rc;

    buf_clear(&e->octets);
    if (!v9 && m.option && !has_scope(r->shape)) { /* RFC 7011 section 3.4.2.2: at least one */
        e->f[m.n_fields++] = (struct message_field){ 0, OBSERVATION_DOMAIN, 4 };
        buf_be(&e->octets, r->exporter->domain, 4);
        m.n_scope = 1;
    }
    for (unsigned i = 0; record_next(r, &it, &f); i++) {
        if (!v9 && f.f->len == 0) /* says nothing, and no element may be of that length */
            continue;
        if (v9 && !to_v9(e, r, &f, &e->f[m.n_fields]))
            continue;
        if (!v9)
            to_ipfix(e, r, &f, &e->f[m.n_fields]);
        m.uptime_matters |= v9 && !m.option && is_uptime(f.f);
        m.n_scope = (uint16_t)(m.n_scope + (i < r->shape->n_scope));
        m.n_fields++;
    }
    if (it.bad)
        return ERR_CORRUPT;
    if (!buf_ok(&e->octets))
        return ERR_NOMEM;
    if (m.n_fields == 0 || e->octets.len == 0) {
        e->stats.not_sent[ENCODE_EMPTY]++;
        return ERR_OK;
    }
    m.octets = e->octets.p;
    m.len = e->octets.len;
    rc = messages_add(e->messages, &m);
    if (rc == ERR_LIMIT) {
        e->stats.not_sent[ENCODE_TOO_LONG]++;
        return ERR_OK;
    }
    e->stats.records += rc == ERR_OK;
    return rc;
}

int encoder_record(struct encoder *e, const struct record *r)
{
    return e->opt.as == ENCODE_V5 ? v5_record(e, r) : as_messages(e, r);
}
