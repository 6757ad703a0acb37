/* Flow records as a test invents them, and as datagrams for the decoder: nothing here knows how
 * Weir keeps or asks them. */
#ifndef WEIR_TESTS_QUERY_MODEL_H
#define WEIR_TESTS_QUERY_MODEL_H

#include "unit.h"

#include <stdio.h>

#include "decode/decode.h"
#include "fake_geo.h"
#include "random_batch.h"
#include "store/segment.h"

#define MODEL_T0     1772539200000 /* 2026-03-03T12:00:00Z */
#define MODEL_DAY_MS 86400000

enum model_field {
    M_SRC,
    M_DST,
    M_NEXT,
    M_SPORT,
    M_DPORT,
    M_PROTO,
    M_FLAGS,
    M_TOS,
    M_BYTES,
    M_PACKETS,
    M_REV_BYTES,
    M_REV_PACKETS,
    M_OUT_BYTES,
    M_OUT_PACKETS,
    M_IN_IF,
    M_OUT_IF,
    M_SRC_AS,
    M_DST_AS,
    M_RATE,
    M_REASON, /* flowEndReason */
    M_TTL,    /* ipTTL */
    M_NAME,   /* interfaceName, variable length */
    M_IE8,    /* sourceIPv4Address, sourceTransportPort as elements */
    M_IE7,
    M_PAD, /* paddingOctets */
    M_DIR, /* flowDirection */
    M_START,
    M_END,
    M_N
};

struct model_record {
    uint32_t has; /* bit per model_field: stands in the template */
    struct addr src, dst, next;
    uint64_t v[M_N];
    char name[12];
    int64_t start, end, received; /* effective; what the exporter says is in told[] */
    int64_t told[2];
    uint8_t exporter;
    bool biflow;
    uint8_t salt; /* fake_geo.h: of what was known when it was sealed, else of today */
};

struct model_exporter {
    uint32_t addr, domain;
    uint16_t version;
};
static const struct model_exporter model_exporters[] = {
    { 0xc0000201, 0, 10 }, { 0xc0000201, 7, 10 }, { 0xc0000202, 7, 10 }, { 0xc0000203, 0x0102, 5 }
};

struct model_element {
    uint16_t id; /* bit 15: reverse (RFC 5103) */
    uint8_t len; /* 255 = variable */
    uint8_t field;
};
#define MODEL_MAX_ELEMENTS 16u
static const struct model_element model_templates[][MODEL_MAX_ELEMENTS] = {
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 7, 2, M_SPORT },
      { 11, 2, M_DPORT },
      { 4, 1, M_PROTO },
      { 6, 1, M_FLAGS },
      { 1, 8, M_BYTES },
      { 2, 4, M_PACKETS },
      { 10, 4, M_IN_IF },
      { 14, 4, M_OUT_IF },
      { 61, 1, M_DIR },
      { 152, 8, M_START },
      { 153, 8, M_END } },
    { { 27, 16, M_SRC },
      { 28, 16, M_DST },
      { 7, 2, M_SPORT },
      { 11, 2, M_DPORT },
      { 4, 1, M_PROTO },
      { 6, 2, M_FLAGS },
      { 1, 4, M_BYTES },
      { 2, 4, M_PACKETS },
      { 152, 8, M_START },
      { 153, 8, M_END },
      { 136, 1, M_REASON } },
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 7, 2, M_SPORT },
      { 11, 2, M_DPORT },
      { 4, 1, M_PROTO },
      { 1, 8, M_BYTES },
      { 2, 8, M_PACKETS },
      { 0x8001, 8, M_REV_BYTES },
      { 0x8002, 8, M_REV_PACKETS },
      { 10, 4, M_IN_IF },
      { 14, 4, M_OUT_IF },
      { 152, 8, M_START },
      { 153, 8, M_END },
      { 136, 1, M_REASON } },
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 4, 1, M_PROTO },
      { 7, 2, M_SPORT },
      { 11, 2, M_DPORT },
      { 5, 1, M_TOS },
      { 16, 4, M_SRC_AS },
      { 17, 4, M_DST_AS },
      { 34, 4, M_RATE },
      { 192, 1, M_TTL },
      { 82, 255, M_NAME },
      { 1, 4, M_BYTES },
      { 2, 4, M_PACKETS },
      { 152, 8, M_START },
      { 153, 8, M_END } },
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 4, 1, M_PROTO },
      { 32, 2, M_DPORT },
      { 1, 4, M_BYTES },
      { 2, 4, M_PACKETS },
      { 152, 8, M_START },
      { 153, 8, M_END },
      { 210, 3, M_PAD } },
    { { 8, 4, M_SRC }, { 12, 4, M_DST }, { 1, 4, M_BYTES } },
    { { 27, 16, M_SRC },
      { 2, 4, M_PACKETS },
      { 150, 4, M_START },
      { 151, 4, M_END },
      { 82, 255, M_NAME } },
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 15, 4, M_NEXT },
      { 231, 8, M_BYTES },
      { 232, 8, M_REV_BYTES },
      { 298, 8, M_PACKETS },
      { 299, 8, M_REV_PACKETS },
      { 7, 2, M_SPORT },
      { 11, 2, M_DPORT },
      { 4, 1, M_PROTO },
      { 34, 4, M_RATE },
      { 152, 8, M_START },
      { 153, 8, M_END } },
    { { 8, 4, M_SRC },
      { 12, 4, M_DST },
      { 4, 1, M_PROTO },
      { 1, 4, M_BYTES },
      { 2, 4, M_PACKETS },
      { 23, 4, M_OUT_BYTES },
      { 24, 4, M_OUT_PACKETS },
      { 6, 1, M_FLAGS },
      { 152, 8, M_START },
      { 153, 8, M_END } },
};
#define MODEL_V5_HAS                                                                               \
    (1u << M_SRC | 1u << M_DST | 1u << M_NEXT | 1u << M_IN_IF | 1u << M_OUT_IF | 1u << M_PACKETS | \
     1u << M_BYTES | 1u << M_SPORT | 1u << M_DPORT | 1u << M_FLAGS | 1u << M_PROTO | 1u << M_TOS | \
     1u << M_SRC_AS | 1u << M_DST_AS | 1u << M_IE8 | 1u << M_IE7)

/* Rows of the test, the batches they were decoded into, in the order of arrival. */
struct model {
    struct model_record *r;
    uint32_t n, cap;
    struct flow_batch *batch[16];
    uint32_t n_batches;
    struct decoder *d;
    struct decode_sink sink;
    struct buf out;
    uint32_t seq[ARRAY_LEN(model_exporters)];
    struct rnd rnd;
    int64_t now;
    int64_t span_ms; /* of the receive times of about model_fill()'s n rows; 0 = two hours */
    bool calm;       /* records of a few seconds that end when they are sent */
    uint32_t odd;    /* calm: how many of the next records are dated 1970 and 2100 all the same */
};

static inline uint64_t below(struct rnd *r, uint64_t n)
{
    return rnd_next(r) % n;
}

static int model_next_batch(struct decode_sink *s)
{
    struct model *m = s->ctx;

    if (s->batch != NULL)
        flow_batch_seal(s->batch);
    assert_true(m->n_batches < ARRAY_LEN(m->batch));
    assert_int_equal(flow_batch_new(&s->batch), ERR_OK);
    m->batch[m->n_batches++] = s->batch;
    return ERR_OK;
}

static void model_init(struct model *m, uint64_t seed)
{
    memset(m, 0, sizeof *m);
    m->rnd.s = seed * 0x9e3779b97f4a7c15u + 1;
    m->out = buf_init(70000);
    m->now = MODEL_T0;
    assert_int_equal(decoder_new(&m->d, &(struct decoder_limits){ 0 }), ERR_OK);
    m->sink = (struct decode_sink){ .next = model_next_batch, .ctx = m };
    (void)model_next_batch(&m->sink);
}

static void model_free(struct model *m)
{
    for (uint32_t i = 0; i < m->n_batches; i++)
        flow_batch_unref(m->batch[i]);
    decoder_free(m->d);
    buf_free(&m->out);
    free(m->r);
}

static struct addr model_v6(uint32_t net, uint32_t host)
{
    struct addr a = { { 0x20, 0x01, 0x0d, 0xb8 } };

    be_put(a.b + 4, net, 4);
    be_put(a.b + 12, host, 4);
    return a;
}

/* Addresses come back, change slowly with the rows, and some stand once. */
static struct addr model_addr(struct model *m, bool v6)
{
    struct rnd *r = &m->rnd;
    uint32_t phase = m->n / 1500;

    if (v6)
        return model_v6((uint32_t)below(r, 3) << 16 | (uint32_t)below(r, 2),
                        (uint32_t)below(r, 6) + phase);
    if (below(r, 40) == 0)
        return addr_from_v4((uint32_t)below(r, 1ull << 32));
    return addr_from_v4(0x0a000000u + (uint32_t)below(r, 4) * 256 + (uint32_t)below(r, 8) +
                        phase * 65536 * (below(r, 3) == 0));
}

static uint64_t model_port(struct rnd *r)
{
    static const uint16_t ports[] = {
        22, 53, 80, 443, 1023, 1024, 2048, 8080, 50000, 50001, 50002
    };

    return below(r, 30) == 0 ? below(r, 65536) : ports[below(r, ARRAY_LEN(ports))];
}

static void model_times(struct model *m, struct model_record *r, bool seconds)
{
    struct rnd *x = &m->rnd;
    int64_t d = 0, lo = m->now - MODEL_DAY_MS, hi = m->now + 60000;
    uint64_t kind = below(x, 100);

    if (kind < 50)
        d = (int64_t)below(x, 5000);
    else if (kind < 75)
        d = (int64_t)below(x, 900000);
    else if (kind < 78)
        d = (int64_t)below(x, 40000000);
    r->end = m->now - (int64_t)below(x, 30000);
    r->start = r->end - d;
    if (kind == 98)
        r->start = (int64_t)below(x, 100000); /* 1970 */
    if (kind == 99)
        r->end = 4102444800000;            /* 2100 */
    if (kind == 97 && r->end > r->start) { /* an exporter that confuses them */
        int64_t t = r->start;
        r->start = r->end;
        r->end = t;
    }
    if (seconds) {
        r->start = r->start / 1000 * 1000;
        r->end = r->end / 1000 * 1000;
    }
    if (m->calm) {
        r->end = m->now - (int64_t)below(x, 1000);
        r->start = r->end - d % 3000;
    }
    if (m->calm && m->odd > 0) {
        m->odd--;
        r->start = m->odd % 3 == 2 ? r->start : 5000;
        r->end = m->odd % 3 == 0 ? 6000 : m->odd % 3 == 1 ? r->end : 4102444800000;
    }
    r->told[0] = r->start;
    r->told[1] = r->end;
    r->start = r->start < lo ? lo : r->start > hi ? hi : r->start;
    r->end = r->end < r->start ? r->start : r->end > hi ? hi : r->end;
}

static void model_values(struct model *m, struct model_record *r, bool v6)
{
    static const uint8_t protos[] = { 6, 6, 6, 17, 17, 1, 47, 58, 132 };
    static const uint8_t flags[] = { 2, 18, 16, 24, 27, 4, 0, 20 };
    struct rnd *x = &m->rnd;
    uint64_t big = below(x, 50) == 0 ? 100000000 : 60000;

    r->src = model_addr(m, v6);
    r->dst = model_addr(m, v6);
    r->next = addr_from_v4(0x0a0000fe + (uint32_t)below(x, 3));
    r->v[M_SPORT] = model_port(x);
    r->v[M_DPORT] = model_port(x);
    r->v[M_PROTO] = protos[below(x, ARRAY_LEN(protos))];
    r->v[M_FLAGS] = flags[below(x, ARRAY_LEN(flags))];
    r->v[M_TOS] = below(x, 3) * 0x2e;
    r->v[M_PACKETS] = 1 + below(x, 40);
    r->v[M_BYTES] = below(x, 30) == 0 ? 0 : r->v[M_PACKETS] * 40 + below(x, big);
    r->v[M_REV_PACKETS] = below(x, 3) == 0 ? 0 : 1 + below(x, 20);
    r->v[M_REV_BYTES] = r->v[M_REV_PACKETS] * below(x, 900);
    r->v[M_OUT_BYTES] = below(x, 5000);
    r->v[M_OUT_PACKETS] = below(x, 9);
    r->v[M_IN_IF] = 1 + below(x, 4) + m->n / 3000;
    r->v[M_OUT_IF] = 1 + below(x, 5);
    r->v[M_SRC_AS] = below(x, 5) == 0 ? 0 : 64507 + below(x, 9); /* some for private use */
    r->v[M_DST_AS] = below(x, 9) == 0 ? 23456 : 64500 + below(x, 17);
    r->v[M_RATE] = below(x, 3) == 0 ? 1000 : below(x, 3) == 0 ? 0 : 64;
    r->v[M_REASON] = 1 + below(x, 4);
    r->v[M_TTL] = below(x, 4) * 60;
    r->v[M_DIR] = below(x, 2);
    if (below(x, 6) > 0)
        (void)snprintf(r->name, sizeof r->name, "eth%u", (unsigned)below(x, 4));
}

/* The flow of a record just before, or its answer, as another place may see it: some milliseconds
 * or seconds apart, or another slice of it. */
static void model_echo(struct model *m, struct model_record *r)
{
    struct rnd *x = &m->rnd;
    const struct model_record *of = &m->r[m->n - 2 - below(x, MIN(m->n - 1, 40u))];
    bool answer = below(x, 4) == 0;
    int64_t off = (int64_t)below(x, below(x, 2) == 0 ? 40 : 20000) - 10;
    int64_t lo = m->now - MODEL_DAY_MS, hi = m->now + 60000;

    if ((of->has >> M_DST & 1) == 0 || !addr_is_v4(&of->src) || of->told[0] == 0)
        return;
    r->src = answer ? of->dst : of->src;
    r->dst = answer ? of->src : of->dst;
    r->v[M_SPORT] = of->v[answer ? M_DPORT : M_SPORT];
    r->v[M_DPORT] = of->v[answer ? M_SPORT : M_DPORT];
    r->v[M_PROTO] = of->v[M_PROTO];
    if (below(x, 2) == 0) {
        r->v[M_BYTES] = of->v[M_BYTES];
        r->v[M_PACKETS] = of->v[M_PACKETS];
    }
    r->told[0] = of->told[0] + off;
    r->told[1] = of->told[1] + off;
    r->start = MIN(MAX(r->told[0], lo), hi);
    r->end = MIN(MAX(r->told[1], r->start), hi);
}

static struct model_record *model_record(struct model *m)
{
    struct model_record *r;

    if (m->n == m->cap) {
        m->cap = m->cap * 2 + 256;
        m->r = realloc(m->r, m->cap * sizeof *m->r);
        assert_non_null(m->r);
    }
    r = &m->r[m->n++];
    memset(r, 0, sizeof *r);
    r->received = m->now;
    return r;
}

static void model_put(struct buf *o, const struct model_record *r, const struct model_element *e)
{
    const struct addr *a = e->field == M_SRC ? &r->src : e->field == M_DST ? &r->dst : &r->next;

    switch (e->field) {
    case M_SRC:
    case M_DST:
    case M_NEXT:
        buf_put(o, a->b + 16 - e->len, e->len);
        return;
    case M_START:
    case M_END:
        buf_be(o, (uint64_t)r->told[e->field == M_END] / (e->len == 4 ? 1000 : 1), e->len);
        return;
    case M_NAME:
        buf_be(o, strlen(r->name), 1);
        buf_put(o, r->name, strlen(r->name));
        return;
    default:
        buf_be(o, r->v[e->field], e->len);
    }
}

static void model_feed(struct model *m, unsigned exporter)
{
    uint8_t *exact = t_dup(m->out.p, m->out.len);
    struct datagram g = { .octets = exact,
                          .len = m->out.len,
                          .peer = addr_from_v4(model_exporters[exporter].addr),
                          .peer_port = 4000,
                          .trusted = true,
                          .received_ms = m->now };

    assert_int_equal(decoder_feed(m->d, &g, &m->sink), ERR_OK);
    free(exact);
}

/* What the decoder makes of a record of this template. */
static void model_normalise(struct model_record *r, const struct model_element *t)
{
    uint64_t v[M_N];

    memcpy(v, r->v, sizeof v);
    memset(r->v, 0, sizeof r->v);
    for (unsigned i = 0; i < MODEL_MAX_ELEMENTS && t[i].id != 0; i++) {
        r->has |= 1u << t[i].field;
        r->v[t[i].field] = v[t[i].field];
        if (t[i].id == 8)
            r->has |= 1u << M_IE8;
        if (t[i].id == 7)
            r->has |= 1u << M_IE7;
    }
    if ((r->has >> M_DST & 1) == 0)
        memset(&r->dst, 0, sizeof r->dst);
    if ((r->has >> M_NEXT & 1) == 0)
        memset(&r->next, 0, sizeof r->next);
    if ((r->has >> M_NAME & 1) == 0)
        memset(r->name, 0, sizeof r->name);
    if ((r->has >> M_START & 1) == 0)
        r->start = r->end = r->received;
    r->biflow = (r->has >> M_REV_BYTES & 1) != 0;
}

/* One IPFIX message with its template in front. */
static void model_ipfix(struct model *m, unsigned exporter, unsigned template, unsigned records)
{
    const struct model_element *t = model_templates[template];
    struct buf *o = &m->out;
    size_t at;
    unsigned n = 0;

    buf_clear(o);
    buf_be(o, 10, 2);
    buf_be(o, 0, 2);
    buf_be(o, (uint64_t)m->now / 1000, 4);
    buf_be(o, m->seq[exporter], 4);
    buf_be(o, model_exporters[exporter].domain, 4);
    m->seq[exporter] += records;
    while (n < MODEL_MAX_ELEMENTS && t[n].id != 0)
        n++;
    at = o->len;
    buf_be(o, 2, 2);
    buf_be(o, 0, 2);
    buf_be(o, 256 + template, 2);
    buf_be(o, n, 2);
    for (unsigned i = 0; i < n; i++) {
        buf_be(o, t[i].id, 2);
        buf_be(o, t[i].len == 255 ? 65535 : t[i].len, 2);
        if ((t[i].id & 0x8000) != 0)
            buf_be(o, 29305, 4);
    }
    be_put(o->p + at + 2, o->len - at, 2);
    at = o->len;
    buf_be(o, 256 + template, 2);
    buf_be(o, 0, 2);
    for (unsigned k = 0; k < records; k++) {
        struct model_record *r = model_record(m);
        r->exporter = (uint8_t)exporter;
        model_times(m, r, template == 6);
        model_values(m, r, t[0].id == 27);
        if (template != 6 && t[0].id == 8 && !m->calm && m->n > 1 && below(&m->rnd, 3) == 0)
            model_echo(m, r);
        if (template == 4)
            r->v[M_PROTO] = 1;
        for (unsigned i = 0; i < n; i++)
            model_put(o, r, &t[i]);
        model_normalise(r, t);
    }
    be_put(o->p + at + 2, o->len - at, 2);
    be_put(o->p + 2, o->len, 2);
    model_feed(m, exporter);
}

static void model_v5(struct model *m, unsigned records)
{
    struct buf *o = &m->out;
    uint32_t uptime = 200000000;
    uint64_t rate = below(&m->rnd, 2) * 100;
    const unsigned exporter = 3;

    buf_clear(o);
    buf_be(o, 5, 2);
    buf_be(o, records, 2);
    buf_be(o, uptime += (uint32_t)(m->now - MODEL_T0), 4);
    buf_be(o, (uint64_t)m->now / 1000, 4);
    buf_be(o, (uint64_t)m->now % 1000 * 1000000, 4);
    buf_be(o, m->seq[exporter], 4);
    buf_be(o, model_exporters[exporter].domain, 2);
    buf_be(o, rate != 0 ? 0x4000 | rate : 0, 2);
    m->seq[exporter] += records;
    for (unsigned k = 0; k < records; k++) {
        struct model_record *r = model_record(m);
        int64_t d = (int64_t)below(&m->rnd, 100000);
        r->exporter = exporter;
        model_values(m, r, false);
        r->end = m->now - (int64_t)below(&m->rnd, 9000);
        r->start = r->end - d;
        buf_put(o, r->src.b + 12, 4);
        buf_put(o, r->dst.b + 12, 4);
        buf_put(o, r->next.b + 12, 4);
        buf_be(o, r->v[M_IN_IF], 2);
        buf_be(o, r->v[M_OUT_IF], 2);
        buf_be(o, r->v[M_PACKETS], 4);
        buf_be(o, r->v[M_BYTES], 4);
        buf_be(o, (uint32_t)(uptime + (uint64_t)(r->start - m->now)), 4);
        buf_be(o, (uint32_t)(uptime + (uint64_t)(r->end - m->now)), 4);
        buf_be(o, r->v[M_SPORT], 2);
        buf_be(o, r->v[M_DPORT], 2);
        buf_be(o, r->v[M_FLAGS] << 0, 2); /* pad, flags */
        buf_be(o, r->v[M_PROTO], 1);
        buf_be(o, r->v[M_TOS], 1);
        buf_be(o, r->v[M_SRC_AS], 2);
        buf_be(o, r->v[M_DST_AS], 2);
        buf_be(o, 0x18180000, 4);
        for (unsigned f = 0; f < M_N; f++)
            if ((MODEL_V5_HAS >> f & 1) == 0)
                r->v[f] = 0;
        r->has = MODEL_V5_HAS;
        r->v[M_RATE] = rate;
        memset(r->name, 0, sizeof r->name);
    }
    model_feed(m, exporter);
}

/* About n rows, cut into batches at random where the rows of one batch reach `cut`. */
static void model_fill(struct model *m, uint32_t n, uint32_t cut)
{
    while (m->n < n) {
        unsigned records = 1 + (unsigned)below(&m->rnd, 25);
        m->now += (int64_t)below(
            &m->rnd, (m->span_ms > 0 ? (uint64_t)m->span_ms * 2 : 7200000u) * records / n + 2);
        if (below(&m->rnd, 6) == 0)
            model_v5(m, records);
        else
            model_ipfix(m, (unsigned)below(&m->rnd, 3),
                        (unsigned)below(&m->rnd, ARRAY_LEN(model_templates)), records);
        if (flow_batch_rows(m->sink.batch) >= cut && m->n < n && m->n_batches < 12)
            (void)model_next_batch(&m->sink);
    }
}

/* Batches [from, to) as one sealed segment in memory. */
struct model_segment {
    struct buf octets;
    struct rowset *rs;
};

static void model_seal_by(struct model *m, uint32_t from, uint32_t to, const struct geo *today,
                          struct model_segment *s)
{
    const struct seg_geo known = { .today = today };
    struct seg_info info;
    struct err e = { 0 };
    int rc;

    s->octets = buf_init(1u << 28);
    rc = segment_build_apart(m->batch + from, to - from, 1 + from, NULL, &known, &s->octets, &info,
                             &e);
    if (rc == ERR_OK)
        rc = segment_open(&s->rs, "seg", (struct os_map){ s->octets.p, s->octets.len }, false, &e);
    if (rc != ERR_OK)
        fail_msg("%s: %s", err_name(rc), e.msg);
}

static inline void model_seal(struct model *m, uint32_t from, uint32_t to, struct model_segment *s)
{
    model_seal_by(m, from, to, NULL, s);
}

#endif
