/* The application of a record: the first rule that fits, else the name that its exporter has given
 * to the application id that it sent. */
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/match.h"

#define APPLICATION_ID 95 /* IANA: applicationId */

/* By code of the rowset the first rule on networks that holds the address. */
static int load_nets(struct scan *s)
{
    const struct rowset *rs = s->rs;
    const struct apps *a = s->ctl->apps;

    if (s->app_nets_known)
        return ERR_OK;
    if (rs->n_addrs > s->app_cap) {
        free(s->app_net);
        s->app_cap = 0;
        if ((s->app_net = malloc(rs->n_addrs * sizeof *s->app_net)) == NULL)
            return err_set(s->e, ERR_NOMEM, "query: out of memory");
        s->app_cap = rs->n_addrs;
    }
    for (uint32_t c = 0; c < rs->n_addrs && !rs->addrs_sorted; c++)
        s->app_net[c] = apps_net(a, 0, &rs->addrs[c]);
    if (rs->addrs_sorted)
        memset(s->app_net, 0xff, rs->n_addrs * sizeof *s->app_net);   /* APP_NONE */
    for (size_t i = rs->addrs_sorted ? apps_count(a) : 0; i-- > 0;) { /* the first one stays */
        const struct app_rule *r = apps_rule(a, (uint32_t)i);
        uint32_t lo, hi;
        if (r->net.len == 0 || r->as != 0 || r->app_id != 0)
            continue;
        prune_codes(rs, &r->net, &lo, &hi);
        for (; lo < hi; lo++)
            s->app_net[lo] = (uint32_t)i;
    }
    s->app_nets_known = true;
    return ERR_OK;
}

static bool has_id(const struct shape *sh)
{
    for (uint32_t k = 0; k < sh->n_fields; k++)
        if (sh->f[k].pen == 0 && sh->f[k].id == APPLICATION_ID)
            return true;
    return false;
}

int app_load(struct scan *s)
{
    const uint64_t cols = COL_BIT(COL_SRC_IP) | COL_BIT(COL_DST_IP) | COL_BIT(COL_SRC_PORT) |
                          COL_BIT(COL_DST_PORT) | COL_BIT(COL_PROTO) | COL_BIT(COL_SHAPE);
    const uint32_t *side;
    bool ids = false;
    int rc = scan_load(s, cols);

    for (uint32_t i = 0; i < s->rs->n_shapes && !ids; i++)
        ids = has_id(s->rs->shapes[i]);
    if (rc == ERR_OK && s->ctl != NULL && s->ctl->apps != NULL) {
        if ((rc = load_nets(s)) == ERR_OK && (rc = geo_side(s, CALC_SRC_AS, &side)) == ERR_OK)
            rc = geo_side(s, CALC_DST_AS, &side);
    }
    return rc == ERR_OK && ids ? scan_load_all(s) : rc;
}

/* Engine << 56 | selector; 0: the record has none. */
static uint64_t id_of(struct scan *s, uint32_t row)
{
    struct record r;
    struct record_iter it = { 0 };
    struct record_field f;

    if (!has_id(s->rs->shapes[s->col[COL_SHAPE][row]]))
        return 0;
    scan_record(s, row, &r);
    while (record_next(&r, &it, &f))
        if (f.f->pen == 0 && f.f->id == APPLICATION_ID && f.len >= 2 && f.len <= 8)
            return (uint64_t)f.p[0] << 56 | be_uint(f.p + 1, f.len - 1u);
    return 0;
}

static uint32_t rule_of(struct scan *s, uint32_t row, uint64_t id)
{
    uint64_t *const *c = s->col;
    uint64_t src = c[COL_SRC_IP][row], dst = c[COL_DST_IP][row];
    struct app_side side[2];

    if (s->ctl == NULL || s->ctl->apps == NULL)
        return APP_NONE;
    side[0] = (struct app_side){ &s->rs->addrs[src], s->app_net[src], geo_row(s, CALC_SRC_AS, row),
                                 (uint16_t)c[COL_SRC_PORT][row] };
    side[1] = (struct app_side){ &s->rs->addrs[dst], s->app_net[dst], geo_row(s, CALC_DST_AS, row),
                                 (uint16_t)c[COL_DST_PORT][row] };
    return apps_find(s->ctl->apps, side, (uint8_t)c[COL_PROTO][row], id);
}

/* The name that the exporter told for the id, when the record came. */
static bool told_name(struct scan *s, uint32_t row, uint64_t id, struct fact *out)
{
    int64_t since, until;

    return id != 0 && s->wire != NULL &&
           fact_get(s->wire, &s->rs->exporters[s->col[COL_EXPORTER][row]], FACT_APP_NAME, id,
                    (int64_t)s->col[COL_RECEIVED][row], out, &since, &until);
}

bool app_text(struct scan *s, uint32_t row)
{
    uint64_t id = id_of(s, row);
    uint32_t rule = rule_of(s, row, id);
    struct fact f;

    buf_clear(&s->text);
    if (rule != APP_NONE)
        buf_str(&s->text, apps_rule(s->ctl->apps, rule)->name);
    else if (told_name(s, row, id, &f))
        buf_put(&s->text, f.text, f.len);
    else
        return false;
    return true;
}
