/* enrich/source.h - data of others (CSV, MaxMind's .mmdb) into ranges.
 * Floor 3. Threads: shares nothing. */
#ifndef WEIR_ENRICH_SOURCE_H
#define WEIR_ENRICH_SOURCE_H

#include "enrich/ranges.h"

/* What was read: a draft for each kind that the files told something of. */
struct geo_source {
    struct ranges_draft *draft[GEO_N]; /* owned; NULL: nothing of that kind */
    struct ranges_about about[GEO_N];  /* date, source, licence as far as the files say */
};
void geo_source_free(struct geo_source *s);

/* Lines of a CSV file: FIRST,LAST,NUMBER[,NAME] or NETWORK,NUMBER[,NAME] with an AS number, or with
 * the two letters of a country instead and no name. Fields may stand in double quotes; a doubled
 * quote stands for one. Empty lines, lines that begin with # and a first line with words are passed
 * over. `name` is for messages.
 * Errors: ERR_FORMAT (names file, line and what is expected), ERR_LIMIT, ERR_NOMEM. */
int geo_source_csv(struct geo_source *s, const char *name, const char *text, size_t len,
                   struct err *e) WARN_UNUSED;

/* A MaxMind DB file: country.iso_code or country_code of each network, and autonomous_system_number
 * with autonomous_system_organization where it has them.
 * Errors: ERR_FORMAT, ERR_NOTFOUND, ERR_IO, ERR_LIMIT, ERR_NOMEM. */
int geo_source_mmdb(struct geo_source *s, const char *path, struct err *e) WARN_UNUSED;

#endif
