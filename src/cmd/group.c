/* weir group, weir name: what addresses belong together, and what they are called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "cmd/define.h"
#include "gen/groups.h"

const struct cmd_option group_options[] = {
    { "file", 0, "FILE", "members from a file, one a line; # begins a comment" },
    { "all", 0, NULL, "list groups that Weir brings too" },
    { "output", 'o', "table|json", "form of a list" },
    { 0 },
};
const char group_help[] =
    "Groups hold addresses, networks, AS numbers, ports, protocols, VLANs, exporters, interfaces "
    "and\n"
    "other groups. They are today's and apply to all that is stored.\n\n"
    "  weir group add office 10.20.0.0/16 '!10.20.9.0/24' 2001:db8:20::/48\n"
    "  weir group add mail tcp/25 tcp/465 tcp/587\n"
    "  weir group add peers AS64500 AS64512..AS64520\n"
    "  weir group add dach 'country DE' 'country AT' 'country CH'\n"
    "  weir group add uplinks 'exporter fra1' 'if fra1 3' 'vlan 100..110'\n"
    "  weir group add all 'group office' 'group branch'\n"
    "  weir group set office kind=site contact=noc@example.net capacity=1G tags=de,hq\n"
    "  weir query 'src group office and not dst group all' --by 'dst group'\n\n"
    "A member with ! in front is an exception; of networks the most specific one decides. The "
    "group\n"
    "internal says which addresses are your own (inbound, outbound, transit). Groups that Weir "
    "brings:\n"
    "weir group list --all.\n";

const struct cmd_option name_options[] = {
    { "file", 0, "FILE", "lines of ADDRESS NAME; # begins a comment" },
    { "output", 'o', "table|json", "form of a list" },
    { 0 },
};
const char name_help[] = "Names of addresses and networks, for filters and answers. Of "
                         "networks the most specific\n"
                         "one gives the name.\n\n"
                         "  weir name set 10.20.0.1 gateway\n"
                         "  weir name set AS64500 'Example Net'\n"
                         "  weir name set --file names.txt        lines of ADDRESS NAME\n"
                         "  weir query 'host gateway' --by name\n";

/* ------------------------------------------------------------------ members */

struct edit {
    const struct args *a;
    struct meta_doc *d; /* while it is edited */
    const char *name;   /* group */
    uint64_t done, known;
    bool remove;
};

static int group_row(struct edit *x, bool make, struct meta_row **out, struct err *e)
{
    const char *key[] = { x->name };
    struct buf b = buf_init(META_TEXT_MAX + 8);
    const char **all;
    const char *near;
    size_t at;
    int rc = meta_canonical(META_GROUPS, 0, x->name, &b, e);

    buf_free(&b);
    if (rc != ERR_OK)
        return rc;
    if (make) {
        *out = meta_row(x->d, META_GROUPS, key, NULL);
        return *out != NULL ? ERR_OK : define_oom(e);
    }
    if (meta_find(x->d, META_GROUPS, key, 1, &at) > 0) {
        *out = &x->d->t[META_GROUPS].row[at];
        return ERR_OK;
    }
    all = calloc(x->d->t[META_GROUPS].n + 1, sizeof *all);
    for (size_t i = 0; all != NULL && i < x->d->t[META_GROUPS].n; i++)
        all[i] = x->d->t[META_GROUPS].row[i].v[0];
    near = all != NULL ? near_word(x->name, strlen(x->name), all, x->d->t[META_GROUPS].n) : NULL;
    rc = err_set(e, ERR_ARG, "no group is called \"%.64s\"%s%s%s", x->name,
                 near != NULL ? "; did you mean " : "; weir group list shows them",
                 near != NULL ? near : "", near != NULL ? "?" : "");
    free(all);
    return rc;
}

/* A member and its opposite do not stand beside each other. */
static int drop_opposite(struct edit *x, const char *item)
{
    char other[META_TEXT_MAX + 8];
    const char *key[] = { x->name, other };
    size_t at;

    if (item[0] == '!')
        (void)snprintf(other, sizeof other, "%s", item + 1);
    else
        (void)snprintf(other, sizeof other, "!%s", item);
    if (meta_find(x->d, META_MEMBERS, key, 2, &at) > 0)
        meta_delete(x->d, META_MEMBERS, at, 1);
    return ERR_OK;
}

static int one_member(void *ctx, char *text, struct err *e)
{
    struct edit *x = ctx;
    struct buf b = buf_init(META_TEXT_MAX);
    const char *key[2] = { x->name, NULL };
    size_t at;
    bool made;
    int rc = meta_canonical(META_MEMBERS, 1, text, &b, e);

    if (rc != ERR_OK) {
        buf_free(&b);
        return rc;
    }
    if (!buf_ok(&b)) {
        buf_free(&b);
        return err_set(e, ERR_ARG, "this member is too long");
    }
    key[1] = buf_cstr(&b);
    if (x->remove && meta_find(x->d, META_MEMBERS, key, 2, &at) > 0) {
        meta_delete(x->d, META_MEMBERS, at, 1);
        x->done++;
    } else if (x->remove) {
        rc = err_set(e, ERR_ARG, "%.100s is no member of %.64s; weir group show %.64s lists them",
                     key[1], x->name, x->name);
    } else {
        rc = drop_opposite(x, key[1]);
        if (rc == ERR_OK && meta_row(x->d, META_MEMBERS, key, &made) == NULL)
            rc = define_oom(e);
        else if (rc == ERR_OK)
            made ? x->done++ : x->known++;
    }
    buf_free(&b);
    return rc;
}

static int edit_members(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const char *file = args_get(x->a, "file");
    struct meta_row *r;
    int rc;

    x->d = d;
    if ((rc = group_row(x, !x->remove, &r, e)) != ERR_OK)
        return rc;
    if (file != NULL && !x->remove && (rc = meta_set(r, META_GROUPS, 6, file, e)) != ERR_OK)
        return rc;
    for (size_t i = 2; i < x->a->n_operands && rc == ERR_OK; i++) {
        char text[META_TEXT_MAX + 8];
        (void)snprintf(text, sizeof text, "%s", x->a->operand[i]);
        rc = one_member(x, text, e);
    }
    return rc == ERR_OK && file != NULL ? define_lines(file, one_member, x, e) : rc;
}

static int members(const struct args *a, bool remove)
{
    struct edit x = { .a = a, .remove = remove };
    int code;

    if (a->n_operands < 2 || (a->n_operands == 2 && args_get(a, "file") == NULL))
        return cmd_usage(a, "name the group and members: weir group %s office 10.20.0.0/16",
                         remove ? "remove" : "add");
    x.name = a->operand[1];
    code = define_change(a, edit_members, &x);
    if (code == EXIT_DONE && x.known > 0)
        (void)printf("%s: %llu members %s, %llu were there already\n", x.name,
                     (unsigned long long)x.done, remove ? "removed" : "added",
                     (unsigned long long)x.known);
    else if (code == EXIT_DONE)
        (void)printf("%s: %llu member%s %s\n", x.name, (unsigned long long)x.done,
                     x.done == 1 ? "" : "s", remove ? "removed" : "added");
    return code;
}

/* ------------------------------------------------------------------ whole groups */

static int edit_set(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    struct meta_row *r;
    int rc;

    x->d = d;
    rc = group_row(x, true, &r, e);
    return rc == ERR_OK ? define_set_columns(x->a, 2, r, META_GROUPS, e) : rc;
}

static int edit_delete(void *ctx, struct meta_doc *d, struct err *e)
{
    struct edit *x = ctx;
    const char *key[] = { x->name };
    struct meta_row *r;
    size_t at, n;
    int rc;

    x->d = d;
    if ((rc = group_row(x, false, &r, e)) != ERR_OK)
        return rc;
    n = meta_find(d, META_MEMBERS, key, 1, &at);
    meta_delete(d, META_MEMBERS, at, n);
    n = meta_find(d, META_GROUPS, key, 1, &at);
    meta_delete(d, META_GROUPS, at, n);
    return ERR_OK;
}

static int list(const struct args *a)
{
    static const char *const head[] = { "group", "kind", "members", "contact", "note" };
    struct define_table t = { .head = head, .n = 5 };
    struct meta_doc d;
    int code = define_read(a, &d);

    for (size_t i = 0; code == EXIT_DONE && i < d.t[META_GROUPS].n; i++) {
        char *const *v = d.t[META_GROUPS].row[i].v;
        const char *key[] = { v[0] };
        char n[24];
        size_t at;
        (void)snprintf(n, sizeof n, "%zu", meta_find(&d, META_MEMBERS, key, 1, &at));
        define_put(&t, 0, v[0]);
        define_put(&t, 1, v[1]);
        define_put(&t, 2, n);
        define_put(&t, 3, v[2]);
        define_put(&t, 4, v[3]);
    }
    for (size_t i = 0; code == EXIT_DONE && args_has(a, "all") && i < ready_groups_n; i++) {
        const char *key[] = { ready_groups[i].name };
        size_t at;
        if (meta_find(&d, META_GROUPS, key, 1, &at) > 0)
            continue;
        define_put(&t, 0, ready_groups[i].name);
        define_put(&t, 1, ready_groups[i].kind);
        define_put(&t, 2, "ready");
        define_put(&t, 3, NULL);
        define_put(&t, 4, ready_groups[i].note);
    }
    meta_doc_free(&d);
    return code == EXIT_DONE ? define_show(a, &t) : code;
}

static int show_ready(const char *name)
{
    for (size_t i = 0; i < ready_groups_n; i++) {
        const struct ready_group *r = &ready_groups[i];
        if (strcmp(r->name, name) != 0)
            continue;
        (void)printf(
            "group     %s\nkind      %s\nnote      %s\nsource    Weir brings it; a group of "
            "yours of that name stands before it\nmembers  \n",
            name, r->kind, r->note);
        for (const char *p = r->members; *p != '\0';) {
            size_t n = strcspn(p, " ");
            (void)printf("  %.*s\n", (int)n, p);
            p += n + (p[n] != '\0');
        }
        return EXIT_DONE;
    }
    return EXIT_FAILED;
}

static int show(const struct args *a)
{
    struct edit x = { .a = a, .name = a->operand[1] };
    const char *key[] = { x.name };
    struct meta_doc d;
    struct meta_row *r;
    struct err e = { 0 };
    size_t at, n;
    int code = define_read(a, &d);

    x.d = &d;
    if (code == EXIT_DONE && meta_find(&d, META_GROUPS, key, 1, &at) == 0 &&
        show_ready(x.name) == EXIT_DONE) {
        meta_doc_free(&d);
        return EXIT_DONE;
    }
    if (code == EXIT_DONE && group_row(&x, false, &r, &e) != ERR_OK) {
        (void)cmd_fail(a, &e);
        code = EXIT_USAGE;
    }
    if (code == EXIT_DONE) {
        (void)printf("group     %s\n", r->v[0]);
        for (unsigned c = 1; c < meta_table_info[META_GROUPS].n; c++)
            if (r->v[c] != NULL)
                (void)printf("%-9s %s%s\n", meta_table_info[META_GROUPS].col[c].name, r->v[c],
                             c == 4 ? " bit/s" : "");
        n = meta_find(&d, META_MEMBERS, key, 1, &at);
        (void)printf("members  %s\n", n == 0 ? " none" : "");
        for (size_t i = at; i < at + n; i++)
            (void)printf("  %s\n", d.t[META_MEMBERS].row[i].v[1]);
    }
    meta_doc_free(&d);
    return code;
}

int cmd_group(const struct args *a)
{
    static const char *const verbs[] = { "list", "show", "set", "add", "remove", "delete" };
    struct edit x = { .a = a };
    int verb = define_verb(a, verbs, ARRAY_LEN(verbs));

    if (verb < 0)
        return EXIT_USAGE;
    if (verb == 0)
        return list(a);
    if (a->n_operands < 2)
        return cmd_usage(a, "name the group: weir group %s NAME", verbs[verb]);
    x.name = a->operand[1];
    switch (verb) {
    case 1:
        return show(a);
    case 2:
        return define_change(a, edit_set, &x);
    case 3:
        return members(a, false);
    case 4:
        return members(a, true);
    default:
        return define_change(a, edit_delete, &x);
    }
}

/* ------------------------------------------------------------------ names */

struct naming {
    const struct args *a;
    struct meta_doc *d;
    bool remove;
};

static int one_name(struct naming *x, const char *of, const char *name, struct err *e)
{
    struct buf b = buf_init(256);
    const char *key[1];
    struct meta_row *r;
    size_t at;
    int rc = meta_canonical(META_NAMES, 0, of, &b, e);

    key[0] = buf_cstr(&b);
    if (rc == ERR_OK && x->remove) {
        if (meta_find(x->d, META_NAMES, key, 1, &at) > 0)
            meta_delete(x->d, META_NAMES, at, 1);
        else
            rc =
                err_set(e, ERR_ARG, "%s has no name; weir name list shows those there are", key[0]);
    } else if (rc == ERR_OK) {
        r = meta_row(x->d, META_NAMES, key, NULL);
        rc = r == NULL ? define_oom(e)
             : name[0] == '\0'
                 ? err_set(e, ERR_ARG, "%s: an empty name; weir name remove %s", key[0], key[0])
                 : meta_set(r, META_NAMES, 1, name, e);
    }
    buf_free(&b);
    return rc;
}

static int name_line(void *ctx, char *text, struct err *e)
{
    size_t n = strcspn(text, " \t,");
    char *name = text + n;

    if (*name == '\0')
        return err_set(e, ERR_ARG, "an address and its name are expected: 10.20.0.1 gateway");
    *name++ = '\0';
    while (*name == ' ' || *name == '\t' || *name == ',')
        name++;
    return one_name(ctx, text, name, e);
}

static int edit_names(void *ctx, struct meta_doc *d, struct err *e)
{
    struct naming *x = ctx;
    const char *file = args_get(x->a, "file");
    int rc = ERR_OK;

    x->d = d;
    for (size_t i = 1; i < x->a->n_operands && rc == ERR_OK; i += x->remove ? 1 : 2)
        rc = one_name(x, x->a->operand[i], x->remove ? "" : x->a->operand[i + 1], e);
    return rc == ERR_OK && file != NULL ? define_lines(file, name_line, x, e) : rc;
}

static int list_names(const struct args *a)
{
    static const char *const head[] = { "address", "name" };
    struct define_table t = { .head = head, .n = 2 };
    struct meta_doc d;
    int code = define_read(a, &d);

    for (size_t i = 0; code == EXIT_DONE && i < d.t[META_NAMES].n; i++) {
        define_put(&t, 0, d.t[META_NAMES].row[i].v[0]);
        define_put(&t, 1, d.t[META_NAMES].row[i].v[1]);
    }
    meta_doc_free(&d);
    return code == EXIT_DONE ? define_show(a, &t) : code;
}

int cmd_name(const struct args *a)
{
    static const char *const verbs[] = { "list", "set", "remove" };
    int verb = define_verb(a, verbs, ARRAY_LEN(verbs));
    struct naming x = { .a = a, .remove = verb == 2 };

    if (verb < 0)
        return EXIT_USAGE;
    if (verb == 0)
        return list_names(a);
    if (a->n_operands < 2 && (x.remove || args_get(a, "file") == NULL))
        return cmd_usage(a, x.remove ? "name the address: weir name remove 10.20.0.1"
                                     : "name address and name: weir name set 10.20.0.1 gateway");
    if (!x.remove && a->n_operands % 2 == 0)
        return cmd_usage(a, "each address takes one name; quote names with spaces");
    return define_change(a, edit_names, &x);
}
