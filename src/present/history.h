/* present/history.h - the counters of every minute or hour, for people and programs.
 * Floor 5. Pure. */
#ifndef WEIR_PRESENT_HISTORY_H
#define WEIR_PRESENT_HISTORY_H

#include "collect/history_ask.h"
#include "present/present.h"
#include "query/parse.h"

/* The step that a frame asks for: `step_ms` if it is one, else by the time that the rows span; rows
 * of a minute stay as they are kept. */
void history_choose_step(struct history_series *s, int64_t step_ms);

/* As a table, CSV, or JSON: {"step_ms":0,"rows":[{"from":...,"to":...,"running":true,
 * "datagrams":12,...},...]}. Counters that are not known are empty or null, those of Weir's own are
 * left out where one exporter was asked for. */
void history_show(struct buf *out, const struct history_series *s, const struct zone *z,
                  enum present_format f);

#endif
