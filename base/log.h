/*
 * One event a line on standard error, as logfmt or as a JSON object:
 *
 *   at=2026-05-03T19:30:00.000Z level=info program=usher-gateway event=listening address=…
 *   {"at":"2026-05-03T19:30:00.000Z","level":"info","program":"usher-gateway","event":"listening",…}
 *
 * The event is a fixed word; what varies stands in key=value pairs, quoted where needed and with
 * control bytes escaped. No secrets, no bodies. In JSON all values are strings, numbers too: a
 * field has one type whatever is in it. A line longer than LOG_BYTES_MAX is cut, within a value
 * or between two pairs; cut JSON is JSON, and UTF-8, all the same.
 *
 *   log_event(LOG_INFO, "partition_taken", "partition", log_u64(p), "epoch", log_u64(epoch), NULL);
 */
#ifndef USHER_BASE_LOG_H
#define USHER_BASE_LOG_H

#include <stdbool.h>

#define LOG_BYTES_MAX 2048

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* The help of the option log_format. */
#define LOG_FORMAT_HELP "logfmt, or json: an object a line, all of its values strings"

void log_open(const char *program, enum log_level level_min, enum log_format format);
bool log_level_from(const char *name, enum log_level *level);    /* "debug" … "error" */
bool log_format_from(const char *name, enum log_format *format); /* "logfmt", "json" */
bool log_wants(enum log_level level);

/* Pairs of const char * (key, value; a NULL value is printed as "-"), then a NULL key. */
void log_event(enum log_level level, const char *event, ...) __attribute__((sentinel));

/* Text of a number for log_event, good until sixteen more calls in the same process. */
const char *log_u64(unsigned long long n);
const char *log_i64(long long n);

#endif
