/* flow/fact.h - what exporters say about themselves in option records: sampling rates, names of
 * interfaces, VRFs and applications, each with the time from which it holds.
 * Floor 2. No I/O.
 * Threads: a table is immutable once it is shared; its reference count is atomic. */
#ifndef WEIR_FLOW_FACT_H
#define WEIR_FLOW_FACT_H

#include "flow/batch.h"

enum fact_kind {
    FACT_RATE_SYSTEM,  /* one packet of `number` is looked at, everywhere */
    FACT_RATE_SAMPLER, /* the same, by the sampler or selector `id` */
    FACT_RATE_IF,      /* the same, at the interface `id` */
    FACT_IF_NAME,      /* `text` of the interface `id` */
    FACT_IF_TEXT,      /* its description */
    FACT_VRF_NAME,
    FACT_APP_NAME, /* of the application `id`: engine << 56 | selector (RFC 6759) */
    FACT_SAMPLER_NAME,
    FACT_KINDS
};
#define FACT_TEXT_MAX 255u

struct fact {
    uint8_t kind; /* enum fact_kind */
    uint64_t id;
    uint32_t number;     /* of a rate */
    const uint8_t *text; /* of a name; borrowed, may hold any octets */
    uint32_t len;
};

/* Call found() for every fact of one option record. Octets are not trusted. */
void fact_each(const struct shape *s, const uint8_t *p, size_t len,
               void (*found)(void *ctx, const struct fact *f), void *ctx);

struct fact_table;

/* An empty table over `base` (NULL: none; one without a base itself), whose facts it has too; to be
 * added to, the caller's alone until it is shared. Errors: ERR_NOMEM. */
int fact_table_new(struct fact_table **out, struct fact_table *base) WARN_UNUSED;
/* The same facts in one table without a base. Errors: ERR_NOMEM. */
int fact_table_flat(struct fact_table **out, const struct fact_table *t) WARN_UNUSED;
struct fact_table *fact_table_ref(struct fact_table *t);
void fact_table_unref(struct fact_table *t); /* NULL is allowed */

/* Holds from from_ms on. *news is false where that was known. Errors: ERR_LIMIT (too many of this
 * exporter, or in all; counted), ERR_NOMEM. */
int fact_table_add(struct fact_table *t, const struct exporter_key *x, int64_t from_ms,
                   const struct fact *f, bool *news) WARN_UNUSED;
size_t fact_table_count(const struct fact_table *t, uint64_t *refused);

/* The value at a time: the last one told before, else the first that was told after (options often
 * come later than the flows they are about). False: none. `until` (may be NULL) is given the time
 * before which the answer stays the same, and `since` the time from which it was. */
bool fact_get(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
              uint64_t id, int64_t at_ms, struct fact *out, int64_t *since_ms, int64_t *until_ms);
/* Does the exporter say any rate? Then a record without one may have it. */
bool fact_any_rate(const struct fact_table *t, const struct exporter_key *x);
/* The rate by which a record without one was sampled (DESIGN section 4): by sampler, by interface,
 * by system; 0 = not known. The answer holds for times of [*since_ms, *until_ms). */
uint32_t fact_rate(const struct fact_table *t, const struct exporter_key *x, uint32_t sampler,
                   uint32_t in_if, int64_t at_ms, int64_t *since_ms, int64_t *until_ms);

/* What one option record says; told() (may be NULL) hears of what is new. Errors: ERR_NOMEM. */
int fact_table_learn(struct fact_table *t, const struct exporter_key *x, const struct shape *s,
                     const uint8_t *p, size_t len, int64_t from_ms,
                     void (*told)(void *ctx, const struct exporter_key *x, int64_t from_ms,
                                  const struct fact *f),
                     void *ctx) WARN_UNUSED;

#endif
