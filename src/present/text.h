/* present/text.h - single values as text: what table, CSV and JSON share.
 * Floor 5. Pure. */
#ifndef WEIR_PRESENT_TEXT_H
#define WEIR_PRESENT_TEXT_H

#include "base/buf.h"
#include "query/exec.h"
#include "query/parse.h"

/* "2026-03-03T14:00:05.123Z", or with the zone's offset. `gap` stands between date and clock ('T',
 * ' '). */
void text_time(struct buf *out, int64_t utc_ms, const struct zone *z, char gap);
/* 99999 and below in digits, beyond that three digits and a prefix: "1.23 G". */
void text_human(struct buf *out, uint64_t v);
void text_human_real(struct buf *out, double v);
/* Whole and exact, or with up to three decimals. */
void text_real(struct buf *out, double v);
/* " ±2.1 %", a relative error of 0.021; nothing for 0. */
void text_error(struct buf *out, double relative);
void text_duration(struct buf *out, uint64_t ms);
/* "tcp", "udp", …; the number where no short name is in use. */
/* "domain 7, NetFlow v9", "agent 192.0.2.1, sFlow v5" */
void text_domain(struct buf *out, uint32_t domain, uint16_t version);
/* The two apart, as cells of a table: "7", "v9"; "192.0.2.1", "sFlow". */
void text_domain_cell(uint32_t domain, uint16_t version, char out[24]);
const char *text_version_cell(uint16_t version, char out[24]);
void text_proto(struct buf *out, uint64_t proto);
/* "CEUAPRSF" with dots for bits that are not set. */
void text_flags(struct buf *out, uint64_t flags);
void text_json_string(struct buf *out, const char *s, size_t len);
void text_csv(struct buf *out, const char *s, size_t len); /* quoted where RFC 4180 wants it */

/* A cell exactly, as CSV and JSON have it. `json` puts text, addresses and times into quotes;
 * absent is null. */
void text_cell(struct buf *out, const struct cell *c, const struct zone *z, bool json);
/* A cell for people: `col` says whether it is a volume, a duration, a protocol… */
void text_cell_human(struct buf *out, const struct cell *c, const struct answer_column *col,
                     const struct zone *z);

/* A record with all its elements as one JSON object, in the order sent; an element that stands more
 * than once is an array of its values. `facts` adds what Weir knows of the row as "weir.…". */
void text_record_json(struct buf *out, const struct answer_row *row, const struct zone *z,
                      bool facts);

#endif
