/* present/verdict.h - what is to be said of an exporter: green, amber or red, why, and what to type
 * into it.
 * Floor 5. Pure. */
#ifndef WEIR_PRESENT_VERDICT_H
#define WEIR_PRESENT_VERDICT_H

#include "collect/recent.h"
#include "present/recipe.h"
#include "query/survey.h"

/* From where on something is said. */
#define VERDICT_WAITING_MS      120000 /* sets wait for their template for so long */
#define VERDICT_LOSS_AMBER      0.001  /* of what was sent; by sequence numbers */
#define VERDICT_LOSS_RED        0.01
#define VERDICT_DROPS_RED       0.001 /* of all datagrams, dropped by the kernel or a full ring */
#define VERDICT_CLOCK_MS        60000
#define VERDICT_TIMEOUT_MS      SURVEY_LONG_MS
#define VERDICT_LASTING_LEAST   3 /* records that last longer, and this part of all */
#define VERDICT_LASTING_PART    0.0001
#define VERDICT_RATE_PART       0.01   /* of the records: rate not known, against the options */
#define VERDICT_RATE_TURNS      3      /* one change is a change, several are two rates at once */
#define VERDICT_TALKS_LEAST     20     /* conversations, before anything is said of directions */
#define VERDICT_TALKS_PART      0.1    /* of them */
#define VERDICT_COUNTED_SAMPLES 100    /* packets, before flows are held against counters */
#define VERDICT_COUNTED_OCTETS  100000 /* of the counters */
#define VERDICT_COUNTED_AMBER   1.5    /* one is so many times the other */
#define VERDICT_COUNTED_RED     3.0
#define VERDICT_RECENT_MS       3600000 /* records looked at */

enum verdict_level { VERDICT_GREEN, VERDICT_AMBER, VERDICT_RED };
enum verdict_cause { /* the more it spoils, the earlier */
                     CAUSE_NO_TEMPLATE,
                     CAUSE_UNDECODED,
                     CAUSE_TWO_RATES,
                     CAUSE_COUNTERS,
                     CAUSE_LOSS,
                     CAUSE_DROPS,
                     CAUSE_SILENT,
                     CAUSE_RATE_UNKNOWN,
                     CAUSE_BOTH_METERED,
                     CAUSE_ONE_DIRECTION,
                     CAUSE_TIMEOUT,
                     CAUSE_CLOCK,
                     CAUSE_UNTRUSTED,
                     CAUSE_N
};

struct verdict_input {
    const struct decode_exporter *x;
    const struct survey_exporter *seen; /* NULL: no records lately */
    struct recent recent;
    double dropped, received; /* datagrams of all exporters, lately */
    int64_t silent_since_ms;  /* 0: it is not silent */
    int64_t now_ms;
};
struct verdict_finding {
    uint8_t cause, level;
    uint8_t section; /* enum recipe_section that mends it; RECIPE_SECTION_N: none does */
    char text[256];  /* one sentence */
};
struct verdict {
    uint8_t level;
    const struct recipe *vendor;       /* NULL: not sure whose it is */
    struct verdict_finding f[CAUSE_N]; /* worst first */
    unsigned n;
};

void verdict_make(struct verdict *out, const struct verdict_input *in);
/* What the records of an exporter add up to, over what its interfaces counted meanwhile; 0: not
 * known, or too little. */
double verdict_counted(const struct survey_exporter *s);
const char *verdict_word(unsigned level);       /* "green" */
const char *verdict_cause_word(unsigned cause); /* "no_template" */
/* What to type about a finding, as lines; nothing where it cannot be said. */
void verdict_fix(struct buf *out, const struct verdict *v, const struct verdict_finding *f,
                 const struct exporter_key *x);

#endif
