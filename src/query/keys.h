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
#include "query/define.h"
#include "query/number.h"

enum key_how {
    HOW_NARROW, /* a number below 2^32 */
    HOW_CODE,   /* an address column, by the rowset's codes */
    HOW_VALUE,  /* any number */
    HOW_ADDR,   /* an address of other origin */
    HOW_TEXT,
    HOW_WORD,  /* of the definitions: words are numbers */
    HOW_GROUP, /* of the definitions: any number of groups, group + 1 each */
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
    const struct defs *defs;  /* HOW_WORD, HOW_GROUP; borrowed */
};

int key_init(struct key_state *ks, const struct key *k, const struct defs *defs,
             struct budget *b) WARN_UNUSED;
void key_free(struct key_state *ks);
static inline unsigned key_words(const struct key_state *ks)
{
    return ks->k->kind == KEY_PAIR ? 2 : 1;
}

/* One worker's numbers of one key for the rows of a pass. */
struct key_rows {
    uint64_t *num[2];          /* ROWSET_VECTOR each; see alts */
    uint8_t *sides;            /* KEY_MATCHED: 1 = src, 2 = dst, 3 = both */
    struct group_rows *groups; /* HOW_GROUP */
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
    if (ks->how == HOW_WORD && (r->num[0][j] == 0 || r->num[1][j] == 0)) {
        side[0] = r->num[0][j] == 0; /* no word is none of its values while it has one */
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

/* How many values row j has in a direction (at least one), and the i-th of them. */
static inline uint32_t key_count(const struct key_state *ks, const struct key_rows *r, uint32_t j,
                                 bool reversed)
{
    unsigned side[2];

    if (ks->how == HOW_GROUP)
        return r->groups->off[j + 1] - r->groups->off[j];
    return key_sides(ks, r, j, reversed, side);
}
static inline uint64_t key_number(const struct key_state *ks, const struct key_rows *r, uint32_t j,
                                  bool reversed, uint32_t i)
{
    unsigned side[2];

    if (ks->how == HOW_GROUP)
        return r->groups->list[r->groups->off[j] + i];
    (void)key_sides(ks, r, j, reversed, side);
    return r->num[ks->k->kind == KEY_PAIR ? 0 : side[i]][j];
}

/* Order of two numbers by what they stand for; absent last. */
int key_compare(const struct key_state *ks, const uint64_t *a, const uint64_t *b);
/* The text behind one, HOW_WORD and HOW_GROUP. */
const char *key_word(const struct key_state *ks, uint64_t num);
/* The address or number behind one. */
struct addr key_addr(const struct key_state *ks, uint64_t num);
uint64_t key_value(const struct key_state *ks, uint64_t num);

#endif
