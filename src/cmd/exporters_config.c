/* weir exporters config: what to type into a device so that it sends its flows here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/exporters.h"
#include "flow/addr.h"
#include "present/recipe.h"

#define RECIPE_OCTETS (64u << 10)

static const char *const part_name[RECIPE_SECTION_N] = {
    [RECIPE_ALL] = NULL,
    [RECIPE_TEMPLATES] = "templates more often",
    [RECIPE_TIMEOUT] = "report long flows every minute",
    [RECIPE_SAMPLING] = "tell the sampling rate",
    [RECIPE_ONE_SIDE] = "count each packet once, in both directions",
    [RECIPE_CLOCK] = "set the clock",
};

static int list(void)
{
    for (size_t i = 0; i < recipe_count; i++)
        (void)printf("%-12s  %-10s  port %-5u %s\n", recipe_table[i].name, recipe_table[i].sends,
                     recipe_table[i].port, recipe_table[i].title);
    (void)printf("\nweir exporters config VENDOR --collector ADDR prints the lines to type; "
                 "ADDR: this machine, as the device reaches it\n");
    return EXIT_DONE;
}

static bool port_of(const char *text, uint16_t *out)
{
    unsigned long v = strtoul(text, NULL, 10);
    bool good = text[0] != '\0' && strspn(text, "0123456789") == strlen(text) && strlen(text) < 6 &&
                v > 0 && v <= UINT16_MAX;

    *out = good ? (uint16_t)v : 0;
    return good;
}

static int print(const struct recipe *r, const struct recipe_fill *f)
{
    struct buf b = buf_init(RECIPE_OCTETS);
    bool ok;

    buf_printf(&b, "# %s: sends %s to port %u\n", r->title, r->sends,
               f->port != 0 ? f->port : r->port);
    if (r->source != NULL && f->source == NULL)
        buf_printf(&b, "# --source: %s%s%s\n", r->source,
                   r->source_default != NULL ? "; here " : "; left out",
                   r->source_default != NULL ? r->source_default : "");
    recipe_text(&b, r, RECIPE_ALL, f, true);
    for (size_t s = RECIPE_ALL + 1; s < RECIPE_SECTION_N; s++)
        if (r->section[s] != NULL) {
            buf_printf(&b, "\n# If weir exporters asks for it: %s\n", part_name[s]);
            recipe_text(&b, r, (enum recipe_section)s, f, true);
        }
    ok = buf_ok(&b) && fwrite(b.p, 1, b.len, stdout) == b.len;
    buf_free(&b);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

int exporters_config(const struct args *a)
{
    const char *name = a->n_operands > 1 ? a->operand[1] : NULL;
    const char *collector = args_get(a, "collector"), *port = args_get(a, "port"), *near;
    struct recipe_fill f = { .source = args_get(a, "source") };
    const struct recipe *r;
    struct addr where;

    if (a->n_operands > 2)
        return cmd_usage(a, "%s: one vendor at a time", a->operand[2]);
    if (name == NULL)
        return list();
    if ((r = recipe_find(name)) == NULL) {
        near = recipe_near(name);
        return cmd_usage(a, "no recipe for \"%s\"%s%s; weir exporters config lists them", name,
                         near != NULL ? ", did you mean " : "", near != NULL ? near : "");
    }
    if (collector == NULL)
        return cmd_usage(a,
                         "say where Weir is, as the device reaches it: weir exporters config %s "
                         "--collector 192.0.2.10",
                         r->name);
    if (!addr_parse(&where, collector, strlen(collector)))
        return cmd_usage(a, "--collector %s is no address; devices want one, not a name",
                         collector);
    f.collector = collector;
    if (port != NULL && !port_of(port, &f.port))
        return cmd_usage(a, "--port %s is no port; expected 1 to 65535", port);
    if (f.source != NULL && r->source == NULL)
        return cmd_usage(a, "--source: the recipe for %s names none", r->name);
    return print(r, &f);
}
