/*
 * What operators do to what is there already. These subcommands ask the gateway's administrators'
 * routes, and there is no second way: what is done stands in the queue of its show, is checked
 * once, and is written down under the name that goes with the token.
 */
#ifndef USHER_CTL_ADMIN_H
#define USHER_CTL_ADMIN_H

#include "arguments.h"

extern const struct command show_open_command, show_pause_command, show_close_command;
extern const struct command show_change_command, show_price_command, show_move_command;
extern const struct command inventory_add_command, inventory_remove_command;
extern const struct command inventory_block_command, inventory_unblock_command;
extern const struct command booking_list_command, booking_cancel_command;
extern const struct command tier_add_command, tier_rename_command;
extern const struct command partition_drain_command;
extern const struct command audit_command, admin_token_command;

#endif
