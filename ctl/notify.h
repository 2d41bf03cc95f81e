/* usherctl webhook …, mail …: who is told of what, and what became of it. */
#ifndef USHER_CTL_NOTIFY_H
#define USHER_CTL_NOTIFY_H

#include "arguments.h"

extern const struct command webhook_add_command, webhook_list_command, webhook_remove_command,
    webhook_rotate_command, webhook_replay_command, webhook_log_command, mail_on_command,
    mail_off_command;

#endif
