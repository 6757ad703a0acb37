/* NetFlow v9 (RFC 3954). The header's count is only checked: real exporters write it wrong. */
#include "decode/session.h"

int nf9_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    struct message m = { .d = d, .g = g, .sink = sink };
    struct rd r = rd_init(g->octets, g->len);
    struct exporter_key key = { .addr = g->peer, .version = 9, .import = g->import };
    uint32_t count, seq;
    bool ok;
    int rc;

    (void)rd_u16(&r);
    count = rd_u16(&r);
    m.h.uptime_ms = rd_u32(&r);
    m.h.export_ms = (int64_t)rd_u32(&r) * 1000;
    seq = rd_u32(&r);
    key.domain = rd_u32(&r); /* source id */
    m.h.received_ms = g->received_ms;
    if (!rd_ok(&r)) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    rc = message_begin(&m, &key, true, &ok);
    if (rc != ERR_OK || !ok)
        return rc;
    exporter_boot(&m, seq, d->lim.reorder_window);
    rc = sets_walk(&m, &r, true);
    if (!m.unknown && m.records + m.templates != count)
        m.x->c.header_count_wrong++;
    if (!m.port->shared)
        m.x->restarts += sequence_see(&m.port->seq, seq, 1, true, d->lim.reorder_window);
    return rc;
}
