/* usherctl room set, room show, draw verify: waiting rooms, and whether a draw was what was
 * promised. */
#ifndef USHER_CTL_ROOM_H
#define USHER_CTL_ROOM_H

#include "arguments.h"

extern const struct command room_set_command, room_show_command, draw_verify_command;

#endif
