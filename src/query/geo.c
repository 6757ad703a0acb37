/* AS numbers and countries of a vector's rows. What is known of an address is one array by code for
 * a rowset; rows only pick from it. */
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/match.h"

static int no_memory(struct scan *s)
{
    return err_set(s->e, ERR_NOMEM, "query: out of memory");
}

void geo_enter(struct scan *s, const struct geo *today)
{
    s->geo = today;
    memset((void *)s->geo_of, 0, sizeof s->geo_of);
}

int geo_codes(struct scan *s, enum geo_kind kind, const uint32_t **out)
{
    uint32_t late = 0;

    *out = s->geo_of[kind];
    if (*out != NULL)
        return ERR_OK;
    if (s->rs->n_addrs > s->geo_cap[kind]) {
        free(s->geo_room[kind]);
        s->geo_cap[kind] = 0;
        s->geo_room[kind] = malloc(s->rs->n_addrs * sizeof **s->geo_room);
        if (s->geo_room[kind] == NULL)
            return no_memory(s);
        s->geo_cap[kind] = s->rs->n_addrs;
    }
    rowset_geo(s->rs, kind, s->geo, s->geo_room[kind], out, &late);
    s->geo_of[kind] = *out;
    s->stats->geo_today |= late > 0 && s->rs->ops->geo != NULL && geo_has(s->geo, kind);
    s->stats->geo_none |= late > 0 && kind == GEO_COUNTRY && !geo_has(s->geo, kind);
    return ERR_OK;
}

enum geo_as_source geo_source(const struct scan *s)
{
    return s->ctl != NULL ? s->ctl->as_source : GEO_AS_AUTO;
}

/* src and dst of AS, country, AS for its name */
#define IS_DST(calc) (((calc)-CALC_SRC_AS) % 2 != 0)

enum col geo_addr_col(unsigned calc)
{
    return IS_DST(calc) ? COL_DST_IP : COL_SRC_IP;
}

static int load_country(struct scan *s, unsigned calc, uint32_t *out)
{
    const uint32_t *code, *of;
    int rc = scan_col32(s, geo_addr_col(calc), &code);

    if (rc != ERR_OK || (rc = geo_codes(s, GEO_COUNTRY, &of)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        out[i] = of[code[i]];
    return ERR_OK;
}

static int load_as(struct scan *s, unsigned calc, uint32_t *out)
{
    enum geo_as_source from = geo_source(s);
    const uint32_t *code, *of, *told;
    int rc = scan_col32(s, IS_DST(calc) ? COL_DST_AS : COL_SRC_AS, &told);

    if (rc != ERR_OK)
        return rc;
    if (from == GEO_AS_EXPORTER) {
        memcpy(out, told, s->n * sizeof *out);
        return ERR_OK;
    }
    if ((rc = scan_col32(s, geo_addr_col(calc), &code)) != ERR_OK ||
        (rc = geo_codes(s, GEO_AS, &of)) != ERR_OK)
        return rc;
    for (uint32_t i = 0; i < s->n; i++)
        out[i] = geo_as(from, told[i], of[code[i]]);
    return ERR_OK;
}

int geo_side(struct scan *s, unsigned calc, const uint32_t **out)
{
    unsigned i = (calc - CALC_SRC_AS) % GEO_SIDES; /* a name is that of the number */
    int rc;

    if (s->side[i] == NULL && (s->side[i] = malloc(ROWSET_VECTOR * sizeof(uint32_t))) == NULL)
        return no_memory(s);
    *out = s->side[i];
    if ((s->sides_loaded >> i & 1) != 0)
        return ERR_OK;
    rc = i < 2 ? load_as(s, calc, s->side[i]) : load_country(s, calc, s->side[i]);
    if (rc == ERR_OK)
        s->sides_loaded |= (uint8_t)(1u << i);
    return rc;
}

uint32_t geo_row(const struct scan *s, unsigned calc, uint32_t row)
{
    return s->side[(calc - CALC_SRC_AS) % GEO_SIDES][row];
}

/* ------------------------------------------------------------------ names */

static bool name_matches(struct scan *s, const struct expr *x, const char *p, size_t len)
{
    if (x->op == EXPR_REGEX)
        return pcre2_match(x->regex, (PCRE2_SPTR)p, len, 0, 0, s->match, NULL) >= 0;
    for (uint32_t i = 0; i < x->n_texts; i++)
        if (match_text(x->text[i], (const uint8_t *)p, len))
            return true;
    return false;
}

/* The AS numbers whose name says something else than an empty one: once for a question. */
int geo_names(struct scan *s, struct node *x)
{
    struct geo_name name;
    size_t n = 0, cap = 0;

    if (x->names_known)
        return ERR_OK;
    x->empty = name_matches(s, x->x, "", 0);
    for (size_t i = 0; geo_has_names(s->geo) && s->geo->ops->name_at(s->geo, i, &name); i++) {
        if (name_matches(s, x->x, name.text, name.len) == x->empty)
            continue;
        if (n == cap) {
            uint32_t *more = realloc(x->as, (cap = cap * 2 + 64) * sizeof *more);
            if (more == NULL)
                return no_memory(s);
            x->as = more;
        }
        x->as[n++] = name.number;
    }
    x->n_as = (uint32_t)n;
    x->names_known = true;
    return ERR_OK;
}

bool geo_named(const struct node *x, uint32_t as)
{
    uint32_t lo = 0, hi = x->n_as;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (x->as[mid] < as)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (lo < x->n_as && x->as[lo] == as) != x->empty;
}
