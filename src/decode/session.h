/* decode/session.h - the state of a decoder, shared by the files of this folder only.
 * Floor 3. Pure. Threads: one. */
#ifndef WEIR_DECODE_SESSION_H
#define WEIR_DECODE_SESSION_H

#include "base/rd.h"
#include "decode/checkpoint.h"
#include "decode/decode.h"
#include "decode/run.h"
#include "decode/sequence.h"

#define MAX_PORTS         64u    /* source ports of one exporter that have state of their own */
#define PORT_IDLE_MS      600000 /* a port may be forgotten after this much silence */
#define TOTALS_TABLES     64u    /* exporters that may have a table of running totals */
#define BOOT_MOVED_MS     10000  /* DESIGN section 4: a restart moves the boot time by more */
#define UNTRUSTED_IDLE_MS 600000
#define SESSIONS_MAX      16384u /* TCP and TLS sessions of one exporter at one time */

/* The records of fixed layout; softflowd's of v1 is shorter. */
enum fixed_layout { FIXED_V1, FIXED_V1_SHORT, FIXED_V5, FIXED_V7, FIXED_N };

struct template
{
    struct plan *plan;
    int64_t seen_ms;
    uint64_t serial; /* of the exporter's datagram that told it last */
    uint16_t id;
};

struct port {
    uint16_t number;
    uint32_t session; /* 0: UDP; else it is that session, and the number says nothing */
    bool shared;      /* stands for all ports beyond MAX_PORTS: no sequence of its own */
    int64_t last_ms;
    struct template **t; /* sorted by id */
    uint32_t n, cap;
    struct sequence seq;
    bool boot_known, boot_moved;
    uint32_t boot_ms, boot_new_ms; /* modulo 2^32 */
    uint32_t uptime_ms;            /* of the last datagram */
    uint64_t moved_serial;
};

struct waiting {
    struct waiting *next;
    struct export_info h;
    uint64_t serial;
    uint16_t port, id, marks;
    uint32_t session;
    uint32_t len;
    uint8_t octets[];
};

struct exporter {
    struct exporter_key key;
    uint64_t hash;
    bool trusted;
    int64_t first_ms, last_ms;
    uint64_t serial; /* datagrams heard */
    struct port **ports;
    uint32_t n_ports;
    struct port **sessions; /* nothing is borrowed from them or by them */
    uint32_t n_sessions;
    uint32_t n_templates;
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

struct decoder {
    struct decoder_limits lim;
    struct exporter **list;
    uint32_t n, cap, n_trusted, n_untrusted;
    uint32_t *slot; /* hash: number in list + 1 */
    uint32_t slot_mask;
    struct exporter *last; /* the one of the last datagram */
    uint64_t waiting_total, waiting_untrusted;
    uint32_t n_totals;
    struct exporter **streamed; /* exporters that have sessions */
    uint32_t n_streamed, cap_streamed;
    int64_t evict_after_ms;           /* no untrusted exporter can be idle long enough before */
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
int exporter_port(struct exporter *x, uint16_t number, int64_t now_ms,
                  struct port **out) WARN_UNUSED;
void port_reset(struct exporter *x, struct port *p);
void exporter_free(struct decoder *d, struct exporter *x);
void exporter_clock(struct exporter *x, const struct export_info *h);
/* v5 and v9: has the exporter started anew? Forgets the templates of the port told before. */
void exporter_boot(struct message *m, uint32_t seq, uint32_t window);
uint64_t exporter_lost(const struct exporter *x, uint64_t *reordered, uint64_t *duplicated);
void counters_add(struct decode_counters *to, const struct decode_counters *c);

/* transport.c: sessions of TCP and TLS. The one of this message, made if new; NULL = refused. */
int session_get(struct decoder *d, struct exporter *x, const struct datagram *g,
                struct port **out) WARN_UNUSED;
struct port *session_find(const struct exporter *x, uint32_t session);
/* One more, empty; *out is the exporter's. Errors: ERR_NOMEM. */
int session_add(struct decoder *d, struct exporter *x, uint32_t session,
                struct port **out) WARN_UNUSED;
/* All of this exporter, which goes. */
void sessions_free(struct decoder *d, struct exporter *x);

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
void template_expire(struct exporter *x, struct port *p, int64_t before_ms, uint64_t before_serial);

/* waiting.c */
int waiting_put(struct message *m, uint16_t id, const uint8_t *p, size_t len) WARN_UNUSED;
/* The last to wait; w is the exporter's from now on. */
void waiting_append(struct decoder *d, struct exporter *x, struct waiting *w);
int waiting_retry(struct message *m, uint16_t id) WARN_UNUSED;
void waiting_expire(struct decoder *d, struct exporter *x, int64_t now_ms, bool all);
/* Those of a session that has ended. */
void waiting_end(struct decoder *d, struct exporter *x, uint32_t session);

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
