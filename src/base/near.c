#include "base/near.h"

#include <string.h>

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    return MIN(a, MIN(b, c));
}

unsigned near_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[3][NEAR_MAX_LEN + 1]; /* the last three rows of the table of distances */
    size_t na = MIN(a_len, NEAR_MAX_LEN), nb = MIN(b_len, NEAR_MAX_LEN);

    for (size_t j = 0; j <= nb; j++)
        row[0][j] = (unsigned)j;
    for (size_t i = 1; i <= na; i++) {
        unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= nb; j++) {
            bool same = a[i - 1] == b[j - 1];
            now[j] = min3(up[j] + 1, now[j - 1] + 1, up[j - 1] + !same);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = MIN(now[j], up2[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

const char *near_word(const char *word, size_t len, const char *const *words, size_t n)
{
    const char *best = NULL;
    unsigned best_d = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        unsigned d;
        if (words[i] == NULL)
            continue;
        d = near_distance(word, len, words[i], strlen(words[i]));
        if (d < best_d) {
            best_d = d;
            best = words[i];
        }
    }
    return best != NULL && best_d <= 1 + len / 3 ? best : NULL;
}
