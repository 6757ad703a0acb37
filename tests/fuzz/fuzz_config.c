/* The configuration: any text, and any options of a command line behind it, are either refused with
 * a message or give values within bounds. A form feed ends the text; each line behind it is the
 * name of an option, a blank, a value. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "flow/rate_rule.h"

#define MAX_SET 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t command_line(char *s, struct conf_setting *set)
{
    size_t n = 0;

    for (char *line = strtok(s, "\n"); line != NULL && n < MAX_SET; line = strtok(NULL, "\n")) {
        size_t len = strcspn(line, " ");
        enum opt o = conf_find(line, len);
        if (o != OPT_N)
            set[n++] = (struct conf_setting){ o, line + len + (line[len] == ' ') };
    }
    return n;
}

/* The rates that it declares: refused by name, or found again. */
static void check_rates(const struct conf *c)
{
    const struct conf_value *v = &c->v[OPT_SAMPLING];
    struct rate_rules *t;
    struct err e;
    int rc = rate_rules_parse(&t, v->item, v->n_items, &e);
    struct addr a;

    if (rc != ERR_OK && e.msg[0] == '\0')
        abort();
    for (size_t i = 0; rc == ERR_OK && i < v->n_items; i++) {
        const char *s = v->item[i];
        size_t len = strcspn(s, "/=");
        if (!addr_parse(&a, s, len) || !rate_rules_any(t, &a, NULL) ||
            (s[len] == '=' && rate_rule_find(t, &a, 0)->rate == 0))
            abort();
    }
    rate_rules_unref(t);
}

static void check(struct conf *c)
{
    char where[512];
    uint64_t min, max;

    check_rates(c);
    for (size_t o = 0; o < OPT_N; o++) {
        const struct opt_info *i = &opt_info[o];
        if (c->v[o].text == NULL ||
            conf_source_text(c, (enum opt)o, where, sizeof where)[0] == '\0')
            abort();
        if (conf_parse_number((enum opt_type)i->type, i->min, &min) &&
            conf_num(c, (enum opt)o) < min)
            abort();
        if (conf_parse_number((enum opt_type)i->type, i->max, &max) &&
            conf_num(c, (enum opt)o) > max)
            abort();
    }
    conf_unref(conf_ref(c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\f', size) : NULL;
    size_t text_len = end != NULL ? (size_t)(end - data) : size, n;
    char *rest = calloc(size - text_len + 1, 1);
    struct conf_setting set[MAX_SET];
    struct conf *c;
    struct err e = { 0 };

    if (rest == NULL)
        return 0;
    if (end != NULL)
        memcpy(rest, end + 1, size - text_len - 1);
    n = command_line(rest, set);
    if (conf_make(&c, "fuzz.yaml", (const char *)data, text_len, set, n, &e) == ERR_OK) {
        check(c);
        conf_unref(c);
    } else if (c != NULL || e.msg[0] == '\0')
        abort();
    free(rest);
    return 0;
}
