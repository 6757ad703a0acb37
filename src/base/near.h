/* base/near.h - the word somebody probably meant.
 * Floor 0. No I/O. */
#ifndef WEIR_BASE_NEAR_H
#define WEIR_BASE_NEAR_H

#include "base/defs.h"

#define NEAR_MAX_LEN 64u /* longer words are compared by their first octets */

/* Number of single-letter changes (insert, delete, replace, swap of neighbours) from a to b. */
unsigned near_distance(const char *a, size_t a_len, const char *b, size_t b_len);

/* The one of `words` (n, terminated strings; NULL entries are skipped) that is closest to `word`,
 * or NULL when none is close enough to be worth naming (more than a third of its letters differ).
 */
const char *near_word(const char *word, size_t len, const char *const *words, size_t n);

#endif
