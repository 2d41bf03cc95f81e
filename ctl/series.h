/* usherctl series …. */
#ifndef USHER_CTL_SERIES_H
#define USHER_CTL_SERIES_H

#include "arguments.h"

extern const struct command series_create_command;

#endif
