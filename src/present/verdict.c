#include "present/verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "present/text.h"

static const struct {
    const char *word;
    uint8_t section;
} causes[CAUSE_N] = {
    [CAUSE_NO_TEMPLATE] = { "no_template", RECIPE_TEMPLATES },
    [CAUSE_UNDECODED] = { "undecoded", RECIPE_TEMPLATES },
    [CAUSE_TWO_RATES] = { "two_rates", RECIPE_SAMPLING },
    [CAUSE_COUNTERS] = { "counters", RECIPE_SAMPLING },
    [CAUSE_LOSS] = { "loss", RECIPE_SECTION_N },
    [CAUSE_DROPS] = { "drops", RECIPE_SECTION_N },
    [CAUSE_SILENT] = { "silent", RECIPE_ALL },
    [CAUSE_RATE_UNKNOWN] = { "rate_unknown", RECIPE_SAMPLING },
    [CAUSE_BOTH_METERED] = { "both_metered", RECIPE_ONE_SIDE },
    [CAUSE_ONE_DIRECTION] = { "one_direction", RECIPE_ONE_SIDE },
    [CAUSE_TIMEOUT] = { "active_timeout", RECIPE_TIMEOUT },
    [CAUSE_CLOCK] = { "clock", RECIPE_CLOCK },
    [CAUSE_UNTRUSTED] = { "not_trusted", RECIPE_SECTION_N },
};

const char *verdict_word(unsigned level)
{
    static const char *const word[] = { "green", "amber", "red" };

    return level < ARRAY_LEN(word) ? word[level] : "red";
}

const char *verdict_cause_word(unsigned cause)
{
    return cause < CAUSE_N ? causes[cause].word : "none";
}

static void PRINTF_LIKE(4, 5)
    found(struct verdict *v, enum verdict_cause c, enum verdict_level level, const char *fmt, ...)
{
    struct verdict_finding *f = &v->f[v->n++];
    va_list ap;

    f->cause = (uint8_t)c;
    f->level = (uint8_t)level;
    f->section = causes[c].section;
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
    v->level = MAX(v->level, f->level);
}

/* "1 h 20 m" */
static const char *duration(int64_t ms, char out[48])
{
    struct buf b = buf_init(48);

    text_duration(&b, (uint64_t)MAX(ms, 0));
    (void)snprintf(out, 48, "%s", buf_cstr(&b));
    buf_free(&b);
    return out;
}

static void look_at_sets(struct verdict *v, const struct verdict_input *in)
{
    const struct decode_counters *c = &in->x->c;
    int64_t waits = in->x->waiting_since_ms != 0 ? in->now_ms - in->x->waiting_since_ms : 0;
    char text[48];

    if (waits > VERDICT_WAITING_MS)
        found(v, CAUSE_NO_TEMPLATE, VERDICT_RED,
              "%" PRIu64 " sets of data wait for their template, the oldest for %s",
              c->sets_waiting, duration(waits, text));
    if (in->recent.undecoded < 0.5)
        return;
    if (c->sets_expired[DECODE_NO_TEMPLATE] > 0)
        found(v, waits > VERDICT_WAITING_MS ? CAUSE_UNDECODED : CAUSE_NO_TEMPLATE, VERDICT_RED,
              "the template of %.0f sets of data never came: they are lost", in->recent.undecoded);
    else
        found(v, CAUSE_UNDECODED, VERDICT_RED,
              "%.0f sets could not be decoded: weir status says why", in->recent.undecoded);
}

static void look_at_loss(struct verdict *v, const struct verdict_input *in)
{
    double sent = in->recent.lost + in->recent.units;
    double part = sent > 0 ? in->recent.lost / sent : 0;
    double dropped = in->dropped > 0 ? in->dropped / (in->dropped + in->received) : 0;
    bool datagrams = in->x->key.version == 9 || in->x->key.version == EXPORT_SFLOW5;

    if (part > VERDICT_LOSS_AMBER)
        found(v, CAUSE_LOSS, part > VERDICT_LOSS_RED ? VERDICT_RED : VERDICT_AMBER,
              "%.2f %% of its %s did not arrive, by its sequence numbers", part * 100,
              datagrams ? "datagrams" : "records");
    if (in->dropped >= 1)
        found(v, CAUSE_DROPS, dropped > VERDICT_DROPS_RED ? VERDICT_RED : VERDICT_AMBER,
              "this machine dropped %.0f datagrams (of all exporters): weir doctor says what to "
              "change",
              in->dropped);
    if (in->silent_since_ms != 0) {
        char text[48];
        found(v, CAUSE_SILENT, VERDICT_AMBER, "nothing came from it for %s",
              duration(in->now_ms - in->silent_since_ms, text));
    }
}

static void look_at_rates(struct verdict *v, const struct verdict_input *in)
{
    const struct survey_exporter *s = in->seen;
    double rows = (double)s->rows;

    if ((double)s->rate_against > VERDICT_RATE_PART * rows)
        found(v, CAUSE_TWO_RATES, VERDICT_RED,
              "two sampling rates at once: its records say 1 in %u, its options 1 in %u", s->rate,
              s->rate_two);
    else if (s->rate_turns >= VERDICT_RATE_TURNS)
        found(v, CAUSE_TWO_RATES, VERDICT_RED,
              "two sampling rates at once: 1 in %u and 1 in %u, back and forth", s->rate,
              s->rate_two);
    if ((double)s->rate_unknown > VERDICT_RATE_PART * rows)
        found(
            v, CAUSE_RATE_UNKNOWN, VERDICT_AMBER,
            "sampling is unknown for %.0f %% of its records: neither they nor options say a rate, "
            "they count as they are",
            100 * (double)s->rate_unknown / rows);
}

double verdict_counted(const struct survey_exporter *s)
{
    if (s->counted_samples < VERDICT_COUNTED_SAMPLES || s->counted_octets < VERDICT_COUNTED_OCTETS)
        return 0;
    return (double)s->counted_flows / (double)s->counted_octets;
}

static void look_at_counters(struct verdict *v, const struct verdict_input *in)
{
    double ratio = verdict_counted(in->seen), times = ratio > 0 && ratio < 1 ? 1 / ratio : ratio;

    if (times > VERDICT_COUNTED_AMBER)
        found(v, CAUSE_COUNTERS, times > VERDICT_COUNTED_RED ? VERDICT_RED : VERDICT_AMBER,
              "its interfaces counted %s than its records add up to: the sampling rate is off by "
              "%.1f times, or not all traffic is sampled",
              ratio < 1 ? "more" : "less", times);
}

static void look_at_talks(struct verdict *v, const struct verdict_input *in)
{
    const struct survey_exporter *s = in->seen;

    if (s->metered >= VERDICT_TALKS_LEAST &&
        (double)s->metered_both > VERDICT_TALKS_PART * (double)s->metered)
        found(v, CAUSE_BOTH_METERED, VERDICT_AMBER,
              "%.0f %% of the conversations are metered on their way in and on their way out: they "
              "count twice",
              100 * (double)s->metered_both / (double)s->metered);
    if (s->talks >= VERDICT_TALKS_LEAST &&
        (double)s->talks_both < VERDICT_TALKS_PART * (double)s->talks)
        found(v, CAUSE_ONE_DIRECTION, VERDICT_AMBER,
              "of %.0f %% of the TCP conversations only one direction is seen",
              100 - 100 * (double)s->talks_both / (double)s->talks);
}

static void look_at_times(struct verdict *v, const struct verdict_input *in)
{
    const struct survey_exporter *s = in->seen;
    int64_t off = in->x->clock_known ? in->x->clock_offset_ms : 0;
    char text[48];

    if (s != NULL && s->lasting >= VERDICT_LASTING_LEAST &&
        (double)s->lasting > VERDICT_LASTING_PART * (double)s->rows)
        found(v, CAUSE_TIMEOUT, VERDICT_AMBER,
              "long flows are reported late: records last up to %s, an active timeout of a minute "
              "is right",
              duration(s->longest_ms, text));
    if (off > VERDICT_CLOCK_MS || off < -VERDICT_CLOCK_MS)
        found(v, CAUSE_CLOCK, VERDICT_AMBER, "its clock is %s %s; times are corrected by that",
              duration(off > 0 ? off : -off, text), off > 0 ? "ahead" : "behind");
    if (!in->x->trusted)
        found(v, CAUSE_UNTRUSTED, VERDICT_AMBER, "it is not in exporters.allow");
}

static const struct recipe *vendor_of(uint32_t makers)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } known[] = { { MAKER_ASA, "cisco-asa" },      { MAKER_PALOALTO, "paloalto" },
                  { MAKER_FORTINET, "fortinet" },  { MAKER_HUAWEI, "huawei" },
                  { MAKER_JUNIPER, "juniper-mx" }, { MAKER_MIKROTIK, "mikrotik" },
                  { MAKER_CISCO, "cisco-fnf" } };

    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (makers == known[i].bit)
            return recipe_find(known[i].name);
    return (makers & MAKER_ASA) != 0 ? recipe_find("cisco-asa") : NULL;
}

/* Worst first, then in the order of the causes. */
static int by_weight(const void *a, const void *b)
{
    const struct verdict_finding *x = a, *y = b;

    if (x->level != y->level)
        return x->level > y->level ? -1 : 1;
    return (x->cause > y->cause) - (x->cause < y->cause);
}

void verdict_make(struct verdict *out, const struct verdict_input *in)
{
    *out = (struct verdict){ .level = VERDICT_GREEN };
    look_at_sets(out, in);
    look_at_loss(out, in);
    if (in->seen != NULL) {
        look_at_rates(out, in);
        look_at_counters(out, in);
        look_at_talks(out, in);
        out->vendor = vendor_of(in->seen->makers);
    }
    look_at_times(out, in);
    if (out->n > 1)
        qsort(out->f, out->n, sizeof out->f[0], by_weight);
}

void verdict_fix(struct buf *out, const struct verdict *v, const struct verdict_finding *f,
                 const struct exporter_key *x)
{
    char text[ADDR_TEXT_MAX];

    addr_format(&x->addr, text);
    if (f->cause == CAUSE_DROPS)
        buf_str(out, "weir doctor\n");
    if (f->cause == CAUSE_LOSS)
        buf_printf(out, "weir status --gaps --exporter %s\n", text);
    if (f->section == RECIPE_SECTION_N)
        return;
    if (v->vendor != NULL)
        recipe_text(out, v->vendor, (enum recipe_section)f->section,
                    &(struct recipe_fill){ .collector = "WEIRS-ADDRESS" }, true);
    else
        buf_str(out, "# weir exporters config lists the devices there are lines for\n");
    if (f->cause == CAUSE_RATE_UNKNOWN)
        buf_printf(out,
                   "# or, where it cannot tell: in weir.yaml the rate that is set there (1: every "
                   "packet)\nsampling: [%s=1]\n",
                   text);
    if (f->cause == CAUSE_TWO_RATES || f->cause == CAUSE_COUNTERS)
        buf_printf(out, "# or, until then: in weir.yaml the rate that is true\nsampling: [%s=N!]\n",
                   text);
}
