/* weir exporter, weir interface, weir rule: who exports, from where, and what its interfaces are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "cmd/define.h"

const struct cmd_option exporter_options[] = {
    { "output", 'o', "table|json", "form of a list" },
    { 0 },
};
const char exporter_help[] =
    "What you know of exporters, by source address; with #DOMAIN behind it of one observation "
    "domain\n"
    "only, as behind NAT or a relay. Several addresses may share one name.\n\n"
    "  weir exporter set 192.0.2.1 name=fra1 site=Frankfurt role=core region=eu\n"
    "  weir exporter set 198.51.100.7#12 name=branch12\n"
    "  weir exporter unset 192.0.2.1 role\n"
    "  weir query 'exporter fra1' --by site,role\n\n"
    "Keys: name, site, role, region. KEY= takes it back.\n";
const char interface_help[] =
    "What you know of interfaces, by exporter (name or address) and ifIndex.\n\n"
    "  weir interface set fra1 3 name=xe-0/0/1 description='Transit ExampleTel' speed=10G \\\n"
    "       boundary=external connectivity=transit provider=ExampleTel\n"
    "  weir interface list fra1\n"
    "  weir query 'in boundary external' --by 'in provider'\n"
    "  weir query 'out if \"fra1 xe-0/0/1\"' --series 5m\n\n"
    "Keys: name, description, speed (bit/s), boundary (internal, external), connectivity, "
    "provider, role (edge,\n"
    "internal, ignore, disjoint). What is left open is the rules': weir help rule.\n";
const char rule_help[] =
    "Rules classify interfaces by regular expressions (PCRE2, case ignored) on their names, "
    "descriptions or\n"
    "exporters: the first that matches decides, in the order of their numbers. They see names that "
    "you\n"
    "defined, then those that exporters told.\n\n"
    "  weir rule add '^(transit|upstream)' on=description boundary=external connectivity=transit\n"
    "  weir rule add '^ae[0-9]+' boundary=internal connectivity=backbone order=5\n"
    "  weir rule preview                     what the rules make of the interfaces defined\n"
    "  weir rule preview 'Transit: ExampleTel'\n"
    "  weir rule remove 10\n\n"
    "Keys: on (name, description, exporter), order, boundary, connectivity, provider.\n";

/* ------------------------------------------------------------------ any table */

struct edit {
    const struct args *a;
    enum meta_table t;
    char key[2][META_TEXT_MAX + 64]; /* as kept */
    bool remove;
    uint64_t order; /* of a rule that was added */
};

static int keys(struct edit *x, size_t first, struct err *e)
{
    int rc = ERR_OK;

    for (unsigned k = 0; k < meta_table_info[x->t].n_keys && rc == ERR_OK; k++) {
        struct buf b = buf_init(META_TEXT_MAX + 64);
        rc = meta_canonical(x->t, k, x->a->operand[first + k], &b, e);
        (void)snprintf(x->key[k], sizeof x->key[k], "%s", buf_cstr(&b));
        buf_free(&b);
        if (rc == ERR_OK && x->key[k][0] == '\0')
            rc = err_set(e, ERR_ARG, "an empty %s", meta_table_info[x->t].col[k].name);
    }
    return rc;
}

static int set(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const char *key[] = { x->key[0], x->key[1] };
    struct meta_row *r;
    int rc = keys(x, 1, e);

    if (rc != ERR_OK)
        return rc;
    if ((r = meta_row(d, x->t, key, NULL)) == NULL)
        return define_oom(e);
    return define_set_columns(x->a, 1u + meta_table_info[x->t].n_keys, r, x->t, e);
}

/* The whole row, or the columns named. */
static int unset(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const struct meta_table_info *info = &meta_table_info[x->t];
    const char *key[] = { x->key[0], x->key[1] };
    size_t at, i = 1u + info->n_keys;
    int rc = keys(x, 1, e);

    if (rc != ERR_OK)
        return rc;
    if (meta_find(d, x->t, key, info->n_keys, &at) == 0)
        return err_set(e, ERR_ARG, "%s %.64s%s%.64s is not defined; weir %s list shows them",
                       info->one, key[0], info->n_keys > 1 ? " " : "",
                       info->n_keys > 1 ? key[1] : "", x->a->command->name);
    if (i >= x->a->n_operands)
        meta_delete(d, x->t, at, 1);
    for (; i < x->a->n_operands && rc == ERR_OK; i++) {
        int c = meta_column(x->t, x->a->operand[i], strcspn(x->a->operand[i], "="), e);
        rc = c < 0 ? ERR_ARG : meta_set(&d->t[x->t].row[at], x->t, (unsigned)c, "", e);
    }
    return rc;
}

static int list(const struct args *a, enum meta_table t, const char *only)
{
    const struct meta_table_info *info = &meta_table_info[t];
    const char *head[META_COLUMNS];
    struct define_table out = { .head = head };
    struct meta_doc d;
    int code = define_read(a, &d);
    unsigned shown[META_COLUMNS];

    for (unsigned c = 0; c < info->n; c++)
        if (info->col[c].later == NULL) {
            shown[out.n] = c;
            head[out.n++] = info->col[c].name;
        }
    for (size_t i = 0; code == EXIT_DONE && i < d.t[t].n; i++) {
        if (only != NULL && strcasecmp(d.t[t].row[i].v[0], only) != 0)
            continue;
        for (unsigned c = 0; c < out.n; c++)
            define_put(&out, c, d.t[t].row[i].v[shown[c]]);
    }
    meta_doc_free(&d);
    return code == EXIT_DONE ? define_show(a, &out) : code;
}

static int run(const struct args *a, enum meta_table t, const char *example)
{
    static const char *const verbs[] = { "list", "set", "unset" };
    struct edit x = { .a = a, .t = t };
    int verb = define_verb(a, verbs, ARRAY_LEN(verbs));
    size_t need = 1u + meta_table_info[t].n_keys;

    if (verb < 0)
        return EXIT_USAGE;
    if (verb == 0)
        return list(a, t, a->n_operands > 1 ? a->operand[1] : NULL);
    if (a->n_operands < need || (verb == 1 && a->n_operands == need))
        return cmd_usage(
            a, verb == 1 ? "say what to set: weir %s set %s" : "name it: weir %s unset %s",
            a->command->name, example);
    return define_change(a, verb == 1 ? set : unset, &x);
}

int cmd_exporter(const struct args *a)
{
    return run(a, META_EXPORTERS, "192.0.2.1 name=fra1 site=Frankfurt");
}

int cmd_interface(const struct args *a)
{
    return run(a, META_INTERFACES, "fra1 3 name=xe-0/0/1 boundary=external");
}

/* ------------------------------------------------------------------ rules */

/* "order=N", else behind the last one. */
static int rule_order(struct edit *x, const struct meta_doc *d, struct err *e)
{
    size_t n = d->t[META_RULES].n;
    uint64_t last = n > 0 ? strtoull(d->t[META_RULES].row[n - 1].v[0], NULL, 10) : 0;
    struct buf b = buf_init(64);
    const char *text = NULL;
    int rc = ERR_OK;

    for (size_t i = 2; i < x->a->n_operands; i++)
        if (strncasecmp(x->a->operand[i], "order=", 6) == 0)
            text = x->a->operand[i] + 6;
    if (text != NULL)
        rc = meta_canonical(META_RULES, 0, text, &b, e);
    else
        buf_printf(&b, "%llu", (unsigned long long)(last / 10 * 10 + 10));
    (void)snprintf(x->key[0], sizeof x->key[0], "%s", buf_cstr(&b));
    buf_free(&b);
    return rc;
}

static int add_rule(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const char *key[] = { x->key[0] };
    struct meta_row *r;
    bool made;
    int rc = rule_order(x, d, e), c;

    if (rc != ERR_OK)
        return rc;
    if ((r = meta_row(d, META_RULES, key, &made)) == NULL)
        return define_oom(e);
    if (!made)
        return err_set(e, ERR_ARG, "there is a rule %s already; weir rule remove %s first", key[0],
                       key[0]);
    if ((rc = meta_set(r, META_RULES, 1, "name", e)) != ERR_OK ||
        (rc = meta_set(r, META_RULES, 2, x->a->operand[1], e)) != ERR_OK)
        return rc;
    for (size_t i = 2; i < x->a->n_operands && rc == ERR_OK; i++) {
        const char *s = x->a->operand[i], *eq = strchr(s, '=');
        if (eq == NULL)
            return err_set(e, ERR_ARG, "\"%.64s\": key=value is expected, as in boundary=external",
                           s);
        if (strncasecmp(s, "order=", 6) == 0)
            continue;
        c = meta_column(META_RULES, s, (size_t)(eq - s), e);
        rc = c < 0 ? ERR_ARG : meta_set(r, META_RULES, (unsigned)c, eq + 1, e);
    }
    if (rc == ERR_OK && r->v[3] == NULL && r->v[4] == NULL && r->v[5] == NULL && r->v[6] == NULL)
        return err_set(e, ERR_ARG,
                       "a rule sets something: boundary=, connectivity=, provider= or role=");
    return rc;
}

static int remove_rule(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const char *key[] = { x->key[0] };
    size_t at;
    int rc = keys(x, 1, e);

    if (rc != ERR_OK)
        return rc;
    if (meta_find(d, META_RULES, key, 1, &at) == 0)
        return err_set(e, ERR_ARG, "there is no rule %s; weir rule list shows them", key[0]);
    meta_delete(d, META_RULES, at, 1);
    return ERR_OK;
}

static void put_rule(struct define_table *t, const struct defs *d, const struct def_rule *r,
                     unsigned from)
{
    static const char *const role[] = { "", "edge", "internal", "ignore", "disjoint" };
    char number[24];

    if (r == NULL)
        return;
    (void)snprintf(number, sizeof number, "%u", r->order);
    define_put(t, from, number);
    define_put(t, from + 1, defs_word(d, r->boundary));
    define_put(t, from + 2, defs_word(d, r->connectivity));
    define_put(t, from + 3, defs_word(d, r->provider));
    define_put(t, from + 4, role[r->role]);
}

/* What the rules make of texts, or of the interfaces that are defined. */
static int preview(const struct args *a)
{
    static const char *const of_text[] = { "name",         "rule",     "boundary",
                                           "connectivity", "provider", "role" };
    static const char *const of_if[] = { "exporter",     "index",    "name",
                                         "description",  "rule",     "boundary",
                                         "connectivity", "provider", "role" };
    bool texts = a->n_operands > 1;
    struct define_table t = { .head = texts ? of_text : of_if, .n = texts ? 6 : 9 };
    struct meta_doc doc;
    struct defs *d = NULL;
    struct err e = { 0 };
    int code = define_read(a, &doc);

    if (code == EXIT_DONE && defs_make(&d, &doc, &e) != ERR_OK)
        code = cmd_fail(a, &e);
    for (size_t i = 1; code == EXIT_DONE && i < a->n_operands; i++) {
        const char *s = a->operand[i];
        define_put(&t, 0, s);
        put_rule(&t, d, defs_classify(d, s, s, s), 1);
    }
    for (uint32_t i = 0; code == EXIT_DONE && !texts && i < d->n_ifaces; i++) {
        const struct def_interface *f = &d->iface[i];
        struct exporter_key key = { .addr = f->addr, .domain = f->domain };
        const struct def_exporter *x = defs_exporter(d, &key);
        char addr[ADDR_TEXT_MAX], index[24];
        (void)addr_format(&f->addr, addr);
        (void)snprintf(index, sizeof index, "%u", f->index);
        define_put(&t, 0, x != NULL && x->name != 0 ? defs_word(d, x->name) : addr);
        define_put(&t, 1, index);
        define_put(&t, 2, defs_word(d, f->c.name));
        define_put(&t, 3, defs_word(d, f->c.description));
        put_rule(&t, d,
                 defs_classify(d, x != NULL ? defs_word(d, x->name) : "", defs_word(d, f->c.name),
                               defs_word(d, f->c.description)),
                 4);
    }
    if (code == EXIT_DONE)
        code = define_show(a, &t);
    defs_unref(d);
    meta_doc_free(&doc);
    return code;
}

int cmd_rule(const struct args *a)
{
    static const char *const verbs[] = { "list", "add", "remove", "preview" };
    struct edit x = { .a = a, .t = META_RULES };
    int verb = define_verb(a, verbs, ARRAY_LEN(verbs)), code;

    if (verb < 0)
        return EXIT_USAGE;
    if (verb == 0)
        return list(a, META_RULES, NULL);
    if (verb == 3)
        return preview(a);
    if (a->n_operands < 2)
        return cmd_usage(a, verb == 1
                                ? "say pattern and class: weir rule add '^ae' boundary=internal"
                                : "name it by its order: weir rule remove 10");
    code = define_change(a, verb == 1 ? add_rule : remove_rule, &x);
    if (code == EXIT_DONE && verb == 1)
        (void)printf("rule %s\n", x.key[0]);
    return code;
}
