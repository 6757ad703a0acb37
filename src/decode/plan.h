/* decode/plan.h - a template compiled once: which octets go to which column, and how.
 * Floor 3. Pure.
 * Threads: a plan belongs to its decoder; its shape is immutable and shared.
 *
 * A field lives in a column only where the column gives its octets back exactly and it is the only
 * candidate for that column; then it is a `load`. Everything else goes to the extras, and a column
 * that such fields feed is a `pick`: computed for asking, never used for encoding.
 *
 * Conversions (gen/fieldmap.h):
 *   UINT      big-endian unsigned, 1 to 8 octets (RFC 7011 section 6.2)
 *   IP4, IP6  address, entered into the batch's table
 *   MS, SEC   Unix time in ms (8 octets), in s (4 octets)
 *   UPTIME    ms since the exporter's start (4 octets), against sysUpTime of the datagram's header
 *   NTP       seconds since 1900 and a 32 bit fraction (RFC 7011 sections 6.1.9 and 6.1.10)
 *   DELTA_US  microseconds before the export time of the message */
#ifndef WEIR_DECODE_PLAN_H
#define WEIR_DECODE_PLAN_H

#include "flow/shape.h"

/* Elements that take part in a column without being its value. */
enum aux {
    AUX_ICMP4,         /* 32 icmpTypeCodeIPv4 */
    AUX_ICMP6,         /* 139 icmpTypeCodeIPv6 */
    AUX_ICMP4_TYPE,    /* 176 */
    AUX_ICMP4_CODE,    /* 177 */
    AUX_ICMP6_TYPE,    /* 178 */
    AUX_ICMP6_CODE,    /* 179 */
    AUX_DURATION_MS,   /* 161 */
    AUX_DURATION_US,   /* 162 */
    AUX_BOOT_MS,       /* 160 systemInitTimeMilliseconds */
    AUX_SEEN_SEC,      /* 322 observationTimeSeconds */
    AUX_SEEN_MS,       /* 323 */
    AUX_SEEN_US,       /* 324 */
    AUX_SEEN_NS,       /* 325 */
    AUX_RATE_INTERVAL, /* 305 samplingPacketInterval */
    AUX_RATE_SPACE,    /* 306 samplingPacketSpace */
    AUX_N
};
#define PLAN_NO_FIELD UINT16_MAX

struct plan_load { /* the field is the column, octet for octet */
    uint16_t field;
    uint8_t col, conv;
};

enum pick_rule {
    PICK_FIRST,   /* the first candidate; of addresses the first that is not zero */
    PICK_COUNTER, /* the first that is not zero */
    PICK_PORT,    /* destination port, or ICMP type and code where that is zero */
    PICK_RATE,    /* samplingInterval, else packet interval and space */
    PICK_TIME,    /* one chosen candidate for start or end */
};
struct plan_pick {
    uint8_t col, rule;
    uint16_t first, n; /* in cand[], best first */
};
struct plan_cand {
    uint16_t field;
    uint8_t conv, rank;
};
struct plan_span { /* neighbouring extras of a fixed-length record */
    uint32_t off, len;
};

/* Running totals: which field holds the total of which column. */
enum total { TOTAL_BYTES, TOTAL_PACKETS, TOTAL_REV_BYTES, TOTAL_REV_PACKETS, TOTAL_N };

struct plan {
    const struct shape *shape; /* reference held */
    uint32_t refs;             /* of templates (plans.c) */
    uint32_t octets;           /* of memory, the shape included */
    uint64_t key;              /* hash of what the template says */
    bool fresh, strange;       /* all who share it are: in which sums it stands (plans.c) */
    uint32_t *off, *len;       /* per field, of a fixed-length record */
    struct plan_load *load;
    struct plan_cand *cand;
    struct plan_span *span;
    unsigned n_load, n_pick, n_span;
    struct plan_pick pick[COL_N];
    uint16_t aux[AUX_N];     /* field, or PLAN_NO_FIELD */
    uint16_t total[TOTAL_N]; /* field, or PLAN_NO_FIELD */
    uint64_t used;           /* columns written */
    uint64_t from_section;   /* of these: read from a packet's headers (section.c) */
    uint16_t section;        /* by this field, the beginning of a packet */
    bool section_is_ip;      /* it begins with the IP header, not with Ethernet */
    bool has_start, has_end; /* a load or pick gives them */
    bool needs_boot;         /* IPFIX with uptime elements: no uptime in the header (RFC 7011) */
    bool needs_base;         /* uptime elements live in the time columns */
    bool biflow, totals;
    uint64_t batch_id; /* batch that shape_no belongs to; 0 = none */
    uint32_t shape_no;
};

struct plan_field {
    uint32_t pen;
    uint16_t id, len;
};

/* Compile a template. proto is the export version.
 * Errors: ERR_NOMEM, ERR_ARG (too many fields, or a record without octets). */
int plan_new(struct plan **out, uint8_t proto, enum shape_kind kind, unsigned n_scope,
             const struct plan_field *f, unsigned n) WARN_UNUSED;
void decode_plan_free(struct plan *p); /* NULL is allowed */

/* Part of it: columns that stay empty are read from a packet's headers if there are such. */
void plan_section(struct plan *p, const struct plan_field *f, unsigned n);

#endif
