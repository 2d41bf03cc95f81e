/* What the files of the seeds' routes share. */
#ifndef USHER_GATEWAY_SEEDS_H
#define USHER_GATEWAY_SEEDS_H

#include "base/model.h"

/* Words for clients that have never heard of a code; NULL: the code's own will do. */
const char *seed_words(enum code code);

#endif
