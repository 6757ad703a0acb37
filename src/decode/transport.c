/* Sessions of a reliable transport, TCP or TLS (RFC 7011 sections 8 and 10.4). What a session tells
 * is true for that session only, until it is withdrawn or the session ends. */
#include <stdlib.h>

#include "decode/session.h"

struct port *session_find(const struct exporter *x, uint32_t session)
{
    for (uint32_t i = 0; i < x->n_sessions; i++)
        if (x->sessions[i]->session == session)
            return x->sessions[i];
    return NULL;
}

static int note_streamed(struct decoder *d, struct exporter *x)
{
    if (d->n_streamed == d->cap_streamed) {
        uint32_t cap = d->cap_streamed > 0 ? d->cap_streamed * 2 : 16;
        struct exporter **more = realloc(d->streamed, cap * sizeof(struct exporter *));
        if (more == NULL)
            return ERR_NOMEM;
        d->streamed = more;
        d->cap_streamed = cap;
    }
    d->streamed[d->n_streamed++] = x;
    return ERR_OK;
}

static void forget_streamed(struct decoder *d, const struct exporter *x)
{
    for (uint32_t i = 0; i < d->n_streamed; i++)
        if (d->streamed[i] == x) {
            d->streamed[i] = d->streamed[--d->n_streamed];
            return;
        }
}

int session_add(struct decoder *d, struct exporter *x, uint32_t session, struct port **out)
{
    struct port **grown = realloc(x->sessions, (x->n_sessions + 1) * sizeof(struct port *));
    struct port *p;

    if (grown == NULL)
        return ERR_NOMEM;
    x->sessions = grown;
    p = calloc(1, sizeof *p);
    if (p == NULL || (x->n_sessions == 0 && note_streamed(d, x) != ERR_OK)) {
        free(p);
        return ERR_NOMEM;
    }
    p->session = session;
    x->sessions[x->n_sessions++] = p;
    *out = p;
    return ERR_OK;
}

int session_get(struct decoder *d, struct exporter *x, const struct datagram *g, struct port **out)
{
    int rc = ERR_OK;

    *out = session_find(x, g->session);
    if (*out == NULL && x->n_sessions < SESSIONS_MAX && exporter_charge(d, x, PORT_OCTETS)) {
        rc = session_add(d, x, g->session, out);
        if (rc != ERR_OK)
            exporter_discharge(d, x, PORT_OCTETS);
    }
    if (rc == ERR_OK && *out != NULL) {
        (*out)->number = g->peer_port;
        (*out)->last_ms = g->received_ms;
    }
    return rc;
}

static void end_at(struct decoder *d, struct exporter *x, uint32_t i)
{
    struct port *p = x->sessions[i];

    waiting_end(d, x, p->session);
    port_reset(d, x, p);
    exporter_discharge(d, x, PORT_OCTETS);
    free(p);
    x->sessions[i] = x->sessions[--x->n_sessions];
    if (x->n_sessions == 0)
        forget_streamed(d, x);
}

void sessions_free(struct decoder *d, struct exporter *x)
{
    while (x->n_sessions > 0)
        end_at(d, x, x->n_sessions - 1);
    free(x->sessions);
    x->sessions = NULL;
}

static void forget(struct decoder *d, uint32_t session)
{
    for (uint32_t i = d->n_streamed; i-- > 0;) {
        struct exporter *x = d->streamed[i];
        for (uint32_t k = x->n_sessions; k-- > 0;)
            if (session == DECODE_ALL_SESSIONS || x->sessions[k]->session == session)
                end_at(d, x, k);
    }
}

void decoder_session_end(struct decoder *d, uint32_t session)
{
    d->none.datagrams++;
    d->none.session_ends++;
    forget(d, session);
}

void decoder_no_sessions(struct decoder *d)
{
    forget(d, DECODE_ALL_SESSIONS);
}
