/* os/clock.h - what time it is. Floor 1. Any thread. */
#ifndef WEIR_OS_CLOCK_H
#define WEIR_OS_CLOCK_H

#include "base/defs.h"

#define CLOCK_TEXT_MAX 32

int64_t clock_now_ms(void);  /* Unix ms */
int64_t clock_mono_ms(void); /* ms since some moment; never steps */
int64_t clock_mono_us(void); /* the same in us */
/* Does something (NTP) keep the wall clock right? *off_us: by how much it may be wrong. */
bool clock_synchronized(int64_t *off_us);
void clock_sleep_ms(int64_t ms);
void clock_sleep_us(int64_t us);

/* "2026-03-03T14:00:05.123Z" into out[CLOCK_TEXT_MAX]; returns out. */
const char *clock_text(int64_t unix_ms, char *out);

#endif
