/* weir manual PAGE: manual pages in roff, made when Weir is built. */
#include <stdio.h>
#include <string.h>

#include "cmd/describe.h"

#define PAGE_MAX (1u << 20)
#define FILL     66u /* columns of a line of the source */

static size_t column(const struct buf *b)
{
    size_t n = 0;

    while (n < b->len && b->p[b->len - 1 - n] != '\n')
        n++;
    return n;
}

/* Text as roff shows it as it is. */
static void put(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (column(b) == 0 && (*s == '.' || *s == '\''))
            buf_str(b, "\\&"); /* no request */
        switch (*s) {
        case '\\':
            buf_str(b, "\\e");
            break;
        case '-':
            buf_str(b, "\\-");
            break;
        case '\'':
            buf_str(b, "\\(aq");
            break;
        case '`':
            buf_str(b, "\\(ga");
            break;
        case '^':
            buf_str(b, "\\(ha");
            break;
        case '~':
            buf_str(b, "\\(ti");
            break;
        default:
            buf_char(b, *s);
            break;
        }
    }
}

/* The same as lines that roff fills. */
static void put_filled(struct buf *b, const char *s)
{
    char word[512];

    while (*s != '\0') {
        size_t n = strcspn(s, " \n");
        (void)snprintf(word, sizeof word, "%.*s", (int)n, s);
        if (column(b) > 0)
            buf_char(b, column(b) + n > FILL ? '\n' : ' ');
        put(b, word);
        s += n + strspn(s + n, " \n");
    }
}

static void put_upper(struct buf *b, const char *s)
{
    for (; *s != '\0'; s++)
        buf_char(b, *s >= 'a' && *s <= 'z' ? (char)(*s - 'a' + 'A') : *s);
}

/* One line in a font: "B" or "I". */
static void put_font(struct buf *b, char font, const char *s)
{
    buf_printf(b, "\\f%c", font);
    put(b, s);
    buf_str(b, "\\fR");
}

static void title(struct buf *b, const char *name, int section)
{
    buf_str(b, ".TH ");
    put_upper(b, name);
    buf_printf(b, " %d " WEIR_DATE " \"Weir " WEIR_VERSION "\" \"Weir\"\n.SH NAME\n", section);
}

/* Paragraphs; lines that begin with a blank stay as they are. */
static void text(struct buf *b, const char *s)
{
    bool as_is = false;

    for (size_t n; *s != '\0'; s += n + (s[n] == '\n')) {
        char line[512];
        n = strcspn(s, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)n, s);
        if (as_is != (line[0] == ' ')) {
            if (column(b) > 0)
                buf_char(b, '\n');
            buf_str(b, as_is ? ".EE\n.RE\n" : ".PP\n.RS\n.EX\n");
            as_is = !as_is;
        }
        if (as_is) {
            put(b, line + strspn(line, " "));
            buf_char(b, '\n');
        } else if (line[0] != '\0')
            put_filled(b, line);
        else if (s[1] != ' ' && s[1] != '\0')
            buf_str(b, column(b) > 0 ? "\n.PP\n" : ".PP\n");
    }
    if (as_is)
        buf_str(b, ".EE\n.RE\n");
    else if (column(b) > 0)
        buf_char(b, '\n');
}

static void option(struct buf *b, const struct shown_option *o)
{
    buf_str(b, ".TP\n");
    if (o->letter != 0)
        buf_printf(b, "\\fB\\-%c\\fR, ", o->letter);
    buf_str(b, "\\fB\\-\\-");
    put(b, o->name);
    buf_str(b, "\\fR");
    if (o->arg[0] != '\0') {
        buf_char(b, ' ');
        put_font(b, 'I', o->arg);
    }
    buf_char(b, '\n');
    put_filled(b, o->doc);
    if (o->def[0] != '\0') {
        buf_str(b, " (default");
        put_filled(b, o->def);
        buf_char(b, ')');
    }
    buf_char(b, '\n');
}

static void see_also(struct buf *b, const struct command *but)
{
    const struct command *c;

    buf_str(b, ".SH SEE ALSO\n");
    if (but != NULL)
        buf_str(b, ".BR weir (1),\n");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++)
        if (c != but && !c->hidden)
            buf_printf(b, ".BR weir\\-%s (1),\n", c->name);
    buf_str(b, ".BR weir.yaml (5)\n.PP\nThe guide in /usr/share/doc/weir/guide.md.\n");
}

static void command_page(struct buf *b, const struct command *c)
{
    struct shown_option o;
    char name[64];

    (void)snprintf(name, sizeof name, "weir-%s", c->name);
    title(b, name, 1);
    put(b, name);
    buf_str(b, " \\- ");
    put(b, c->summary);
    buf_printf(b, "\n.SH SYNOPSIS\n\\fBweir %s\\fR [\\fIOPTION\\fR...]", c->name);
    if (c->operands[0] != '\0') {
        buf_char(b, ' ');
        put_font(b, 'I', c->operands);
    }
    buf_char(b, '\n');
    if (c->help != NULL) {
        buf_str(b, ".SH DESCRIPTION\n");
        text(b, c->help);
    }
    if (shown_option_at(c, 0, &o))
        buf_str(b, ".SH OPTIONS\n");
    for (size_t i = 0; shown_option_at(c, i, &o); i++)
        option(b, &o);
    buf_str(b, ".SH EXIT STATUS\n0 when it was done, 1 when it failed, 2 when the command line or "
               "the\nconfiguration was wrong.\n");
    see_also(b, c);
}

static void main_page(struct buf *b)
{
    const struct command *c;

    title(b, "weir", 1);
    buf_str(b, "weir \\- records every network flow and answers questions about it\n"
               ".SH SYNOPSIS\n\\fBweir\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...] "
               "[\\fIOPERAND\\fR...]\n.SH DESCRIPTION\n"
               "Weir receives NetFlow, IPFIX and sFlow, keeps every record with every element as\n"
               "it was sent, and answers questions about any time.\n.SH COMMANDS\n");
    for (size_t i = 0; (c = command_at(i)) != NULL; i++) {
        if (c->hidden)
            continue;
        buf_printf(b, ".TP\n\\fBweir %s\\fR", c->name);
        if (c->operands[0] != '\0') {
            buf_char(b, ' ');
            put_font(b, 'I', c->operands);
        }
        buf_char(b, '\n');
        put_filled(b, c->summary);
        buf_printf(b, "; see\n.BR weir\\-%s (1)\n", c->name);
    }
    buf_str(b, ".SH FILES\n.TP\n/etc/weir/weir.yaml\nthe configuration, see\n.BR weir.yaml (5)\n"
               ".TP\n/var/lib/weir\nthe data directory of the service\n");
    see_also(b, NULL);
}

static void conf_option(struct buf *b, enum opt o)
{
    const struct opt_info *p = &opt_info[o];
    char arg[128];

    shown_conf_arg(o, arg, sizeof arg);
    buf_str(b, ".TP\n");
    put_font(b, 'B', p->name);
    buf_str(b, ": ");
    put_font(b, 'I', arg);
    buf_char(b, '\n');
    put_filled(b, p->doc);
    buf_str(b, ".\n");
    if (p->def[0] != '\0') {
        buf_str(b, "Default:");
        put_filled(b, p->def);
        buf_str(b, ".\n");
    }
    if (p->min[0] != '\0' || p->max[0] != '\0') {
        buf_str(b, "Allowed: ");
        put(b, p->min);
        buf_str(b, " to ");
        put(b, p->max);
        buf_str(b, ".\n");
    }
    buf_str(b, p->reload ? "A reload applies it.\n" : "It needs a restart.\n");
}

static void conf_page(struct buf *b)
{
    title(b, "weir.yaml", 5);
    buf_str(b, "weir.yaml \\- the configuration of weir\n.SH DESCRIPTION\n");
    text(b,
         "One YAML file, /etc/weir/weir.yaml unless --config names another. A dot in the name of "
         "an\noption is a level of the file, and each option is --NAME VALUE on the command line "
         "of\nweir serve too. weir config check looks through the file, weir config show prints "
         "every\noption and where it comes from. SIGHUP (systemctl reload weir) reads it again.\n"
         "\n  listen: [\"udp://[::]:2055\", \"udp://[::]:4739\"]\n  data: /var/lib/weir\n"
         "  retention: {size: 500G, age: 90d}\n");
    buf_str(b, ".SH OPTIONS\n");
    for (size_t o = 0; o < OPT_N; o++)
        conf_option(b, (enum opt)o);
    see_also(b, NULL);
}

int cmd_manual(const struct args *a)
{
    const char *page = a->n_operands == 1 ? a->operand[0] : "";
    struct buf b = buf_init(PAGE_MAX);
    const struct command *c;
    bool found = true;

    if (strcmp(page, "weir") == 0)
        main_page(&b);
    else if (strcmp(page, "weir.yaml") == 0)
        conf_page(&b);
    else {
        found = false;
        for (size_t i = 0; !found && (c = command_at(i)) != NULL; i++)
            if (strncmp(page, "weir-", 5) == 0 && strcmp(page + 5, c->name) == 0) {
                command_page(&b, c);
                found = true;
            }
    }
    if (found)
        (void)fputs(buf_cstr(&b), stdout);
    buf_free(&b);
    return found ? EXIT_DONE : cmd_usage(a, "say which page: weir, weir-COMMAND or weir.yaml");
}
