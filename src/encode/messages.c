#include "encode/messages.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_V9      20u
#define HEADER_IPFIX   16u
#define FIRST_TEMPLATE 256u
#define DEFAULT_OCTETS 1400u
#define RESTART_MS     10000    /* the boot time moves by so much: the exporter was restarted */
#define UPTIME_MS      3600000u /* where nothing says it */
#define TABLE_SLOTS    (MESSAGES_MAX_TEMPLATES * 2u) /* powers of two */
#define STREAM_SLOTS   (MESSAGES_MAX_STREAMS * 2u)

struct template
{
    uint64_t hash;
    struct message_field *f; /* owned */
    uint16_t n_fields, n_scope;
    bool option;
};

/* What one receiver takes for one exporter. */
struct stream {
    struct addr exporter;
    uint32_t domain;
    uint32_t sequence; /* v9: messages; IPFIX: data records, before the open message */
    uint32_t messages; /* sent */
    uint32_t *told;    /* per template: messages + 1 when it was told last; 0 = never */
    uint32_t n_told;   /* room in told[] */
    uint32_t base_ms;  /* v9: export time minus sysUpTime, of the last message */
    bool base_known;
    bool taken;
};

struct messages {
    struct messages_options opt;
    struct template t[MESSAGES_MAX_TEMPLATES];
    uint32_t n_templates;
    uint16_t slot[TABLE_SLOTS]; /* template number + 1 */
    struct stream stream[STREAM_SLOTS];
    uint32_t n_streams;
    struct buf open; /* the open message, header included */
    struct stream *to;
    size_t set_at; /* where the open set begins; 0 = none */
    uint16_t set_id;
    uint32_t records; /* data records in it */
    uint32_t counted; /* v9: templates too */
    int64_t export_ms, received_ms;
    uint32_t base_ms;
    struct addr exporter;
};

int messages_new(struct messages **out, const struct messages_options *opt)
{
    struct messages *m;

    *out = NULL;
    if (opt->version != 9 && opt->version != 10)
        return ERR_ARG;
    if ((m = calloc(1, sizeof *m)) == NULL)
        return ERR_NOMEM;
    m->opt = *opt;
    if (m->opt.max_octets == 0)
        m->opt.max_octets = DEFAULT_OCTETS;
    m->opt.max_octets = MIN(m->opt.max_octets, MESSAGES_MAX_OCTETS);
    m->open = buf_init(65536);
    *out = m;
    return ERR_OK;
}

static void forget_templates(struct messages *m)
{
    for (uint32_t i = 0; i < m->n_templates; i++)
        free(m->t[i].f);
    m->n_templates = 0;
    memset(m->slot, 0, sizeof m->slot);
    for (uint32_t i = 0; i < STREAM_SLOTS; i++)
        if (m->stream[i].told != NULL)
            memset(m->stream[i].told, 0, m->stream[i].n_told * sizeof *m->stream[i].told);
}

void messages_free(struct messages *m)
{
    if (m == NULL)
        return;
    forget_templates(m);
    for (uint32_t i = 0; i < STREAM_SLOTS; i++)
        free(m->stream[i].told);
    buf_free(&m->open);
    free(m);
}

/* --- templates --- */

static uint64_t hash_of(const struct message_record *r)
{
    uint64_t h = 0xcbf29ce484222325u ^ (r->option ? 1u + r->n_scope : 0u);

    for (unsigned i = 0; i < r->n_fields; i++) {
        h = (h ^ ((uint64_t)r->f[i].pen << 32 | (uint32_t)r->f[i].id << 16 | r->f[i].len)) *
            0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

static bool same_fields(const struct template *t, const struct message_record *r)
{
    if (t->n_fields != r->n_fields || t->n_scope != r->n_scope || t->option != r->option)
        return false;
    for (unsigned i = 0; i < r->n_fields; i++)
        if (t->f[i].pen != r->f[i].pen || t->f[i].id != r->f[i].id || t->f[i].len != r->f[i].len)
            return false;
    return true;
}

/* Number of the record's template, entered if new. When the table is full all begin anew: their
 * numbers are then told with new content. */
static int template_of(struct messages *m, const struct message_record *r, uint32_t *out)
{
    uint64_t h = hash_of(r);
    uint32_t i = (uint32_t)h & (TABLE_SLOTS - 1);
    struct template *t;
    int rc;

    for (; m->slot[i] != 0; i = (i + 1) & (TABLE_SLOTS - 1)) {
        *out = m->slot[i] - 1u;
        if (m->t[*out].hash == h && same_fields(&m->t[*out], r))
            return ERR_OK;
    }
    if (m->n_templates == MESSAGES_MAX_TEMPLATES) {
        if ((rc = messages_flush(m)) != ERR_OK)
            return rc;
        forget_templates(m);
        i = (uint32_t)h & (TABLE_SLOTS - 1);
    }
    t = &m->t[m->n_templates];
    *t = (struct template){ h, calloc(r->n_fields, sizeof *t->f), r->n_fields, r->n_scope,
                            r->option };
    if (t->f == NULL)
        return ERR_NOMEM;
    memcpy(t->f, r->f, r->n_fields * sizeof *t->f);
    *out = m->n_templates++;
    m->slot[i] = (uint16_t)m->n_templates;
    return ERR_OK;
}

static size_t template_octets(const struct messages *m, const struct template *t)
{
    size_t n = 4u + 6u + 4u; /* set, template, padding */

    for (unsigned i = 0; i < t->n_fields; i++)
        n += m->opt.version == 10 && t->f[i].pen != 0 ? 8 : 4;
    return n;
}

/* --- the open message --- */

static size_t header_octets(const struct messages *m)
{
    return m->opt.version == 9 ? HEADER_V9 : HEADER_IPFIX;
}

static void close_set(struct messages *m)
{
    if (m->set_at == 0)
        return;
    while (m->opt.version == 9 && m->open.len % 4 != 0)
        buf_char(&m->open, 0);
    if (buf_ok(&m->open))
        be_put(m->open.p + m->set_at + 2, m->open.len - m->set_at, 2);
    m->set_at = 0;
}

static void open_set(struct messages *m, uint16_t id)
{
    if (m->set_at != 0 && m->set_id == id)
        return;
    close_set(m);
    m->set_at = m->open.len;
    m->set_id = id;
    buf_be(&m->open, id, 2);
    buf_be(&m->open, 0, 2);
}

static void fill_header(struct messages *m)
{
    uint8_t *p = m->open.p;
    uint64_t s = (uint64_t)(m->export_ms / 1000);
    uint32_t uptime = (uint32_t)(s * 1000) - m->base_ms;

    be_put(p, m->opt.version, 2);
    if (m->opt.version == 10) {
        be_put(p + 2, m->open.len, 2);
        be_put(p + 4, s, 4);
        be_put(p + 8, m->to->sequence, 4);
        be_put(p + 12, m->to->domain, 4);
        m->to->sequence += m->records;
        return;
    }
    be_put(p + 2, m->counted, 2);
    be_put(p + 4, uptime, 4);
    be_put(p + 8, s, 4);
    be_put(p + 12, m->to->sequence, 4);
    be_put(p + 16, m->to->domain, 4);
    m->to->sequence++;
}

int messages_flush(struct messages *m)
{
    struct message out = { .received_ms = m->received_ms,
                           .exporter = m->exporter,
                           .records = m->records };

    if (m->open.len == 0)
        return ERR_OK;
    close_set(m);
    if (!buf_ok(&m->open)) {
        buf_clear(&m->open);
        return ERR_NOMEM;
    }
    fill_header(m);
    m->to->messages++;
    out.octets = m->open.p;
    out.len = m->open.len;
    buf_clear(&m->open); /* keeps the octets */
    m->records = m->counted = 0;
    return m->opt.send(m->opt.ctx, &out);
}

/* When an exporter is restarted its receivers forget its templates. */
static void follow_boot(struct stream *to, const struct message_record *r)
{
    uint32_t moved = r->uptime_base_ms - to->base_ms;

    if (!r->uptime_matters && to->base_known)
        return;
    if (r->uptime_matters && to->base_known && MIN(moved, 0 - moved) > RESTART_MS && to->n_told > 0)
        memset(to->told, 0, to->n_told * sizeof *to->told);
    to->base_ms =
        r->uptime_matters ? r->uptime_base_ms : (uint32_t)((uint64_t)r->export_ms - UPTIME_MS);
    to->base_known = true;
}

static void begin(struct messages *m, struct stream *to, const struct message_record *r)
{
    follow_boot(to, r);
    (void)buf_room(&m->open, header_octets(m));
    m->to = to;
    m->set_at = 0;
    m->exporter = r->exporter;
    m->export_ms = r->export_ms;
    m->received_ms = r->received_ms;
    m->base_ms = to->base_ms;
}

/* --- streams --- */

static int stream_of(struct messages *m, const struct message_record *r, struct stream **out)
{
    struct addr a = m->opt.per_exporter ? r->exporter : (struct addr){ { 0 } };
    uint64_t h = addr_hash(&a) + r->domain * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h ^ h >> 32) & (STREAM_SLOTS - 1);
    int rc;

    for (; m->stream[i].taken; i = (i + 1) & (STREAM_SLOTS - 1)) {
        *out = &m->stream[i];
        if ((*out)->domain == r->domain && addr_cmp(&(*out)->exporter, &a) == 0)
            return ERR_OK;
    }
    if (m->n_streams == MESSAGES_MAX_STREAMS) { /* all begin anew; sequences start again */
        if ((rc = messages_flush(m)) != ERR_OK)
            return rc;
        for (uint32_t k = 0; k < STREAM_SLOTS; k++)
            free(m->stream[k].told);
        memset(m->stream, 0, sizeof m->stream);
        m->n_streams = 0;
        i = (uint32_t)(h ^ h >> 32) & (STREAM_SLOTS - 1);
    }
    m->n_streams++;
    *out = &m->stream[i];
    **out = (struct stream){ .exporter = a, .domain = r->domain, .taken = true };
    return ERR_OK;
}

static int told_room(struct stream *s, uint32_t t)
{
    uint32_t n = MIN(MAX(t + 1, s->n_told * 2 + 8), MESSAGES_MAX_TEMPLATES);
    uint32_t *p;

    if (t < s->n_told)
        return ERR_OK;
    if ((p = realloc(s->told, n * sizeof *p)) == NULL)
        return ERR_NOMEM;
    memset(p + s->n_told, 0, (n - s->n_told) * sizeof *p);
    s->told = p;
    s->n_told = n;
    return ERR_OK;
}

static bool must_tell(const struct messages *m, const struct stream *s, uint32_t t)
{
    return s->told[t] == 0 ||
           (m->opt.refresh > 0 && s->messages + 1 - s->told[t] >= m->opt.refresh);
}

/* RFC 7011 section 3.4.1 and 3.4.2.2; RFC 3954 sections 5.2 and 6.1. */
static void tell(struct messages *m, uint32_t number)
{
    const struct template *t = &m->t[number];
    bool v9 = m->opt.version == 9;

    close_set(m);
    open_set(m, (uint16_t)(v9 ? t->option : t->option + 2u));
    buf_be(&m->open, FIRST_TEMPLATE + number, 2);
    if (v9 && t->option) {
        buf_be(&m->open, t->n_scope * 4u, 2);
        buf_be(&m->open, (uint64_t)(t->n_fields - t->n_scope) * 4u, 2);
    } else {
        buf_be(&m->open, t->n_fields, 2);
        if (t->option)
            buf_be(&m->open, t->n_scope, 2);
    }
    for (unsigned i = 0; i < t->n_fields; i++) {
        bool pen = !v9 && t->f[i].pen != 0;
        buf_be(&m->open, t->f[i].id | (pen ? 0x8000u : 0u), 2);
        buf_be(&m->open, t->f[i].len, 2);
        if (pen)
            buf_be(&m->open, t->f[i].pen, 4);
    }
    close_set(m);
    m->counted++;
    m->to->told[number] = m->to->messages + 1;
}

/* Can the record stand in the open message? */
static bool fits(const struct messages *m, const struct stream *to, const struct message_record *r,
                 size_t more)
{
    if (to != m->to || addr_cmp(&m->exporter, &r->exporter) != 0)
        return false;
    if (r->export_ms / 1000 != m->export_ms / 1000 ||
        r->received_ms / 1000 != m->received_ms / 1000)
        return false;
    if (r->uptime_matters && r->uptime_base_ms != m->base_ms)
        return false;
    return m->open.len + more <= m->opt.max_octets && m->records < UINT16_MAX / 2;
}

int messages_add(struct messages *m, const struct message_record *r)
{
    struct stream *to;
    uint32_t number;
    size_t more = r->len + 8; /* a set's header, padding */
    int rc;

    if (r->n_fields == 0 || (r->option && r->n_scope > r->n_fields))
        return ERR_LIMIT;
    if ((rc = stream_of(m, r, &to)) != ERR_OK || (rc = template_of(m, r, &number)) != ERR_OK ||
        (rc = told_room(to, number)) != ERR_OK)
        return rc;
    if (must_tell(m, to, number))
        more += template_octets(m, &m->t[number]);
    if (header_octets(m) + more > MESSAGES_MAX_OCTETS)
        return ERR_LIMIT;
    if (m->open.len > 0 && !fits(m, to, r, more) && (rc = messages_flush(m)) != ERR_OK)
        return rc;
    if (m->open.len == 0)
        begin(m, to, r);
    if (must_tell(m, to, number))
        tell(m, number);
    m->export_ms = MAX(m->export_ms, r->export_ms);
    m->received_ms = MAX(m->received_ms, r->received_ms);
    open_set(m, (uint16_t)(FIRST_TEMPLATE + number));
    buf_put(&m->open, r->octets, r->len);
    m->records++;
    m->counted++;
    return buf_ok(&m->open) ? ERR_OK : ERR_NOMEM;
}
