/* store/build.h - what the parts of the segment writer share.
 * Floor 3; private to store/. Threads: one builder belongs to one thread. */
#ifndef WEIR_STORE_BUILD_H
#define WEIR_STORE_BUILD_H

#include "codec/page.h"
#include "store/segment.h"

/* One block = one batch with rows. Maps turn numbers of the batch into those of the segment. */
struct build_block {
    const struct flow_batch *b;
    uint32_t n;
    uint64_t used;
    const uint32_t *addr, *exporter, *shape; /* maps */
    uint32_t n_addrs, n_exporters, n_shapes;
    uint32_t *src, *dst; /* codes of the segment, per row */
};

/* How a column was written so far. */
struct build_learned {
    struct page_choice choice;
    uint8_t blocks; /* that may still go by it */
    bool derived;
};

/* AS numbers or countries of the addresses; value NULL: nothing is known. */
struct build_geo {
    uint32_t *value;
    uint8_t *which; /* version + 1, 0 = not looked up; NULL: all are of version 0 */
    struct geo_version version[SEG_GEO_VERSIONS];
    uint32_t n_versions;
};

struct build {
    const struct seg_origin *from; /* NULL: live rows, no journal */
    const struct seg_geo *known;   /* may be NULL */
    struct build_geo geo[GEO_N];
    struct build_block *block; /* all batches first (also those without rows), in order */
    size_t n_blocks;
    uint32_t n_rows;
    uint32_t *maps;  /* memory behind the maps */
    uint32_t *codes; /* memory behind src, dst */
    struct addr *addrs;
    uint32_t n_addrs;
    const struct exporter_key **exporters;
    uint32_t n_exporters;
    const struct shape **shapes; /* borrowed from the batches */
    uint32_t n_shapes;
    uint32_t *attr[ATTR_N]; /* per code; NULL = no such column in use */
    bool attr_used[ATTR_N];
    struct build_learned learned[COL_N];
    uint8_t *extra_form; /* per shape: enum extra_form */
    struct buf *out;
    struct seg_ref table[TABLE_N];
};

enum extra_form { EXTRA_NONE, EXTRA_COLUMNS, EXTRA_ROWS };
#define EXTRA_MIN_ROWS 64u /* fewer rows of a shape in a block: row form */

/* One open-addressing table of numbers + 1, big enough for all entries of all batches. */
struct build_numbers {
    uint32_t *slot, mask;
};
bool build_numbers_new(struct build_numbers *t, size_t entries) WARN_UNUSED; /* free(t->slot) */
/* The number of an exporter or shape in s, entered if new; s->exporters, s->shapes have room. */
uint32_t build_exporter_number(struct build *s, struct build_numbers *t,
                               const struct exporter_key *k);
uint32_t build_shape_number(struct build *s, struct build_numbers *t, const struct shape *x);

/* A column of a block as the footer describes it. */
struct build_column {
    struct seg_ref ref; /* len 0: zero throughout, nothing is written */
    uint8_t form;       /* 1 = derived */
    uint64_t min, max;
};
/* Append one column of one block to s->out. Where k->addr is NULL the batch holds codes of the
 * segment already. */
void build_put_column(struct build *s, const struct build_block *k, enum col col,
                      struct build_column *c);
/* What the footer says of a block. */
void build_put_entry(struct buf *footer, uint32_t n, struct seg_ref extras, struct seg_ref filter,
                     const struct build_column c[COL_N]);
/* Addresses, exporters, shapes and what belongs to addresses, to s->out. */
void build_put_tables(struct build *s);
/* Footer and trailer; they begin at octet `at` of the file. `blocks`: the entries. */
void build_put_footer(const struct build *s, const struct seg_info *info, const struct buf *blocks,
                      uint64_t at, struct buf *out);

/* Union of the address tables: fills addrs, n_addrs and code_of[] (concatenated tables).
 * Errors: ERR_NOMEM. */
int build_addrs(struct build *s, uint32_t *code_of) WARN_UNUSED;
void build_put_addrs(struct build *s);

/* build_geo.c: fill s->geo from s->known; the tables to s->out; the number of a version, entered if
 * new, 0 = no room for it. */
int build_geo(struct build *s) WARN_UNUSED; /* ERR_NOMEM */
void build_put_geo(struct build *s);
uint8_t build_geo_version(struct build_geo *g, const struct geo_version *v);
void build_geo_free(struct build *s);

/* info->views; needs the codes. Errors: ERR_NOMEM. */
int build_views(struct build *s, struct seg_info *info) WARN_UNUSED;
int build_pages(struct build *s) WARN_UNUSED; /* ERR_NOMEM */
int build_extras(struct build *s, const struct build_block *k, struct buf *out) WARN_UNUSED;
/* Translations of a block: nothing where no row tells any. Errors: ERR_NOMEM. */
int build_filter(struct build *s, const struct build_block *k, struct buf *out) WARN_UNUSED;
void build_extra_forms(struct build *s);
int build_options(struct build *s) WARN_UNUSED;   /* ERR_NOMEM */
int build_marginals(struct build *s) WARN_UNUSED; /* ERR_NOMEM */
/* Rows of one table of totals, sorted here, to s->out; v has room for n. */
void build_put_marginal(struct build *s, struct marginal_row *row, uint32_t n, enum marginal which,
                        uint64_t *v);
void build_sort_marginal(struct marginal_row *row, uint32_t n);
/* Rows that a table of totals over n_rows may have. */
uint32_t build_marginal_ceiling(uint32_t n_rows);

/* Everything written to out since `at` becomes one chunk. */
struct seg_ref build_ref(const struct buf *out, size_t at);

#endif
