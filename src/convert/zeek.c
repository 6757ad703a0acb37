/* Zeek's conn.log: tab-separated with "#fields", or a JSON object a line; and labelled data sets
 * made of it. */
#include "convert/internal.h"

#include <string.h>

enum own { OWN_SRC_PORT = 1, OWN_DST_PORT };

/* Octets of IP packets are octetDeltaCount; Zeek's orig_bytes and resp_bytes are those of payload,
 * as initiatorOctets is. */
static const struct field_spec columns[] = {
    { "ts", KIND_START, .id = 0 },
    { "duration", KIND_DURATION, .id = 0 },
    { "uid", KIND_TEXT, 0, PEN_WEIR, ZEEK_UID },
    { "id.orig_h", KIND_ADDR, .id = 8, .id6 = 27 },
    { "id.resp_h", KIND_ADDR, .id = 12, .id6 = 28 },
    { "id.orig_p", KIND_OWN, 2, .id = 7, .own = OWN_SRC_PORT },
    { "id.resp_p", KIND_OWN, 2, .id = 11, .own = OWN_DST_PORT },
    { "proto", KIND_PROTO, .id = 4 },
    { "service", KIND_TEXT, .id = 96 },
    { "orig_ip_bytes", KIND_UINT, 8, .id = 1 },
    { "resp_ip_bytes", KIND_UINT, 8, PEN_REVERSE, 1 },
    { "orig_pkts", KIND_UINT, 8, .id = 2 },
    { "resp_pkts", KIND_UINT, 8, PEN_REVERSE, 2 },
    { "orig_bytes", KIND_UINT, 8, .id = 231 },
    { "resp_bytes", KIND_UINT, 8, .id = 232 },
    { "conn_state", KIND_TEXT, 0, PEN_WEIR, ZEEK_CONN_STATE },
    { "history", KIND_TEXT, 0, PEN_WEIR, ZEEK_HISTORY },
    { "missed_bytes", KIND_UINT, 8, PEN_WEIR, ZEEK_MISSED_BYTES },
    { "tunnel_parents", KIND_TEXT, 0, PEN_WEIR, ZEEK_TUNNEL_PARENTS },
    { "local_orig", KIND_BOOL, 1, PEN_WEIR, ZEEK_LOCAL_ORIG },
    { "local_resp", KIND_BOOL, 1, PEN_WEIR, ZEEK_LOCAL_RESP },
    { "vlan", KIND_UINT, 2, .id = 58 },
    { "inner_vlan", KIND_UINT, 2, .id = 245 },
    { "orig_l2_addr", KIND_MAC, .id = 56 },
    { "resp_l2_addr", KIND_MAC, .id = 80 },
    { "label", KIND_TEXT, 0, PEN_WEIR, IMPORTED_LABEL },
    { "detailed-label", KIND_TEXT, 0, PEN_WEIR, IMPORTED_DETAILED_LABEL },
    { 0 },
};

struct zeek {
    struct convert *c;
    char sep;
    char unset[32], empty[32];
    size_t unset_len, empty_len;
    bool icmp;
    bool spaces; /* the last columns stand in one, three blanks between them */
};

/* Where the protocol is ICMP the ports are its type and code. */
static enum convert_reason port(struct zeek *z, const struct field_spec *f, const char *s,
                                size_t len)
{
    struct field_spec x = *f;

    x.kind = !z->icmp ? KIND_PORT : f->own == OWN_SRC_PORT ? KIND_ICMP_TYPE : KIND_ICMP_CODE;
    return field_put(&z->c->row, &x, s, len);
}

static enum convert_reason value(struct zeek *z, const struct field_spec *f, const char *s,
                                 size_t len)
{
    bool unknown = f->pen == PEN_WEIR && f->id == IMPORTED_COLUMN;

    if (len == z->unset_len && memcmp(s, z->unset, len) == 0)
        return CONVERT_REASON_N;
    if (len == z->empty_len && memcmp(s, z->empty, len) == 0) {
        if (f->kind == KIND_TEXT && !unknown)
            row_text(&z->c->row, f->pen, f->id, "", 0);
        return CONVERT_REASON_N;
    }
    if (f->kind == KIND_OWN)
        return port(z, f, s, len);
    return convert_value(z->c, f, s, len);
}

static bool is_icmp(const char *s, size_t len)
{
    return text_is(s, len, "icmp") || text_is(s, len, "1") || text_is(s, len, "58");
}

/* --- tab-separated --- */

/* "\x09" in place; returns the new length. */
static size_t unescape(char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        uint64_t v;
        char hex[4] = { '0', 'x', 0, 0 };
        if (s[i] == '\\' && i + 3 < len && s[i + 1] == 'x') {
            hex[2] = s[i + 2];
            hex[3] = s[i + 3];
            if (text_number(hex, 4, 255, &v)) {
                s[n++] = (char)v;
                i += 3;
                continue;
            }
        }
        s[n++] = s[i];
    }
    return n;
}

/* Labels that were written behind the log stand in its last column, after three blanks. */
static void split_spaces(struct convert *c)
{
    const char *s = c->column[c->n_columns - 1];
    size_t left = c->column_len[c->n_columns - 1];
    const char *at;

    while (c->n_columns < MAX_COLUMNS && (at = memmem(s, left, "   ", 3)) != NULL) {
        size_t head = (size_t)(at - s);
        c->column_len[c->n_columns - 1] = head;
        s += head + 3;
        left -= head + 3;
        for (; left > 0 && *s == ' '; left--)
            s++;
        c->column[c->n_columns] = s;
        c->column_len[c->n_columns++] = left;
    }
}

static void word_of(char *line, size_t len, size_t skip, char *out, size_t cap, size_t *out_len)
{
    *out_len = len > skip ? MIN(len - skip, cap) : 0;
    memcpy(out, line + skip, *out_len);
}

static int fields(struct zeek *z, char *line, size_t len)
{
    struct convert *c = z->c;
    int rc;

    if (!split_line(c, line, len, z->sep, false))
        return err_set(c->e, ERR_FORMAT, "#fields names more than %u columns", MAX_COLUMNS);
    z->spaces =
        memmem(c->column[c->n_columns - 1], c->column_len[c->n_columns - 1], "   ", 3) != NULL;
    if (z->spaces)
        split_spaces(c);
    if ((rc = convert_header(c, columns)) != ERR_OK)
        return rc;
    if (!convert_has(c, "id.orig_h") || !convert_has(c, "id.resp_h"))
        return err_set(c->e, ERR_FORMAT,
                       "this log of Zeek has no id.orig_h and id.resp_h; import its conn.log");
    return ERR_OK;
}

static bool is_line(const char *line, size_t len, const char *name)
{
    return len > strlen(name) && memcmp(line, name, strlen(name)) == 0;
}

static int directive(struct zeek *z, char *line, size_t len)
{
    if (is_line(line, len, "#separator ")) {
        char sep[8];
        size_t n;
        word_of(line, len, 11, sep, sizeof sep, &n);
        n = unescape(sep, n);
        z->sep = n > 0 ? sep[0] : '\t';
    } else if (is_line(line, len, "#unset_field")) {
        word_of(line, len, 13, z->unset, sizeof z->unset, &z->unset_len);
    } else if (is_line(line, len, "#empty_field")) {
        word_of(line, len, 13, z->empty, sizeof z->empty, &z->empty_len);
    } else if (is_line(line, len, "#path") && !text_is(line + 6, len - 6, "conn")) {
        return err_set(z->c->e, ERR_FORMAT, "this is Zeek's %.*s.log; flows are in its conn.log",
                       (int)MIN(len - 6, 40), line + 6);
    } else if (is_line(line, len, "#fields")) {
        return fields(z, line + 8, len - 8);
    }
    return ERR_OK;
}

static enum convert_reason one_line(struct zeek *z, const char **bad, size_t *bad_len)
{
    struct convert *c = z->c;
    enum convert_reason why = CONVERT_REASON_N;

    if (z->spaces)
        split_spaces(c);
    if (c->n_columns != c->n_specs)
        return CONVERT_COLUMNS;
    z->icmp = false;
    for (size_t i = 0; i < c->n_specs; i++) /* it stands behind the ports */
        if (c->spec[i].kind == KIND_PROTO)
            z->icmp = is_icmp(c->column[i], c->column_len[i]);
    for (size_t i = 0; why == CONVERT_REASON_N && i < c->n_specs; i++) {
        size_t len = c->column_len[i];
        *bad = c->column[i];
        *bad_len = len;
        if (c->spec[i].kind == KIND_TEXT && memchr(c->column[i], '\\', len) != NULL) {
            char *own = (char *)c->in.p + (c->column[i] - (const char *)c->in.p);
            len = unescape(own, len);
        }
        why = value(z, &c->spec[i], c->column[i], len);
    }
    return why;
}

/* --- JSON --- */

static enum convert_reason one_object(struct zeek *z, const char *line, size_t len,
                                      const char **bad, size_t *bad_len)
{
    struct convert *c = z->c;
    enum convert_reason why = CONVERT_REASON_N;
    size_t n;

    if (!json_pairs(line, len, &c->hold, c->pair, MAX_COLUMNS, &n))
        return CONVERT_JSON;
    z->icmp = false;
    for (size_t i = 0; i < n; i++)
        if (text_is(c->pair[i].name, c->pair[i].name_len, "proto"))
            z->icmp = is_icmp(c->pair[i].value, c->pair[i].value_len);
    for (size_t i = 0; why == CONVERT_REASON_N && i < n; i++) {
        const struct json_pair *x = &c->pair[i];
        const struct field_spec *f = field_find(columns, x->name, x->name_len);
        if (x->null)
            continue;
        *bad = x->value;
        *bad_len = x->value_len;
        if (f == NULL) {
            c->st->unknown_columns = true;
            row_unknown(&c->row, x->name, x->name_len, x->value, x->value_len);
            continue;
        }
        why = value(z, f, x->value, x->value_len);
    }
    return why;
}

int zeek_run(struct convert *c)
{
    struct zeek z = { .c = c, .sep = '\t', .unset = "-", .unset_len = 1 };
    const char *line, *bad;
    size_t len, bad_len;
    int rc;

    memcpy(z.empty, "(empty)", z.empty_len = 7);
    while ((rc = input_line(&c->in, &line, &len, c->e)) == ERR_OK) {
        enum convert_reason why = CONVERT_TOO_LONG;
        char *own = (char *)c->in.p + (line - (const char *)c->in.p); /* of the buffer */
        c->st->lines++;
        if (len == 0)
            continue;
        if (len != SIZE_MAX && *line == '#') {
            if ((rc = directive(&z, own, len)) != ERR_OK)
                return rc;
            continue;
        }
        row_clear(&c->row, &c->opt->exporter);
        bad = line;
        bad_len = len == SIZE_MAX ? 40 : len;
        if (len != SIZE_MAX && *line == '{')
            why = one_object(&z, line, len, &bad, &bad_len);
        else if (c->n_specs == 0)
            return err_set(c->e, ERR_FORMAT,
                           "no #fields line before line %llu: this is no log of Zeek, or its head "
                           "is gone",
                           (unsigned long long)c->st->lines);
        else if (len != SIZE_MAX)
            why = split_line(c, own, len, z.sep, false) ? one_line(&z, &bad, &bad_len)
                                                        : CONVERT_COLUMNS;
        if ((rc = convert_row(c, why, bad, bad_len)) != ERR_OK)
            return rc;
    }
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}
