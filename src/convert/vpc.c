/* Flow logs of AWS VPC, versions 2 to 5: words of a line, in the order that its header says or in
 * that of version 2. */
#include "convert/internal.h"

#include <string.h>

enum own { OWN_ACTION = 1, OWN_STATUS };

static const struct field_spec columns[] = {
    { "version", KIND_UINT, 1, PEN_WEIR, AWS_VERSION },
    { "account-id", KIND_TEXT, 0, PEN_WEIR, AWS_ACCOUNT },
    { "interface-id", KIND_TEXT, .id = 82 },
    { "srcaddr", KIND_ADDR, .id = 8, .id6 = 27 },
    { "dstaddr", KIND_ADDR, .id = 12, .id6 = 28 },
    { "srcport", KIND_PORT, 2, .id = 7 },
    { "dstport", KIND_PORT, 2, .id = 11 },
    { "protocol", KIND_PROTO, .id = 4 },
    { "packets", KIND_UINT, 8, .id = 2 },
    { "bytes", KIND_UINT, 8, .id = 1 },
    { "start", KIND_START, .id = 0 },
    { "end", KIND_END, .id = 0 },
    { "action", KIND_OWN, .id = 89, .own = OWN_ACTION },
    { "log-status", KIND_OWN, .own = OWN_STATUS },
    /* version 3 */
    { "vpc-id", KIND_TEXT, 0, PEN_WEIR, AWS_VPC },
    { "subnet-id", KIND_TEXT, 0, PEN_WEIR, AWS_SUBNET },
    { "instance-id", KIND_TEXT, 0, PEN_WEIR, AWS_INSTANCE },
    { "tcp-flags", KIND_UINT, 1, .id = 6 },
    { "type", KIND_TEXT, 0, PEN_WEIR, AWS_TYPE },
    { "pkt-srcaddr", KIND_NEXT, 0, PEN_WEIR, AWS_PKT_SRC4, AWS_PKT_SRC6 },
    { "pkt-dstaddr", KIND_NEXT, 0, PEN_WEIR, AWS_PKT_DST4, AWS_PKT_DST6 },
    /* version 4 */
    { "region", KIND_TEXT, 0, PEN_WEIR, AWS_REGION },
    { "az-id", KIND_TEXT, 0, PEN_WEIR, AWS_AZ },
    { "sublocation-type", KIND_TEXT, 0, PEN_WEIR, AWS_SUBLOCATION_TYPE },
    { "sublocation-id", KIND_TEXT, 0, PEN_WEIR, AWS_SUBLOCATION },
    /* version 5 */
    { "pkt-src-aws-service", KIND_TEXT, 0, PEN_WEIR, AWS_PKT_SRC_SERVICE },
    { "pkt-dst-aws-service", KIND_TEXT, 0, PEN_WEIR, AWS_PKT_DST_SERVICE },
    { "flow-direction", KIND_OWN, .id = 61, .own = OWN_ACTION },
    { "traffic-path", KIND_UINT, 1, PEN_WEIR, AWS_TRAFFIC_PATH },
    { 0 },
};
static char default_order[] = "version account-id interface-id srcaddr dstaddr srcport dstport "
                              "protocol packets bytes start end action log-status";

/* Words that a number of IPFIX says as well. */
static const struct {
    const char *word;
    uint16_t id;
    uint8_t value;
} said[] = {
    { "ACCEPT", 89, 0x40 }, /* forwarded, RFC 7270 section 4.12 */
    { "REJECT", 89, 0x80 }, /* dropped */
    { "ingress", 61, 0 },
    { "egress", 61, 1 },
};

static enum convert_reason word(struct convert *c, const struct field_spec *f, const char *s,
                                size_t len)
{
    if (f->own == OWN_STATUS && text_is(s, len, "NODATA"))
        return CONVERT_NO_DATA;
    if (f->own == OWN_STATUS && text_is(s, len, "SKIPDATA"))
        return CONVERT_SKIPPED;
    if (f->own == OWN_STATUS || (len == 1 && *s == '-'))
        return CONVERT_REASON_N;
    for (size_t i = 0; i < ARRAY_LEN(said); i++)
        if (said[i].id == f->id && text_is(s, len, said[i].word)) {
            row_uint(&c->row, 0, f->id, 1, said[i].value);
            return CONVERT_REASON_N;
        }
    row_unknown(&c->row, f->name, strlen(f->name), s, len);
    return CONVERT_REASON_N;
}

static enum convert_reason one_line(struct convert *c, const char **bad, size_t *bad_len)
{
    enum convert_reason why = CONVERT_REASON_N;

    if (c->n_columns != c->n_specs)
        return CONVERT_COLUMNS;
    for (size_t i = 0; i < c->n_specs; i++) /* a line without data has no numbers to complain of */
        if (c->spec[i].own == OWN_STATUS &&
            (why = word(c, &c->spec[i], c->column[i], c->column_len[i])) != CONVERT_REASON_N)
            return why;
    for (size_t i = 0; why == CONVERT_REASON_N && i < c->n_specs; i++) {
        const struct field_spec *f = &c->spec[i];
        *bad = c->column[i];
        *bad_len = c->column_len[i];
        if (f->kind == KIND_OWN)
            why = word(c, f, c->column[i], c->column_len[i]);
        else
            why = convert_value(c, f, c->column[i], c->column_len[i]);
    }
    return why;
}

static int header(struct convert *c, char *line, size_t len)
{
    int rc;

    if (!split_line(c, line, len, ' ', false))
        return err_set(c->e, ERR_FORMAT, "the header has more than %u columns", MAX_COLUMNS);
    if ((rc = convert_header(c, columns)) != ERR_OK)
        return rc;
    if (!convert_has(c, "srcaddr") && !convert_has(c, "pkt-srcaddr"))
        return err_set(c->e, ERR_FORMAT, "the header names neither srcaddr nor pkt-srcaddr");
    return ERR_OK;
}

/* Is the first line the names of the columns? Else they stand in the order of version 2. */
static bool names_columns(const char *line, size_t len)
{
    size_t word_len = 0;

    while (word_len < len && line[word_len] != ' ')
        word_len++;
    return field_find(columns, line, word_len) != NULL;
}

int vpc_run(struct convert *c)
{
    const char *line, *bad;
    size_t len, bad_len;
    int rc;

    while ((rc = input_line(&c->in, &line, &len, c->e)) == ERR_OK) {
        enum convert_reason why = CONVERT_TOO_LONG;
        char *own = (char *)c->in.p + (line - (const char *)c->in.p); /* of the buffer */
        c->st->lines++;
        while (len > 0 && len != SIZE_MAX && own[len - 1] == ' ')
            len--;
        if (len == 0)
            continue;
        if (c->n_specs == 0 && len != SIZE_MAX && names_columns(line, len)) {
            if ((rc = header(c, own, len)) != ERR_OK)
                return rc;
            continue;
        }
        if (c->n_specs == 0 && (rc = header(c, default_order, sizeof default_order - 1)) != ERR_OK)
            return rc;
        if (len != SIZE_MAX && names_columns(line, len))
            continue; /* files put one behind the other */
        row_clear(&c->row, &c->opt->exporter);
        bad = line;
        bad_len = len == SIZE_MAX ? 40 : len;
        if (len != SIZE_MAX)
            why =
                split_line(c, own, len, ' ', false) ? one_line(c, &bad, &bad_len) : CONVERT_COLUMNS;
        if ((rc = convert_row(c, why, bad, bad_len)) != ERR_OK)
            return rc;
    }
    if (rc != ERR_NOTFOUND)
        return rc;
    return c->n_specs > 0 ? ERR_OK : err_set(c->e, ERR_FORMAT, "the file is empty");
}
