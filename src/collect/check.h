/* collect/check.h - looking through journal/, history/ and the collector's state in the checkpoint:
 * the part of weir fsck that the store does not know.
 * Floor 4. */
#ifndef WEIR_COLLECT_CHECK_H
#define WEIR_COLLECT_CHECK_H

#include "store/store.h"

/* After store_check() with the same *c, which is gone on with. With c->repair, journal files in
 * which nothing can be read go to quarantine/, and a day of history is written anew from its good
 * records, as it was kept in quarantine/. Errors: ERR_VERSION, ERR_IO, ERR_NOMEM; damage is not
 * one. */
int collect_check(const char *dir, struct store_check *c, struct err *e) WARN_UNUSED;

/* Before anything in a directory is changed: was any of it written by a newer weir? Looks at heads
 * of files only. Errors: ERR_VERSION (the message names file, drafts and the way out), ERR_IO. */
int collect_check_drafts(const char *dir, struct err *e) WARN_UNUSED;

#endif
