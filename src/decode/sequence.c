#include "decode/sequence.h"

/* A jump ahead by more than this is no loss but a new count. */
#define JUMP_MAX (1u << 26)

void sequence_restart(struct sequence *s)
{
    s->known = s->unsure = s->stray = false;
    s->n_gaps = 0;
}

static void gap_remove(struct sequence *s, unsigned i)
{
    s->n_gaps--;
    for (; i < s->n_gaps; i++)
        s->gap[i] = s->gap[i + 1];
}

static void gap_add(struct sequence *s, uint32_t from, uint32_t n)
{
    if (s->n_gaps == SEQUENCE_GAPS)
        gap_remove(s, 0); /* stays lost */
    s->gap[s->n_gaps].from = from;
    s->gap[s->n_gaps].n = n;
    s->n_gaps++;
}

/* Numbers seq .. seq+units-1 came late: true if some of them were missing. */
static bool gap_fill(struct sequence *s, uint32_t seq, uint32_t units)
{
    for (unsigned i = 0; i < s->n_gaps; i++) {
        uint32_t from = s->gap[i].from, n = s->gap[i].n, before = seq - from, got;
        if (before >= n)
            continue;
        got = MIN(units, n - before);
        s->lost -= got;
        gap_remove(s, i);
        if (before > 0)
            gap_add(s, from, before);
        if (before + got < n)
            gap_add(s, seq + got, n - before - got);
        return true;
    }
    return false;
}

static void advance(struct sequence *s, uint32_t next, bool countable)
{
    s->next = next;
    s->unsure = !countable;
    s->stray = false;
}

static void late(struct sequence *s, uint32_t seq, uint32_t units)
{
    if (gap_fill(s, seq, units)) {
        s->reordered++;
    } else if ((int32_t)(seq - s->base) < 0) { /* sent before the first that we saw */
        s->reordered++;
        s->base = seq;
    } else if (units > 0) {
        s->duplicated++;
    }
}

bool sequence_see(struct sequence *s, uint32_t seq, uint32_t units, bool countable, uint32_t window)
{
    uint32_t ahead = seq - s->next;

    if (!s->known) {
        s->known = true;
        s->base = seq;
        advance(s, seq + units, countable);
        return false;
    }
    if (ahead == 0) {
        advance(s, seq + units, countable);
        return false;
    }
    if (ahead <= JUMP_MAX) {
        if (!s->unsure) {
            s->lost += ahead;
            gap_add(s, s->next, ahead);
        }
        advance(s, seq + units, countable);
        return false;
    }
    if (0 - ahead <= window) {
        late(s, seq, units);
        return false;
    }
    if (s->stray && seq == s->next_stray) {
        sequence_restart(s);
        s->known = true;
        s->base = seq;
        advance(s, seq + units, countable);
        return true;
    }
    s->stray = true;
    s->next_stray = seq + units;
    return false;
}
