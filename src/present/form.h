/* present/form.h - what the four forms share inside present/.
 * Floor 5. */
#ifndef WEIR_PRESENT_FORM_H
#define WEIR_PRESENT_FORM_H

#include "present/gaps.h"
#include "present/present.h"
#include "present/text.h"

#define PRESENT_FLUSH_OCTETS (64u << 10)
#define TABLE_ROWS           256u /* rows held back until the widths are known */

struct table_row {
    double first; /* first measure, for the share */
    uint32_t off[ANSWER_MAX_COLUMNS +
                 2u]; /* where each cell's text begins in `held`; one more for the end */
};

struct present {
    struct answer_sink sink; /* first member: the sink's callbacks cast back */
    enum present_format format;
    struct zone *zone; /* NULL = UTC */
    present_write write;
    void *ctx;
    struct buf out; /* not yet handed to write() */

    const struct plan *plan;
    struct geo *geo; /* names of AS numbers; reference held, may be NULL */
    struct answer_column col[ANSWER_MAX_COLUMNS];
    uint32_t n_cols;
    const struct gap_list *gaps; /* NULL: not known */
    bool records;                /* a list of all columns */
    uint64_t rows;               /* written so far */
    bool rest;                   /* JSON: the rows' array was closed for the rest */

    struct buf held; /* table: text of the rows held back */
    struct table_row *row;
    uint32_t n_held;
    bool widths_known;
    double share_of; /* total of the first measure; 0 = show no shares */
    uint32_t width[ANSWER_MAX_COLUMNS + 1u];
};

int table_begin(struct answer_sink *s, const struct answer_head *h);
int table_row(struct answer_sink *s, const struct answer_row *r);
int table_end(struct answer_sink *s, const struct answer_end *end);

#endif
