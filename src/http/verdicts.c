/* http/verdicts.c - the exporters' page: a verdict for each, as JSON. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"
#include "os/clock.h"
#include "present/text.h"
#include "present/verdict.h"

#define FIX_OCTETS (64u << 10)

/* What is known when verdicts are made. */
struct page {
    struct collect_status st;
    struct survey survey;
    struct fact_table *facts; /* reference held, may be NULL */
    struct recent_list recent;
    struct gap_list gaps;
    double dropped, received;
};

#define SURE_MS 240000 /* flows of the last minute are still to come, counters are there */

/* Counters that were asked for, as a survey takes them. */
static int asked_counters(struct snmp_watch *snmp, const struct conf *c,
                          struct survey_counter **out, size_t *n)
{
    int64_t sure_ms = MIN((int64_t)SURE_MS, (int64_t)conf_num(c, OPT_SNMP_EVERY) * 4);
    struct snmp_counter *x;
    int rc = snmp_counters(snmp, &x, n);

    *out = rc == ERR_OK ? malloc((*n + 1) * sizeof **out) : NULL;
    for (size_t i = 0; *out != NULL && i < *n; i++)
        (*out)[i] = (struct survey_counter){ .exporter = x[i].exporter,
                                             .in_if = x[i].in_if,
                                             .from_ms = x[i].from_ms,
                                             .to_ms = x[i].to_ms,
                                             .first = x[i].first,
                                             .last = x[i].last,
                                             .least_ms = sure_ms };
    free(x);
    return *out != NULL ? ERR_OK : ERR_NOMEM;
}

/* What is declared of sampling, behind what the configuration says. */
static int declared(struct meta_db *meta, struct snapshot *snap, struct err *e)
{
    struct err why = { 0 };
    struct defs *d;
    int rc = meta_db_defs(meta, &d, &why);

    if (d == NULL)
        return err_set(e, rc, "%s", why.msg);
    rc = rate_rules_join(&snap->rules, d->rates, e); /* if need be those from before */
    defs_unref(d);
    return rc;
}

static int gather(struct page *p, struct collect *k, struct history *h, struct snmp_watch *snmp,
                  struct meta_db *meta, const struct conf *c, struct err *e)
{
    struct snapshot snap = { 0 };
    struct survey_counter *asked = NULL;
    size_t n_asked = 0;
    int rc = collect_status(k, &p->st, true, e);

    if (rc == ERR_OK && asked_counters(snmp, c, &asked, &n_asked) != ERR_OK)
        rc = err_set(e, ERR_NOMEM, "exporters: out of memory");

    if (rc == ERR_OK)
        rc = collect_snapshot(k, &snap, e);
    if (rc == ERR_OK)
        rc = declared(meta, &snap, e);
    if (rc == ERR_OK)
        rc = survey_run(&p->survey, &snap, p->st.now_ms - VERDICT_RECENT_MS, asked, n_asked, e);
    free(asked);
    if (rc == ERR_OK && snap.facts != NULL)
        p->facts = fact_table_ref(snap.facts);
    if (rc == ERR_OK)
        rc = history_recent(h, &p->recent, e);
    if (rc == ERR_OK)
        rc = history_gaps(h, p->st.now_ms - HISTORY_SILENT_MS, p->st.now_ms, &p->gaps, e);
    snapshot_free(&snap);
    p->dropped = rc == ERR_OK ? recent_dropped(&p->recent, &p->st) : 0;
    p->received = rc == ERR_OK ? recent_received(&p->recent, &p->st) : 0;
    return rc;
}

static void page_free(struct page *p)
{
    collect_status_free(&p->st);
    survey_free(&p->survey);
    recent_free(&p->recent);
    gap_list_free(&p->gaps);
    fact_table_unref(p->facts);
}

/* Since when; 0: it sends. */
static int64_t silent_since(const struct page *p, const struct decode_exporter *x)
{
    for (size_t i = 0; i < p->gaps.n; i++) {
        const struct gap *g = &p->gaps.g[i];
        if (g->reason == GAP_SILENT && g->whose == GAP_OF_EXPORTER &&
            x->last_ms <= g->from_ms + 1 && exporter_key_equal(&g->key, &x->key))
            return g->from_ms;
    }
    return 0;
}

static void lines(json_t *o, const struct buf *b)
{
    json_t *a = json_array();
    const char *p = (const char *)b->p, *end = p + b->len, *eol;

    for (; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t)(end - p));
        if (eol == NULL)
            break;
        (void)json_array_append_new(a, json_stringn(p, (size_t)(eol - p)));
    }
    (void)json_object_set_new(o, "type", a);
}

static json_t *finding_json(const struct verdict *v, const struct verdict_finding *f,
                            const struct exporter_key *x)
{
    struct buf fix = buf_init(FIX_OCTETS);
    json_t *o = json_pack("{s:s,s:s,s:s}", "cause", verdict_cause_word(f->cause), "verdict",
                          verdict_word(f->level), "sentence", f->text);

    verdict_fix(&fix, v, f, x);
    lines(o, &fix);
    buf_free(&fix);
    return o;
}

static void figures(json_t *o, const struct verdict_input *in)
{
    const struct survey_exporter *s = in->seen;
    json_t *f = json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f}", "records", (json_int_t)in->x->c.flows, "options",
        (json_int_t)in->x->c.options, "templates", (json_int_t)in->x->templates,
        "templates_changed", (json_int_t)in->x->c.templates_changed, "restarts",
        (json_int_t)in->x->restarts, "sets_waiting", (json_int_t)in->x->c.sets_waiting,
        "lost_recently", in->recent.lost, "sent_recently", in->recent.lost + in->recent.units);

    (void)json_object_set_new(f, "clock_offset_ms",
                              in->x->clock_known ? json_integer(in->x->clock_offset_ms)
                                                 : json_null());
    if (s != NULL) {
        (void)json_object_set_new(f, "records_looked_at", json_integer((json_int_t)s->rows));
        (void)json_object_set_new(f, "sampling",
                                  s->rate != 0 ? json_integer(s->rate) : json_null());
        (void)json_object_set_new(f, "longest_ms", json_integer(s->longest_ms));
        if (verdict_counted(s) > 0)
            (void)json_object_set_new(f, "records_to_counters", json_real(verdict_counted(s)));
        (void)json_object_set_new(f, "tcp_conversations", json_integer((json_int_t)s->talks));
        (void)json_object_set_new(f, "in_both_directions", json_integer((json_int_t)s->talks_both));
    }
    (void)json_object_set_new(o, "figures", f);
}

static const char *sentence_of(const struct verdict *v, const struct verdict_input *in)
{
    if (v->n > 0)
        return v->f[0].text;
    if (in->x->waiting_since_ms != 0)
        return "in order; some sets wait for their template, which should come within minutes";
    return in->seen != NULL ? "in order" : "in order; no records in the last hour";
}

static json_t *exporter_json(const struct page *p, const struct decode_exporter *x, unsigned *level)
{
    struct verdict_input in = { .x = x,
                                .seen = survey_find(&p->survey, &x->key),
                                .recent = recent_of(&p->recent, x),
                                .dropped = p->dropped,
                                .received = p->received,
                                .silent_since_ms = silent_since(p, x),
                                .now_ms = p->st.now_ms };
    char address[ADDR_TEXT_MAX], domain[24], version[24], when[CLOCK_TEXT_MAX];
    json_t *o, *a = json_array();
    struct verdict v;
    struct fact name;

    verdict_make(&v, &in);
    *level = v.level;
    addr_format(&x->key.addr, address);
    text_domain_cell(x->key.domain, x->key.version, domain);
    o = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "address", address, "domain", domain, "version",
                  text_version_cell(x->key.version, version), "verdict", verdict_word(v.level),
                  "sentence", sentence_of(&v, &in), "last_heard", clock_text(x->last_ms, when));
    (void)json_object_set_new(o, "vendor",
                              v.vendor != NULL ? json_string(v.vendor->name) : json_null());
    for (unsigned i = 0; i < v.n; i++)
        (void)json_array_append_new(a, finding_json(&v, &v.f[i], &x->key));
    (void)json_object_set_new(o, "findings", a);
    if (p->facts != NULL && fact_get(p->facts, &(struct exporter_key){ .addr = x->key.addr },
                                     FACT_SNMP_NAME, 0, p->st.now_ms, &name, NULL, NULL))
        (void)json_object_set_new(o, "name", json_stringn((const char *)name.text, name.len));
    figures(o, &in);
    return o;
}

int http_verdicts_json(struct buf *out, struct collect *k, struct history *h,
                       struct snmp_watch *snmp, struct meta_db *meta, const struct conf *c,
                       size_t most, const struct addr *only, struct err *e)
{
    struct page p = { .dropped = 0 };
    const struct decode_exporter **x = NULL;
    unsigned count[VERDICT_RED + 1] = { 0 }, level;
    size_t n = SIZE_MAX, shown = 0;
    char when[CLOCK_TEXT_MAX], *text;
    json_t *o, *of[VERDICT_RED + 1] = { json_array(), json_array(), json_array() };
    int rc = gather(&p, k, h, snmp, meta, c, e);

    if (rc == ERR_OK)
        x = http_exporters(&p.st, HTTP_BUSIEST, &n);
    for (size_t i = 0; x != NULL && i < n; i++) {
        json_t *one;
        if (only != NULL && addr_cmp(only, &x[i]->key.addr) != 0)
            continue;
        if (shown == most)
            continue;
        one = exporter_json(&p, x[i], &level);
        count[level]++;
        shown++;
        (void)json_array_append_new(of[level], one);
    }
    for (unsigned l = VERDICT_RED; l-- > VERDICT_GREEN;) { /* red first */
        (void)json_array_extend(of[VERDICT_RED], of[l]);
        json_decref(of[l]);
    }
    o = json_pack("{s:s,s:I,s:I,s:{s:i,s:i,s:i},s:o}", "now", clock_text(p.st.now_ms, when),
                  "exporters_known", (json_int_t)p.st.n_known, "records_looked_at",
                  (json_int_t)p.survey.rows, "verdicts", "red", (int)count[VERDICT_RED], "amber",
                  (int)count[VERDICT_AMBER], "green", (int)count[VERDICT_GREEN], "exporters",
                  of[VERDICT_RED]);
    text = o != NULL && rc == ERR_OK ? json_dumps(o, JSON_INDENT(1)) : NULL;
    if (text != NULL) {
        buf_str(out, text);
        buf_char(out, '\n');
    } else if (rc == ERR_OK) {
        rc = err_set(e, ERR_NOMEM, "exporters: out of memory");
    }
    free(text);
    json_decref(o);
    free(x);
    page_free(&p);
    return rc;
}
