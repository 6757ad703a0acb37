/* flow/batch.h - up to 65 536 flow records as a struct of arrays; the one batch type.
 * Floor 2. No I/O.
 *
 * Threads: one writer appends; any number of readers may look at rows below flow_batch_rows() at
 * the same time, without a lock: arrays never move, rows are complete before the count is
 * published. After hand-off (the writer lets go) a batch is immutable and lives by its reference
 * count.
 *
 * A batch is self-contained: addresses, shapes and exporters that rows name by number stand in
 * tables of the batch. */
#ifndef WEIR_FLOW_BATCH_H
#define WEIR_FLOW_BATCH_H

#include "flow/addr.h"
#include "flow/shape.h"

#define BATCH_ROWS          65536u
#define BATCH_MAX_ADDRS     (BATCH_ROWS * 4u + 1u) /* four address columns; code 0 is :: */
#define BATCH_MAX_SHAPES    4096u
#define BATCH_SHAPE_OCTETS  (4u << 20) /* of all shapes of one batch */
#define BATCH_MAX_EXPORTERS 32768u
#define BATCH_EXTRA_OCTETS  (64u << 20)
#define BATCH_MAX_OPTIONS   8192u
#define BATCH_OPTION_OCTETS (8u << 20)

/* How a row was understood (column marks). */
enum mark {
    MARK_BORROWED = 1,     /* template learned from another port of this exporter */
    MARK_TIME_CLAMPED = 2, /* effective time differs from the exporter's: out of bounds */
    MARK_TIME_SHIFTED = 4, /* effective time corrected by the exporter's clock offset */
    MARK_NO_TIME = 8,      /* the record carried no time; effective time is the receive time */
    MARK_BIFLOW = 16, /* reverse counters are those of the answer (RFC 5103, initiator/responder) */
    MARK_TOTALS = 32, /* bytes/packets are running totals that could not be made deltas */
    MARK_UNTRUSTED = 64, /* the exporter is not in exporters.allow */
    MARK_WAITED = 128,   /* the set waited for its template */
    MARK_IMPORT = 256,   /* came by weir import */
    MARK_LONG = 512,     /* lasts longer than 10 minutes */
};

#define EXPORT_SFLOW5 105u /* version and proto of what came by sFlow version 5 */

/* Identity of an exporter. `domain` is the observation domain (IPFIX), source id (v9), engine type
 * << 8 | engine id (v5) or the agent (sFlow: its IPv4 address, a hash of its IPv6 address). */
struct exporter_key {
    struct addr addr;
    uint32_t domain;
    uint16_t version; /* 1, 5, 7, 9, 10, EXPORT_SFLOW5 */
    uint16_t import;  /* 0 = live; else number of the import session */
};

static inline bool exporter_key_equal(const struct exporter_key *a, const struct exporter_key *b)
{
    return a->domain == b->domain && a->version == b->version && a->import == b->import &&
           addr_cmp(&a->addr, &b->addr) == 0;
}

/* By address, domain, version, import: below, equal to or above 0. */
static inline int exporter_key_cmp(const struct exporter_key *a, const struct exporter_key *b)
{
    int c = addr_cmp(&a->addr, &b->addr);

    if (c != 0)
        return c;
    if (a->domain != b->domain)
        return a->domain < b->domain ? -1 : 1;
    if (a->version != b->version)
        return a->version < b->version ? -1 : 1;
    return (a->import > b->import) - (a->import < b->import);
}

struct option_row {
    int64_t received_ms;
    uint32_t off, len; /* octets of the record as sent, in opt_octets */
    uint16_t exporter; /* number in exporters[] */
    uint16_t shape;    /* number in shapes[] */
};

struct flow_batch {
    _Atomic uint32_t refs;
    _Atomic uint32_t n;         /* published rows */
    _Atomic uint32_t n_options; /* published option rows */
    _Atomic uint32_t n_addrs;   /* published; addrs[0] is :: */
    _Atomic uint32_t n_shapes, n_exporters;
    _Atomic uint64_t used; /* bit per enum col: written at least once; others read as 0 */

    void *col[COL_N]; /* uint8_t/uint16_t/uint32_t/uint64_t arrays by col_info[].bits */

    struct addr *addrs;          /* in order of arrival */
    const struct shape **shapes; /* references held */
    struct exporter_key *exporters;

    uint32_t *extra_off; /* per row: where its extras begin in extra_octets */
    uint32_t *extra_len;
    uint8_t *extra_octets;
    uint32_t extra_used; /* writer only */

    struct option_row *options;
    uint8_t *opt_octets;
    uint32_t opt_used;     /* writer only */
    uint32_t shape_octets; /* writer only */

    struct batch_index *index; /* writer only: hash of addrs; freed at hand-off */
    uint64_t id;               /* unique in the process; lets writers cache table numbers */
};
_Static_assert(COL_N <= 64, "used is one word");

/* An empty batch; the caller owns one reference. Memory is touched as rows come. Errors: ERR_NOMEM.
 */
int flow_batch_new(struct flow_batch **out) WARN_UNUSED;
struct flow_batch *flow_batch_ref(struct flow_batch *b);
void flow_batch_unref(struct flow_batch *b); /* NULL is allowed */

/* Writer: hand off. Frees what only a writer needs. */
void flow_batch_seal(struct flow_batch *b);

static inline uint32_t flow_batch_rows(const struct flow_batch *b)
{
    return atomic_load_explicit(&b->n, memory_order_acquire);
}

/* Writer: number of an address, shape or exporter in this batch, entered if new; UINT32_MAX when
 * that table is full (hand the batch off and go on with a new one). */
uint32_t flow_batch_addr(struct flow_batch *b, const struct addr *a);
uint32_t flow_batch_shape(struct flow_batch *b, const struct shape *s);
uint32_t flow_batch_exporter(struct flow_batch *b, const struct exporter_key *k);

/* Writer: the same for n addresses that stand `stride` octets apart, 4 octets each or 16 (v6).
 * False when the table is full. */
bool flow_batch_addrs(struct flow_batch *b, const uint8_t *p, size_t stride, bool v6, uint32_t n,
                      uint32_t *codes) WARN_UNUSED;

/* Memory that it takes, as far as it was written to. The writer's, or after hand-off anybody's. */
uint64_t flow_batch_octets(const struct flow_batch *b);

/* Writer: rows n .. n+k-1 are complete (every column in the arrays, extra_off/extra_len set).
 * `used` names the columns that were written for them. */
void flow_batch_publish(struct flow_batch *b, uint32_t k, uint64_t used);

/* Writer: append one option record. Errors: ERR_FULL. */
int flow_batch_option(struct flow_batch *b, uint32_t exporter, uint32_t shape, int64_t received_ms,
                      const uint8_t *octets, size_t len) WARN_UNUSED;

#endif
