/*
 * What a process knows stays in it. Passwords, keys and tokens lie in its memory: no core file has
 * them, and nobody of the same user looks into it (/proc/PID/mem, environ, a debugger). Root may.
 * Linux' way: the process is not dumpable (prctl(2), proc(5)). Children that it forks are not
 * either.
 */
#ifndef USHER_BASE_SECRECY_H
#define USHER_BASE_SECRECY_H

#include <stdbool.h>

/* The option core_dumps of every program, and its help. */
#define CORE_DUMPS_HELP "leave core files, with all secrets in them, and let debuggers in"

/* From now on, or no more: for who debugs. Aborts where the system does not know how. */
void secrecy_keep(bool is_kept);

/*
 * A password that is not percent-encoded spills into what stands beside it in a URL, and error
 * messages say hosts and ports. NULL if these (of libpq, several with commas; may be NULL) hold
 * none; else a sentence.
 */
const char *secrecy_check_address(const char *hosts, const char *ports);

/* Nobody is to read this argument or variable any more: NULs, for what was in it. */
void secrecy_erase(char *text);

#endif
