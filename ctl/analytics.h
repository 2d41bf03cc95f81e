/* usherctl analytics: how a sale went, from the gateway's reports. */
#ifndef USHER_CTL_ANALYTICS_H
#define USHER_CTL_ANALYTICS_H

#include "arguments.h"

extern const struct command analytics_command;

#endif
