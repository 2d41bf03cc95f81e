#include "bench/generator/plan.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define SECONDS_MAX 86400.0
#define RATE_MAX 10000000.0
#define REQUESTS_SECONDS 600.0 /* the bound on time where only --requests is given */

struct option_row {
    const char *name;
    const char *value; /* what --help calls it; NULL: a bare flag */
    const char *help;
    void (*set)(struct plan *plan, const char *text);
};

static void set_url(struct plan *plan, const char *text);
static void set_mix(struct plan *plan, const char *text);
static void set_seats(struct plan *plan, const char *text);
static void set_open_kind(struct plan *plan, const char *text);
static void plan_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static double number(const char *text, double min, double max)
{
    char *end;

    errno = 0;
    double n = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(n >= min && n <= max))
        plan_fail("\"%s\" is not a number from %g to %g", text, min, max);
    return n;
}

#define SETTER(field, expression)                                                                  \
    static void set_##field(struct plan *plan, const char *text)                                   \
    {                                                                                              \
        plan->field = expression;                                                                  \
    }
#define WORLD_SETTER(field, expression)                                                            \
    static void set_##field(struct plan *plan, const char *text)                                   \
    {                                                                                              \
        plan->world.field = expression;                                                            \
    }
SETTER(clients, (uint32_t)number(text, 1, CLIENTS_MAX))
SETTER(processes, (uint32_t)number(text, 1, PROCESSES_MAX))
SETTER(rate, number(text, 0, RATE_MAX))
SETTER(seconds, number(text, 0.1, SECONDS_MAX))
SETTER(warmup, number(text, 0, SECONDS_MAX))
SETTER(requests, (uint64_t)number(text, 1, 1e12))
SETTER(open, (uint32_t)number(text, 1, CLIENTS_MAX))
SETTER(path, text)
SETTER(timeline_ms, (int64_t)number(text, 1, 60000))
SETTER(json, text)
SETTER(quiet, text == NULL)
WORLD_SETTER(show, text)
WORLD_SETTER(shows, (uint32_t)number(text, 1, 100000))
WORLD_SETTER(sold_out, text)
WORLD_SETTER(tier, text)
WORLD_SETTER(racers, (uint32_t)number(text, 1, CLIENTS_MAX))
WORLD_SETTER(seed, (uint64_t)number(text, 0, 9007199254740992.0))

static const struct option_row rows[] = {
    {"url", "URL[,URL…]", "where to: http://host:port, several take turns", set_url},
    {"clients", "N", "kept-alive connections, over all processes (64)", set_clients},
    {"processes", "N", "processes that share them (1)", set_processes},
    {"rate", "N", "open loop: N operations begun a second; 0: closed loop (0)", set_rate},
    {"seconds", "N", "how long operations are begun (10)", set_seconds},
    {"warmup", "N", "seconds at the beginning that are not counted (0)", set_warmup},
    {"requests", "N", "begin N operations and no more", set_requests},
    {"mix", "KIND=N,…",
     "weights of book, hold, hold+confirm, refused, read, duplicate, seat, seat-race (book=1)",
     set_mix},
    {"show", "SLUG", "the show; with --shows the prefix of SLUG-1, SLUG-2, … (storm)", set_show},
    {"shows", "N", "spread over N shows (1)", set_shows},
    {"sold-out", "SLUG", "the show that \"refused\" asks (storm-sold-out)", set_sold_out},
    {"tier", "CODE", "the tier (A)", set_tier},
    {"seats", "PATTERN", "the shows' seats, for seat and seat-race: {A..J}-{1..10} are A-1 … J-10",
     set_seats},
    {"racers", "N", "clients that go for each seat of seat-race (20)", set_racers},
    {"seed", "N", "names the users and fixes the mix (the clock)", set_seed},
    {"open", "N", "hold N connections open and do nothing else", set_open},
    {"open-kind", "KIND",
     "idle: connected; await: waiting for --path; listen: to the events of --path (idle)",
     set_open_kind},
    {"path", "PATH",
     "what --open-kind await or listen asks for; -: a line of standard input, read when all stand",
     set_path},
    {"timeline", "MS", "also report grants and the worst latency for every MS", set_timeline_ms},
    {"json", "FILE", "write the results there as JSON; - for standard output", set_json},
    {"quiet", NULL, "no progress line, no table", set_quiet},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void plan_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("storm: ", stderr);
    vfprintf(stderr, format, args);
    fputs(" (--help lists the options)\n", stderr);
    va_end(args);
    exit(2);
}

static void print_help(void)
{
    puts("storm --url URL [options]: load for a booking service, every answer checked\n");
    for (size_t i = 0; i < ROWS; i++) {
        char flag[64];
        snprintf(flag, sizeof(flag), "--%s %s", rows[i].name, rows[i].value ? rows[i].value : "");
        printf("  %-24s %s\n", flag, rows[i].help);
    }
    puts("\nExit status: 0, 1 if an answer was wrong or clients could not connect, 2 for bad "
         "usage.");
    exit(0);
}

static void resolve(struct target *t, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int rc = getaddrinfo(host, port, &hints, &found);

    if (rc != 0)
        plan_fail("%s: %s", host, gai_strerror(rc));
    memcpy(&t->address, found->ai_addr, found->ai_addrlen);
    t->address_len = found->ai_addrlen;
    freeaddrinfo(found);
}

/* One http://host:port of the list, `text` … `text + n`. */
static void add_target(struct plan *plan, const char *text, size_t n)
{
    static const char scheme[] = "http://";
    char host[HOST_BYTES_MAX];
    struct target *t = &plan->target[plan->targets];

    if (plan->targets == TARGETS_MAX)
        plan_fail("more than %d URLs", TARGETS_MAX);
    if (n <= strlen(scheme) || strncmp(text, scheme, strlen(scheme)) != 0 ||
        n - strlen(scheme) >= sizeof(host))
        plan_fail("\"%.*s\" is not http://host:port", (int)n, text);
    snprintf(host, sizeof(host), "%.*s", (int)(n - strlen(scheme)), text + strlen(scheme));
    host[strcspn(host, "/")] = '\0';
    snprintf(t->host, sizeof(t->host), "%s", host);
    char *colon = strrchr(host, ':');
    if (colon == NULL)
        plan_fail("\"%.*s\" names no port", (int)n, text);
    *colon = '\0';
    resolve(t, host, colon + 1);
    plan->targets++;
}

static void set_url(struct plan *plan, const char *text)
{
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        add_target(plan, text, n);
        text += n + (text[n] == ',');
    }
}

static enum errand_kind kind_named(const char *name, size_t n)
{
    for (unsigned k = 0; k < ERRANDS; k++) {
        const char *known = errand_kind_name((enum errand_kind)k);
        if (strlen(known) == n && strncmp(known, name, n) == 0)
            return (enum errand_kind)k;
    }
    plan_fail("--mix: there is no \"%.*s\"", (int)n, name);
}

static void set_mix(struct plan *plan, const char *text)
{
    memset(plan->weight, 0, sizeof(plan->weight));
    while (*text != '\0') {
        char weight[16];
        size_t n = strcspn(text, "=");
        enum errand_kind kind = kind_named(text, n);
        text += n + (text[n] == '=');
        n = strcspn(text, ",");
        snprintf(weight, sizeof(weight), "%.*s", (int)n, text);
        plan->weight[kind] = (unsigned)number(weight, 0, 1000000);
        text += n + (text[n] == ',');
    }
}

static void set_seats(struct plan *plan, const char *text)
{
    if (!seat_pattern_read(&plan->world.seats, text))
        plan_fail("--seats: \"%s\" is no pattern like {A..J}-{1..10}", text);
}

static void set_open_kind(struct plan *plan, const char *text)
{
    if (strcmp(text, "idle") == 0)
        plan->open_kind = OPEN_IDLE;
    else if (strcmp(text, "await") == 0)
        plan->open_kind = OPEN_AWAIT;
    else if (strcmp(text, "listen") == 0)
        plan->open_kind = OPEN_LISTEN;
    else
        plan_fail("--open-kind: there is no \"%s\"", text);
}

static void read_arguments(struct plan *plan, int argc, char **argv)
{
    struct option options[ROWS + 2] = {{"help", no_argument, NULL, 'h'}};
    int index = 0;
    int c;

    for (size_t i = 0; i < ROWS; i++)
        options[i + 1] =
            (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL, 1};
    while ((c = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (c == 'h')
            print_help();
        if (c != 1)
            exit(2);
        rows[index - 1].set(plan, optarg);
    }
    if (optind < argc)
        plan_fail("\"%s\" is not an option", argv[optind]);
}

/* No seat is asked for twice, or more often than the race has it: what is refused then, and what
 * is granted, can be judged. So a run ends when its seats do. */
static void bound_by_seats(struct plan *plan)
{
    struct errand_world *world = &plan->world;
    bool race = plan->weight[ERRAND_RACE] > 0;
    uint64_t turns = (uint64_t)world->seats.count * world->shows;

    if (!race && plan->weight[ERRAND_SEAT] == 0) {
        world->seats.count = 0; /* nobody asks for them */
        return;
    }
    if (race && plan->weight[ERRAND_SEAT] > 0)
        plan_fail("--mix: seat and seat-race would take each other's seats");
    if (turns == 0 || turns > RUN_SEATS_MAX)
        plan_fail("--seats: from 1 to %d seats over all shows are needed", RUN_SEATS_MAX);
    turns *= race ? world->racers : 1;
    if (plan->requests > turns)
        plan_fail("--requests: the seats are enough for %llu", (unsigned long long)turns);
    if (plan->requests == 0)
        plan->requests = turns;
}

void plan_read(struct plan *plan, int argc, char **argv)
{
    *plan = (struct plan){.clients = 64,
                          .processes = 1,
                          .open_kind = OPEN_IDLE,
                          .world = {.show = "storm",
                                    .shows = 1,
                                    .sold_out = "storm-sold-out",
                                    .tier = "A",
                                    .racers = 20,
                                    .seed = (uint64_t)clock_wall_ms()}};
    plan->weight[ERRAND_BOOK] = 1;
    read_arguments(plan, argc, argv);
    if (plan->targets == 0)
        plan_fail("--url is missing");
    if (plan->seconds == 0)
        plan->seconds = plan->requests > 0 ? REQUESTS_SECONDS : 10;
    for (size_t k = 0; k < ERRANDS; k++)
        plan->weight_sum += plan->weight[k];
    if (plan->weight_sum == 0)
        plan_fail("--mix: nothing to do");
    if (plan->open > 0 && plan->open_kind != OPEN_IDLE && plan->path == NULL)
        plan_fail("--open-kind await and listen need --path");
    if (plan->processes > plan->clients)
        plan->processes = plan->clients;
    plan->world.processes = plan->processes;
    bound_by_seats(plan);
}

uint64_t plan_share(const struct plan *plan, uint64_t whole, uint32_t process)
{
    return whole / plan->processes + (process < whole % plan->processes ? 1 : 0);
}
