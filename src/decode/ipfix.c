/* IPFIX (RFC 7011). Several messages may stand in one datagram, one behind the other. */
#include "decode/session.h"

#define HEADER_OCTETS 16u

/* One message; `first` of its datagram. *next is how many octets it took, 0 = stop. */
static int one_message(struct message *m, struct rd *r, bool first)
{
    struct exporter_key key = { .addr = m->g->peer, .version = 10, .import = m->g->import };
    struct rd body;
    uint32_t len, seq;
    bool ok;
    int rc;

    (void)rd_u16(r);
    len = rd_u16(r);
    m->h.export_ms = (int64_t)rd_u32(r) * 1000;
    seq = rd_u32(r);
    key.domain = rd_u32(r);
    m->h.received_ms = m->g->received_ms;
    body = rd_sub(r, len >= HEADER_OCTETS ? len - HEADER_OCTETS : SIZE_MAX);
    if (!rd_ok(&body)) {
        if (first) {
            datagram_refuse(m->d, m->g, &key, DECODE_LENGTH);
        } else {
            m->x->c.sets++;
            set_malformed(m, DECODE_LENGTH);
        }
        return ERR_OK;
    }
    rc = message_begin(m, &key, first, &ok);
    if (rc != ERR_OK)
        return rc;
    if (!ok) {
        r->left = 0;
        return ERR_OK;
    }
    rc = sets_walk(m, &body, false);
    if (!m->port->shared)
        m->x->restarts +=
            sequence_see(&m->port->seq, seq, m->records, !m->unknown, m->d->lim.reorder_window);
    return rc;
}

int ipfix_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    struct message m = { .d = d, .g = g, .sink = sink };
    struct rd r = rd_init(g->octets, g->len);
    int rc;

    if (g->len < HEADER_OCTETS) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    rc = one_message(&m, &r, true);
    while (rc == ERR_OK && rd_ok(&r) && r.left >= HEADER_OCTETS && be16(r.p) == 10) {
        m.records = m.templates = 0;
        m.unknown = false;
        rc = one_message(&m, &r, false);
    }
    return rc;
}
