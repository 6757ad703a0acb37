/* convert/internal.h - what the formats share. Floor 4, inside convert/ only. */
#ifndef WEIR_CONVERT_INTERNAL_H
#define WEIR_CONVERT_INTERNAL_H

#include "convert/convert.h"
#include "encode/messages.h"

#define MAX_COLUMNS 512u

/* Weir's own elements for what no registry has (data/elements.csv under PEN_WEIR). */
enum convert_element {
    IMPORTED_COLUMN = 100,
    IMPORTED_PROTOCOL,
    IMPORTED_LABEL,
    IMPORTED_DETAILED_LABEL,
    ZEEK_UID = 110,
    ZEEK_CONN_STATE,
    ZEEK_HISTORY,
    ZEEK_MISSED_BYTES,
    ZEEK_TUNNEL_PARENTS,
    ZEEK_LOCAL_ORIG,
    ZEEK_LOCAL_RESP,
    ARGUS_DIRECTION = 120,
    ARGUS_STATE,
    ARGUS_SRC_PORT,
    ARGUS_DST_PORT,
    AWS_VERSION = 130,
    AWS_ACCOUNT,
    AWS_VPC,
    AWS_SUBNET,
    AWS_INSTANCE,
    AWS_TYPE,
    AWS_PKT_SRC4,
    AWS_PKT_SRC6,
    AWS_PKT_DST4,
    AWS_PKT_DST6,
    AWS_REGION,
    AWS_AZ,
    AWS_SUBLOCATION_TYPE,
    AWS_SUBLOCATION,
    AWS_PKT_SRC_SERVICE,
    AWS_PKT_DST_SERVICE,
    AWS_TRAFFIC_PATH,
};

/* --- row.c: one record being made --- */

struct row {
    struct message_field f[MAX_COLUMNS + 16u];
    unsigned n;
    struct buf octets;
    bool v6; /* of its first address; absent: false */
    bool has_start, has_end, has_duration;
    int64_t start_us, end_us, duration_us;
    int64_t received_ms; /* 0: its end */
    struct addr exporter;
    bool icmp_type_set, icmp_code_set;
    uint8_t icmp_type, icmp_code;
    const char *proto_text; /* of the line; NULL: none */
    size_t proto_len;
    uint8_t proto;
};

void row_clear(struct row *r, const struct addr *exporter);
void row_uint(struct row *r, uint32_t pen, uint16_t id, unsigned len, uint64_t v);
void row_octets(struct row *r, uint32_t pen, uint16_t id, const void *p, size_t len);
/* Variable length (RFC 7011 section 7). */
void row_text(struct row *r, uint32_t pen, uint16_t id, const char *s, size_t len);
/* "name=value" in importedColumn. */
void row_unknown(struct row *r, const char *name, size_t name_len, const char *s, size_t len);

/* --- field.c: a text value to an element --- */

enum field_kind {
    KIND_UINT,  /* id, len octets */
    KIND_TEXT,  /* id, variable length */
    KIND_ADDR,  /* id for IPv4, id6 for IPv6 */
    KIND_PORT,  /* decimal or 0x */
    KIND_PROTO, /* number or name */
    KIND_BOOL,  /* T, F, true, false: 1 and 2 (RFC 7011 section 6.1.5) */
    KIND_MAC,
    KIND_FLAGS, /* "...AP.SF", "0x12" or a number */
    KIND_MASK,  /* id for IPv4, id6 for IPv6, by the row's addresses */
    KIND_START, /* time in any form of time.c */
    KIND_END,
    KIND_DURATION, /* seconds with a fraction */
    KIND_DURATION_MS,
    KIND_TIME_MS, /* id, dateTimeMilliseconds */
    KIND_ICMP_TYPE,
    KIND_ICMP_CODE,
    KIND_NEXT,    /* 15, 62 by family: KIND_ADDR that does not tell the row's family */
    KIND_SKIP,    /* said by another column */
    KIND_OWN,     /* the format's own business */
    KIND_ELEMENT, /* by the dictionary's type of (pen, id) */
};

struct field_spec {
    const char *name;
    uint8_t kind; /* enum field_kind */
    uint8_t len;  /* octets of numbers */
    uint32_t pen;
    uint16_t id, id6;
    uint16_t own; /* KIND_OWN: which */
};

/* Append; an enum convert_reason if it cannot be read, else CONVERT_REASON_N. */
enum convert_reason field_put(struct row *r, const struct field_spec *f, const char *s, size_t len);
/* What KIND_PROTO noted, when the row is complete. */
void field_put_proto(struct row *r);
/* RFC 7011 section 6.1.9: parts of 2^-32 s since 1900, rounded up so that they give back the same
 * microsecond. */
uint64_t field_ntp(int64_t us);
/* By name in a table that ends with a NULL name; NULL: not there. Upper and lower case are one. */
const struct field_spec *field_find(const struct field_spec *table, const char *s, size_t len);
bool text_number(const char *s, size_t len, uint64_t max, uint64_t *out);
bool text_is(const char *s, size_t len, const char *word); /* upper and lower case are one */

/* --- time.c --- */

/* Unix seconds, ms, us or ns (told by size), with a fraction; or "2011-08-10 09:46:53.047277", with
 * '/', '-' or 'T' and an optional zone. Microseconds since 1970. */
bool time_parse(const char *s, size_t len, int64_t *us);
bool duration_parse(const char *s, size_t len, int64_t *us);

/* --- input.c: lines out of octets --- */

struct input {
    const struct convert_options *opt;
    uint8_t *p; /* owned */
    size_t at, len, cap;
    bool ended, skipping;
};
int input_open(struct input *in, const struct convert_options *opt);
void input_close(struct input *in);
/* The next line without its end, borrowed until the next call. *len may be SIZE_MAX: it was too
 * long and is gone. ERR_NOTFOUND: no more. */
int input_line(struct input *in, const char **line, size_t *len, struct err *e);
/* Look at what comes, as far as it is there, without taking it. */
int input_peek(struct input *in, const uint8_t **p, size_t *len, struct err *e);

/* --- json.c: one flat object --- */

struct json_pair {
    const char *name;
    size_t name_len;
    const char *value; /* strings: unescaped; others: as they stand */
    size_t value_len;
    bool null, text;
};
/* Pairs of an object into out[], texts into `hold`, which is cleared before; valid until it
 * changes. Objects in objects are told as "outer.inner"; arrays as they stand. False: not
 * well-formed, or more than `cap` pairs. */
bool json_pairs(const char *s, size_t len, struct buf *hold, struct json_pair *out, size_t cap,
                size_t *n);

/* --- convert.c: what all formats do with rows --- */

struct convert {
    const struct convert_options *opt;
    struct convert_stats *st;
    struct err *e;
    struct input in;
    struct messages *messages;
    struct row row;
    const char *column[MAX_COLUMNS]; /* of a line or a header, with its length */
    size_t column_len[MAX_COLUMNS];
    size_t n_columns;
    /* the header's columns */
    struct field_spec spec[MAX_COLUMNS];
    char *names; /* owned copy that spec[].name points into */
    size_t n_specs;
    struct json_pair pair[MAX_COLUMNS];
    struct buf hold;
};

/* The row is complete: give it on, or count why not. `why` CONVERT_REASON_N: nothing was wrong. */
int convert_row(struct convert *c, enum convert_reason why, const char *text, size_t len);
/* Put a value of a column: unknown ones are kept by name, nothing for "-" and empty ones. */
enum convert_reason convert_value(struct convert *c, const struct field_spec *f, const char *s,
                                  size_t len);
/* The header's names (c->column) against a table, into spec[]; unknown ones become
 * importedColumn. */
int convert_header(struct convert *c, const struct field_spec *table);
bool convert_has(const struct convert *c, const char *name);
/* Split a line at `sep` into c->column; with `quotes` as RFC 4180 has it, in place. False: too
 * many. */
bool split_line(struct convert *c, char *line, size_t len, char sep, bool quotes);

int zeek_run(struct convert *c);
int argus_run(struct convert *c);
int vpc_run(struct convert *c);
int csv_run(struct convert *c);
int nfdump_run(struct convert *c);

#endif
