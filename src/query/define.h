/* query/define.h - what today's definitions (meta/defs.h) say of rows: names, groups, direction,
 * where they were seen. Floor 4, inside query/ only. One for each scan, so for one thread.
 *
 * Everything is looked up once for each distinct address, exporter or interface of a rowset, and
 * taken from there for the rows. */
#ifndef WEIR_QUERY_DEFINE_H
#define WEIR_QUERY_DEFINE_H

#include "query/scan.h"

struct define;
/* NULL where memory is short; to be freed also then. */
struct define *define_new(const struct plan *p);
void define_free(struct define *d); /* NULL is allowed */

/* Words (0 = none) of the vector's rows, for every value but groups. Valid until the next vector
 * or call. */
int define_words(struct scan *s, enum def_value v, const uint32_t **out) WARN_UNUSED;
/* The word of one row. */
int define_word(struct scan *s, enum def_value v, uint32_t row, uint32_t *out) WARN_UNUSED;

/* Groups of rows row[0] .. row[n-1] on one side or (v = DEF_N) on either, each row's sorted without
 * doubles: off[j] .. off[j+1]-1 of (*list)[] for row j, group + 1; a row without any has one 0. */
struct group_rows {
    uint32_t off[ROWSET_VECTOR + 1];
    uint32_t *list; /* owned */
    size_t cap;
};
int define_groups(struct scan *s, enum def_value v, const uint16_t *row, uint32_t n,
                  struct group_rows *out) WARN_UNUSED;
/* Their names behind each other into s->text, for one row. */
int define_group_text(struct scan *s, enum def_value v, uint32_t row, bool *any) WARN_UNUSED;

/* The same value of the other direction of a biflow. */
static inline enum def_value define_mirror(unsigned v)
{
    return (enum def_value)(v < DEF_EXPORTER_NAME ? v ^ 1u : v);
}
static inline bool define_is_group(const struct value *v)
{
    return v->kind == VALUE_DEF && (v->calc == DEF_SRC_GROUP || v->calc == DEF_DST_GROUP);
}

#endif
