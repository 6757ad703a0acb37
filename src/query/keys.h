/* query/keys.h - what a question groups by, as small numbers.
 * Floor 4, inside query/ only.
 *
 * Every value of a key becomes a number, 0 = the record has none: a narrow column its value + 1, an
 * address column its number of query/number.h, anything else the number under which it stands in a
 * table that the workers share. The numbers of all keys side by side make one word, the group;
 * where they do not fit, the tuple gets a number itself. */
#ifndef WEIR_QUERY_KEYS_H
#define WEIR_QUERY_KEYS_H

#include "os/mutex.h"
#include "query/number.h"
#include "query/scan.h"

enum key_how {
    HOW_NARROW, /* a number below 2^32 */
    HOW_CODE,   /* an address column, by the rowset's codes */
    HOW_VALUE,  /* any number */
    HOW_ADDR,   /* an address of other origin */
    HOW_TEXT,
};

struct key_state {
    const struct key *k;
    struct value_alts alts[2]; /* src or as is; dst or mirrored */
    enum value_type type;
    uint8_t how;              /* enum key_how */
    uint8_t bits;             /* of a number; a pair has two of them */
    bool mirrors;             /* KEY_VALUE that differs in the reverse direction of a biflow */
    uint64_t *const *swapped; /* roles: see struct group */
    struct numbering *number; /* HOW_CODE; keys with equal masks share one */
    struct os_mutex lock;     /* of the table below */
    struct table values;      /* HOW_VALUE, HOW_ADDR */
    struct texts texts;       /* HOW_TEXT */
};

int key_init(struct key_state *ks, const struct key *k, struct budget *b) WARN_UNUSED;
void key_free(struct key_state *ks);
static inline unsigned key_words(const struct key_state *ks)
{
    return ks->k->kind == KEY_PAIR ? 2 : 1;
}

/* One worker's numbers of one key for the rows of a pass. */
struct key_rows {
    uint64_t *num[2]; /* ROWSET_VECTOR each; see alts */
    uint8_t *sides;   /* KEY_MATCHED: 1 = src, 2 = dst, 3 = both */
};
int key_rows_init(struct key_rows *r) WARN_UNUSED;
void key_rows_free(struct key_rows *r);

/* Rows row[0] .. row[n-1] of the vector; of a biflow's reverse direction too, if asked. */
int key_load(struct key_state *ks, struct key_rows *r, struct scan *s, const uint16_t *row,
             uint32_t n, bool reversed) WARN_UNUSED;

/* Which of the (up to two) numbers of row j a direction counts: their places in num[], at most 2.
 */
static inline unsigned key_sides(const struct key_state *ks, const struct key_rows *r, uint32_t j,
                                 bool reversed, unsigned side[2])
{
    unsigned both = 3;

    side[0] = 0;
    side[1] = 1;
    if (ks->k->kind == KEY_VALUE || ks->k->kind == KEY_PAIR) {
        side[0] = reversed && ks->mirrors;
        return 1;
    }
    if (ks->k->kind == KEY_MATCHED)
        both = r->sides[j];
    if (both != 3) {
        side[0] = both == 2;
        return 1;
    }
    return r->num[0][j] == r->num[1][j] ? 1 : 2;
}

/* Order of two numbers by what they stand for; absent last. */
int key_compare(const struct key_state *ks, const uint64_t *a, const uint64_t *b);
/* The address or number behind one. */
struct addr key_addr(const struct key_state *ks, uint64_t num);
uint64_t key_value(const struct key_state *ks, uint64_t num);

#endif
