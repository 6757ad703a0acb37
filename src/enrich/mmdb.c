/* MaxMind DB files, read by libmaxminddb. */
#include <maxminddb.h>
#include <string.h>

#include "enrich/source.h"

struct walk {
    struct geo_source *s;
    MMDB_s *db;
    struct addr at; /* bits of the path from the root */
    unsigned bits;  /* addresses of the tree have: 32 or 128 */
    uint64_t nodes; /* visited: what a damaged tree may cost */
    int rc;
};

static const char *path_country[][4] = { { "country", "iso_code", NULL },
                                         { "country_code", NULL },
                                         { "registered_country", "iso_code", NULL } };

/* The text or number at a path of an entry; false: there is none. */
static bool get(MMDB_entry_s *entry, const char *const *path, MMDB_entry_data_s *out)
{
    return MMDB_aget_value(entry, out, path) == MMDB_SUCCESS && out->has_data;
}

static void add(struct walk *w, enum geo_kind kind, const struct addr *first,
                const struct addr *last, uint32_t number)
{
    struct geo_source *s = w->s;

    if (s->draft[kind] == NULL)
        w->rc = ranges_draft_new(&s->draft[kind]);
    if (w->rc == ERR_OK)
        w->rc = ranges_draft_add(s->draft[kind], first, last, number);
}

static void add_entry(struct walk *w, MMDB_entry_s *entry, const struct addr *first,
                      const struct addr *last)
{
    static const char *const as[] = { "autonomous_system_number", NULL };
    static const char *const org[] = { "autonomous_system_organization", NULL };
    MMDB_entry_data_s d;

    for (size_t i = 0; i < sizeof path_country / sizeof *path_country && w->rc == ERR_OK; i++) {
        if (!get(entry, path_country[i], &d) || d.type != MMDB_DATA_TYPE_UTF8_STRING ||
            d.data_size != 2)
            continue;
        add(w, GEO_COUNTRY, first, last,
            GEO_LETTERS(d.utf8_string[0] & ~32, d.utf8_string[1] & ~32));
        break;
    }
    if (w->rc != ERR_OK || !get(entry, as, &d) ||
        (d.type != MMDB_DATA_TYPE_UINT32 && d.type != MMDB_DATA_TYPE_UINT16))
        return;
    uint32_t number = d.type == MMDB_DATA_TYPE_UINT32 ? d.uint32 : d.uint16;
    add(w, GEO_AS, first, last, number);
    if (w->rc == ERR_OK && get(entry, org, &d) && d.type == MMDB_DATA_TYPE_UTF8_STRING)
        w->rc = ranges_draft_name(w->s->draft[GEO_AS], number, d.utf8_string, d.data_size);
}

/* The addresses below a path of `depth` bits. In a tree of 128 bits IPv4 stands below ::/96. */
static void bounds(const struct walk *w, unsigned depth, struct addr *first, struct addr *last)
{
    static const uint8_t zero[12];

    *first = *last = w->at;
    for (unsigned i = depth; i < w->bits; i++) {
        first->b[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
        last->b[i / 8] |= (uint8_t)(0x80u >> i % 8);
    }
    if (w->bits == 32) {
        *first = addr_from_v4(be32(first->b));
        *last = addr_from_v4(be32(last->b));
    } else if (depth >= 96 && memcmp(w->at.b, zero, sizeof zero) == 0) {
        *first = addr_from_v4(be32(first->b + 12));
        *last = addr_from_v4(be32(last->b + 12));
    }
}

/* The tree may be entered twice at other addresses (6to4, Teredo, ::ffff:0:0/96 lead to IPv4's
 * part): those copies are left out, an IPv4 address has one form here. */
static bool copy_of_v4(const struct walk *w, unsigned depth)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

    return w->bits == 128 && ((depth == 16 && be16(w->at.b) == 0x2002) ||
                              (depth == 32 && be32(w->at.b) == 0x20010000) ||
                              (depth == 96 && memcmp(w->at.b, mapped, sizeof mapped) == 0));
}

static void visit(struct walk *w, uint32_t node, unsigned depth);

static void branch(struct walk *w, unsigned depth, uint8_t type, uint64_t record,
                   MMDB_entry_s *entry)
{
    struct addr first, last;

    if (type == MMDB_RECORD_TYPE_SEARCH_NODE && depth < w->bits && !copy_of_v4(w, depth))
        visit(w, (uint32_t)record, depth);
    else if (type == MMDB_RECORD_TYPE_DATA) {
        bounds(w, depth, &first, &last);
        add_entry(w, entry, &first, &last);
    } else if (type == MMDB_RECORD_TYPE_INVALID)
        w->rc = ERR_FORMAT;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as an address has bits */
static void visit(struct walk *w, uint32_t node, unsigned depth)
{
    MMDB_search_node_s n;
    uint8_t bit = (uint8_t)(0x80u >> depth % 8);

    /* of a sound tree each node is met once, but for copies of IPv4's part; not so in circles */
    if (++w->nodes > 8 * ((uint64_t)w->db->metadata.node_count + 1))
        w->rc = ERR_FORMAT;
    else if (MMDB_read_node(w->db, node, &n) != MMDB_SUCCESS)
        w->rc = ERR_FORMAT;
    if (w->rc != ERR_OK)
        return;
    branch(w, depth + 1, n.left_record_type, n.left_record, &n.left_record_entry);
    if (w->rc != ERR_OK)
        return;
    w->at.b[depth / 8] |= bit;
    branch(w, depth + 1, n.right_record_type, n.right_record, &n.right_record_entry);
    w->at.b[depth / 8] &= (uint8_t)~bit;
}

/* Date and name of the data, where nothing better is said. */
static void describe(struct geo_source *s, const MMDB_s *db)
{
    for (unsigned k = 0; k < GEO_N; k++) {
        struct ranges_about *a = &s->about[k];
        if (s->draft[k] == NULL || a->source[0] != '\0')
            continue;
        a->version.date_ms = (int64_t)db->metadata.build_epoch * 1000;
        (void)strncat(a->source, db->metadata.database_type, RANGES_TEXT - 1);
    }
}

int geo_source_mmdb(struct geo_source *s, const char *path, struct err *e)
{
    MMDB_s db;
    struct walk w = { .s = s, .db = &db };
    int code = MMDB_open(path, MMDB_MODE_MMAP, &db);

    if (code != MMDB_SUCCESS)
        return err_set(e, code == MMDB_OUT_OF_MEMORY_ERROR ? ERR_NOMEM : ERR_FORMAT,
                       "%s: no MaxMind DB: %s", path, MMDB_strerror(code));
    w.bits = db.metadata.ip_version == 4 ? 32 : 128;
    if (db.metadata.node_count > 0)
        visit(&w, 0, 0);
    if (w.rc == ERR_OK)
        describe(s, &db);
    MMDB_close(&db);
    if (w.rc == ERR_FORMAT)
        return err_set(e, w.rc, "%s: damaged: its tree leads nowhere, or in circles", path);
    return w.rc == ERR_OK ? w.rc
                          : err_set(e, w.rc,
                                    w.rc == ERR_LIMIT ? "%s: more than %u ranges"
                                                      : "%s: out of memory (%u ranges fit)",
                                    path, RANGES_MAX);
}
