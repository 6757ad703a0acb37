/* collect/history_days.h - the files of a history directory, one a day, in order.
 * Floor 4. Threads: no state; a directory may be read while a server writes there. */
#ifndef WEIR_COLLECT_HISTORY_DAYS_H
#define WEIR_COLLECT_HISTORY_DAYS_H

#include "collect/history_file.h"

#define HISTORY_PATH        4096u
#define HISTORY_NAME_OCTETS 14u /* 2026-11-25.his */
#define HISTORY_FILE_OCTETS (64u << 20)

struct history_days {
    char (*name)[HISTORY_NAME_OCTETS + 1];
    size_t n, room;
};

/* Files of this directory, oldest first; free(out->name). Errors: ERR_NOTFOUND, ERR_IO, ERR_NOMEM.
 */
int history_days_list(const char *dir, struct history_days *out, struct err *e) WARN_UNUSED;
/* The file that a moment's minute goes to. */
void history_day_name(int64_t ms, char out[HISTORY_NAME_OCTETS + 1]);
/* One file, whole. Errors: ERR_NOTFOUND, ERR_IO, ERR_LIMIT (larger than out's ceiling), ERR_ARG. */
int history_day_read(const char *dir, const char *name, struct buf *out, struct err *e) WARN_UNUSED;
/* Read all files between two names, in order; the newest always: its name. `day` holds one of them.
 * Errors: ERR_NOTFOUND, ERR_IO, ERR_NOMEM. */
int history_days_scan(const char *dir, const char *from, const char *to, struct history_scan *s,
                      struct buf *day, char newest[HISTORY_NAME_OCTETS + 1],
                      struct err *e) WARN_UNUSED;
/* When a server was last alive, to a second: DIR/alive. Not forced to disk: a killed server is what
 * it is for. 0: not known, or not to be believed. */
int64_t history_last_alive(const char *dir, int64_t now_ms);

#endif
