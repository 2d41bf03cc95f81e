/* What this process has used of its machine. */
#ifndef USHER_BASE_PROCESS_H
#define USHER_BASE_PROCESS_H

#include <stdint.h>

uint64_t process_cpu_us(void);         /* in user and kernel mode, since it began */
uint64_t process_resident_bytes(void); /* 0: the kernel does not say */

#endif
