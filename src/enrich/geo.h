/* enrich/geo.h - the data of a directory as one struct geo.
 * Floor 3. A directory of facts holds as.rng and country.rng; either may be missing. */
#ifndef WEIR_ENRICH_GEO_H
#define WEIR_ENRICH_GEO_H

#include "enrich/source.h"

extern const char *const geo_files[GEO_N]; /* "as.rng", "country.rng" */

/* What the directory holds. *out NULL and ERR_OK: neither file is there. The caller owns a
 * reference. Errors: ERR_IO, ERR_CORRUPT, ERR_VERSION, ERR_NOMEM. */
int geo_open(struct geo **out, const char *dir, struct err *e) WARN_UNUSED;
/* The same of ranges that were opened, which it takes over, also on failure; NULL where there are
 * none. Errors: ERR_NOMEM. */
int geo_of_ranges(struct geo **out, struct ranges *const r[GEO_N]) WARN_UNUSED;
/* What a file of it says of itself, or NULL. */
const struct ranges_about *geo_about(const struct geo *g, enum geo_kind kind);

/* Write what was read to files of the directory, which is made if it is missing; a kind that was
 * not read stays as it is. Errors: ERR_IO, ERR_NOMEM. */
int geo_install(struct geo_source *s, const char *dir, struct err *e) WARN_UNUSED;

#endif
