/* Back to words: the filter with all brackets, and errors with their place. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "query/syntax.h"
#include "query/views.h"

static void quoted(struct buf *out, const char *s, size_t len)
{
    buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"' || s[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, s[i]);
    }
    buf_char(out, '"');
}

static void number_text(struct buf *out, const struct field *f, uint64_t v)
{
    const struct word_number *w = NULL;

    if (f != NULL && f->type == FIELD_PROTO)
        for (size_t i = 0; w == NULL && i < words_proto_n; i++)
            w = words_proto[i].lo == v ? &words_proto[i] : NULL;
    if (f != NULL && f->type == FIELD_WEEKDAY && v >= 1 && v <= 7)
        w = &words_weekday[v - 1];
    if (f != NULL && f->type == FIELD_SESSION_STATE && v < 5)
        w = &words_state[v];
    if (w != NULL)
        buf_str(out, w->word);
    else if (f != NULL && f->type == FIELD_MAC)
        for (int i = 5; i >= 0; i--)
            buf_printf(out, "%02x%s", (unsigned)(v >> (8 * i) & 0xff), i > 0 ? ":" : "");
    else if (f != NULL && f->type == FIELD_COUNTRY)
        buf_printf(out, "%c%c", (int)(v >> 8 & 255), (int)(v & 255));
    else if (f != NULL && (f->type == FIELD_DURATION || f->type == FIELD_LATENCY))
        buf_printf(out, "%llums", (unsigned long long)v);
    else
        buf_printf(out, "%llu", (unsigned long long)v);
}

static uint64_t shown(const struct field *f, uint64_t v)
{
    return f != NULL && f->type == FIELD_MPLS_LABEL ? v >> 4 : v;
}

/* Times are numbers of ms inside; a comparison takes a moment, so they are written as UTC. */
static void time_text(struct buf *out, uint64_t ms)
{
    int64_t day = (int64_t)(ms / 86400000), rest = (int64_t)(ms % 86400000);
    int64_t z = day + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9,
            y = yoe + era * 400 + (m <= 2);

    buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)y, (int)m, (int)d,
               (int)(rest / 3600000), (int)(rest / 60000 % 60), (int)(rest / 1000 % 60),
               (int)(rest % 1000));
}

/* Countries one by one: a span of letters is nothing that one could write. */
static void country_text(struct buf *out, const struct expr *x, const char *name,
                         const struct field *f)
{
    const char *sep = "";
    bool one = x->n_ranges == 1 && x->range->lo == x->range->hi;

    buf_printf(out, "%s %s", name, one ? "" : "in [");
    for (uint32_t i = 0; i < x->n_ranges; i++)
        for (uint64_t v = x->range[i].lo; v <= MIN(x->range[i].hi, 0x5a5au); v++) {
            if (v < 0x4141 || (v & 255) < 'A' || (v & 255) > 'Z')
                continue;
            buf_str(out, sep);
            number_text(out, f, v);
            sep = " ";
        }
    buf_str(out, one ? "" : "]");
}

static void range_text(struct buf *out, const struct expr *x, const char *name,
                       const struct field *f)
{
    bool time = f != NULL && f->type == FIELD_TIME;
    const struct num_range *r = x->range;

    if (f != NULL && f->type == FIELD_COUNTRY) {
        country_text(out, x, name, f);
        return;
    }
    buf_str(out, name);
    if (x->n_ranges == 1 && (r->lo == r->hi || shown(f, r->lo) == shown(f, r->hi))) {
        buf_str(out, time ? " = " : " ");
        time ? time_text(out, r->lo) : number_text(out, f, shown(f, r->lo));
        return;
    }
    if (x->n_ranges == 1 && (r->lo == 0 || r->hi == UINT64_MAX)) {
        uint64_t v = shown(f, r->lo == 0 ? r->hi : r->lo);
        buf_str(out, r->lo == 0 ? " <= " : " >= ");
        time ? time_text(out, v) : number_text(out, f, v);
        return;
    }
    buf_str(out, " in [");
    for (uint32_t i = 0; i < x->n_ranges; i++) {
        buf_str(out, i > 0 ? " " : "");
        time ? time_text(out, r[i].lo) : number_text(out, f, shown(f, r[i].lo));
        if (shown(f, r[i].lo) == shown(f, r[i].hi))
            continue;
        buf_str(out, "..");
        if (time)
            time_text(out, MIN(r[i].hi, (uint64_t)253402300799999u));
        else
            number_text(
                out, f,
                shown(f, f != NULL && f->max > 0
                             ? MIN(r[i].hi, f->type == FIELD_MPLS_LABEL ? f->max << 4 | 15 : f->max)
                             : r[i].hi));
    }
    buf_char(out, ']');
}

static void net_text(struct buf *out, const struct net_item *n)
{
    char a[ADDR_TEXT_MAX];
    bool v4 = addr_is_v4(&n->n.a) && n->n.len >= 96;

    (void)addr_format(&n->n.a, a);
    buf_printf(out, "%s%s", n->out ? "!" : "", a);
    if (n->n.len < 128)
        buf_printf(out, "/%u", n->n.len - (v4 ? 96u : 0u));
}

static void flags_text(struct buf *out, const struct expr *x)
{
    static const char letters[] = "FSRPAUEC";
    uint64_t parts[2] = { x->want, x->mask };

    buf_str(out, x->mask_any ? "flags any " : x->mask == 0xff && !x->yes ? "flags = " : "flags ");
    for (unsigned k = x->mask_any; k < 2; k++) {
        if (k == 1 && !x->mask_any) {
            if (!x->yes)
                return;
            buf_char(out, '/');
        }
        if (parts[k] == 0)
            buf_char(out, '0');
        for (unsigned i = 0; i < 8; i++)
            if (parts[k] >> i & 1)
                buf_char(out, letters[i]);
    }
}

static void mask_text(struct buf *out, const struct expr *x, const char *name)
{
    const struct value *v = &x->value.v[0];

    if (v->kind == VALUE_COL && v->col == COL_TCP_FLAGS)
        flags_text(out, x);
    else if (v->kind == VALUE_ELEM && x->mask == 14)
        buf_printf(out, "mpls exp%u %u", v->id - 69u, (unsigned)(x->want >> 1));
    else
        buf_printf(out, "%s & %llu = %llu", name, (unsigned long long)x->mask,
                   (unsigned long long)x->want);
}

static bool is_text_op(const struct expr *x)
{
    return x->op == EXPR_TEXT || x->op == EXPR_REGEX || x->op == EXPR_OCTETS;
}

static void text_leaf(struct buf *out, const struct expr *x, const char *name)
{
    buf_str(out, name);
    if (x->op == EXPR_REGEX) {
        uint32_t options = 0;
        (void)pcre2_pattern_info(x->regex, PCRE2_INFO_ALLOPTIONS, &options);
        buf_str(out, " ~ /");
        for (size_t i = 0; i < x->pattern_len; i++) {
            if (x->pattern[i] == '/' && (i == 0 || x->pattern[i - 1] != '\\'))
                buf_char(out, '\\');
            buf_char(out, x->pattern[i]);
        }
        buf_printf(out, "/%s%s%s", options & PCRE2_CASELESS ? "i" : "",
                   options & PCRE2_MULTILINE ? "m" : "", options & PCRE2_DOTALL ? "s" : "");
        return;
    }
    buf_char(out, ' ');
    if (x->op == EXPR_TEXT) /* the parser makes one text a leaf */
        quoted(out, x->n_texts > 0 ? x->text[0] : "", x->n_texts > 0 ? strlen(x->text[0]) : 0);
    else
        quoted(out, x->pattern, x->pattern_len);
}

/* The S bit of a label beside its value: a stack's bottom. */
static bool is_eos(const struct expr *x)
{
    return x->op == EXPR_OR && x->n_kids == 10 && x->kid[0]->op == EXPR_AND &&
           x->kid[0]->n_kids == 2 && x->kid[0]->kid[0]->op == EXPR_MASK &&
           x->kid[0]->kid[0]->mask == 1 && x->kid[0]->kid[0]->value.v[0].kind == VALUE_ELEM;
}

static void joined(struct buf *out, const struct expr *x)
{
    static const char *const word[] = {
        [EXPR_AND] = " and ", [EXPR_OR] = " or ", [EXPR_XOR] = " xor "
    };

    buf_char(out, '(');
    for (uint32_t i = 0; i < x->n_kids; i++) {
        if (i > 0)
            buf_str(out, word[x->op]);
        query_filter_text(out, x->kid[i]);
    }
    buf_char(out, ')');
}

/* "src port 22" inside a role is "client port 22". */
static void role_text(struct buf *out, const struct expr *x)
{
    struct buf leaf = buf_init(out->max);
    const struct expr *plain = x->kid[1]->kid[1];
    const char *s;

    query_filter_text(&leaf, plain);
    s = buf_cstr(&leaf);
    buf_str(out, x->form == FORM_CLIENT ? "client " : "server ");
    buf_str(out, strncmp(s, "src ", 4) == 0 || strncmp(s, "dst ", 4) == 0 ? s + 4 : s);
    buf_free(&leaf);
}

void query_filter_text(struct buf *out, const struct expr *x)
{
    char name[160];
    const struct field *f = NULL;

    if (x->op == EXPR_CONST) {
        buf_str(out, x->yes ? "any" : "none");
        return;
    }
    if (x->form == FORM_NAMED) {
        buf_put(out, x->pattern, x->pattern_len);
        return;
    }
    if (x->op == EXPR_NOT) {
        if (x->kid[0]->op == EXPR_EXISTS) {
            (void)field_name(&x->kid[0]->value, name, sizeof name);
            buf_printf(out, "absent %s", name);
            return;
        }
        buf_str(out, "not ");
        query_filter_text(out, x->kid[0]);
        return;
    }
    if (x->form == FORM_FLAGS || x->form == FORM_ICMP) {
        query_filter_text(out, x->kid[1]);
        return;
    }
    if (x->form == FORM_CLIENT || x->form == FORM_SERVER) {
        role_text(out, x);
        return;
    }
    if (x->form == FORM_LATENCY) {
        query_filter_text(out, x->kid[0]->kid[1]);
        return;
    }
    if (x->op == EXPR_INSIDE) {
        struct value_alts port = { .v = { x->value.v[0] }, .n = 1 };
        (void)field_name(&port, name, sizeof name);
        buf_printf(out, "%s in pblock", name);
        return;
    }
    if (is_eos(x)) {
        static const struct field label = { .type = FIELD_MPLS_LABEL, .max = 0xfffff };
        if (x->kid[0]->kid[1]->op == EXPR_RANGE)
            range_text(out, x->kid[0]->kid[1], "mpls eos", &label);
        else
            buf_str(out, "none");
        return;
    }
    if (x->op == EXPR_AND || x->op == EXPR_OR || x->op == EXPR_XOR) {
        joined(out, x);
        return;
    }
    if (x->op == EXPR_OVERLAP) {
        buf_str(out, "at ");
        time_text(out, (uint64_t)x->lo_ms);
        if (x->hi_ms > x->lo_ms) {
            buf_str(out, "..");
            time_text(out, (uint64_t)x->hi_ms);
        }
        return;
    }
    f = field_name(&x->value, name, sizeof name);
    if (f != NULL && f->type == FIELD_PAYLOAD && x->op == EXPR_REGEX)
        (void)snprintf(name, sizeof name, "payload regex");
    if (f == NULL && x->value.n == 1 && x->value.v[0].kind == VALUE_CALC &&
        x->value.v[0].calc == CALC_IP_VERSION) {
        buf_str(out, x->range[0].lo == 4 ? "ipv4" : "ipv6");
    } else if (is_text_op(x)) {
        text_leaf(out, x, name);
    } else if (x->op == EXPR_EXISTS) {
        buf_printf(out, "exists %s", name);
    } else if (x->op == EXPR_MASK) {
        mask_text(out, x, name);
    } else if (x->op == EXPR_NET) {
        buf_printf(out, "%s ", name);
        if (x->n_nets != 1)
            buf_str(out, "in [");
        for (uint32_t i = 0; i < x->n_nets; i++) {
            buf_str(out, i > 0 ? " " : "");
            net_text(out, &x->net[i]);
        }
        if (x->n_nets != 1)
            buf_char(out, ']');
    } else if (x->op == EXPR_RANGE) {
        range_text(out, x, name, f);
    }
}

void query_having_text(struct buf *out, const struct expr *x, const struct plan *plan)
{
    if (x->op == EXPR_RANGE) {
        range_text(out, x, plan->measures[x->value.v[0].calc].name, NULL);
    } else if (x->op == EXPR_NOT) {
        buf_str(out, "not ");
        query_having_text(out, x->kid[0], plan);
    } else if (x->n_kids > 0) {
        buf_char(out, '(');
        for (uint32_t i = 0; i < x->n_kids; i++) {
            buf_str(out, i == 0              ? ""
                         : x->op == EXPR_AND ? " and "
                         : x->op == EXPR_OR  ? " or "
                                             : " xor ");
            query_having_text(out, x->kid[i], plan);
        }
        buf_char(out, ')');
    } else {
        buf_str(out, x->yes ? "any" : "none");
    }
}

void query_check(struct buf *out, const struct plan *p)
{
    static const char *const views[] = { "totals", "ranking", "list", "sessions" };

    buf_str(out, "filter    ");
    query_filter_text(out, p->filter);
    if (p->session_filter != NULL) {
        buf_str(out, "\nsessions  ");
        query_filter_text(out, p->session_filter);
    }
    buf_printf(out, "\nview      %s",
               p->step_ms != 0 && p->view == VIEW_TOTALS ? "series" : views[p->view]);
    for (uint32_t i = 0; i < p->n_keys; i++)
        buf_printf(out, "%s%s", i == 0 ? " by " : ", ", p->keys[i].name);
    if (p->view != VIEW_LIST && p->view != VIEW_SESSIONS)
        for (uint32_t i = 0; i + p->n_hidden < p->n_measures; i++)
            buf_printf(out, "%s%s", i == 0 ? " | " : ", ", p->measures[i].name);
    if (p->view == VIEW_RANK)
        buf_printf(out, " | %s %llu", p->bottom ? "bottom" : "top", (unsigned long long)p->top);
    for (uint32_t i = 0; i < p->n_cols; i++)
        buf_printf(out, "%s%s", i == 0 ? " " : ", ", p->cols[i].name);
    if (p->having != NULL) {
        buf_str(out, " | having ");
        query_having_text(out, p->having, p);
    }
    if (p->step_ms > 0)
        buf_printf(out, " | series %llds", (long long)(p->step_ms / 1000));
    else if (p->step_ms < 0)
        buf_str(out, " | series auto");
    buf_str(out, "\ntime      ");
    if (!p->framed)
        buf_str(out, "everything stored");
    if (p->framed && p->from_ms != INT64_MIN) {
        buf_str(out, "from ");
        time_text(out, (uint64_t)p->from_ms);
    }
    if (p->framed && p->to_ms != INT64_MAX) {
        buf_str(out, " to ");
        time_text(out, (uint64_t)p->to_ms);
    }
    {
        const char *why;
        bool once = views_wanted(p, &why);
        buf_printf(out, "\ndedup     %s%s%s", once ? "on" : "off",
                   why != NULL && *why != '\0' ? ": " : "", why != NULL ? why : "");
    }
    buf_printf(out, "\nunits     %s; durations in ms; zone %s\nkeys      ",
               p->raw ? "volumes as exported" : "volumes scaled by the sampling rate",
               p->tz[0] != '\0' ? p->tz : "UTC");
    key_names(out);
    buf_str(out, "\nmeasures  bytes, bits, packets, flows, active flows, bps, pps, bpp, duration, "
                 "distinct KEY, sessions, initiated, accepted, first seen, "
                 "last seen\n");
}

void key_names(struct buf *out)
{
    buf_str(out,
            "host, host pair, as pair, matched host, client, server, server port, src ip/24,48, "
            "src net/24");
    for (size_t i = 0; i < field_count; i++) {
        const struct field *f = &field_table[i];
        if (f->type == FIELD_LATER || f->type == FIELD_REFUSED || f->type == FIELD_AT ||
            f->type == FIELD_INSIDE || f->type == FIELD_DIRECTION || f->type == FIELD_NET ||
            f->type == FIELD_AS_NAME || f->type == FIELD_PAYLOAD_REGEX || f->type == FIELD_DSCP ||
            f->type == FIELD_MPLS_EXP || f->type == FIELD_MPLS_EOS ||
            (f->type >= FIELD_PORTRANGE && f->type <= FIELD_GREATER))
            continue;
        buf_printf(out, ", %s%.*s",
                   f->axis == AXIS_SIDE || f->axis == AXIS_VLAN ? "[src|dst] "
                   : f->axis == AXIS_IO                         ? "[in|out] "
                   : f->axis == AXIS_MAC                        ? "in|out src|dst "
                                                                : "",
                   (int)strcspn(f->words, "|"), f->words);
    }
    buf_str(out, ", day");
}

void query_error_show(struct buf *out, const struct query_params *p, const struct err *e)
{
    const char *s = p->text[p->where] != NULL ? p->text[p->where] : "", *line = s;
    size_t len = strlen(s), pos = MIN(e->pos, len), number = 1, n;

    for (size_t i = 0; i < pos; i++)
        if (s[i] == '\n') {
            line = s + i + 1;
            number++;
        }
    n = strcspn(line, "\n");
    buf_printf(out, "%s, line %zu, column %zu: %s\n  ", query_param_info[p->where].name, number,
               pos - (size_t)(line - s) + 1, e->msg);
    for (size_t i = 0; i < n; i++)
        buf_char(out, (unsigned char)line[i] < 32 ? ' ' : line[i]);
    buf_str(out, "\n  ");
    for (size_t i = 0; i < pos - (size_t)(line - s); i++)
        if (((unsigned char)line[i] & 0xc0) !=
            0x80) /* one column for a character of several octets */
            buf_char(out, ' ');
    for (size_t i = 0; i < MAX(e->len, 1u) && (i == 0 || pos - (size_t)(line - s) + i < n); i++)
        buf_char(out, '^');
    buf_char(out, '\n');
}
