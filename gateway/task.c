#include "gateway/task.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/gateway.h"
#include "gateway/shows.h"
#include "gateway/tracing.h"
#include "gateway/waiters.h"

#define SPARES_MAX 4096

void task_pool_init(struct task_pool *pool)
{
    list_init(&pool->spare);
    pool->spares = pool->taken = 0;
}

void task_pool_free(struct task_pool *pool)
{
    struct list *node;

    while ((node = list_take_first(&pool->spare)) != NULL)
        free(LIST_OWNER(node, struct task, node));
}

struct task *task_take(struct gateway *gateway, struct exchange *exchange)
{
    struct task_pool *pool = &gateway->tasks;
    struct list *node = list_take_first(&pool->spare);
    struct task *task = node != NULL ? LIST_OWNER(node, struct task, node) : malloc(sizeof *task);

    if (task == NULL)
        return NULL;
    if (node != NULL)
        pool->spares--;
    pool->taken++;
    memset(task, 0, sizeof *task);
    list_init(&task->node);
    list_init(&task->due);
    task->gateway = gateway;
    task->exchange = exchange;
    exchange_set_data(exchange, task);
    return task;
}

void task_give(struct task *task)
{
    struct task_pool *pool = &task->gateway->tasks;

    assert(!task->is_parked);
    waiters_forget(task);
    list_remove(&task->node);
    if (task->tracing != NULL)
        tracing_end(task);
    if (task->cached != NULL)
        shows_unpin(task->cached);
    for (size_t i = 0; i < task->alsos; i++)
        shows_unpin(task->also[i]);
    buf_free(&task->refusal.conflicts);
    buf_free(&task->refusal.more);
    pool->taken--;
    if (pool->spares == SPARES_MAX) {
        free(task);
        return;
    }
    pool->spares++;
    list_append(&pool->spare, &task->node);
}

void task_gone(struct task *task)
{
    task->exchange = NULL;
    if (!task->is_parked)
        task_give(task);
}

void task_park(struct task *task)
{
    assert(!task->is_parked);
    task->is_parked = true;
}

bool task_resume(struct task *task)
{
    assert(task->is_parked);
    task->is_parked = false;
    if (task->exchange != NULL)
        return true;
    task_give(task);
    return false;
}

void task_set_id(struct task *task, struct id id)
{
    task->id = id;
    task->has_id = true;
}
