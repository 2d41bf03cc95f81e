/* Random bytes from the kernel, fetched a page at a time. Aborts if the kernel has none to give. */
#ifndef USHER_BASE_RANDOM_H
#define USHER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);
void random_hex(char *text, size_t digits); /* writes digits and a NUL; lower case */

#endif
