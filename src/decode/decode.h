/* decode/decode.h - datagrams of flow export to rows; the one door of floor decode.
 * Floor 3. Pure: datagram + decoder state + given time -> rows. No socket, clock, log, global.
 * Threads: one decoder belongs to one thread; different decoders share nothing (shapes they make
 * are immutable and may be read by all). Follows RFC 3954 (NetFlow v9), RFC 7011 (IPFIX), RFC 5103
 * (biflows), Cisco's NetFlow v1, v5 and v7 layouts, sFlow version 5 (sflow.org, July 2004). */
#ifndef WEIR_DECODE_DECODE_H
#define WEIR_DECODE_DECODE_H

#include "flow/batch.h"

struct decoder;

/* 0 in any field means the default. */
struct decoder_limits {
    uint32_t max_exporters;      /* trusted ones; default 65536 */
    uint32_t max_untrusted;      /* all unknown ones together; default 1024 */
    uint32_t max_templates;      /* per exporter; default 4096 */
    uint32_t max_fields;         /* per template; default 1024 */
    uint32_t max_waiting_octets; /* sets waiting for a template, per exporter; default 1 MiB */
    uint32_t max_waiting_total;  /* the same over all exporters; default 64 MiB */
    uint32_t waiting_ttl_s;      /* default 1800 */
    uint32_t template_ttl_s;     /* UDP templates without refresh; default 0 = kept until the
                                    exporter restarts (many exporters refresh rarely) */
    uint32_t max_age_s;          /* effective times older than received - this are clamped; 86400 */
    uint32_t reorder_window;     /* sequence units; default 1024 */
    uint64_t
        max_octets; /* memory of exporters, ports and templates; default 512 MiB. New ones (not
                       heard for 10 minutes) take half of it at most, untrusted ones a quarter */
};

struct datagram {
    const uint8_t *octets; /* borrowed until decoder_feed returns */
    size_t len;
    struct addr peer;
    uint16_t peer_port;
    uint16_t import;     /* 0 = live; number of the import session, see exporter_key */
    uint32_t session;    /* 0 = UDP; else the number of the TCP or TLS session that brought this
                            message: its templates are the session's own, may be withdrawn, never
                            expire, and end with it (RFC 7011 section 8) */
    bool trusted;        /* exporters.allow lets it in (or no list is set) */
    int64_t received_ms; /* Unix ms */
};

/* Where rows go. decode appends to *batch; when that is full it calls next(), which hands the batch
 * off and puts a fresh one into *batch. */
struct decode_sink {
    struct flow_batch *batch;
    int (*next)(struct decode_sink *s); /* ERR_OK or an error that decoder_feed passes on */
    void *ctx;
};

/* Why a datagram or a set was not taken. Names for status and metrics: decode_reason_name(). */
enum decode_reason {
    DECODE_SHORT_HEADER,   /* datagram ends inside its header */
    DECODE_VERSION,        /* not NetFlow v1, v5, v7, v9, IPFIX or sFlow v5 */
    DECODE_AGGREGATED,     /* NetFlow v8: sums over flows, no flows */
    DECODE_LENGTH,         /* IPFIX message length, or a set length, does not fit */
    DECODE_COUNT,          /* v1, v5, v7: count does not fit the length */
    DECODE_TEMPLATE,       /* template malformed (field count, lengths, reserved id) */
    DECODE_TEMPLATE_LIMIT, /* max_templates, max_fields or max_octets */
    DECODE_EXPORTER_LIMIT, /* max_exporters, max_untrusted or max_octets */
    DECODE_RECORD,         /* variable-length field runs over the set */
    DECODE_SET_ID,         /* reserved set id */
    DECODE_NO_TEMPLATE,    /* waiting set expired: no template came in time */
    DECODE_WAITING_LIMIT,  /* waiting set dropped: ceiling reached */
    DECODE_QUARANTINED,    /* the caller kept it from the decoder: decoder_refuse() */
    DECODE_REASON_N
};
const char *decode_reason_name(enum decode_reason r);

/* Three ledgers (DESIGN section 7), where a datagram is also a message or the end of a session:
 *   datagrams = accepted + refused[] + session_ends; sets = decoded + template + waiting +
 * expired[] + malformed[]; records = flows + options. */
struct decode_counters {
    uint64_t datagrams, octets;
    uint64_t datagrams_accepted;
    uint64_t session_ends;
    uint64_t sets, sets_decoded, sets_template, sets_waiting; /* waiting: now */
    uint64_t flows, options;
    uint64_t datagrams_refused[DECODE_REASON_N];
    uint64_t sets_expired[DECODE_REASON_N], sets_malformed[DECODE_REASON_N];
    uint64_t templates_learned, templates_changed, templates_withdrawn; /* events */
    uint64_t sets_borrowed; /* decoded with another port's template */
    uint64_t
        header_count_wrong; /* v9/IPFIX: the header's record count does not match; only checked */
    uint64_t exporters_forgotten; /* their places went to others; their counters stay in the sums */
};
void decode_counters_add(struct decode_counters *to, const struct decode_counters *c);

/* One exporter as it stands. */
struct decode_exporter {
    struct exporter_key key;
    bool trusted;
    int64_t first_ms, last_ms; /* receive times */
    uint32_t templates;        /* known now */
    uint64_t waiting_octets;   /* now */
    int64_t waiting_since_ms;  /* the oldest set that waits for its template came then; 0: none */
    uint64_t lost; /* by sequence: datagrams (v9, sFlow), flow records (v5, v7, IPFIX) */
    uint64_t reordered, duplicated; /* datagrams, as far as the sequence shows */
    uint32_t restarts;
    int64_t clock_offset_ms; /* exporter's clock minus ours, smoothed; positive = exporter ahead */
    bool clock_known;
    struct decode_counters c;
};

/* Errors: ERR_NOMEM. */
int decoder_new(struct decoder **out, const struct decoder_limits *lim) WARN_UNUSED;
void decoder_free(struct decoder *d); /* NULL is allowed */

/* Decode one datagram, appending rows to sink->batch. Bad input is counted, never an error:
 * errors are only what next() returned, or ERR_NOMEM. Rows already appended stay when a later set
 * is bad. */
int decoder_feed(struct decoder *d, const struct datagram *g, struct decode_sink *sink) WARN_UNUSED;

/* What will be fed next, in this order: brings their exporters nearer, changes nothing. n up to
 * DECODE_AHEAD; of each only octets, len, peer and import are looked at. */
#define DECODE_AHEAD 8u
void decoder_expect(const struct decoder *d, const struct datagram *g, unsigned n);

/* A TCP or TLS session has ended: forget what it had told. DECODE_ALL_SESSIONS: all of them have.
 */
#define DECODE_ALL_SESSIONS 0xffffu
void decoder_session_end(struct decoder *d, uint32_t session);
/* There will be none any more: the same, and nothing is counted. */
void decoder_no_sessions(struct decoder *d);

/* Count a datagram that the caller does not let in. */
void decoder_refuse(struct decoder *d, const struct datagram *g, enum decode_reason r);

/* Exporters for which want() is true go over to another decoder, with all that is known of them,
 * and with them the sums that belong to none. Errors: ERR_NOMEM (those left stay). */
int decoder_move(struct decoder *to, struct decoder *from,
                 bool (*want)(void *ctx, const struct exporter_key *k), void *ctx) WARN_UNUSED;

/* Call now and then (once a second of received time): expires waiting sets and old templates. */
void decoder_tick(struct decoder *d, int64_t now_ms);

/* Octets held now, against their ceilings in decoder_limits. */
struct decode_memory {
    uint64_t exporters; /* exporters, ports, templates: max_octets */
    uint64_t waiting;   /* max_waiting_total */
    uint64_t plans;     /* of `exporters`: compiled templates */
    uint32_t n_plans;   /* different templates */
};
void decoder_memory(const struct decoder *d, struct decode_memory *out);

/* Totals over all exporters, and over what belongs to none (refused before one was known). */
void decoder_totals(const struct decoder *d, struct decode_counters *out);
uint32_t decoder_exporters(const struct decoder *d);
/* i from 0, trusted ones first; false when there is no such exporter. */
bool decoder_exporter(const struct decoder *d, uint32_t i, struct decode_exporter *out);

#endif
