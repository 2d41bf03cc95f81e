/* usherctl partition add. */
#ifndef USHER_CTL_PARTITION_H
#define USHER_CTL_PARTITION_H

#include "arguments.h"

extern const struct command partition_add_command;

#endif
