#include "meta/defs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/near.h"
#include "gen/groups.h"
#include "meta/compile.h"

/* ------------------------------------------------------------------ words */

struct word_slot {
    uint32_t word;
};

static uint64_t word_hash(const char *s, size_t len)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < len; i++) {
        unsigned c = (unsigned char)s[i];
        h = (h ^ (c >= 'A' && c <= 'Z' ? c + 32 : c)) * 1099511628211u;
    }
    return h ^ h >> 29;
}

static bool is_word(const char *w, const char *s, size_t len)
{
    return strlen(w) == len && strncasecmp(w, s, len) == 0;
}

uint32_t defs_word_find(const struct defs *d, const char *s, size_t len)
{
    uint64_t at = d->slot != NULL ? word_hash(s, len) & d->slot_mask : 0;

    while (d->slot != NULL && d->slot[at].word != 0) {
        if (is_word(d->word[d->slot[at].word], s, len))
            return d->slot[at].word;
        at = (at + 1) & d->slot_mask;
    }
    return 0;
}

static bool words_grow(struct defs *d)
{
    uint32_t mask = d->slot_mask > 0 ? d->slot_mask * 2 + 1 : 1023;
    struct word_slot *slot = calloc((size_t)mask + 1, sizeof *slot);
    char **word = realloc(d->word, ((size_t)mask / 2 + 2) * sizeof *word);

    if (word != NULL)
        d->word = word;
    if (slot == NULL || word == NULL) {
        free(slot);
        return false;
    }
    for (uint32_t w = 1; w < d->n_words; w++) {
        uint64_t at = word_hash(d->word[w], strlen(d->word[w])) & mask;
        while (slot[at].word != 0)
            at = (at + 1) & mask;
        slot[at].word = w;
    }
    free(d->slot);
    d->slot = slot;
    d->slot_mask = mask;
    return true;
}

bool compile_word(struct defs *d, const char *s, uint32_t *out)
{
    size_t len = s != NULL ? strlen(s) : 0;
    uint64_t at;

    *out = 0;
    if (len == 0 || (*out = defs_word_find(d, s, len)) != 0)
        return true;
    if (d->n_words >= d->slot_mask / 2 && !words_grow(d))
        return false;
    at = word_hash(s, len) & d->slot_mask;
    while (d->slot[at].word != 0)
        at = (at + 1) & d->slot_mask;
    if ((d->word[d->n_words] = strdup(s)) == NULL)
        return false;
    *out = d->slot[at].word = d->n_words++;
    return true;
}

static bool fixed_words(struct defs *d)
{
    static const char *const fixed[WORD_N] = { "",         "inbound", "outbound",
                                               "internal", "transit", "external" };
    uint32_t w;

    if (!words_grow(d) || (d->word[0] = strdup("")) == NULL)
        return false;
    d->n_words = 1;
    for (unsigned i = 1; i < WORD_N; i++)
        if (!compile_word(d, fixed[i], &w))
            return false;
    return true;
}

const char *defs_word(const struct defs *d, uint32_t word)
{
    return word < d->n_words ? d->word[word] : "";
}

/* ------------------------------------------------------------------ life */

static void group_free(struct def_group *g)
{
    for (uint32_t i = 0; i < g->n_items; i++)
        item_free(&g->item[i]);
    free(g->item);
    addr_map_free(&g->own);
    addr_map_free(&g->net);
}

static void defs_free(struct defs *d)
{
    for (uint32_t i = 0; i < d->n_words; i++)
        free(d->word[i]);
    for (uint32_t i = 0; i < d->n_groups; i++)
        group_free(&d->group[i]);
    for (uint32_t i = 0; i < d->n_rules; i++)
        pcre2_code_free(d->rule[i].re);
    free(d->word);
    free(d->slot);
    free(d->as_name);
    free(d->exporter);
    rate_rules_unref(d->rates);
    free(d->iface);
    free(d->rule);
    free(d->group);
    addr_map_free(&d->name);
    addr_map_free(&d->internal);
    addr_map_free(&d->external);
    addr_map_free(&d->sets);
    free(d->set_off);
    free(d->set_group);
    meta_doc_free(&d->doc);
    free(d);
}

struct defs *defs_ref(struct defs *d)
{
    (void)atomic_fetch_add(&d->refs, 1);
    return d;
}

void defs_unref(struct defs *d)
{
    if (d != NULL && atomic_fetch_sub(&d->refs, 1) == 1)
        defs_free(d);
}

int compile_oom(struct err *e)
{
    return err_set(e, ERR_NOMEM, "definitions: out of memory");
}

/* ------------------------------------------------------------------ names of addresses */

/* A range of addresses as networks of one value. */
int compile_range(struct rules *r, struct addr from, const struct addr *to, uint32_t v,
                  struct err *e)
{
    for (;;) {
        struct net n = net_of_range(&from, to);
        struct addr last = net_last(&n);
        if (r->n == r->cap) {
            uint32_t cap = r->cap * 2 + 64;
            struct addr_rule *p = realloc(r->r, cap * sizeof *p);
            if (p == NULL)
                return compile_oom(e);
            r->r = p;
            r->cap = cap;
        }
        r->r[r->n++] = (struct addr_rule){ .n = n, .v = v };
        if (addr_cmp(&last, to) >= 0)
            return ERR_OK;
        from = addr_next(&last);
    }
}

static int by_number(const void *a, const void *b)
{
    const struct geo_name *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

static int compile_names(struct defs *d, struct err *e)
{
    size_t n = d->doc.t[META_NAMES].n;
    struct rules r = { 0 };
    int rc = ERR_OK;

    if ((d->as_name = malloc((n + 1) * sizeof *d->as_name)) == NULL)
        return compile_oom(e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        char *const *v = d->doc.t[META_NAMES].row[i].v;
        struct addr from, to;
        uint32_t w, as;
        if (item_as(v[0], strlen(v[0]), &as)) { /* the document holds the text as long */
            if (v[1] != NULL)
                d->as_name[d->n_as_names++] = (struct geo_name){ as, v[1], strlen(v[1]) };
            continue;
        }
        rc = item_net(v[0], strlen(v[0]), &from, &to, e);
        if (rc == ERR_NOTFOUND)
            rc = ERR_ARG;
        if (rc == ERR_OK && !compile_word(d, v[1], &w))
            rc = compile_oom(e);
        if (rc == ERR_OK)
            rc = compile_range(&r, from, &to, w, e);
    }
    if (d->n_as_names > 0)
        qsort(d->as_name, d->n_as_names, sizeof *d->as_name, by_number);
    if (rc == ERR_OK && addr_map_make(&d->name, r.r, r.n) != ERR_OK)
        rc = compile_oom(e);
    free(r.r);
    return rc;
}

/* ------------------------------------------------------------------ exporters */

static int exporter_order(const void *a, const void *b)
{
    const struct def_exporter *x = a, *y = b;
    int c = addr_cmp(&x->addr, &y->addr);

    if (c != 0 || x->any_domain != y->any_domain)
        return c != 0 ? c : x->any_domain - y->any_domain;
    return x->domain < y->domain ? -1 : x->domain > y->domain;
}

/* "192.0.2.1" or "192.0.2.1#7" */
bool compile_address(const char *s, struct addr *a, uint32_t *domain, bool *any)
{
    size_t n = strcspn(s, "#");

    if (!addr_parse(a, s, n))
        return false;
    *any = s[n] == '\0';
    *domain = *any ? 0 : (uint32_t)strtoul(s + n + 1, NULL, 10);
    return true;
}

static uint8_t which(const char *s, const char *words)
{
    uint8_t n = 1;

    if (s == NULL)
        return 0;
    for (; *words != '\0'; n++) {
        size_t len = strcspn(words, "|");
        if (strlen(s) == len && memcmp(s, words, len) == 0)
            return n;
        words += len + (words[len] != '\0');
    }
    return 0;
}

static const char *words_of(enum meta_table t, unsigned c)
{
    return meta_table_info[t].col[c].words;
}

static int compile_exporters(struct defs *d, struct err *e)
{
    size_t n = d->doc.t[META_EXPORTERS].n;

    if ((d->exporter = calloc(n + 1, sizeof *d->exporter)) == NULL)
        return compile_oom(e);
    for (size_t i = 0; i < n; i++) {
        char *const *v = d->doc.t[META_EXPORTERS].row[i].v;
        struct def_exporter *x = &d->exporter[d->n_exporters++];
        if (!compile_address(v[0], &x->addr, &x->domain, &x->any_domain))
            return err_set(e, ERR_ARG, "exporter \"%.64s\": an address is expected", v[0]);
        if (!compile_word(d, v[1], &x->name) || !compile_word(d, v[2], &x->site) ||
            !compile_word(d, v[3], &x->role) || !compile_word(d, v[4], &x->region))
            return compile_oom(e);
        x->as_source = which(v[5], words_of(META_EXPORTERS, 5));
        x->trusted = which(v[8], "yes|no");
    }
    qsort(d->exporter, d->n_exporters, sizeof *d->exporter, exporter_order);
    return ERR_OK;
}

static int compile_rate(char *const *v, struct rate_rule *out, struct err *e)
{
    uint32_t domain;
    bool any;

    out->rate = v[6] != NULL ? (uint32_t)strtoul(v[6], NULL, 10) : 0;
    out->force = v[7] != NULL && strcmp(v[7], "yes") == 0;
    if (!compile_address(v[0], &out->exporter, &domain, &any) || !any)
        return err_set(e, ERR_ARG,
                       "exporter \"%.64s\": sampling holds for all observation domains of an "
                       "address; set it for %.*s",
                       v[0], (int)strcspn(v[0], "#"), v[0]);
    if (out->rate == 0)
        return err_set(e, ERR_ARG, "exporter %.64s: %s", v[0],
                       v[6] != NULL ? "sampling is 1 (every packet) or more"
                                    : "force=yes says nothing without sampling: sampling=1000");
    return ERR_OK;
}

/* What is declared of their sampling. */
static int compile_rates(struct defs *d, struct err *e)
{
    size_t n = 0, rows = d->doc.t[META_EXPORTERS].n;
    struct rate_rule *r = calloc(rows + 1, sizeof *r);
    int rc = r != NULL ? ERR_OK : compile_oom(e);

    for (size_t i = 0; i < rows && rc == ERR_OK; i++) {
        char *const *v = d->doc.t[META_EXPORTERS].row[i].v;
        if (v[6] != NULL || (v[7] != NULL && strcmp(v[7], "yes") == 0))
            rc = compile_rate(v, &r[n++], e);
    }
    if (rc == ERR_OK)
        rc = rate_rules_new(&d->rates, r, n, e);
    free(r);
    return rc;
}

const struct def_exporter *defs_exporter(const struct defs *d, const struct exporter_key *x)
{
    uint32_t lo = 0, hi = d->n_exporters;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (addr_cmp(&d->exporter[mid].addr, &x->addr) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < d->n_exporters && addr_cmp(&d->exporter[lo].addr, &x->addr) == 0; lo++)
        if (d->exporter[lo].any_domain || d->exporter[lo].domain == x->domain)
            return &d->exporter[lo];
    return NULL;
}

/* ------------------------------------------------------------------ rules */

static void note_role(struct defs *d, uint8_t role)
{
    d->roles |= role != ROLE_UNSET;
    d->role_ignore |= role == ROLE_IGNORE;
}

static int compile_rules(struct defs *d, struct err *e)
{
    size_t n = d->doc.t[META_RULES].n;

    if ((d->rule = calloc(n + 1, sizeof *d->rule)) == NULL)
        return compile_oom(e);
    for (size_t i = 0; i < n; i++) {
        char *const *v = d->doc.t[META_RULES].row[i].v;
        struct def_rule *r = &d->rule[d->n_rules];
        PCRE2_UCHAR why[120];
        PCRE2_SIZE at;
        int code;
        if (v[2] == NULL)
            return err_set(e, ERR_ARG, "rule %s: a pattern is expected: match=^ae", v[0]);
        r->on = v[1] != NULL ? (uint8_t)(which(v[1], words_of(META_RULES, 1)) - 1) : 0;
        r->match = v[2];
        r->order = (uint32_t)strtoul(v[0], NULL, 10);
        r->role = which(v[6], words_of(META_RULES, 6));
        note_role(d, r->role);
        r->re = pcre2_compile((PCRE2_SPTR)v[2], PCRE2_ZERO_TERMINATED,
                              PCRE2_CASELESS | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
        if (r->re == NULL) {
            (void)pcre2_get_error_message(code, why, sizeof why);
            return err_set(e, ERR_ARG, "rule %s: in the pattern \"%.100s\", at octet %zu: %s", v[0],
                           v[2], (size_t)at + 1, (const char *)why);
        }
        d->n_rules++;
        if (!compile_word(d, v[3], &r->boundary) || !compile_word(d, v[4], &r->connectivity) ||
            !compile_word(d, v[5], &r->provider))
            return compile_oom(e);
    }
    return ERR_OK;
}

const struct def_rule *defs_classify(const struct defs *d, const char *exporter, const char *name,
                                     const char *description)
{
    const char *const text[] = { name, description, exporter };
    const struct def_rule *found = NULL;
    pcre2_match_context *limits;
    pcre2_match_data *data;

    if (d->n_rules == 0)
        return NULL;
    data = pcre2_match_data_create(1, NULL);
    limits = pcre2_match_context_create(NULL);
    if (limits != NULL)
        (void)pcre2_set_match_limit(limits, 100000);
    for (uint32_t i = 0; data != NULL && limits != NULL && found == NULL && i < d->n_rules; i++) {
        const struct def_rule *r = &d->rule[i];
        const char *s = text[r->on];
        if (s[0] != '\0' &&
            pcre2_match(r->re, (PCRE2_SPTR)s, PCRE2_ZERO_TERMINATED, 0, 0, data, limits) >= 0)
            found = r;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return found;
}

/* What the definition leaves open is the rule's. */
static void apply(const struct def_rule *r, struct def_class *c)
{
    if (r == NULL)
        return;
    c->boundary = c->boundary != 0 ? c->boundary : r->boundary;
    c->connectivity = c->connectivity != 0 ? c->connectivity : r->connectivity;
    c->provider = c->provider != 0 ? c->provider : r->provider;
    c->role = c->role != ROLE_UNSET ? c->role : r->role;
}

/* ------------------------------------------------------------------ interfaces */

static int iface_order(const void *a, const void *b)
{
    const struct def_interface *x = a, *y = b;
    int c = addr_cmp(&x->addr, &y->addr);

    if (c != 0 || x->index != y->index)
        return c != 0 ? c : x->index < y->index ? -1 : 1;
    if (x->any_domain != y->any_domain)
        return x->any_domain - y->any_domain;
    return x->domain < y->domain ? -1 : x->domain > y->domain;
}

/* Exporters of that name or address: next at or behind *at, or NULL. An address need not be
 * defined: *hold then. */
const struct def_exporter *compile_exporter(const struct defs *d, const char *s, uint32_t *at,
                                            struct def_exporter *hold)
{
    bool first = *at == 0;

    *hold = (struct def_exporter){ 0 };
    if (compile_address(s, &hold->addr, &hold->domain, &hold->any_domain)) {
        *at = 1;
        return first ? hold : NULL;
    }
    for (uint32_t i = *at; i < d->n_exporters; i++)
        if (is_word(defs_word(d, d->exporter[i].name), s, strlen(s))) {
            *at = i + 1;
            return &d->exporter[i];
        }
    return NULL;
}

static int add_iface(struct defs *d, size_t *cap, char *const *v, const struct def_exporter *x,
                     struct err *e)
{
    struct def_interface *p = d->iface, *f;

    if (d->n_ifaces == *cap) {
        *cap = *cap * 2 + 16;
        if ((p = realloc(d->iface, *cap * sizeof *p)) == NULL)
            return compile_oom(e);
        d->iface = p;
    }
    f = &p[d->n_ifaces++];
    *f = (struct def_interface){ .addr = x->addr,
                                 .domain = x->domain,
                                 .any_domain = x->any_domain,
                                 .index = (uint32_t)strtoul(v[1], NULL, 10) };
    f->c.speed_bps = v[4] != NULL ? strtoull(v[4], NULL, 10) : 0;
    f->c.role = which(v[8], words_of(META_INTERFACES, 8));
    note_role(d, f->c.role);
    if (!compile_word(d, v[2], &f->c.name) || !compile_word(d, v[3], &f->c.description) ||
        !compile_word(d, v[5], &f->c.boundary) || !compile_word(d, v[6], &f->c.connectivity) ||
        !compile_word(d, v[7], &f->c.provider))
        return compile_oom(e);
    return ERR_OK;
}

static int compile_ifaces(struct defs *d, struct err *e)
{
    size_t cap = 0;
    char why[256];
    int rc = ERR_OK;

    for (size_t i = 0; i < d->doc.t[META_INTERFACES].n; i++) {
        char *const *v = d->doc.t[META_INTERFACES].row[i].v;
        const struct def_exporter *x;
        struct def_exporter hold;
        uint32_t at = 0, before = d->n_ifaces;
        while (rc == ERR_OK && (x = compile_exporter(d, v[0], &at, &hold)) != NULL)
            rc = add_iface(d, &cap, v, x, e);
        if (rc != ERR_OK)
            return rc;
        if (d->n_ifaces > before)
            continue;
        defs_unknown(d, DEF_NAMES_EXPORTER, v[0], strlen(v[0]), why, sizeof why);
        return err_set(e, ERR_ARG, "interface %.64s %s: %s; an address works without", v[0], v[1],
                       why);
    }
    if (d->n_ifaces > 0)
        qsort(d->iface, d->n_ifaces, sizeof *d->iface, iface_order);
    return ERR_OK;
}

static const struct def_interface *find_iface(const struct defs *d, const struct exporter_key *x,
                                              uint32_t index)
{
    uint32_t lo = 0, hi = d->n_ifaces;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        const struct def_interface *f = &d->iface[mid];
        int c = addr_cmp(&f->addr, &x->addr);
        if (c < 0 || (c == 0 && f->index < index))
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < d->n_ifaces && d->iface[lo].index == index &&
           addr_cmp(&d->iface[lo].addr, &x->addr) == 0;
         lo++)
        if (d->iface[lo].any_domain || d->iface[lo].domain == x->domain)
            return &d->iface[lo];
    return NULL;
}

static void wire_text(const struct fact_table *t, const struct exporter_key *x, enum fact_kind kind,
                      uint32_t index, char *out, size_t cap)
{
    struct fact f;
    int64_t since, until;

    out[0] = '\0';
    if (t != NULL && fact_get(t, x, kind, index, INT64_MAX, &f, &since, &until))
        (void)snprintf(out, cap, "%.*s", (int)MIN(f.len, cap - 1), (const char *)f.text);
}

void defs_interface(const struct defs *d, const struct exporter_key *x, uint32_t index,
                    const struct fact_table *wire, struct def_class *out)
{
    const struct def_interface *f = find_iface(d, x, index);
    char name[FACT_TEXT_MAX + 1] = "", text[FACT_TEXT_MAX + 1] = "";
    const struct def_exporter *k;

    *out = f != NULL ? f->c : (struct def_class){ 0 };
    if (d->n_rules == 0)
        return;
    k = defs_exporter(d, x);
    if (out->name == 0)
        wire_text(wire, x, FACT_IF_NAME, index, name, sizeof name);
    if (out->description == 0)
        wire_text(wire, x, FACT_IF_TEXT, index, text, sizeof text);
    apply(defs_classify(d, k != NULL ? defs_word(d, k->name) : "",
                        out->name != 0 ? defs_word(d, out->name) : name,
                        out->description != 0 ? defs_word(d, out->description) : text),
          out);
}

/* ------------------------------------------------------------------ near names */

void defs_unknown(const struct defs *d, enum def_names what, const char *s, size_t len, char *out,
                  size_t cap)
{
    static const char *const kind[] = { "group", "host", "exporter", "interface" };
    const char **all =
        malloc(((size_t)d->n_groups + d->name.n + d->n_exporters + d->n_ifaces + 1) * sizeof *all);
    const char *near;
    size_t n = 0;

    for (uint32_t i = 0; all != NULL && what == DEF_NAMES_GROUP && i < d->n_groups; i++)
        all[n++] = d->group[i].name;
    for (uint32_t i = 0; all != NULL && what == DEF_NAMES_HOST && i < d->name.n; i++)
        all[n++] = defs_word(d, d->name.v[i]);
    for (uint32_t i = 0; all != NULL && what == DEF_NAMES_EXPORTER && i < d->n_exporters; i++)
        all[n++] = defs_word(d, d->exporter[i].name);
    for (uint32_t i = 0; all != NULL && what == DEF_NAMES_IF && i < d->n_ifaces; i++)
        all[n++] = defs_word(d, d->iface[i].c.name);
    near = all != NULL ? near_word(s, len, all, n) : NULL;
    if (near != NULL && near[0] != '\0')
        (void)snprintf(out, cap, "no %s is called \"%.*s\"; did you mean %s?", kind[what],
                       (int)MIN(len, 64u), s, near);
    else
        (void)snprintf(out, cap, "no %s is called \"%.*s\"", kind[what], (int)MIN(len, 64u), s);
    free(all);
}

/* ------------------------------------------------------------------ all together */

int defs_make(struct defs **out, struct meta_doc *doc, struct err *e)
{
    struct defs *d = calloc(1, sizeof *d);
    int rc;

    *out = NULL;
    if (d == NULL) {
        meta_doc_free(doc);
        return compile_oom(e);
    }
    atomic_init(&d->refs, 1);
    d->doc = *doc;
    *doc = (struct meta_doc){ 0 };
    rc = fixed_words(d) ? ERR_OK : compile_oom(e);
    if (rc == ERR_OK)
        rc = compile_exporters(d, e);
    if (rc == ERR_OK)
        rc = compile_rates(d, e);
    if (rc == ERR_OK)
        rc = compile_rules(d, e);
    if (rc == ERR_OK)
        rc = compile_ifaces(d, e);
    if (rc == ERR_OK)
        rc = compile_names(d, e);
    if (rc == ERR_OK)
        rc = compile_groups(d, e);
    if (rc != ERR_OK) {
        defs_unref(d);
        return rc;
    }
    *out = d;
    return ERR_OK;
}

int defs_default(struct defs **out, struct err *e)
{
    struct meta_doc none = { 0 };

    return defs_make(out, &none, e);
}
