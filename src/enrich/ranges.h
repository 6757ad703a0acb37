/* enrich/ranges.h - ranges of addresses with a number each: the file, and how it is asked.
 * Floor 3. src/store/FORMAT.md describes every octet.
 * Threads: one that was opened is immutable; any number of threads may look up. */
#ifndef WEIR_ENRICH_RANGES_H
#define WEIR_ENRICH_RANGES_H

#include "base/buf.h"
#include "base/err.h"
#include "flow/geo.h"
#include "os/file.h"

#define RANGES_MAGIC  "WEIR-RNG"
#define RANGES_DRAFT  1u
#define RANGES_MAX    (16u << 20)   /* ranges of one family, and names */
#define RANGES_OCTETS (1024u << 20) /* of a file */
#define RANGES_TEXT   256u          /* source, licence, with their terminators */
#define RANGES_NAME   255u          /* octets of a name */

/* What a file says of itself. */
struct ranges_about {
    enum geo_kind kind;
    struct geo_version version; /* id: made by ranges_write */
    uint32_t n_v4, n_v6;        /* ranges that say something */
    uint32_t n_names;
    char source[RANGES_TEXT], licence[RANGES_TEXT];
};

/* ---- reading */

struct ranges;
/* Map and check a file. Every number in it that names a place is verified here, once.
 * Errors: ERR_NOTFOUND, ERR_IO, ERR_CORRUPT, ERR_VERSION, ERR_NOMEM. */
int ranges_open(struct ranges **out, const char *path, struct err *e) WARN_UNUSED;
/* The same of octets in memory, which the caller keeps. */
int ranges_open_octets(struct ranges **out, const char *name, const uint8_t *p, size_t len,
                       struct err *e) WARN_UNUSED;
void ranges_close(struct ranges *r); /* NULL is allowed */
const struct ranges_about *ranges_about(const struct ranges *r);

/* The numbers of n addresses, 0 where none is known. */
void ranges_look_up(const struct ranges *r, const struct addr *a, size_t n, uint32_t *out);
bool ranges_name_at(const struct ranges *r, size_t i, struct geo_name *out);
bool ranges_name_of(const struct ranges *r, uint32_t number, struct geo_name *out);

/* ---- making */

/* Ranges as they are gathered, in any order. Where they overlap, the one that begins last counts;
 * of those that begin together the shortest, of equal ones the last added. */
struct ranges_draft;
int ranges_draft_new(struct ranges_draft **out) WARN_UNUSED;
void ranges_draft_free(struct ranges_draft *d); /* NULL is allowed */
/* first .. last, both included, of one family. Errors: ERR_ARG (last below first, or of another
 * family), ERR_LIMIT, ERR_NOMEM. */
int ranges_draft_add(struct ranges_draft *d, const struct addr *first, const struct addr *last,
                     uint32_t number) WARN_UNUSED;
/* The name of a number; the first that is told counts. Longer ones are cut. Errors: as above. */
int ranges_draft_name(struct ranges_draft *d, uint32_t number, const char *text,
                      size_t len) WARN_UNUSED;
/* The file's octets. `about` gives kind, date, source and licence and gets the rest.
 * Errors: ERR_LIMIT, ERR_NOMEM. */
int ranges_write(struct ranges_draft *d, struct ranges_about *about, struct buf *out,
                 struct err *e) WARN_UNUSED;

#endif
