/* flow/word.h - words for numbers, and the names of protocols.
 * Floor 2. Pure. */
#ifndef WEIR_FLOW_WORD_H
#define WEIR_FLOW_WORD_H

#include "base/defs.h"

struct word_number {
    const char *word;
    uint64_t lo, hi;
};
extern const struct word_number words_proto[];
extern const size_t words_proto_n;

/* Ignoring case; NULL if there is none. */
const struct word_number *word_find(const struct word_number *w, size_t n, const char *s,
                                    size_t len);
/* The first word of exactly this number, or NULL. */
const char *word_of(const struct word_number *w, size_t n, uint64_t v);

#endif
