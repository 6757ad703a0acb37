/* decode/run.h - runs a plan over a data set: octets to rows of a batch.
 * Floor 3. Pure. Threads: everything here belongs to one decoder. */
#ifndef WEIR_DECODE_RUN_H
#define WEIR_DECODE_RUN_H

#include "decode/decode.h"
#include "decode/plan.h"
#include "decode/totals.h"

#define LONG_FLOW_MS    600000 /* longer records go to blocks of their own */
#define OFFSET_TRUST_MS 60000  /* a clock off by more than this is corrected */

/* What the header of the datagram said. */
struct export_info {
    int64_t received_ms, export_ms;
    uint32_t uptime_ms; /* 0 in IPFIX */
    uint32_t rate;      /* of the v5 header; 0 = not stated */
};

/* Number of an exporter in the batch it was last written to. */
struct batch_number {
    uint64_t batch_id; /* 0 = none */
    uint32_t no;
};

struct run_env {
    struct decode_sink *sink;
    const struct exporter_key *key;
    struct batch_number *number;
    struct export_info h;
    int64_t clock_offset_ms; /* 0 where the clock is right enough */
    int64_t max_age_ms;
    bool boot_known; /* IPFIX: an options record told systemInitTimeMilliseconds */
    int64_t boot_ms;
    struct totals *totals; /* NULL: totals cannot be made deltas */
    uint16_t marks;        /* of every row */
    uint32_t *at, *len;    /* room for SHAPE_MAX_FIELDS each: fields of one variable record */
};

struct run_result {
    uint64_t records; /* rows or option records appended */
    bool malformed;   /* the set ends inside a record, or holds none at all */
    bool boot_found;  /* an option record told systemInitTimeMilliseconds: */
    int64_t boot_ms;
};

/* Append all records of the set body. Errors: ERR_NOMEM, or what sink->next() returned. */
int run_set(struct plan *plan, const struct run_env *env, const uint8_t *p, size_t octets,
            struct run_result *out) WARN_UNUSED;

/* Offsets and lengths of the fields of one record; returns its octets, 0 if it runs over. */
size_t run_walk(const struct shape *s, const uint8_t *p, size_t left, uint32_t *at, uint32_t *len);

/* Value of a candidate as unsigned number; 0 where its length is not a number's. */
uint64_t run_value(const uint8_t *p, uint32_t len);

/* k records that were given their columns: where they are. */
struct run_rows {
    const struct plan *plan;
    const struct run_env *env;
    struct flow_batch *b;
    const uint8_t *p;
    size_t stride;
    const uint32_t *at, *len;
    uint32_t row, n;
    uint64_t used; /* columns written beyond plan->used */
};

/* Effective times of the rows: picks, fall-backs, clock offset, clamping, marks. (times.c) */
void run_times(struct run_rows *r);
/* Running totals of the rows become deltas. (totals.c) */
void run_totals(struct run_rows *r);
/* Columns from packet headers, of plans that have a section; false when the batch's table of
 * addresses is full. (section.c) */
bool run_sections(struct run_rows *r) WARN_UNUSED;
void run_put(const struct run_rows *r, enum col col, uint32_t i, uint64_t v);
void run_mark(struct run_rows *r, uint32_t i, uint16_t mark);

#endif
