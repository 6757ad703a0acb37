/* query/survey.h - what the records of each exporter show about how it is set up: sampling rates,
 * durations, directions.
 * Floor 4. Threads: no state; any number at once. */
#ifndef WEIR_QUERY_SURVEY_H
#define WEIR_QUERY_SURVEY_H

#include "flow/rowset.h"
#include "query/exec.h"

#define SURVEY_ROWS      (UINT64_C(2) << 20) /* looked at, the newest; whole segments */
#define SURVEY_EXPORTERS 4096u               /* those met first */
#define SURVEY_TALKS     512u                /* conversations remembered of each */
#define SURVEY_LONG_MS   70000 /* an active timeout of a minute, and some seconds to notice it */
/* Packets, as exported, after which the other direction of a TCP conversation would have been seen,
 * sampled or not. */
#define SURVEY_TALK_PACKETS 8u

enum survey_maker { /* by elements that nobody else sends; bits of `makers` */
                    MAKER_ASA = 1,
                    MAKER_CISCO = 2,
                    MAKER_FORTINET = 4,
                    MAKER_HUAWEI = 8,
                    MAKER_JUNIPER = 16,
                    MAKER_MIKROTIK = 32,
                    MAKER_PALOALTO = 64,
};

struct survey_exporter {
    struct exporter_key key;
    uint64_t rows;
    uint64_t
        rate_unknown; /* rows that count as they are because nobody said how they are sampled */
    uint64_t rate_against;   /* the record states another rate than the exporter's options */
    uint32_t rate, rate_two; /* of the last row; another one of the same interface and sampler */
    uint64_t rate_turns;     /* how often it went from one to another there */
    uint64_t lasting;        /* rows of more than SURVEY_LONG_MS */
    int64_t longest_ms;
    uint64_t talks, talks_both; /* TCP conversations; those seen in both directions */
    uint64_t metered,
        metered_both; /* conversations with `dir`; those metered on their way in and out */
    /* Of interfaces whose counters were told: octets that came in by those, and by the records. */
    uint64_t counted_octets, counted_flows, counted_samples;
    uint32_t counted_ifs;
    uint32_t makers;
};
struct survey {
    struct survey_exporter *x; /* by exporter_key_cmp() */
    size_t n;
    uint64_t rows;
    int64_t from_ms; /* of the oldest row, by the time it was received */
};

/* What an interface counted, as the device was asked; sFlow's own counters stand in option records.
 */
struct survey_counter {
    struct addr exporter;
    uint32_t in_if;
    int64_t from_ms, to_ms, least_ms; /* least: between them, or nothing is made of it */
    uint64_t first, last;
};

/* Live rows received since from_ms. What cannot be read is left out. Errors: ERR_NOMEM. */
int survey_run(struct survey *out, const struct snapshot *snap, int64_t from_ms,
               const struct survey_counter *asked, size_t n_asked, struct err *e) WARN_UNUSED;
/* NULL: none of its rows was looked at. */
const struct survey_exporter *survey_find(const struct survey *s, const struct exporter_key *k);
void survey_free(struct survey *s);

#endif
