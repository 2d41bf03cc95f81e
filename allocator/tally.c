#include "allocator/tally.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define SLOTS (2 * TALLY_CELLS_MAX)
_Static_assert((SLOTS & (SLOTS - 1)) == 0, "the index is masked");
_Static_assert(TALLY_CELLS_MAX <= UINT16_MAX, "the index has 16 bits");

enum column { D_SHOW, D_MINUTE, D_CODE, D_COUNT, W_SHOW, W_MINUTE, W_UP_TO, W_COUNT, W_SUM, W_MAX };
_Static_assert(W_MAX + 1 == TALLY_COLUMNS, "all columns are named");

/* Half an octave each: 2^(n/2), rounded. */
const uint32_t tally_bounds_ms[TALLY_WAITS - 1] = {
    1,     2,     3,     4,     6,     8,     11,    16,     23,     32,     45,     64,    91,
    128,   181,   256,   362,   512,   724,   1024,  1448,   2048,   2896,   4096,   5793,  8192,
    11585, 16384, 23170, 32768, 46341, 65536, 92682, 131072, 185364, 262144, 370728, 524288};

static size_t slot_of(uint32_t show, int64_t minute)
{
    uint64_t mixed = ((uint64_t)show << 32 ^ (uint64_t)minute) * UINT64_C(0x9e3779b97f4a7c15);

    return (size_t)(mixed >> 40) & (SLOTS - 1);
}

static bool is_of(const struct tally_cell *cell, uint32_t show, int64_t minute)
{
    return cell->show == show && cell->minute == minute;
}

/* Its slot, or the free one where it would be. */
static uint16_t *find(struct tally *t, uint32_t show, int64_t minute)
{
    size_t slot = slot_of(show, minute);

    while (t->index[slot] != 0 && !is_of(&t->cell[t->index[slot] - 1], show, minute))
        slot = (slot + 1) & (SLOTS - 1);
    return &t->index[slot];
}

/* NULL: there is no room. Most requests are of the show of the one before. */
static struct tally_cell *cell_for(struct tally *t, uint32_t show, int64_t minute)
{
    struct tally_cell *last = t->cells > 0 ? &t->cell[t->cells - 1] : NULL;
    uint16_t *slot;

    if (last != NULL && is_of(last, show, minute))
        return last;
    slot = find(t, show, minute);
    if (*slot != 0)
        return &t->cell[*slot - 1];
    if (t->cells == TALLY_CELLS_MAX)
        return NULL;
    last = &t->cell[t->cells++];
    *slot = (uint16_t)t->cells;
    memset(last, 0, sizeof *last);
    last->show = show;
    last->minute = minute;
    return last;
}

static struct tally_wait *wait_for(struct tally_cell *cell, int64_t waited_ms)
{
    size_t i = 0;

    while (i < TALLY_WAITS - 1 && waited_ms > (int64_t)tally_bounds_ms[i])
        i++;
    return &cell->wait[i];
}

void tally_count(struct tally *t, uint32_t show, int64_t minute, unsigned code, int64_t waited_ms)
{
    struct tally_cell *cell = cell_for(t, show, minute);
    struct tally_wait *wait;

    assert(code <= TALLY_REPEATED);
    if (cell == NULL) {
        t->dropped++;
        return;
    }
    if (waited_ms < 0) /* Redis' clock and ours */
        waited_ms = 0;
    cell->count[code]++;
    wait = wait_for(cell, waited_ms);
    wait->count++;
    wait->sum_ms += waited_ms;
    if (waited_ms > wait->max_ms)
        wait->max_ms = waited_ms;
}

static void put_number(struct buf *column, int64_t n)
{
    buf_putf(column, ",%" PRId64, n);
}

static void put_cell(const struct tally_cell *cell, struct buf columns[TALLY_COLUMNS])
{
    for (unsigned code = 0; code <= TALLY_REPEATED; code++) {
        if (cell->count[code] == 0)
            continue;
        put_number(&columns[D_SHOW], cell->show);
        put_number(&columns[D_MINUTE], cell->minute);
        buf_putf(&columns[D_CODE], ",%s",
                 code == TALLY_REPEATED ? "REPEATED" : code_name((enum code)code));
        put_number(&columns[D_COUNT], cell->count[code]);
    }
    for (size_t i = 0; i < TALLY_WAITS; i++) {
        const struct tally_wait *wait = &cell->wait[i];
        if (wait->count == 0)
            continue;
        put_number(&columns[W_SHOW], cell->show);
        put_number(&columns[W_MINUTE], cell->minute);
        put_number(&columns[W_UP_TO],
                   i < TALLY_WAITS - 1 ? (int64_t)tally_bounds_ms[i] : INT32_MAX);
        put_number(&columns[W_COUNT], wait->count);
        put_number(&columns[W_SUM], wait->sum_ms);
        put_number(&columns[W_MAX], wait->max_ms);
    }
}

enum err tally_write(const struct tally *t, size_t cells, struct buf columns[TALLY_COLUMNS])
{
    assert(cells > 0 && cells <= t->cells);
    for (size_t i = 0; i < cells; i++)
        put_cell(&t->cell[i], columns);
    for (size_t i = 0; i < TALLY_COLUMNS; i++) {
        buf_putc(&columns[i], '}');
        if (columns[i].failed)
            return ERR_MEMORY;
        columns[i].bytes[0] = '{'; /* where the first comma was: no column is empty */
    }
    return ERR_NONE;
}

void tally_forget(struct tally *t, size_t cells)
{
    assert(cells <= t->cells);
    t->cells -= cells;
    memmove(t->cell, t->cell + cells, t->cells * sizeof *t->cell);
    memset(t->index, 0, sizeof t->index);
    for (size_t i = 0; i < t->cells; i++)
        *find(t, t->cell[i].show, t->cell[i].minute) = (uint16_t)(i + 1);
}
