#include "query/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "query/conv.h"
#include "query/pool.h"

/* Times of NetFlow are not nearer to the truth: its header counts whole seconds. */
#define FIRST_SEEN_MS 1000

#define TCP           6u
#define FLAG_FIN      1u
#define FLAG_SYN      2u
#define FLAG_RST      4u
#define FLAG_ACK      16u

struct session {
    int64_t start_ms, end_ms;
    uint32_t client, server; /* numbers of g->hosts */
    uint16_t client_port, server_port;
    uint8_t proto, state;
    uint32_t slices;
    uint64_t bytes[2], packets[2]; /* of the client, of the server */
};

static const char *const value_names[SESSION_VALUE_N] = {
    [SESSION_START] = "start",
    [SESSION_END] = "end",
    [SESSION_DURATION] = "session duration",
    [SESSION_CLIENT] = "client",
    [SESSION_SERVER] = "server",
    [SESSION_CLIENT_PORT] = "client port",
    [SESSION_SERVER_PORT] = "server port",
    [SESSION_PROTO] = "proto",
    [SESSION_CLIENT_BYTES] = "client bytes",
    [SESSION_CLIENT_PACKETS] = "client packets",
    [SESSION_SERVER_BYTES] = "server bytes",
    [SESSION_SERVER_PACKETS] = "server packets",
    [SESSION_TOTAL_BYTES] = "total bytes",
    [SESSION_TOTAL_PACKETS] = "total packets",
    [SESSION_SENDER] = "sender",
    [SESSION_RECEIVER] = "receiver",
    [SESSION_SLICES] = "slices",
    [SESSION_STATE] = "state",
};
static const char *const state_names[STATE_N] = { "open", "closed", "refused", "unanswered",
                                                  "syn-only" };

const char *session_value_name(unsigned v)
{
    return v < SESSION_VALUE_N ? value_names[v] : "";
}
const char *session_state_name(unsigned v)
{
    return v < STATE_N ? state_names[v] : "";
}

int64_t sessions_idle_ms(const struct query_control *ctl)
{
    return ctl != NULL && ctl->idle_ms > 0 ? ctl->idle_ms : SESSION_IDLE_MS;
}

/* ------------------------------------------------------------------ one conversation */

/* Did this half go from b to a? */
static bool from_b(const struct conv_row *r)
{
    return (r->bits & CONV_SWAP) != 0;
}

/* Of a pair of ports, is the one that belongs to b the server's? 1 yes, 0 no, -1 not to be told. */
static int b_serves(const struct conv_row *r)
{
    bool a_low = r->pa >= 1 && r->pa <= 1023, b_low = r->pb >= 1 && r->pb <= 1023;

    return a_low == b_low ? -1 : b_low;
}

/* Did b open the session? Rows are by start. */
static bool b_opened(const struct group *g, const struct conv_row *r, size_t n)
{
    int64_t first[2] = { INT64_MAX, INT64_MAX };
    int serves = b_serves(&r[0]);
    bool both;

    for (size_t i = 0; i < n; i++)
        if ((r[i].bits & CONV_BIFLOW) != 0)
            return from_b(&r[i]) != ((r[i].bits & CONV_BACK) != 0);
    for (size_t i = 0; i < n; i++) {
        if (r[i].proto == TCP && (r[i].flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN)
            return from_b(&r[i]);
        first[from_b(&r[i])] = MIN(first[from_b(&r[i])], r[i].start_ms);
    }
    both = first[0] != INT64_MAX && first[1] != INT64_MAX;
    if (both && (first[0] > first[1] + FIRST_SEEN_MS || first[1] > first[0] + FIRST_SEEN_MS))
        return first[1] < first[0];
    if (serves >= 0)
        return serves == 0;
    if (first[0] != first[1]) /* INT64_MAX: one direction only */
        return first[1] < first[0];
    if (r[0].pa != r[0].pb)
        return r[0].pa < r[0].pb; /* the higher port opened */
    return addr_cmp(&g->hosts->addr[r[0].b], &g->hosts->addr[r[0].a]) < 0;
}

static uint8_t state_of(uint8_t proto, const uint16_t flags[2], bool answered)
{
    if (!answered && proto == TCP && flags[0] == FLAG_SYN)
        return STATE_SYN_ONLY;
    if (!answered)
        return STATE_UNANSWERED;
    if (proto != TCP)
        return STATE_OPEN;
    if ((flags[1] & FLAG_RST) != 0 && (flags[1] & (FLAG_SYN | FLAG_FIN)) == 0 &&
        (flags[0] & (FLAG_ACK | FLAG_FIN)) == 0)
        return STATE_REFUSED;
    if ((flags[0] & flags[1] & FLAG_FIN) != 0 || ((flags[0] | flags[1]) & FLAG_RST) != 0)
        return STATE_CLOSED;
    return STATE_OPEN;
}

static void make_session(struct session *s, const struct conv_row *r, size_t n, bool b)
{
    uint16_t flags[2] = { 0, 0 };
    bool answered = false;

    *s = (struct session){ .start_ms = r[0].start_ms,
                           .end_ms = r[0].start_ms,
                           .client = b ? r[0].b : r[0].a,
                           .server = b ? r[0].a : r[0].b,
                           .client_port = b ? r[0].pb : r[0].pa,
                           .server_port = b ? r[0].pa : r[0].pb,
                           .proto = r[0].proto };
    for (size_t i = 0; i < n; i++) {
        unsigned side = from_b(&r[i]) != b;
        s->end_ms = MAX(s->end_ms, conv_end(&r[i]));
        s->bytes[side] += r[i].bytes;
        s->packets[side] += r[i].packets;
        /* the two halves of a biflow are one record, and its flags are not told apart */
        s->slices += (r[i].bits & CONV_BACK) == 0;
        answered |= side == 1;
        flags[side] |= r[i].flags;
    }
    s->slices = MAX(s->slices, 1);
    s->state = state_of(s->proto, flags, answered);
}

/* ------------------------------------------------------------------ values */

static uint64_t number_of(const struct session *s, unsigned v)
{
    switch ((enum session_value)v) {
    case SESSION_START:
        return (uint64_t)s->start_ms;
    case SESSION_END:
        return (uint64_t)s->end_ms;
    case SESSION_DURATION:
        return (uint64_t)(s->end_ms - s->start_ms);
    case SESSION_CLIENT_PORT:
        return s->client_port;
    case SESSION_SERVER_PORT:
        return s->server_port;
    case SESSION_PROTO:
        return s->proto;
    case SESSION_CLIENT_BYTES:
        return s->bytes[0];
    case SESSION_CLIENT_PACKETS:
        return s->packets[0];
    case SESSION_SERVER_BYTES:
        return s->bytes[1];
    case SESSION_SERVER_PACKETS:
        return s->packets[1];
    case SESSION_TOTAL_BYTES:
        return s->bytes[0] + s->bytes[1];
    case SESSION_TOTAL_PACKETS:
        return s->packets[0] + s->packets[1];
    case SESSION_SLICES:
        return s->slices;
    case SESSION_STATE:
        return s->state;
    case SESSION_CLIENT:
    case SESSION_SERVER:
    case SESSION_SENDER:
    case SESSION_RECEIVER:
    case SESSION_VALUE_N:
        break;
    }
    return 0;
}

/* Who sent more; equal: the client. */
static uint32_t host_of(const struct session *s, unsigned v)
{
    bool server_sent = s->bytes[1] > s->bytes[0], server;

    if (v == SESSION_CLIENT || v == SESSION_SERVER)
        server = v == SESSION_SERVER;
    else
        server = (v == SESSION_SENDER) == server_sent;
    return server ? s->server : s->client;
}

static bool is_host(unsigned v)
{
    return v == SESSION_CLIENT || v == SESSION_SERVER || v == SESSION_SENDER ||
           v == SESSION_RECEIVER;
}

static bool passes(const struct expr *x, const struct session *s)
{
    bool yes = x->op == EXPR_AND;
    uint64_t v;

    if (x->op == EXPR_CONST)
        return x->yes;
    if (x->op == EXPR_NOT)
        return !passes(x->kid[0], s);
    if (x->op == EXPR_RANGE) {
        v = number_of(s, x->value.v[0].calc);
        for (uint32_t i = 0; i < x->n_ranges; i++)
            yes |= v >= x->range[i].lo && v <= x->range[i].hi;
        return yes;
    }
    for (uint32_t k = 0; k < x->n_kids; k++) {
        bool kid = passes(x->kid[k], s);
        yes = x->op == EXPR_AND ? yes && kid : x->op == EXPR_OR ? yes || kid : yes != kid;
    }
    return yes;
}

/* ------------------------------------------------------------------ all conversations */

struct kept_sessions {
    struct session *s;
    size_t n, cap;
};

struct stitching {
    struct group *g;
    int64_t idle_ms;
    bool list;
    struct kept_sessions kept[POOL_MAX]; /* by worker */
};

static int keep(struct stitching *t, struct kept_sessions *k, const struct session *s)
{
    const struct plan *p = t->g->p;

    if (p->framed && (s->start_ms < p->from_ms || s->start_ms >= p->to_ms))
        return ERR_OK;
    if (k->n == k->cap) {
        size_t cap = k->cap * 2 + 64;
        struct session *to;
        if (budget_take(&t->g->budget, (cap - k->cap) * sizeof *to) != ERR_OK)
            return ERR_LIMIT;
        if ((to = realloc(k->s, cap * sizeof *to)) == NULL)
            return ERR_NOMEM;
        k->s = to;
        k->cap = cap;
    }
    k->s[k->n++] = *s;
    return ERR_OK;
}

/* The bits of one session's rows. */
static int mark(struct group *g, const struct conv_row *r, size_t n, bool b, bool out)
{
    int rc = ERR_OK;

    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        bool back = (r[i].bits & CONV_BACK) != 0;
        if (out)
            rc = group_set_bit(g, g->aside[back], r[i].row);
        else if ((from_b(&r[i]) != b) != back)
            rc = group_set_bit(g, g->swapped, r[i].row);
    }
    if (rc == ERR_OK && !out)
        rc = group_set_bit(g, g->begins[(r[0].bits & CONV_BACK) != 0], r[0].row);
    return rc;
}

static int one_tuple(void *ctx, unsigned worker, struct conv_row *r, size_t n)
{
    struct stitching *t = ctx;
    const struct expr *filter = t->g->p->session_filter;
    int rc = ERR_OK;

    for (size_t i = 0, end; i < n && rc == ERR_OK; i = end) {
        int64_t top = conv_end(&r[i]);
        struct session s;
        bool b, yes = true;
        for (end = i + 1; end < n && r[end].start_ms <= top + t->idle_ms; end++)
            top = MAX(top, conv_end(&r[end]));
        b = b_opened(t->g, r + i, end - i);
        if (t->list || filter != NULL)
            make_session(&s, r + i, end - i, b);
        if (filter != NULL)
            yes = passes(filter, &s);
        if (!t->list)
            rc = mark(t->g, r + i, end - i, b, !yes);
        else if (yes)
            rc = keep(t, &t->kept[worker], &s);
    }
    return rc;
}

int sessions_stitch(struct group *g)
{
    struct stitching t = { .g = g, .idle_ms = sessions_idle_ms(g->ctl) };
    struct conv_ask ask = { .folded = true, .fn = one_tuple, .ctx = &t };
    int rc = ERR_OK;

    ask.before_ms = ask.after_ms = t.idle_ms;
    for (unsigned i = 0; i < 2 && rc == ERR_OK; i++) {
        rc = group_bits_new(g, &g->begins[i]);
        if (rc == ERR_OK && g->p->session_filter != NULL)
            rc = group_bits_new(g, &g->aside[i]);
    }
    if (rc == ERR_OK)
        rc = group_bits_new(g, &g->swapped);
    for (uint32_t k = 0; k < g->n_states; k++)
        g->key[k].swapped = g->swapped;
    return rc == ERR_OK ? conv_each(g, &ask) : rc;
}

/* ------------------------------------------------------------------ list */

static int by_start(const struct session *x, const struct session *y, const struct group *g)
{
    const struct addr *host = g->hosts->addr;
    int c;

    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    if ((c = addr_cmp(&host[x->client], &host[y->client])) != 0 ||
        (c = addr_cmp(&host[x->server], &host[y->server])) != 0)
        return c;
    if (x->client_port != y->client_port)
        return x->client_port < y->client_port ? -1 : 1;
    if (x->server_port != y->server_port)
        return x->server_port < y->server_port ? -1 : 1;
    return x->proto < y->proto ? -1 : x->proto > y->proto;
}

static int by_sort(const void *a, const void *b, void *ctx)
{
    const struct group *g = ctx;
    const struct session *x = a, *y = b;
    unsigned v = g->p->sort.v[0].calc;
    int c = 0;

    if (g->p->sorted && is_host(v)) {
        c = addr_cmp(&g->hosts->addr[host_of(x, v)], &g->hosts->addr[host_of(y, v)]);
    } else if (g->p->sorted) {
        uint64_t m = number_of(x, v), n = number_of(y, v);
        c = m < n ? -1 : m > n;
    }
    if (c != 0)
        return g->p->sort_desc ? -c : c;
    return by_start(x, y, g);
}

static void cells(const struct group *g, const struct session *s, struct cell *c)
{
    const struct plan *p = g->p;

    for (uint32_t i = 0; i < p->n_cols; i++) {
        unsigned v = p->cols[i].value.v[0].calc;
        c[i] = (struct cell){ .kind = CELL_UINT, .u = number_of(s, v) };
        if (is_host(v)) {
            c[i].kind = CELL_ADDR;
            c[i].prefix = 255;
            c[i].a = g->hosts->addr[host_of(s, v)];
        } else if (v == SESSION_START || v == SESSION_END) {
            c[i].kind = CELL_TIME;
        } else if (v == SESSION_STATE) {
            c[i].kind = CELL_TEXT;
            c[i].text = state_names[s->state];
            c[i].text_len = strlen(c[i].text);
        }
    }
}

static int send(struct group *g, struct answer_sink *sink, const struct session *s, size_t n)
{
    struct cell c[PLAN_MAX_COLUMNS];
    struct answer_row row = { .cell = c };
    int rc = ERR_OK;

    for (size_t i = 0; i < n && rc == ERR_OK && (g->p->limit == 0 || i < g->p->limit); i++) {
        cells(g, &s[i], c);
        row.received_ms = row.start_ms = s[i].start_ms;
        row.end_ms = s[i].end_ms;
        rc = sink->row(sink, &row);
    }
    return rc;
}

static int join(struct stitching *t, struct session **out, size_t *n)
{
    size_t at = 0;

    *n = 0;
    for (unsigned w = 0; w < t->g->workers; w++)
        *n += t->kept[w].n;
    if ((*out = malloc((*n + 1) * sizeof **out)) == NULL)
        return ERR_NOMEM;
    for (unsigned w = 0; w < t->g->workers; w++) {
        if (t->kept[w].n > 0)
            memcpy(*out + at, t->kept[w].s, t->kept[w].n * sizeof **out);
        at += t->kept[w].n;
    }
    return ERR_OK;
}

int answer_sessions(struct group *g, struct answer_sink *sink)
{
    struct stitching *t = calloc(1, sizeof *t);
    struct conv_ask ask = { .folded = true, .count = true, .fn = one_tuple, .ctx = t };
    struct session *all = NULL;
    size_t n = 0;
    int rc;

    if (t == NULL)
        return ERR_NOMEM;
    t->g = g;
    t->list = true;
    t->idle_ms = ask.before_ms = ask.after_ms = sessions_idle_ms(g->ctl);
    rc = conv_each(g, &ask);
    if (rc == ERR_OK)
        rc = join(t, &all, &n);
    if (rc == ERR_OK && n > 0)
        qsort_r(all, n, sizeof *all, by_sort, g);
    if (rc == ERR_OK)
        rc = send(g, sink, all, n);
    for (size_t i = 0; i < n; i++) {
        g->total[ACC_FLOWS] += all[i].slices;
        g->total[g->p->raw ? ACC_RAW_BYTES : ACC_BYTES] += all[i].bytes[0] + all[i].bytes[1];
        g->total[g->p->raw ? ACC_RAW_PACKETS : ACC_PACKETS] +=
            all[i].packets[0] + all[i].packets[1];
    }
    for (unsigned w = 0; w < g->workers; w++)
        free(t->kept[w].s);
    free(all);
    free(t);
    return rc;
}
