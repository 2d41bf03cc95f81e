#include "gateway/seatmaps.h"

#include <stdio.h>

#include "base/log.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/partitions.h"
#include "gateway/seatmap.h"
#include "gateway/shows.h"

static const struct statement seatmap_by_show = {"seatmap_by_show", SEATMAP_SQL};

void seatmaps_forget(struct cached_show *c)
{
    seatmap_free(c->seatmap);
    c->seatmap = NULL;
    c->show.seatmap = NULL;
}

static void on_map(void *context, enum err err, const struct postgres_rows *rows)
{
    struct cached_show *c = context;
    struct list waiting, *node;

    c->is_loading_map = false;
    if (!err && rows_count(rows) == 1 && shows_have_room_for_map(c)) {
        c->seatmap = seatmap_new(rows_text(rows, 0, 0));
        if (c->seatmap == NULL)
            log_event(LOG_ERROR, "seat_map_unreadable", "show", c->show.slug, NULL);
    }
    c->show.seatmap = c->seatmap;
    list_init(&waiting);
    list_move_all(&waiting, &c->waiting_for_map);
    while ((node = list_take_first(&waiting)) != NULL) {
        struct task *task = LIST_OWNER(node, struct task, node);
        task->show_is_unavailable = c->seatmap == NULL;
        task->route->handle(task);
    }
    shows_unpin(c);
}

bool seatmaps_wait(struct task *task, struct cached_show *c)
{
    char number[16];
    struct postgres_query query = {.statement = &seatmap_by_show,
                                   .values = 1,
                                   .value = {number},
                                   .done = on_map,
                                   .context = c};

    snprintf(number, sizeof number, "%u", c->show.number);
    if (!c->is_loading_map) {
        if (!database_query(partitions_database(task->gateway->partitions, c->show.partition),
                            &query))
            return false;
        c->is_loading_map = true;
        shows_pin(c);
    }
    list_append(&c->waiting_for_map, &task->node);
    return true;
}
