/* Cisco's NetFlow v5: a fixed record, so a template that everybody knows. */
#include "decode/session.h"

#define HEADER_OCTETS 24u
#define RECORD_OCTETS 48u

int nf5_plan(struct plan **out)
{
    static const struct plan_field f[] = {
        { 0, 8, 4 },  { 0, 12, 4 },  { 0, 15, 4 }, { 0, 10, 2 }, { 0, 14, 2 },
        { 0, 2, 4 },  { 0, 1, 4 },   { 0, 22, 4 }, { 0, 21, 4 }, { 0, 7, 2 },
        { 0, 11, 2 }, { 0, 210, 1 }, { 0, 6, 1 },  { 0, 4, 1 },  { 0, 5, 1 },
        { 0, 16, 2 }, { 0, 17, 2 },  { 0, 9, 1 },  { 0, 13, 1 }, { 0, 210, 2 },
    };

    return plan_new(out, 5, SHAPE_FLOW, 0, f, ARRAY_LEN(f));
}

int nf5_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    struct message m = { .d = d, .g = g, .sink = sink };
    struct rd r = rd_init(g->octets, g->len);
    struct exporter_key key = { .addr = g->peer, .version = 5, .import = g->import };
    uint32_t count, seconds, nanoseconds, seq;
    const uint8_t *body;
    bool ok;
    int rc;

    (void)rd_u16(&r);
    count = rd_u16(&r);
    m.h.uptime_ms = rd_u32(&r);
    seconds = rd_u32(&r);
    nanoseconds = rd_u32(&r);
    seq = rd_u32(&r);
    key.domain = rd_u16(&r); /* engine type, engine id */
    m.h.rate = rd_u16(&r) & 0x3fffu;
    if (!rd_ok(&r)) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    body = rd_take(&r, (size_t)count * RECORD_OCTETS);
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
    rc = set_run(&m, d->v5, &m.h, 0, body, (size_t)count * RECORD_OCTETS);
    if (!m.port->shared)
        m.x->restarts += sequence_see(&m.port->seq, seq, count, true, d->lim.reorder_window);
    return rc;
}
