/* The two clocks. Lua, the database function and pure code never read either: time comes in. */
#ifndef USHER_BASE_CLOCK_H
#define USHER_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, UTC; may jump */
int64_t clock_wall_us(void);
int64_t clock_mono_us(void); /* since an arbitrary start; never jumps */
void clock_sleep_ms(int64_t ms);

/* RFC 3339 in UTC with milliseconds, "2026-05-03T19:30:00.000Z", NUL-terminated. */
#define CLOCK_TEXT_BYTES 25
void clock_format(int64_t wall_ms, char text[CLOCK_TEXT_BYTES]);

#endif
