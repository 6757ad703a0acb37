/* Definitions for invented records (query_model.h), said twice: as rows for Weir, and as plain code
 * that says what they mean. */
#ifndef WEIR_TESTS_QUERY_DEFINE_H
#define WEIR_TESTS_QUERY_DEFINE_H

#include <strings.h>

#include "meta/defs.h"
#include "query_model.h"

/* In the order of their names, as answers list them. */
enum ref_group { R_ALL, R_AS, R_GEO, R_INTERNAL, R_LAN, R_NO, R_PR, R_SIX, R_WEB, R_GROUPS };
static const char *const ref_group_name[R_GROUPS] = { "all", "as", "geo", "internal", "lan",
                                                      "no",  "pr", "six", "web" };

/* table, then columns */
static const char *const ref_rows[][10] = {
    { "0", "all" },
    { "0", "as" },
    { "0", "geo" },
    { "0", "internal" },
    { "0", "lan" },
    { "0", "no" },
    { "0", "pr" },
    { "0", "six" },
    { "0", "web" },
    { "1", "lan", "10.0.0.0/23" },
    { "1", "lan", "!10.0.0.4/30" },
    { "1", "lan", "10.0.0.6" },
    { "1", "six", "2001:db8::/48" },
    { "1", "web", "port 80" },
    { "1", "web", "port 443..445" },
    { "1", "web", "tcp/8080" },
    { "1", "web", "!10.0.2.0/24" },
    { "1", "as", "AS64501..64503" },
    { "1", "as", "!AS64502" },
    { "1", "geo", "10.0.3.0/24" },
    { "1", "geo", "!10.0.2.0/24" },
    { "1", "geo", "!country ga" },
    { "1", "all", "group lan" },
    { "1", "all", "group web" },
    { "1", "all", "10.0.3.1..10.0.3.5" },
    { "1", "pr", "exporter r1b" },
    { "1", "pr", "if r3 2" },
    { "1", "pr", "proto gre" },
    { "1", "no", "!group lan" },
    { "1", "no", "!10.0.3.0/24" },
    { "1", "internal", "10.0.0.0/22" },
    { "1", "internal", "!10.0.1.4..10.0.1.7" },
    { "1", "internal", "2001:db8:1::/48" },
    { "2", "10.0.0.0/16", "net" },
    { "2", "10.0.1.2", "two" },
    { "2", "10.0.1.3", "TWO" },
    { "2", "2001:db8::/32", "six" },
    { "3", "192.0.2.1", "r1", "A" },
    { "3", "192.0.2.1#7", "r1b", "B", "core" },
    { "3", "192.0.2.2", "r3", "A", "edge" },
    { "4", "r1", "1", NULL, NULL, NULL, "external", NULL, "P1", "edge" },
    { "4", "r1", "2", NULL, NULL, NULL, "internal", NULL, NULL, "internal" },
    { "4", "r1", "3", NULL, NULL, NULL, NULL, NULL, NULL, "disjoint" },
    { "4", "r1", "4", NULL, NULL, NULL, NULL, NULL, NULL, "ignore" },
    { "4", "192.0.2.1#7", "1", NULL, NULL, NULL, NULL, NULL, "P2", "edge" },
    { "4", "r3", "2", "xe2", NULL, NULL, "external", NULL, "P2" },
    { "5", "10", "exporter", "^r3", "internal" },
    { "5", "20", "exporter", "^r1b$", NULL, NULL, "P3" },
};

/* `roles`: with those that query_ref.h calls ref_roles. */
static inline struct defs *ref_defs(bool roles)
{
    struct meta_doc d = { 0 };
    struct defs *defs;
    struct err e = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(ref_rows); i++) {
        enum meta_table t = (enum meta_table)(ref_rows[i][0][0] - '0');
        struct meta_row *r = meta_row(&d, t, ref_rows[i] + 1, NULL);
        assert_non_null(r);
        for (unsigned c = meta_table_info[t].n_keys; c < (roles ? 9 : 8); c++)
            if (ref_rows[i][c + 1] != NULL)
                assert_int_equal(meta_set(r, t, c, ref_rows[i][c + 1], &e), ERR_OK);
    }
    for (char a = 'A'; a <= 'Z'; a = (char)(a + 2)) /* every other first letter */
        for (char b = 'A'; b <= 'Z'; b++) {
            char text[] = { 'c', 'o', 'u', 'n', 't', 'r', 'y', ' ', a, b, 0 };
            const char *key[] = { "geo", text };
            assert_non_null(meta_row(&d, META_MEMBERS, key, NULL));
        }
    if (defs_make(&defs, &d, &e) != ERR_OK)
        fail_msg("%s", e.msg);
    return defs;
}

/* ------------------------------------------------------------------ what they mean */

static inline struct addr ref_addr(const struct model_record *r, bool dst)
{
    struct addr none = { { 0 } };

    if ((r->has >> (dst ? M_DST : M_SRC) & 1) == 0)
        return none;
    return dst ? r->dst : r->src;
}
static inline bool ref_v4(const struct addr *a, uint32_t *v)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    *v = (uint32_t)a->b[12] << 24 | (uint32_t)a->b[13] << 16 | (uint32_t)a->b[14] << 8 | a->b[15];
    return memcmp(a->b, mapped, 12) == 0;
}
/* 10.0.third.fourth */
static inline bool ref_ten(const struct addr *a, unsigned *third, unsigned *fourth)
{
    uint32_t v;
    bool four = ref_v4(a, &v);

    *third = v >> 8 & 255;
    *fourth = v & 255;
    return four && v >> 16 == 0x0a00;
}
static inline bool ref_db8(const struct addr *a, unsigned net)
{
    return a->b[0] == 0x20 && a->b[1] == 1 && a->b[2] == 0x0d && a->b[3] == 0xb8 && a->b[4] == 0 &&
           a->b[5] == net;
}

static uint64_t as_of(const struct model_record *r, bool dst, bool *there); /* query_ref.h */
static uint64_t country_of(const struct model_record *r, bool dst);

static inline bool ref_in_group(const struct model_record *r, enum ref_group g, bool dst)
{
    bool told;
    struct addr a = ref_addr(r, dst);
    unsigned c, d;
    bool ten = ref_ten(&a, &c, &d);
    uint64_t port = r->v[dst ? M_DPORT : M_SPORT], as = as_of(r, dst, &told);

    switch (g) {
    case R_LAN:
        return ten && (c == 1 || (c == 0 && (d < 4 || d > 7 || d == 6)));
    case R_SIX:
        return ref_db8(&a, 0);
    case R_WEB:
        return (port == 80 || (port >= 443 && port <= 445) ||
                (port == 8080 && r->v[M_PROTO] == 6)) &&
               !(ten && c == 2);
    case R_AS:
        return as == 64501 || as == 64503;
    case R_GEO:
        as = country_of(r, dst);
        return ((as != 0 && (as >> 8) % 2 == 'A' % 2) || (ten && c == 3)) && !(ten && c == 2) &&
               as != GEO_LETTERS('G', 'A');
    case R_ALL:
        return ref_in_group(r, R_LAN, dst) || ref_in_group(r, R_WEB, dst) ||
               (ten && c == 3 && d >= 1 && d <= 5);
    case R_PR:
        return r->exporter == 1 || (r->exporter == 2 && r->v[dst ? M_OUT_IF : M_IN_IF] == 2) ||
               r->v[M_PROTO] == 47;
    case R_NO:
        return !ref_in_group(r, R_LAN, dst) && !(ten && c == 3);
    case R_INTERNAL:
        return (ten && c <= 3 && !(c == 1 && d >= 4 && d <= 7)) || ref_db8(&a, 1);
    case R_GROUPS:
        break;
    }
    return false;
}

static inline bool ref_external(const struct model_record *r, bool dst)
{
    struct addr a = ref_addr(r, dst);
    uint32_t v;
    bool none = ref_v4(&a, &v) ? v == 0 : true;

    for (unsigned i = 0; i < 16 && !ref_v4(&a, &v); i++)
        none &= a.b[i] == 0;
    return !none && !ref_in_group(r, R_INTERNAL, dst);
}

static inline const char *ref_direction(const struct model_record *r, bool back)
{
    bool a = ref_in_group(r, R_INTERNAL, back), b = ref_in_group(r, R_INTERNAL, !back);
    bool x = ref_external(r, back), y = ref_external(r, !back);

    return a && b   ? "internal"
           : a && y ? "outbound"
           : x && b ? "inbound"
           : x && y ? "transit"
                    : NULL;
}

static inline const char *ref_name(const struct model_record *r, bool dst)
{
    struct addr a = ref_addr(r, dst);
    unsigned c, d;

    if (ref_ten(&a, &c, &d))
        return c == 1 && (d == 2 || d == 3) ? "two" : "net";
    return a.b[0] == 0x20 && a.b[1] == 1 && a.b[2] == 0x0d && a.b[3] == 0xb8 ? "six" : NULL;
}

static inline const char *ref_exporter(const struct model_record *r, unsigned what)
{
    static const char *const said[4][3] = {
        { "r1", "A", NULL }, { "r1b", "B", "core" }, { "r3", "A", "edge" }, { NULL, NULL, NULL }
    };

    return said[r->exporter][what];
}

/* boundary (0) or provider (1) of an interface. */
static inline const char *ref_class(const struct model_record *r, bool out, unsigned what)
{
    uint64_t i = r->v[out ? M_OUT_IF : M_IN_IF];

    if (i == 0)
        return NULL;
    switch (r->exporter) {
    case 0:
        return i == 1 ? (what == 0 ? "external" : "P1") : i == 2 && what == 0 ? "internal" : NULL;
    case 1: /* the second rule fills in a provider; r1's interfaces are of all its domains */
        if (what == 1)
            return i == 1 ? "P2" : "P3";
        return i == 2 ? "internal" : NULL;
    case 2: /* the first rule says where the rest lies */
        return i == 2 ? (what == 0 ? "external" : "P2") : what == 0 ? "internal" : NULL;
    default:
        return NULL;
    }
}

#endif
