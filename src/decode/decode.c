#include "decode/decode.h"

#include <stdlib.h>

#include "decode/session.h"

const char *decode_reason_name(enum decode_reason r)
{
    static const char *const name[DECODE_REASON_N] = {
        [DECODE_SHORT_HEADER] = "short_header",
        [DECODE_VERSION] = "version",
        [DECODE_AGGREGATED] = "netflow_v8",
        [DECODE_LENGTH] = "length",
        [DECODE_COUNT] = "count",
        [DECODE_TEMPLATE] = "template",
        [DECODE_TEMPLATE_LIMIT] = "template_limit",
        [DECODE_EXPORTER_LIMIT] = "exporter_limit",
        [DECODE_RECORD] = "record",
        [DECODE_SET_ID] = "set_id",
        [DECODE_NO_TEMPLATE] = "no_template",
        [DECODE_WAITING_LIMIT] = "waiting_limit",
        [DECODE_QUARANTINED] = "quarantined",
    };

    return (unsigned)r < DECODE_REASON_N ? name[r] : "none";
}

static uint32_t limit(uint32_t given, uint32_t otherwise)
{
    return given != 0 ? given : otherwise;
}

int decoder_new(struct decoder **out, const struct decoder_limits *lim)
{
    struct decoder *d = calloc(1, sizeof *d);
    int rc = ERR_OK;

    *out = NULL;
    if (d == NULL)
        return ERR_NOMEM;
    d->lim.max_exporters = limit(lim->max_exporters, 65536);
    d->lim.max_untrusted = limit(lim->max_untrusted, 1024);
    d->lim.max_templates = limit(lim->max_templates, 4096);
    d->lim.max_fields = MIN(limit(lim->max_fields, 1024), SHAPE_MAX_FIELDS);
    d->lim.max_waiting_octets = limit(lim->max_waiting_octets, 1u << 20);
    d->lim.max_waiting_total = limit(lim->max_waiting_total, 64u << 20);
    d->lim.waiting_ttl_s = limit(lim->waiting_ttl_s, 1800);
    d->lim.template_ttl_s = lim->template_ttl_s;
    d->lim.max_age_s = limit(lim->max_age_s, 86400);
    d->lim.reorder_window = limit(lim->reorder_window, 1024);
    d->lim.max_octets = lim->max_octets != 0 ? lim->max_octets : 512u << 20;
    for (unsigned i = 0; rc == ERR_OK && i < FIXED_N; i++)
        rc = fixed_plan(&d->fixed[i], (enum fixed_layout)i);
    if (rc != ERR_OK) {
        decoder_free(d);
        return rc;
    }
    *out = d;
    return ERR_OK;
}

void decoder_free(struct decoder *d)
{
    if (d == NULL)
        return;
    for (uint32_t i = 0; i < exporter_count(d); i++)
        exporter_free(d, exporter_at(d, i));
    for (unsigned g = 0; g < GROUP_N; g++)
        free(d->group[g].x);
    free(d->slot);
    free(d->streamed);
    plans_free(&d->plans);
    for (unsigned i = 0; i < FIXED_N; i++)
        decode_plan_free(d->fixed[i]);
    sflow_free(d->sflow);
    free(d);
}

void datagram_refuse(struct decoder *d, const struct datagram *g, const struct exporter_key *k,
                     enum decode_reason r)
{
    struct exporter *x = k != NULL ? exporter_find(d, k) : NULL;
    struct decode_counters *c = x != NULL ? &x->c : &d->none;

    c->datagrams++;
    c->octets += g->len;
    c->datagrams_refused[r]++;
}

void decoder_refuse(struct decoder *d, const struct datagram *g, enum decode_reason r)
{
    datagram_refuse(d, g, NULL, r);
}

int message_begin(struct message *m, const struct exporter_key *k, bool first, bool *ok)
{
    struct exporter *x;
    int rc = exporter_get(m->d, m->g, k, &x);

    *ok = false;
    if (rc != ERR_OK)
        return rc;
    if (x == NULL) {
        if (first)
            datagram_refuse(m->d, m->g, NULL, DECODE_EXPORTER_LIMIT);
        return ERR_OK;
    }
    x->last_ms = m->g->received_ms;
    rc = m->g->session != 0 ? session_get(m->d, x, m->g, &m->port)
                            : exporter_port(m->d, x, m->g->peer_port, m->g->received_ms, &m->port);
    if (rc != ERR_OK)
        return rc;
    if (m->port == NULL) {
        if (first)
            datagram_refuse(m->d, m->g, k, DECODE_EXPORTER_LIMIT);
        return ERR_OK;
    }
    m->x = x;
    x->serial++;
    if (!x->established)
        exporter_heard(m->d, x);
    if (first) {
        x->c.datagrams++;
        x->c.octets += m->g->len;
        x->c.datagrams_accepted++;
    }
    exporter_clock(x, &m->h);
    *ok = true;
    return ERR_OK;
}

int decoder_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink)
{
    if (g->len < 2) {
        datagram_refuse(d, g, NULL, DECODE_SHORT_HEADER);
        return ERR_OK;
    }
    switch (be16(g->octets)) {
    case 0: /* sFlow's version has 32 bits */
        if (g->len >= 4 && be16(g->octets + 2) == 5)
            return sflow_feed(d, g, sink);
        datagram_refuse(d, g, NULL, DECODE_VERSION);
        return ERR_OK;
    case 1:
    case 5:
    case 7:
        return fixed_feed(d, g, sink);
    case 8:
        datagram_refuse(d, g, NULL, DECODE_AGGREGATED);
        return ERR_OK;
    case 9:
        return nf9_feed(d, g, sink);
    case 10:
        return ipfix_feed(d, g, sink);
    default:
        datagram_refuse(d, g, NULL, DECODE_VERSION);
        return ERR_OK;
    }
}

void decoder_tick(struct decoder *d, int64_t now_ms)
{
    int64_t ttl_ms = (int64_t)d->lim.template_ttl_s * 1000;

    for (uint32_t i = 0; i < exporter_count(d); i++) {
        struct exporter *x = exporter_at(d, i);
        if (x->wait_first != NULL)
            waiting_expire(d, x, now_ms, false);
        for (uint32_t k = 0; ttl_ms > 0 && k < x->n_ports; k++)
            template_expire(d, x, x->ports[k], now_ms - ttl_ms, 0);
    }
}

void decode_counters_add(struct decode_counters *to, const struct decode_counters *c)
{
    to->datagrams += c->datagrams;
    to->octets += c->octets;
    to->datagrams_accepted += c->datagrams_accepted;
    to->session_ends += c->session_ends;
    to->sets += c->sets;
    to->sets_decoded += c->sets_decoded;
    to->sets_template += c->sets_template;
    to->sets_waiting += c->sets_waiting;
    to->flows += c->flows;
    to->options += c->options;
    to->templates_learned += c->templates_learned;
    to->templates_changed += c->templates_changed;
    to->templates_withdrawn += c->templates_withdrawn;
    to->sets_borrowed += c->sets_borrowed;
    to->header_count_wrong += c->header_count_wrong;
    to->exporters_forgotten += c->exporters_forgotten;
    for (unsigned r = 0; r < DECODE_REASON_N; r++) {
        to->datagrams_refused[r] += c->datagrams_refused[r];
        to->sets_expired[r] += c->sets_expired[r];
        to->sets_malformed[r] += c->sets_malformed[r];
    }
}

void decoder_memory(const struct decoder *d, struct decode_memory *out)
{
    *out = (struct decode_memory){ .exporters = d->memory.all,
                                   .waiting = d->waiting.all,
                                   .plans = d->plans.octets,
                                   .n_plans = d->plans.n };
}

void decoder_totals(const struct decoder *d, struct decode_counters *out)
{
    *out = d->none;
    for (uint32_t i = 0; i < exporter_count(d); i++)
        decode_counters_add(out, &exporter_at(d, i)->c);
}

uint32_t decoder_exporters(const struct decoder *d)
{
    return exporter_count(d);
}

bool decoder_exporter(const struct decoder *d, uint32_t i, struct decode_exporter *out)
{
    const struct exporter *x;

    if (i >= exporter_count(d))
        return false;
    x = exporter_at(d, i);
    *out = (struct decode_exporter){ .key = x->key,
                                     .trusted = x->trusted,
                                     .first_ms = x->first_ms,
                                     .last_ms = x->last_ms,
                                     .templates = x->n_templates,
                                     .waiting_octets = x->waiting_octets,
                                     .waiting_since_ms =
                                         x->wait_first != NULL ? x->wait_first->h.received_ms : 0,
                                     .restarts = x->restarts,
                                     .clock_offset_ms = x->clock_offset_ms,
                                     .clock_known = x->clock_known,
                                     .c = x->c };
    out->lost = exporter_lost(x, &out->reordered, &out->duplicated);
    return true;
}
