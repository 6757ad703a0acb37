/* convert/convert.h - other tools' flow records (text) to IPFIX messages: Zeek's conn.log, Argus'
 * CSV, flow logs of AWS VPC, any CSV with a map of its columns, and what "nfdump -o json" prints.
 * Floor 4. Pure: octets come by a callback, messages go to one. No file, clock, log or global.
 * Threads: called from one. Memory: a line (at most 1 MiB), a message, the templates.
 *
 * Every value of a row becomes an element: IANA's where there is one of that meaning, else one of
 * Weir's own (data/elements.csv, 100 ...); a column that nobody knows is kept as "name=value" in
 * importedColumn. A value that is not there ("-", empty) is absent, not zero. */
#ifndef WEIR_CONVERT_CONVERT_H
#define WEIR_CONVERT_CONVERT_H

#include "base/err.h"
#include "flow/addr.h"

#define CONVERT_MAX_LINE (1u << 20)
#define CONVERT_SHOWN    3u /* bad lines kept to be shown */

enum convert_format {
    CONVERT_NONE, /* not known: nothing of these */
    CONVERT_ZEEK,
    CONVERT_ARGUS,
    CONVERT_VPC,
    CONVERT_CSV,
    CONVERT_NFDUMP, /* JSON; the file itself is read by nfdump */
};
const char *convert_format_name(enum convert_format f);
/* CONVERT_NONE: no such name. */
enum convert_format convert_format_parse(const char *name);
/* By the first octets (a few thousand are enough), not compressed. A CSV without a format of its
 * own is not recognised: it needs a map. */
enum convert_format convert_detect(const uint8_t *p, size_t len);
/* Is it a file of nfcapd or nfdump? */
bool convert_is_nfdump_file(const uint8_t *p, size_t len);

/* Why a row was not taken. */
enum convert_reason {
    CONVERT_TOO_LONG, /* the line is longer than CONVERT_MAX_LINE, or the row than a message */
    CONVERT_COLUMNS,  /* more or fewer than the header has */
    CONVERT_TIME,
    CONVERT_ADDRESS,
    CONVERT_NUMBER,  /* not one, or too large */
    CONVERT_JSON,    /* not well-formed */
    CONVERT_EMPTY,   /* no value in it */
    CONVERT_NO_DATA, /* AWS: NODATA */
    CONVERT_SKIPPED, /* AWS: SKIPDATA */
    CONVERT_REASON_N
};
const char *convert_reason_name(enum convert_reason r);

struct convert_stats {
    uint64_t lines, rows;
    uint64_t not_taken[CONVERT_REASON_N];
    struct {
        uint64_t line; /* number, from 1 */
        uint8_t reason;
        char text[80]; /* what could not be read, or the beginning of the line */
    } shown[CONVERT_SHOWN];
    uint32_t n_shown;
    bool unknown_columns; /* some were kept as importedColumn */
};

struct convert_options {
    enum convert_format format;
    const char *map;      /* CSV: "start=ts,src ip=saddr,..."; NULL = by the names of the columns */
    struct addr exporter; /* whose records they are; nfdump's say it themselves */
    int64_t default_ms;   /* receive time of rows without a time */
    /* Up to `cap` octets; *got 0 = end. */
    int (*read)(void *ctx, uint8_t *buf, size_t cap, size_t *got, struct err *e);
    /* One IPFIX message (borrowed until it returns). ERR_CANCEL ends it all without an error. */
    int (*give)(void *ctx, const uint8_t *p, size_t len, const struct addr *exporter,
                int64_t received_ms);
    void *ctx;
};

/* Errors: ERR_FORMAT (the header is not one of that format; the message says what is missing),
 * ERR_ARG (the map), ERR_NOMEM, what read() and give() returned. *st is filled in any case. */
int convert_run(const struct convert_options *opt, struct convert_stats *st,
                struct err *e) WARN_UNUSED;

#endif
