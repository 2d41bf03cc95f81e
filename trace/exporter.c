#include "trace/exporter.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/random.h"
#include "trace/collector.h"
#include "trace/shared.h"

#define SPANS_MAX 8192      /* waiting */
#define BATCH_SPANS_MAX 512 /* in one request */
#define READS_MAX 1024      /* of one turn */
#define FEW_SPANS 32        /* read at once: more come one by one … */
#define GATHER_MS 10        /* … and are let come together before they are looked for */
#define LINGER_MS 500       /* a span waits for others so long at most */
#define POST_MS 10000
#define PAUSE_MS_MIN 1000
#define PAUSE_MS_MAX 30000
#define ASKED_PAUSE_MS_MAX                                                                         \
    120000 /* the collector may ask for more than that: it does not get it                         \
            */
#define ATTEMPTS_MAX 6
#define IDLE_MS 1000
#define FLUSH_MS (TRACER_END_MS * 3 / 4)
#define ORPHAN_MS 60000 /* the program has died, and its workers may still drain */
#define SAY_MS 10000
#define BODY_BYTES_MAX (BATCH_SPANS_MAX * (TRACE_RECORD_BYTES_MAX + 1) + 4096)
#define URL_BYTES_MAX 2048

/* As it came: the exporter adds commas, and reads nothing. */
struct waiting {
    char *bytes; /* owned */
    size_t len;
    int64_t read_us;
};

/* One request, from when it was made until it is done or given up. */
struct batch {
    struct buf body;
    size_t spans; /* 0: there is none */
    int attempts;
    int64_t post_us; /* when to try (again) */
};

struct exporter {
    const char *program, *instance;
    struct collector *collector;
    struct tracer_memory *memory;
    struct waiting waiting[SPANS_MAX]; /* a ring */
    size_t first, count;
    struct batch batch;
    bool is_over;   /* nobody writes any more */
    int64_t end_us; /* then, or when the program is gone: when to end at the latest; 0: never */
    uint64_t dropped, dropped_said;
    int64_t said_us;
    bool is_failing; /* said */
};

static volatile sig_atomic_t is_orphan;

static void on_signal(int number)
{
    (void)number;
    is_orphan = 1;
}

bool exporter_is_meant(int argc, char **argv)
{
    return argc == EXPORTER_ARGUMENTS && strcmp(argv[0], EXPORTER_NAME) == 0;
}

static void count(struct exporter *e, enum tracer_count which, size_t spans)
{
    atomic_fetch_add_explicit(&e->memory->count[which], spans, memory_order_relaxed);
    if (which == TRACER_DROPPED_COLLECTOR)
        e->dropped += spans;
}

/* ---- reading ---- */

static void drop_first(struct exporter *e)
{
    free(e->waiting[e->first].bytes);
    e->first = (e->first + 1) % SPANS_MAX;
    e->count--;
}

static void keep(struct exporter *e, const char *bytes, size_t len)
{
    char *copy = malloc(len);

    if (copy == NULL || e->count == SPANS_MAX)
        count(e, TRACER_DROPPED_COLLECTOR, 1);
    if (copy == NULL)
        return;
    if (e->count == SPANS_MAX)
        drop_first(e);
    memcpy(copy, bytes, len);
    e->waiting[(e->first + e->count++) % SPANS_MAX] = (struct waiting){copy, len, clock_mono_us()};
}

/* How many there were. */
static size_t read_spans(struct exporter *e)
{
    static char bytes[TRACE_RECORD_BYTES_MAX];
    size_t spans = 0;

    for (int i = 0; i < READS_MAX && !e->is_over; i++) {
        ssize_t n = recv(EXPORTER_SOCKET, bytes, sizeof bytes, MSG_DONTWAIT);
        spans += n > 0;
        if (n > 0)
            keep(e, bytes, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else
            e->is_over = true;
    }
    return spans;
}

/* ---- sending ---- */

static bool is_due(const struct exporter *e, int64_t now_us)
{
    return e->count > 0 && (e->is_over || e->count >= BATCH_SPANS_MAX ||
                            now_us - e->waiting[e->first].read_us >= LINGER_MS * 1000);
}

static void make_batch(struct exporter *e, int64_t now_us)
{
    struct batch *b = &e->batch;

    buf_reset(&b->body);
    trace_encode_head(&b->body, e->program, e->instance, USHER_VERSION);
    for (b->spans = 0; e->count > 0 && b->spans < BATCH_SPANS_MAX; b->spans++) {
        if (b->spans > 0)
            buf_putc(&b->body, ',');
        buf_put(&b->body, e->waiting[e->first].bytes, e->waiting[e->first].len);
        drop_first(e);
    }
    trace_encode_tail(&b->body);
    b->attempts = 0;
    b->post_us = now_us;
}

static void say_failing(struct exporter *e, const struct collector_answer *answer)
{
    if (!e->is_failing)
        log_event(LOG_WARN, "collector_unwell", "status", log_i64(answer->status), "why",
                  answer->why, NULL);
    e->is_failing = true;
}

static void say_dropped(struct exporter *e, int64_t now_us)
{
    if (e->dropped == e->dropped_said || (now_us - e->said_us < SAY_MS * 1000 && !e->is_over))
        return;
    log_event(LOG_WARN, "spans_dropped", "spans", log_u64(e->dropped - e->dropped_said), NULL);
    e->dropped_said = e->dropped;
    e->said_us = now_us;
}

static void give_up(struct exporter *e)
{
    count(e, TRACER_DROPPED_COLLECTOR, e->batch.spans);
    e->batch.spans = 0;
}

/* Doubled each time, and up to a quarter longer, so that many exporters do not come together. */
static int64_t pause_before(int attempts, int64_t asked_s)
{
    int64_t pause_ms = PAUSE_MS_MIN, asked_ms = ASKED_PAUSE_MS_MAX;

    for (int i = 1; i < attempts && pause_ms < PAUSE_MS_MAX; i++)
        pause_ms *= 2;
    pause_ms = pause_ms < PAUSE_MS_MAX ? pause_ms : PAUSE_MS_MAX;
    pause_ms += (int64_t)(random_u64() % (uint64_t)(pause_ms / 4));
    if (asked_s < ASKED_PAUSE_MS_MAX / 1000)
        asked_ms = asked_s * 1000;
    return pause_ms > asked_ms ? pause_ms : asked_ms;
}

static bool may_be_tried_again(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static void take_answer(struct exporter *e, const struct collector_answer *answer)
{
    struct batch *b = &e->batch;

    if (answer->status >= 200 && answer->status < 300) {
        if (e->is_failing)
            log_event(LOG_INFO, "collector_well", NULL);
        e->is_failing = false;
        count(e, TRACER_EXPORTED, b->spans);
        b->spans = 0;
        return;
    }
    say_failing(e, answer);
    if (!may_be_tried_again(answer->status) || b->attempts >= ATTEMPTS_MAX)
        give_up(e);
    else
        b->post_us = clock_mono_us() + pause_before(b->attempts, answer->retry_after_s) * 1000;
}

static void post(struct exporter *e, int64_t now_us)
{
    struct batch *b = &e->batch;
    int64_t left_ms = e->end_us > 0 ? (e->end_us - now_us) / 1000 : POST_MS;

    b->attempts++;
    if (b->body.failed || !collector_post(e->collector, buf_span(&b->body),
                                          left_ms < POST_MS ? left_ms + 1 : POST_MS))
        give_up(e);
}

static void send_spans(struct exporter *e)
{
    struct collector_answer answer;
    int64_t now_us;

    if (collector_take(e->collector, &answer))
        take_answer(e, &answer);
    now_us = clock_mono_us();
    if (e->batch.spans == 0 && is_due(e, now_us))
        make_batch(e, now_us);
    if (e->batch.spans > 0 && !collector_is_busy(e->collector) && e->batch.post_us <= now_us)
        post(e, now_us);
    say_dropped(e, now_us);
}

/* ---- the loop ---- */

static int64_t wait_ms(const struct exporter *e)
{
    int64_t now_us = clock_mono_us(), until_us = now_us + IDLE_MS * 1000;

    if (e->batch.spans > 0 && !collector_is_busy(e->collector) && e->batch.post_us < until_us)
        until_us = e->batch.post_us;
    if (e->batch.spans == 0 && e->count > 0) {
        int64_t due_us = e->waiting[e->first].read_us + LINGER_MS * 1000;
        until_us = due_us < until_us ? due_us : until_us;
    }
    if (e->end_us > 0 && e->end_us < until_us)
        until_us = e->end_us;
    return until_us > now_us ? (until_us - now_us) / 1000 + 1 : 0;
}

/* Whether there is something to do yet, and time to do it. */
static bool goes_on(struct exporter *e)
{
    int64_t now_us = clock_mono_us();

    if (e->is_over && (e->end_us == 0 || e->end_us > now_us + FLUSH_MS * 1000))
        e->end_us = now_us + FLUSH_MS * 1000;
    if (is_orphan && e->end_us == 0)
        e->end_us = now_us + ORPHAN_MS * 1000;
    if (e->end_us > 0 && now_us >= e->end_us)
        return false;
    if (e->is_over && !collector_is_busy(e->collector) && e->batch.post_us >= e->end_us)
        return false;
    return !e->is_over || e->count > 0 || e->batch.spans > 0;
}

static void run(struct exporter *e)
{
    while (goes_on(e)) {
        collector_wait(e->collector, e->is_over ? -1 : EXPORTER_SOCKET, wait_ms(e));
        size_t spans = read_spans(e);
        send_spans(e);
        if (spans > 0 && spans < FEW_SPANS && !e->is_over)
            collector_wait(e->collector, -1, GATHER_MS);
    }
    if (e->count + e->batch.spans > 0)
        count(e, TRACER_DROPPED_COLLECTOR, e->count + e->batch.spans);
    e->is_over = true;
    say_dropped(e, clock_mono_us());
}

/* A signal to all processes of a service is none to end: there are spans to come. The parent's
 * death is one of them, and ends this in time even if somebody holds the socket open. */
static void heed_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static struct collector *new_collector(const char *program, const char *endpoint)
{
    char url[URL_BYTES_MAX], agent[URL_BYTES_MAX];
    size_t len = strlen(endpoint);

    while (len > 0 && endpoint[len - 1] == '/')
        len--;
    snprintf(url, sizeof url, "%.*s/v1/traces", (int)len, endpoint);
    snprintf(agent, sizeof agent, "%s/%s", program, USHER_VERSION);
    return collector_new(url, agent);
}

int exporter_run(char **argv)
{
    static struct exporter exporter;
    struct exporter *e = &exporter;
    void *memory =
        mmap(NULL, sizeof *e->memory, PROT_READ | PROT_WRITE, MAP_SHARED, EXPORTER_MEMORY, 0);

    log_open(argv[EXPORTER_PROGRAM], (enum log_level)atoi(argv[EXPORTER_LOG_LEVEL]),
             (enum log_format)atoi(argv[EXPORTER_LOG_FORMAT]));
    if (memory == MAP_FAILED) {
        fprintf(stderr, EXPORTER_NAME ": is started by usher's programs alone\n");
        return 2;
    }
    close_range(EXPORTER_MEMORY, ~0U, 0);
    prctl(PR_SET_NAME, EXPORTER_NAME);
    heed_signals();
    e->program = argv[EXPORTER_PROGRAM];
    e->instance = argv[EXPORTER_INSTANCE];
    e->memory = memory;
    e->collector = new_collector(e->program, argv[EXPORTER_ENDPOINT]);
    if (e->collector == NULL)
        return 1;
    buf_init(&e->batch.body, BODY_BYTES_MAX);
    log_event(LOG_INFO, "exporter_began", "endpoint", argv[EXPORTER_ENDPOINT], NULL);
    run(e);
    while (e->count > 0)
        drop_first(e);
    buf_free(&e->batch.body);
    collector_free(e->collector);
    log_event(LOG_DEBUG, "exporter_ended", NULL);
    return 0;
}
