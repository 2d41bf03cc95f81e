/* usherctl show …. */
#ifndef USHER_CTL_SHOW_H
#define USHER_CTL_SHOW_H

#include "arguments.h"

extern const struct command show_create_command;
extern const struct command show_list_command;

#endif
