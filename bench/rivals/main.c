/*
 * rival: one of the designs that the documents propose, behind usher's own HTTP server. It makes
 * its tables anew, serves until SIGTERM, and then says how often it had to retry.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ev.h>

#include "base/buf.h"
#include "bench/rivals/design.h"
#include "bench/rivals/desk.h"
#include "bench/rivals/pool.h"
#include "bench/rivals/seckill.h"
#include "bench/serve.h"

#define POOL_MAX 512
#define SCRIPT_BYTES_MAX 8192
#define SEATS_COUNTED 100000000L
#define SEATS_NUMBERED 100L

static const struct design *const designs[] = {&design_for_update, &design_for_update_fused,
                                               &design_atomic,     &design_optimistic,
                                               &design_seat_lock,  &design_seat_lock_fused};
#define DESIGNS (sizeof(designs) / sizeof(designs[0]))

static const char schema[] = {
#include "bench/rivals/schema.sql.inc"
};

struct rival {
    const char *design, *listen, *postgres, *redis;
    long pool, shows, seats; /* seats 0: the design's own number */
};

static void print_help(void)
{
    puts("rival --design NAME --postgres CONNINFO [options]\n\n"
         "  --design NAME        what to be:");
    for (size_t i = 0; i < DESIGNS; i++)
        printf("                         %-17s %s\n", designs[i]->name, designs[i]->summary);
    puts("                         seckill           a Redis counter with write-behind\n"
         "  --postgres CONNINFO  a database of its own: the tables of schema.sql are dropped\n"
         "  --redis URL          for seckill (USHER_REDIS, else redis://127.0.0.1:6379)\n"
         "  --listen ADDRESS     where to listen (127.0.0.1:0)\n"
         "  --pool N             connections to Postgres (16)\n"
         "  --shows N            shows 1 … N (1)\n"
         "  --seats N            seats of each (100000000); numbered ones, of the one show (100)");
    exit(0);
}

static long number(const char *text, long max)
{
    char *end;
    long n = strtol(text, &end, 10);

    if (end != text && *end == '\0' && n >= 1 && n <= max)
        return n;
    fprintf(stderr, "rival: \"%s\" is not a number from 1 to %ld\n", text, max);
    exit(2);
}

static struct rival rival_from_arguments(int argc, char **argv)
{
    const char *redis = getenv("USHER_REDIS");
    struct rival r = {.listen = "127.0.0.1:0",
                      .redis = redis != NULL ? redis : "redis://127.0.0.1:6379",
                      .pool = 16,
                      .shows = 1};
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                            {"design", required_argument, NULL, 'd'},
                                            {"postgres", required_argument, NULL, 'p'},
                                            {"redis", required_argument, NULL, 'r'},
                                            {"listen", required_argument, NULL, 'l'},
                                            {"pool", required_argument, NULL, 'n'},
                                            {"shows", required_argument, NULL, 's'},
                                            {"seats", required_argument, NULL, 'q'},
                                            {NULL, 0, NULL, 0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'h':
            print_help();
            break;
        case 'd':
            r.design = optarg;
            break;
        case 'p':
            r.postgres = optarg;
            break;
        case 'r':
            r.redis = optarg;
            break;
        case 'l':
            r.listen = optarg;
            break;
        case 'n':
            r.pool = number(optarg, POOL_MAX);
            break;
        case 's':
            r.shows = number(optarg, 100000);
            break;
        case 'q':
            r.seats = number(optarg, 1000000000);
            break;
        default:
            exit(2);
        }
    }
    if (r.design == NULL || r.postgres == NULL || optind < argc) {
        fputs("rival: --design and --postgres are needed (--help lists the options)\n", stderr);
        exit(2);
    }
    return r;
}

static bool make_tables(const struct rival *r, bool numbered)
{
    struct buf sql;

    buf_init(&sql, SCRIPT_BYTES_MAX);
    buf_put(&sql, schema, sizeof(schema));
    if (numbered)
        buf_putf(&sql,
                 "INSERT INTO seats (id, event_id, seat_number) SELECT n, 1, n "
                 "FROM generate_series(1, %ld) n; ANALYZE seats;",
                 r->seats > 0 ? r->seats : SEATS_NUMBERED);
    else
        buf_putf(
            &sql,
            "INSERT INTO shows (id, total_seats) SELECT n, %ld FROM generate_series(1, %ld) n;",
            r->seats > 0 ? r->seats : SEATS_COUNTED, r->shows);
    const char *text = buf_text(&sql);
    bool right = text != NULL && pool_run_script(r->postgres, text);
    buf_free(&sql);
    return right;
}

static void begin_sql(void *design, struct wish *wish)
{
    pool_begin(design, wish);
}

static void begin_seckill(void *design, struct wish *wish)
{
    seckill_begin(design, wish);
}

static int run_sql(const struct rival *r, const struct design *design, struct desk *desk)
{
    struct ev_loop *loop = ev_default_loop(0);

    if (!make_tables(r, design->seats))
        return 1;
    struct pool *pool = pool_open(loop, r->postgres, (size_t)r->pool, design, desk);

    if (pool == NULL)
        return 1;
    desk_open(desk, pool, begin_sql, design->seats);
    int status = serve(loop, r->listen, desk_application(desk));
    fprintf(stderr, "rival: %llu retries\n", (unsigned long long)pool_retries(pool));
    pool_close(pool);
    return status;
}

static int run_seckill(const struct rival *r, struct desk *desk)
{
    struct ev_loop *loop = ev_default_loop(0);
    uint32_t seats = (uint32_t)(r->seats > 0 ? r->seats : SEATS_COUNTED);

    if (!make_tables(r, false))
        return 1;
    struct seckill *seckill =
        seckill_open(loop, r->redis, r->postgres, (uint32_t)r->shows, seats, desk);

    if (seckill == NULL)
        return 1;
    desk_open(desk, seckill, begin_seckill, false);
    int status = serve(loop, r->listen, desk_application(desk));
    seckill_close(seckill);
    return status;
}

int main(int argc, char **argv)
{
    static struct desk desk;
    struct rival r = rival_from_arguments(argc, argv);

    for (size_t i = 0; i < DESIGNS; i++)
        if (strcmp(designs[i]->name, r.design) == 0)
            return run_sql(&r, designs[i], &desk);
    if (strcmp(r.design, "seckill") == 0)
        return run_seckill(&r, &desk);
    fprintf(stderr, "rival: there is no design \"%s\"\n", r.design);
    return 2;
}
