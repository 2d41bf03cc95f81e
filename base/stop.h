/* Being asked to stop: for programs that work in a loop and look now and then. */
#ifndef USHER_BASE_STOP_H
#define USHER_BASE_STOP_H

#include <signal.h>

/* From now on SIGTERM and SIGINT make the flag that is returned non-zero, and do nothing else; a
 * peer that is gone is an error of its write (SIGPIPE is ignored). */
const volatile sig_atomic_t *stop_on_signals(void);

#endif
