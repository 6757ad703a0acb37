/* query/pass.h - what a worker does with the vectors of a scan; see group.h.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_PASS_H
#define WEIR_QUERY_PASS_H

#include "query/group.h"

/* The rows of a vector in one direction. */
struct pass {
    struct hand *h;
    struct scan *s;
    const uint16_t *row; /* ascending; all rows of the vector when n is s->n */
    uint32_t n;
    bool reversed;
};

int pass_enter(struct scan *s, void *hand) WARN_UNUSED;
int pass_vector(struct scan *s, void *hand) WARN_UNUSED;
int pass_leave(struct scan *s, void *hand) WARN_UNUSED;

/* What bins need of a pass: room for n values, made when first needed; the highest key; values of
 * the distinct measures for entries of groups or bins x, which belong to rows row[i] (NULL = i). */
int pass_room(uint64_t **p, size_t n) WARN_UNUSED;
uint64_t pass_highest(const uint64_t *v, uint32_t n);
int pass_add_values(struct pass *p, struct sums *x, uint32_t n, const uint64_t *key,
                    const uint16_t *row) WARN_UNUSED;

/* Can totals by minute and protocol (flow/rowset.h) answer this scan? */
bool margin_fits(const struct group *g);
/* If they can for this rowset, they are added and *done is set. */
int margin_add(struct group *g, const struct rowset *rs, bool count, bool *done) WARN_UNUSED;

#endif
