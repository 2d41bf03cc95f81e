/*
 * Write-behind: rows are remembered here and reach Postgres later, in batches. What is remembered
 * and not yet written is lost if the process dies. That is this design, not a fault of this file.
 */
#ifndef USHER_BENCH_LEDGER_H
#define USHER_BENCH_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/rivals/desk.h"

#define LEDGER_ROWS_MAX (1u << 20)
#define LEDGER_BATCH_ROWS 500

struct ev_loop;
struct ledger;

/* Connects and waits for it; NULL and a line on standard error if that fails. */
struct ledger *ledger_open(struct ev_loop *loop, const char *conninfo);
/* False when LEDGER_ROWS_MAX rows wait already. */
bool ledger_note(struct ledger *ledger, const struct wish *wish);
size_t ledger_waiting(const struct ledger *ledger); /* noted and not committed */
void ledger_close(struct ledger *ledger);

#endif
