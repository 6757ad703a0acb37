/* decode/session.h - the state of a decoder, shared by the files of this folder only.
 * Floor 3. Pure. Threads: one. */
#ifndef WEIR_DECODE_SESSION_H
#define WEIR_DECODE_SESSION_H

#include "base/rd.h"
#include "decode/checkpoint.h"
#include "decode/decode.h"
#include "decode/run.h"
#include "decode/sequence.h"

#define MAX_PORTS     64u    /* source ports of one exporter that have state of their own */
#define PORT_IDLE_MS  600000 /* a port may be forgotten after this much silence */
#define TOTALS_TABLES 64u    /* exporters that may have a table of running totals */
#define BOOT_MOVED_MS 10000  /* DESIGN section 4: a restart moves the boot time by more */
/* When the place of an exporter may be given to a new one, by how it was heard so far: one datagram
 * only; several; over a longer time. A flood of forged addresses takes places of its own kind. */
#define FORGET_SINGLE_MS 10000
#define FORGET_NEW_MS    600000
#define FORGET_LONG_MS   86400000
#define EXPECT_FROM      64u    /* exporters; fewer are near anyway */
#define ESTABLISHED_MS   600000 /* heard over this time, ... */
#define ESTABLISHED_N    10u    /* ... and in as many datagrams: not new any more */
#define FORGET_LOOKS     16u    /* exporters looked at for one place */
#define FORGET_FOR_IT    8u     /* exporters forgotten for a port or a template of another one */
/* Memory of an exporter and its first port, its place in the tables and what malloc adds. */
#define MALLOC_OCTETS 16u
#define EXPORTER_OCTETS                                                                     \
    (sizeof(struct exporter) + 3 * sizeof(void *) + 2 * sizeof(struct slot) + PORT_OCTETS + \
     MALLOC_OCTETS)
#define PORT_OCTETS (sizeof(struct port) + sizeof(void *) + 2 * MALLOC_OCTETS)

/* The records of fixed layout; softflowd's of v1 is shorter. */
enum fixed_layout { FIXED_V1, FIXED_V1_SHORT, FIXED_V5, FIXED_V7, FIXED_N };

struct template
{
    struct plan *plan; /* a reference */
    int64_t seen_ms;
    uint64_t serial; /* of the exporter's datagram that told it last */
    uint16_t id;
};

struct port {
    uint16_t number;
    bool shared; /* stands for all ports beyond MAX_PORTS: no sequence of its own */
    bool boot_known, boot_moved;
    uint32_t boot_ms, boot_new_ms; /* modulo 2^32 */
    uint32_t uptime_ms;            /* of the last datagram */
    uint32_t n, cap;
    int64_t last_ms;
    struct template *t; /* sorted by id */
    uint64_t moved_serial;
    struct sequence seq;
};

struct waiting {
    struct waiting *next;
    struct export_info h;
    uint64_t serial;
    uint16_t port, id, marks;
    uint32_t len;
    uint8_t octets[];
};

struct exporter {
    struct exporter_key key;
    uint64_t hash;
    uint32_t at; /* in its group */
    bool trusted;
    bool established; /* heard for long: see ESTABLISHED_MS */
    int64_t first_ms, last_ms;
    uint64_t serial;   /* datagrams heard */
    struct port *port; /* of the last datagram */
    struct port **ports;
    uint32_t n_ports;
    uint32_t n_templates;
    uint64_t octets; /* memory it is charged with, waiting sets aside */
    struct waiting *wait_first, **wait_last;
    uint64_t waiting_octets;
    uint64_t lost, reordered, duplicated; /* of ports that were forgotten */
    uint32_t restarts;
    bool clock_known, clock_moved;
    int64_t clock_offset_ms;
    bool boot_known;
    int64_t boot_ms;
    struct totals *totals;
    struct batch_number number;
    struct decode_counters c;
};

/* Exporters of one trust. */
struct group {
    struct exporter **x;
    uint32_t n, cap;
    uint32_t hand; /* where the search for one to forget goes on */
};
enum { STRANGERS, TRUSTED, GROUP_N };

struct slot { /* x NULL: free */
    uint64_t hash;
    struct exporter *x;
};

/* Octets in all, of exporters that are not established or not trusted, of those not trusted. */
struct budget {
    uint64_t all, fresh, strange;
};

/* Plans by what their templates say; equal templates of all exporters share one. */
struct plans {
    struct plan **slot; /* hash */
    uint32_t mask, n;
    uint64_t octets;
};

struct decoder {
    struct decoder_limits lim;
    struct group group[GROUP_N];
    struct slot *slot; /* hash */
    uint32_t slot_mask;
    struct exporter *last; /* the one of the last datagram */
    struct budget memory, waiting;
    uint32_t n_totals;
    struct plans plans;
    struct decode_counters none;      /* belongs to no exporter, or to forgotten ones */
    struct decoder_left_out left_out; /* at the last load */
    struct plan *fixed[FIXED_N];
    struct sflow *sflow; /* NULL until the first datagram */
    uint32_t at[SHAPE_MAX_FIELDS], len[SHAPE_MAX_FIELDS];
    struct plan_field fields[SHAPE_MAX_FIELDS];
};

/* One message on its way: what the parsers of the versions share. */
struct message {
    struct decoder *d;
    const struct datagram *g;
    struct decode_sink *sink;
    struct exporter *x;
    struct port *port;
    struct export_info h;
    uint32_t records, templates; /* data records; templates, withdrawals included */
    bool unknown;                /* a set could not be counted */
};

/* exporter.c: the exporter of this datagram, made if new; NULL = refused (ceiling). */
struct exporter *exporter_find(struct decoder *d, const struct exporter_key *k);
int exporter_get(struct decoder *d, const struct datagram *g, const struct exporter_key *k,
                 struct exporter **out) WARN_UNUSED;
/* Enter an exporter whose key is not there yet. Errors: ERR_NOMEM (x stays the caller's). */
int exporter_enter(struct decoder *d, struct exporter *x) WARN_UNUSED;
/* Its port of that number, made if new; NULL = refused (ceiling of memory). */
int exporter_port(struct decoder *d, struct exporter *x, uint16_t number, int64_t now_ms,
                  struct port **out) WARN_UNUSED;
/* Exporter i of all, trusted ones first. */
static inline uint32_t exporter_count(const struct decoder *d)
{
    return d->group[TRUSTED].n + d->group[STRANGERS].n;
}
static inline struct exporter *exporter_at(const struct decoder *d, uint32_t i)
{
    uint32_t n = d->group[TRUSTED].n;

    return i < n ? d->group[TRUSTED].x[i] : d->group[STRANGERS].x[i - n];
}
/* May it have so many octets more? New exporters together may take half of all, strangers a
 * quarter, so that those that are known for long always find room. */
bool budget_fits(const struct budget *b, const struct exporter *x, uint64_t octets, uint64_t max);
void budget_add(struct budget *b, const struct exporter *x, uint64_t octets);
void budget_sub(struct budget *b, const struct exporter *x, uint64_t octets);
/* The same for memory of exporters, of decoder.memory. */
bool exporter_charge(struct decoder *d, struct exporter *x, uint64_t octets);
void exporter_discharge(struct decoder *d, struct exporter *x, uint64_t octets);
/* It is heard at last_ms: is it established now? */
void exporter_heard(struct decoder *d, struct exporter *x);
void exporter_free(struct decoder *d, struct exporter *x);
void exporter_clock(struct exporter *x, const struct export_info *h);
/* v5 and v9: has the exporter started anew? Forgets the templates of the port told before. */
void exporter_boot(struct message *m, uint32_t seq, uint32_t window);
uint64_t exporter_lost(const struct exporter *x, uint64_t *reordered, uint64_t *duplicated);

/* plans.c: a reference to the plan of a template of x; plans_put() gives it back. What a new one
 * takes stands in the sums of memory at once; the caller looks at the ceiling.
 * Errors: ERR_NOMEM, ERR_ARG as plan_new(). */
int plans_get(struct decoder *d, const struct exporter *x, struct plan **out, enum shape_kind kind,
              unsigned n_scope, const struct plan_field *f, unsigned n) WARN_UNUSED;
/* Of all who share it, the one with the greatest part of the memory pays: x shares it. */
void plans_pay(struct decoder *d, struct plan *p, const struct exporter *x);
void plans_put(struct decoder *d, struct plan *p); /* NULL is allowed */
void plans_free(struct plans *c);                  /* when no plan is left */

/* template.c */
struct template *template_find(const struct port *p, uint16_t id);
/* The template of this port, or one that all other ports of the exporter agree on. */
struct template *template_lookup(const struct exporter *x, const struct port *p, uint16_t id,
                                 bool *borrowed);
/* Learn what stands in d->fields. Sets *bad to the reason where it is not taken, else
 * DECODE_REASON_N. Errors: ERR_NOMEM, or of sink->next() for sets that waited for it. */
int template_learn(struct message *m, enum shape_kind kind, uint16_t id, unsigned n_scope,
                   unsigned n, enum decode_reason *bad) WARN_UNUSED;
void template_withdraw(struct message *m, uint16_t id);
void template_withdraw_all(struct message *m, enum shape_kind kind);
void template_expire(struct decoder *d, struct exporter *x, struct port *p, int64_t before_ms,
                     uint64_t before_serial);

/* waiting.c */
int waiting_put(struct message *m, uint16_t id, const uint8_t *p, size_t len) WARN_UNUSED;
/* The last to wait; w is the exporter's from now on. */
void waiting_append(struct decoder *d, struct exporter *x, struct waiting *w);
int waiting_retry(struct message *m, uint16_t id) WARN_UNUSED;
void waiting_expire(struct decoder *d, struct exporter *x, int64_t now_ms, bool all);

/* sets.c: a data set of known or unknown template. */
int set_data(struct message *m, uint16_t id, const uint8_t *p, size_t len) WARN_UNUSED;
int set_run(struct message *m, struct plan *plan, const struct export_info *h, uint16_t marks,
            const uint8_t *p, size_t len) WARN_UNUSED;
void set_malformed(struct message *m, enum decode_reason r);
/* Walk the sets of a v9 or IPFIX message by their lengths. */
int sets_walk(struct message *m, struct rd *r, bool v9) WARN_UNUSED;

/* nf5.c: v1, v5 and v7 */
int fixed_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink) WARN_UNUSED;
int fixed_plan(struct plan **out, enum fixed_layout which) WARN_UNUSED;
int nf9_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink) WARN_UNUSED;
int ipfix_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink) WARN_UNUSED;
int sflow_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink) WARN_UNUSED;
void sflow_free(struct sflow *s); /* NULL is allowed */

/* A datagram that is not taken. */
void datagram_refuse(struct decoder *d, const struct datagram *g, const struct exporter_key *k,
                     enum decode_reason r);
/* Begin a message: exporter, port, clock. *out is false where the exporter is refused (counted if
 * `first`, the first message of its datagram). */
int message_begin(struct message *m, const struct exporter_key *k, bool first,
                  bool *ok) WARN_UNUSED;

#endif
