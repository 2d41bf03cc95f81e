/* /livez, /readyz, /health. */
#include "base/clock.h"
#include "base/config.h"
#include "gateway/databases.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/partitions.h"
#include "gateway/redis_servers.h"
#include "gateway/render.h"
#include "gateway/reply.h"

static void answer(struct task *task, bool is_well)
{
    buf_puts(&task->gateway->headers, "Cache-Control: no-store\r\n");
    if (!is_well)
        reply_field(task, "Retry-After", "1");
    reply_send(task, is_well ? 200 : 503, REPLY_JSON);
}

static void put_status(struct buf *body, const char *name, bool is_well)
{
    buf_putf(body, ",\"%s\":{\"status\":\"%s\"}", name, is_well ? "ok" : "down");
}

static bool redis_is_well(const struct gateway *g)
{
    return redis_servers_are_ready(g->redis) && redis_link_is_ready(g->subscriber);
}

static bool allocators_are_well(const struct gateway *g)
{
    const struct partition *p;

    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++)
        if (!partition_is_serving(p))
            return false;
    return partitions_are_known(g->partitions);
}

/* The same, but for those whose database is away: they are no reason to keep others waiting. */
static bool allocators_have_begun(const struct gateway *g)
{
    const struct partition *p;
    bool any = partitions_at(g->partitions, 0) == NULL; /* there is none to wait for */

    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++)
        if (partition_is_serving(p))
            any = true;
        else if (database_is_ready(p->database))
            return false;
    return any && partitions_are_known(g->partitions);
}

/* The process runs its loop. */
void get_livez(struct task *task)
{
    buf_puts(reply_open(task), "{\"status\":\"ok\"}");
    answer(task, true);
}

bool gateway_is_ready(struct gateway *g)
{
    g->has_been_ready = g->has_been_ready || allocators_have_begun(g);
    return redis_is_well(g) && databases_are_ready(g->databases) && g->has_been_ready;
}

static const char *ready_word(const struct gateway *g, bool is_ready)
{
    return g->is_draining ? "draining" : is_ready ? "ok" : "down";
}

void get_readyz(struct task *task)
{
    struct gateway *g = task->gateway;
    bool is_ready = gateway_is_ready(g);

    struct buf *body = reply_open(task);
    buf_putf(body, "{\"status\":\"%s\"", ready_word(g, is_ready));
    put_status(body, "redis", redis_is_well(g));
    put_status(body, "postgres", databases_are_ready(g->databases));
    put_status(body, "allocators", g->has_been_ready);
    buf_putc(body, '}');
    answer(task, is_ready && !g->is_draining);
}

static void put_allocator(struct buf *body, const struct partition *p)
{
    buf_putf(body, "{\"partition\":%u,\"status\":\"%s\",\"state\":", p->number,
             partition_is_serving(p) ? "ok" : "down");
    if (p->has_report) {
        render_text(body, span_of(p->state));
        buf_puts(body, ",\"allocator\":");
        render_text(body, span_of(p->allocator));
    } else {
        buf_puts(body, "null,\"allocator\":null");
    }
    buf_putf(body, ",\"epoch\":%llu,\"version\":%llu,\"backlog_entries\":%llu}",
             (unsigned long long)p->epoch, (unsigned long long)p->version,
             (unsigned long long)p->backlog_entries);
}

/* It makes nobody ill: while it cannot be asked, the primary is. */
static void put_replica(struct buf *body, const struct gateway *g)
{
    struct replica_report replica = database_replica(databases_home(g->databases));

    if (replica.status == REPLICA_NONE)
        return;
    buf_putf(body,
             ",\"replica\":{\"status\":\"%s\",\"lag_ms\":", replica_status_word(replica.status));
    if (replica.lag_ms < 0)
        buf_puts(body, "null}");
    else
        buf_putf(body, "%lld}", (long long)replica.lag_ms);
}

static bool all_are_ready(const struct gateway *g)
{
    const struct database *one;

    for (size_t i = 0; (one = databases_at(g->databases, i)) != NULL; i++)
        if (!database_is_ready(one))
            return false;
    return true;
}

/* Each by its partitions: where it is, is nobody's business here. */
static void put_database(struct buf *body, const struct gateway *g, const struct database *database)
{
    const struct partition *p;
    bool is_first = true;

    buf_putf(body, "{\"status\":\"%s\",\"partitions\":[",
             database_is_ready(database) ? "ok" : "down");
    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++) {
        if (p->database != database)
            continue;
        buf_putf(body, "%s%u", is_first ? "" : ",", p->number);
        is_first = false;
    }
    buf_puts(body, "]}");
}

static void put_databases(struct buf *body, const struct gateway *g)
{
    const struct database *one;

    buf_puts(body, ",\"databases\":[");
    for (size_t i = 0; (one = databases_at(g->databases, i)) != NULL; i++) {
        if (i > 0)
            buf_putc(body, ',');
        put_database(body, g, one);
    }
    buf_putc(body, ']');
}

void get_health(struct task *task)
{
    struct gateway *g = task->gateway;
    bool redis = redis_is_well(g), postgres = all_are_ready(g);
    bool is_well = redis && postgres && allocators_are_well(g);
    struct buf *body = reply_open(task);
    const struct partition *p;

    buf_putf(body, "{\"status\":\"%s\"", is_well ? "ok" : "down");
    buf_puts(body, ",\"server\":{\"status\":\"ok\",\"name\":");
    render_text(body, span_of(g->name));
    buf_putf(body, ",\"version\":\"" USHER_VERSION "\",\"uptime_seconds\":%lld}",
             (long long)((clock_mono_us() - g->began_us) / 1000000));
    put_status(body, "redis", redis);
    put_status(body, "postgres", postgres);
    put_databases(body, g);
    put_replica(body, g);
    buf_putf(body, ",\"database\":\"%s\",\"allocators\":[",
             postgres ? "connected" : "disconnected");
    for (size_t i = 0; (p = partitions_at(g->partitions, i)) != NULL; i++) {
        if (i > 0)
            buf_putc(body, ',');
        put_allocator(body, p);
    }
    buf_puts(body, "]}");
    answer(task, is_well);
}
