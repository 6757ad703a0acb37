/* Cisco's NetFlow v1, v5 and v7: fixed records, so templates that everybody knows. */
#include "decode/session.h"

/* A record of v1 has 52 octets; softflowd sends 48. What follows the flags is not said by the
 * elements of today and is kept as it came. */
static const struct plan_field v1_fields[] = {
    { 0, 8, 4 }, { 0, 12, 4 }, { 0, 15, 4 }, { 0, 10, 2 },  { 0, 14, 2 },  { 0, 2, 4 },
    { 0, 1, 4 }, { 0, 22, 4 }, { 0, 21, 4 }, { 0, 7, 2 },   { 0, 11, 2 },  { 0, 210, 2 },
    { 0, 4, 1 }, { 0, 5, 1 },  { 0, 6, 1 },  { 0, 210, 7 }, { 0, 210, 4 },
};
static const struct plan_field v5_fields[] = {
    { 0, 8, 4 },  { 0, 12, 4 },  { 0, 15, 4 }, { 0, 10, 2 }, { 0, 14, 2 },
    { 0, 2, 4 },  { 0, 1, 4 },   { 0, 22, 4 }, { 0, 21, 4 }, { 0, 7, 2 },
    { 0, 11, 2 }, { 0, 210, 1 }, { 0, 6, 1 },  { 0, 4, 1 },  { 0, 5, 1 },
    { 0, 16, 2 }, { 0, 17, 2 },  { 0, 9, 1 },  { 0, 13, 1 }, { 0, 210, 2 },
};
/* The two fields of flags say which of the others are not valid; the last is the router that the
 * switch passed by. */
static const struct plan_field v7_fields[] = {
    { 0, 8, 4 },  { 0, 12, 4 },  { 0, 15, 4 },
    { 0, 10, 2 }, { 0, 14, 2 },  { 0, 2, 4 },
    { 0, 1, 4 },  { 0, 22, 4 },  { 0, 21, 4 },
    { 0, 7, 2 },  { 0, 11, 2 },  { 0, 210, 1 },
    { 0, 6, 1 },  { 0, 4, 1 },   { 0, 5, 1 },
    { 0, 16, 2 }, { 0, 17, 2 },  { 0, 9, 1 },
    { 0, 13, 1 }, { 0, 210, 2 }, { PEN_WEIR, WEIR_ROUTER_SHORTCUT, 4 },
};

static const struct layout {
    uint16_t version, record_octets;
    const struct plan_field *f;
    unsigned n;
} layouts[FIXED_N] = {
    [FIXED_V1] = { 1, 52, v1_fields, ARRAY_LEN(v1_fields) },
    [FIXED_V1_SHORT] = { 1, 48, v1_fields, ARRAY_LEN(v1_fields) - 1 },
    [FIXED_V5] = { 5, 48, v5_fields, ARRAY_LEN(v5_fields) },
    [FIXED_V7] = { 7, 52, v7_fields, ARRAY_LEN(v7_fields) },
};

int fixed_plan(struct plan **out, enum fixed_layout which)
{
    const struct layout *l = &layouts[which];

    return plan_new(out, (uint8_t)l->version, SHAPE_FLOW, 0, l->f, l->n);
}

/* Of v1 the length of the datagram tells which record it holds. */
static enum fixed_layout layout_of(const struct datagram *g, uint16_t version, uint32_t count)
{
    if (version == 1)
        return g->len >= 16 + (size_t)count * 52 ? FIXED_V1 : FIXED_V1_SHORT;
    return version == 5 ? FIXED_V5 : FIXED_V7;
}

int fixed_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    struct message m = { .d = d, .g = g, .sink = sink };
    struct rd r = rd_init(g->octets, g->len);
    struct exporter_key key = { .addr = g->peer, .version = rd_u16(&r), .import = g->import };
    uint32_t count = rd_u16(&r), seconds, nanoseconds, seq = 0;
    enum fixed_layout which = layout_of(g, key.version, count);
    size_t octets = (size_t)count * layouts[which].record_octets;
    const uint8_t *body;
    bool ok;
    int rc;

    m.h.uptime_ms = rd_u32(&r);
    seconds = rd_u32(&r);
    nanoseconds = rd_u32(&r);
    if (key.version != 1) {
        uint16_t engine, sampling;
        seq = rd_u32(&r);
        engine = rd_u16(&r); /* type and id; reserved in v7 */
        sampling = rd_u16(&r);
        if (key.version == 5) {
            key.domain = engine;
            m.h.rate = sampling & 0x3fffu;
        }
    }
    if (!rd_ok(&r)) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    body = rd_take(&r, octets);
    if (body == NULL) {
        datagram_refuse(d, g, &key, DECODE_COUNT);
        return ERR_OK;
    }
    m.h.export_ms = (int64_t)seconds * 1000 + nanoseconds / 1000000;
    m.h.received_ms = g->received_ms;
    rc = message_begin(&m, &key, true, &ok);
    if (rc != ERR_OK || !ok)
        return rc;
    exporter_boot(&m, seq, d->lim.reorder_window);
    m.x->c.sets++;
    rc = set_run(&m, d->fixed[which], &m.h, 0, body, octets);
    if (key.version != 1 && !m.port->shared)
        m.x->restarts += sequence_see(&m.port->seq, seq, count, true, d->lim.reorder_window);
    return rc;
}
