/* usherctl verify: recount every invariant from Postgres, and compare Redis with it. */
#ifndef USHER_CTL_VERIFY_H
#define USHER_CTL_VERIFY_H

#include "arguments.h"

extern const struct command verify_command;

#endif
