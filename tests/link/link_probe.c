/*
 * The blocking links against a real Redis and a real Postgres, some of them stopped, killed or
 * terminated in the middle. test_link.py starts the servers and tells where they are:
 *
 *   LINK_REDIS        the socket's path       LINK_REDIS_PID      the server's process
 *   LINK_POSTGRES     a libpq string          LINK_POSTGRES_PID   the postmaster
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/postgres.h"
#include "link/redis.h"

#define TIMEOUT_MS 500
#define PATIENT_MS 20000
#define WORDS(...) words((const char *[]){__VA_ARGS__, NULL})
#define TEXT_PARAMETER(text) ((struct postgres_parameter){(text), strlen(text), false})

struct words {
    size_t count;
    struct span word[8];
};

static struct words words(const char *const *list)
{
    struct words w = {0};
    for (; *list != NULL; list++)
        w.word[w.count++] = span_of(*list);
    return w;
}

static pid_t pid_of(const char *variable)
{
    return (pid_t)atoi(getenv(variable));
}

static struct redis *redis_open(int64_t timeout_ms)
{
    struct redis_url url = {.is_unix = true, .addresses = 1};
    snprintf(url.address[0].host, sizeof(url.address[0].host), "%s", getenv("LINK_REDIS"));
    struct redis *r = redis_new(&url, timeout_ms);
    assert_int_equal(redis_connect(r), ERR_NONE);
    return r;
}

static struct postgres *postgres_open(int64_t timeout_ms)
{
    struct postgres *p = postgres_new(getenv("LINK_POSTGRES"), "link-probe", timeout_ms);
    assert_int_equal(postgres_connect(p), ERR_NONE);
    return p;
}

static void send_words(struct redis *r, struct words w)
{
    assert_int_equal(redis_send(r, w.count, w.word), ERR_NONE);
}

static int64_t elapsed_ms(int64_t since_us)
{
    return (clock_mono_us() - since_us) / 1000;
}

static int64_t ask_i64(struct postgres *p, const char *sql)
{
    struct postgres_result *result;
    assert_int_equal(postgres_query(p, sql, 0, NULL, false, &result), ERR_NONE);
    int64_t n = postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    return n;
}

static void redis_answers_in_order(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS);
    struct redis_reply *reply;
    assert_int_equal(strlen(redis_run_id(r)), 40);
    send_words(r, WORDS("SET", "a", "1"));
    send_words(r, WORDS("INCR", "a"));
    send_words(r, WORDS("LPUSH", "a", "x")); /* an error is a reply too */
    send_words(r, WORDS("MGET", "a", "none"));
    assert_int_equal(redis_pending(r), 4);
    const enum redis_kind kinds[] = {REDIS_STATUS, REDIS_INTEGER, REDIS_ERROR, REDIS_ARRAY};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(redis_take(r, &reply), ERR_NONE);
        assert_int_equal(redis_kind_of(reply), kinds[i]);
        if (i == 3) {
            assert_true(span_is(redis_text(redis_at(reply, 0)), "2"));
            assert_int_equal(redis_kind_of(redis_at(reply, 1)), REDIS_NIL);
        }
        redis_reply_free(reply);
    }
    assert_int_equal(redis_do_words(r, &reply, "LPUSH", "a", "x", NULL), ERR_REFUSED);
    assert_null(reply);
    assert_non_null(strstr(redis_why(r), "WRONGTYPE"));
    assert_true(redis_is_connected(r));
    redis_free(r);
}

/* More than the sockets hold, each way: whoever only writes would wait for ever. */
static void redis_pipelines_do_not_deadlock(void **state)
{
    (void)state;
    enum { COUNT = 40000, BYTES = 1000 };
    struct redis *r = redis_open(PATIENT_MS);
    struct redis_reply *reply;
    char *bytes = calloc(1, BYTES);
    struct span echo[] = {SPAN("ECHO"), {bytes, BYTES}};
    int64_t start_us = clock_mono_us();
    for (int i = 0; i < COUNT; i++) {
        memcpy(bytes, &i, sizeof(i));
        assert_int_equal(redis_send(r, 2, echo), ERR_NONE);
    }
    assert_int_equal(redis_flush(r), ERR_NONE);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(redis_take(r, &reply), ERR_NONE);
        assert_int_equal(redis_text(reply).len, BYTES);
        assert_memory_equal(redis_text(reply).bytes, &i, sizeof(i));
        redis_reply_free(reply);
    }
    print_message("%d echoes of %d bytes in %lld ms\n", COUNT, BYTES,
                  (long long)elapsed_ms(start_us));
    free(bytes);
    redis_free(r);
}

static void redis_output_is_bounded(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS);
    size_t n = 40u << 20;
    char *bytes = calloc(1, n);
    struct span set[] = {SPAN("SET"), SPAN("big"), {bytes, n}};
    struct redis_reply *reply;
    kill(pid_of("LINK_REDIS_PID"), SIGSTOP);
    assert_int_equal(redis_send(r, 3, set), ERR_NONE);
    assert_int_equal(redis_send(r, 3, set), ERR_BOUND);
    assert_true(redis_is_connected(r));
    kill(pid_of("LINK_REDIS_PID"), SIGCONT);
    assert_int_equal(redis_take_within(r, PATIENT_MS, &reply), ERR_NONE);
    assert_int_equal(redis_kind_of(reply), REDIS_STATUS);
    redis_reply_free(reply);
    assert_int_equal(redis_do_words(r, &reply, "DEL", "big", NULL), ERR_NONE);
    redis_reply_free(reply);
    free(bytes);
    redis_free(r);
}

static void redis_wait_is_bounded(void **state)
{
    (void)state;
    struct redis *r = redis_open(PATIENT_MS);
    struct redis_reply *reply;
    send_words(r, WORDS("XREAD", "BLOCK", "10000", "STREAMS", "s", "$"));
    int64_t start_us = clock_mono_us();
    assert_int_equal(redis_take_within(r, 300, &reply), ERR_UNAVAILABLE);
    assert_in_range(elapsed_ms(start_us), 295, 1000);
    assert_false(redis_is_connected(r));
    assert_int_equal(redis_pending(r), 0);
    assert_int_equal(redis_do_words(r, &reply, "PING", NULL), ERR_UNAVAILABLE);
    assert_int_equal(redis_connect(r), ERR_NONE);
    assert_int_equal(redis_do_words(r, &reply, "PING", NULL), ERR_NONE);
    redis_reply_free(reply);
    redis_free(r);
}

static void redis_stopped_times_out(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS);
    struct redis_reply *reply;
    kill(pid_of("LINK_REDIS_PID"), SIGSTOP);
    int64_t start_us = clock_mono_us();
    assert_int_equal(redis_do_words(r, &reply, "PING", NULL), ERR_UNAVAILABLE);
    assert_int_equal(redis_connect(r), ERR_UNAVAILABLE); /* the kernel accepts; Redis does not */
    assert_in_range(elapsed_ms(start_us), 2 * TIMEOUT_MS - 10, 3 * TIMEOUT_MS);
    kill(pid_of("LINK_REDIS_PID"), SIGCONT);
    assert_int_equal(redis_connect(r), ERR_NONE);
    redis_free(r);
}

static void redis_killed_connection_is_noticed(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS), *other = redis_open(TIMEOUT_MS);
    struct redis_reply *reply;
    assert_int_equal(
        redis_do_words(other, &reply, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL),
        ERR_NONE);
    redis_reply_free(reply);
    assert_int_equal(redis_do_words(r, &reply, "PING", NULL), ERR_UNAVAILABLE);
    assert_true(strlen(redis_why(r)) > 0);
    redis_free(r);
    redis_free(other);
}

static void redis_scripts_load(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS);
    struct redis_reply *reply;
    char sha1[41];
    assert_int_equal(redis_load_script(r, SPAN("return 7"), sha1), ERR_NONE);
    assert_int_equal(redis_do_words(r, &reply, "EVALSHA", sha1, "0", NULL), ERR_NONE);
    assert_int_equal(redis_integer(reply), 7);
    redis_reply_free(reply);
    assert_int_equal(redis_load_script(r, SPAN("return ("), sha1), ERR_REFUSED);
    redis_free(r);
}

static void postgres_session_is_set_up(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    const char *const settings[][2] = {{"lock_timeout", "375ms"},
                                       {"idle_in_transaction_session_timeout", "1s"},
                                       {"synchronous_commit", "on"},
                                       {"client_min_messages", "warning"},
                                       {"jit", "off"},
                                       {"application_name", "link-probe"}};
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        struct postgres_parameter name = TEXT_PARAMETER(settings[i][0]);
        struct postgres_result *result;
        assert_int_equal(postgres_query(p, "SELECT current_setting($1)", 1, &name, false, &result),
                         ERR_NONE);
        assert_true(span_is(postgres_cell(result, 0, 0), settings[i][1]));
        postgres_result_free(result);
    }
    postgres_free(p);
}

static void postgres_values_go_both_ways(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    struct postgres_result *result;
    char raw[] = {0, 0, 0, 42};
    char text[] = "-7 and more"; /* only the first two bytes are meant */
    struct postgres_parameter parameters[] = {
        {raw, sizeof(raw), true}, {text, 2, false}, {NULL, 0, false}};
    for (int binary = 0; binary < 2; binary++) {
        assert_int_equal(postgres_query(p, "SELECT $1::int, $2::bigint, $3::smallint, 3::int2", 3,
                                        parameters, binary, &result),
                         ERR_NONE);
        assert_int_equal(postgres_cell_i64(result, 0, 0), 42);
        assert_int_equal(postgres_cell_i64(result, 0, 1), -7);
        assert_true(postgres_is_null(result, 0, 2));
        assert_int_equal(postgres_cell_i64(result, 0, 3), 3);
        postgres_result_free(result);
    }
    struct postgres_parameter nul = {"a\0b", 3, false};
    assert_int_equal(postgres_query(p, "SELECT $1::text", 1, &nul, false, &result), ERR_INPUT);
    assert_true(postgres_is_connected(p));
    postgres_free(p);
}

static void postgres_refusals_leave_the_session(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    struct postgres_result *result;
    assert_int_equal(postgres_query(p, "SELECT 1/0", 0, NULL, false, &result), ERR_REFUSED);
    assert_string_equal(postgres_sqlstate(p), "22012");
    assert_null(result);
    assert_int_equal(postgres_run(p, "SELECT nonsense"), ERR_REFUSED);
    assert_int_equal(ask_i64(p, "SELECT 5"), 5);
    postgres_free(p);
}

static void postgres_aborted_commit_is_refused(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    assert_int_equal(postgres_run(p, "BEGIN"), ERR_NONE);
    assert_int_equal(postgres_run(p, "SELECT 1/0"), ERR_REFUSED);
    assert_int_equal(postgres_commit(p), ERR_REFUSED);
    assert_int_equal(postgres_run(p, "BEGIN"), ERR_NONE);
    assert_int_equal(postgres_run(p, "SELECT 1/0"), ERR_REFUSED);
    assert_int_equal(postgres_run(p, "ROLLBACK"), ERR_NONE);
    assert_int_equal(postgres_run(p, "BEGIN; SELECT 1"), ERR_NONE);
    assert_int_equal(postgres_commit(p), ERR_NONE);
    postgres_free(p);
}

/* A constraint that is checked at the commit speaks after the statement has reported success. */
static void postgres_deferred_error_is_seen(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    struct postgres_result *result;
    assert_int_equal(postgres_run(p, "CREATE TEMP TABLE d (n int UNIQUE DEFERRABLE INITIALLY"
                                     " DEFERRED); INSERT INTO d VALUES (1)"),
                     ERR_NONE);
    assert_int_equal(postgres_prepare(p, "again", "INSERT INTO d VALUES ($1) RETURNING n"),
                     ERR_NONE);
    struct postgres_parameter one = TEXT_PARAMETER("1");
    assert_int_equal(postgres_begin(p, "again", 1, &one, false), ERR_NONE);
    assert_int_equal(postgres_settle(p, &result), ERR_REFUSED);
    assert_string_equal(postgres_sqlstate(p), "23505");
    assert_int_equal(ask_i64(p, "SELECT count(*) FROM d"), 1);
    postgres_free(p);
}

static void postgres_begin_does_not_wait(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(2000);
    struct postgres_result *result;
    assert_int_equal(postgres_prepare(p, "nap", "SELECT pg_sleep(0.3), 9"), ERR_NONE);
    int64_t start_us = clock_mono_us();
    assert_int_equal(postgres_begin(p, "nap", 0, NULL, true), ERR_NONE);
    assert_false(postgres_is_settled(p));
    assert_true(elapsed_ms(start_us) < 200);
    for (int i = 0; i < 1000 && !postgres_is_settled(p); i++)
        clock_sleep_ms(2);
    assert_true(postgres_is_settled(p));
    assert_int_equal(postgres_settle(p, &result), ERR_NONE);
    assert_int_equal(postgres_cell_i64(result, 0, 1), 9);
    postgres_result_free(result);
    postgres_free(p);
}

/* Longer than any socket's buffer: the server has it all, and works while we look elsewhere. */
static void postgres_begin_sees_a_long_statement_off(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(PATIENT_MS);
    struct postgres_result *result;
    size_t n = 2u << 20;
    char *bytes = malloc(n);
    memset(bytes, 'x', n);
    struct postgres_parameter big = {bytes, n, false};
    assert_int_equal(postgres_prepare(p, "long", "SELECT length($1), pg_sleep(0.3)"), ERR_NONE);
    assert_int_equal(postgres_begin(p, "long", 1, &big, true), ERR_NONE);
    clock_sleep_ms(600);
    int64_t start_us = clock_mono_us();
    assert_int_equal(postgres_settle(p, &result), ERR_NONE);
    assert_true(elapsed_ms(start_us) < 150);
    assert_int_equal(postgres_cell_i64(result, 0, 0), n);
    postgres_result_free(result);
    free(bytes);
    postgres_free(p);
}

static void postgres_slow_statement_is_unknown(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    struct postgres_result *result;
    assert_int_equal(postgres_prepare(p, "nap", "SELECT pg_sleep(3)"), ERR_NONE);
    int64_t start_us = clock_mono_us();
    assert_int_equal(postgres_begin(p, "nap", 0, NULL, true), ERR_NONE);
    assert_int_equal(postgres_settle(p, &result), ERR_UNKNOWN);
    assert_in_range(elapsed_ms(start_us), TIMEOUT_MS - 5, 2 * TIMEOUT_MS);
    assert_false(postgres_is_connected(p));
    assert_int_equal(postgres_socket(p), -1);
    postgres_free(p);
}

static void terminate(struct postgres *p)
{
    struct postgres *other = postgres_open(TIMEOUT_MS);
    char sql[80];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%lld, 1000)::int",
             (long long)ask_i64(p, "SELECT pg_backend_pid()"));
    assert_int_equal(ask_i64(other, sql), 1);
    postgres_free(other);
}

static void postgres_terminated_backend_is_noticed(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    struct postgres_result *result;
    terminate(p);
    assert_int_equal(postgres_query(p, "SELECT 1", 0, NULL, false, &result), ERR_UNAVAILABLE);
    assert_false(postgres_is_connected(p));
    assert_int_equal(postgres_run(p, "SELECT 1"), ERR_UNAVAILABLE);
    assert_int_equal(postgres_connect(p), ERR_NONE);

    /* 57P01 is an error that the server tells, and then it is gone: nothing is known. */
    assert_int_equal(postgres_prepare(p, "nap", "SELECT pg_sleep(20)"), ERR_NONE);
    pid_t child = fork();
    assert_true(child >= 0);
    char sql[200];
    snprintf(sql, sizeof(sql),
             "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE"
             " '%%pg_sleep(20)%%' AND pid <> pg_backend_pid()");
    if (child == 0) {
        clock_sleep_ms(200);
        struct postgres *other = postgres_new(getenv("LINK_POSTGRES"), "killer", PATIENT_MS);
        _exit(postgres_connect(other) || postgres_run(other, sql));
    }
    assert_int_equal(postgres_begin(p, "nap", 0, NULL, true), ERR_NONE);
    assert_int_equal(postgres_settle(p, &result), ERR_UNKNOWN);
    assert_non_null(strstr(postgres_why(p), "terminating connection"));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    postgres_free(p);
}

static void postgres_lock_wait_is_refused(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS), *other = postgres_open(PATIENT_MS);
    assert_int_equal(postgres_run(other, "SELECT pg_advisory_lock(1)"), ERR_NONE);
    assert_int_equal(postgres_run(p, "SELECT pg_advisory_lock(1)"), ERR_REFUSED);
    assert_string_equal(postgres_sqlstate(p), "55P03");
    assert_true(postgres_is_connected(p));
    postgres_free(p);
    postgres_free(other);
}

static void postgres_large_parameters_go_through(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(PATIENT_MS);
    struct postgres_result *result;
    size_t n = 20u << 20;
    char *bytes = malloc(n);
    memset(bytes, 'x', n);
    struct postgres_parameter big = {bytes, n, false};
    assert_int_equal(postgres_query(p, "SELECT $1::text || 'y'", 1, &big, false, &result),
                     ERR_NONE);
    assert_int_equal(postgres_cell(result, 0, 0).len, n + 1);
    postgres_result_free(result);
    free(bytes);
    postgres_free(p);
}

struct rows {
    int64_t count, sum;
    enum err err;
};

static enum err add_row(void *context, struct span line)
{
    struct rows *rows = context;
    struct span fields[3];
    assert_int_equal(postgres_copy_split(line, fields, 3), 2);
    rows->count++;
    for (size_t i = 0, n = 0; i < fields[0].len; i++) {
        n = 10 * n + (size_t)(fields[0].bytes[i] - '0');
        if (i + 1 == fields[0].len)
            rows->sum += (int64_t)n;
    }
    return rows->err;
}

static void postgres_rows_stream(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(PATIENT_MS);
    struct rows rows = {0};
    int64_t start_us = clock_mono_us();
    const char *million = "SELECT n, 'user-' || n FROM generate_series(1, 1000000) n";
    assert_int_equal(postgres_copy_out(p, million, add_row, &rows), ERR_NONE);
    print_message("1000000 rows in %lld ms\n", (long long)elapsed_ms(start_us));
    assert_int_equal(rows.count, 1000000);
    assert_int_equal(rows.sum, 500000500000);

    rows = (struct rows){.err = ERR_BOUND}; /* the reader has enough; the session stays */
    const char *nine = "SELECT n, n FROM generate_series(1, 9) n";
    assert_int_equal(postgres_copy_out(p, nine, add_row, &rows), ERR_BOUND);
    assert_int_equal(rows.count, 1);
    rows = (struct rows){0};
    const char *broken = "SELECT n, 1/(8-n) FROM generate_series(1, 9) n";
    assert_int_equal(postgres_copy_out(p, broken, add_row, &rows), ERR_REFUSED);
    assert_string_equal(postgres_sqlstate(p), "22012");
    assert_int_equal(ask_i64(p, "SELECT 4"), 4);
    postgres_free(p);
}

static void copy_escapes_are_undone(void **state)
{
    (void)state;
    char text[32];
    size_t n = postgres_copy_unescape(SPAN("a\\\\b\\tc\\nd\\.e"), text);
    assert_int_equal(n, 9);
    assert_memory_equal(text, "a\\b\tc\nd.e", 9);
    struct span fields[2];
    assert_int_equal(postgres_copy_split(SPAN("1\t\t3"), fields, 2), 2);
    assert_int_equal(fields[1].len, 0);
}

static void postgres_second_host_is_tried(void **state)
{
    (void)state;
    char conninfo[600];
    const char *host = strstr(getenv("LINK_POSTGRES"), "host=") + 5;
    int n = (int)strcspn(host, " ");
    snprintf(conninfo, sizeof(conninfo),
             "host=/nowhere,%.*s dbname=postgres user=postgres target_session_attrs=read-write", n,
             host);
    struct postgres *p = postgres_new(conninfo, "link-probe", TIMEOUT_MS);
    assert_int_equal(postgres_connect(p), ERR_NONE);
    postgres_free(p);
    snprintf(conninfo, sizeof(conninfo),
             "host=%.*s dbname=postgres user=postgres target_session_attrs=standby", n, host);
    p = postgres_new(conninfo, "link-probe", TIMEOUT_MS);
    assert_int_equal(postgres_connect(p), ERR_UNAVAILABLE);
    assert_non_null(strstr(postgres_why(p), "standby"));
    postgres_free(p);
    p = postgres_new("host=x nonsense", "link-probe", TIMEOUT_MS);
    assert_int_equal(postgres_connect(p), ERR_INPUT);
    postgres_free(p);
}

static void postgres_stopped_times_out(void **state)
{
    (void)state;
    struct postgres *p = postgres_open(TIMEOUT_MS);
    pid_t backend = (pid_t)ask_i64(p, "SELECT pg_backend_pid()");
    struct postgres_result *result;
    kill(backend, SIGSTOP);
    int64_t start_us = clock_mono_us();
    assert_int_equal(postgres_query(p, "SELECT 1", 0, NULL, false, &result), ERR_UNAVAILABLE);
    kill(pid_of("LINK_POSTGRES_PID"), SIGSTOP);
    assert_int_equal(postgres_connect(p), ERR_UNAVAILABLE);
    assert_in_range(elapsed_ms(start_us), 2 * TIMEOUT_MS - 10, 3 * TIMEOUT_MS);
    kill(backend, SIGCONT);
    kill(pid_of("LINK_POSTGRES_PID"), SIGCONT);
    assert_int_equal(postgres_connect(p), ERR_NONE);
    postgres_free(p);
}

static void redis_killed_server_is_noticed(void **state)
{
    (void)state;
    struct redis *r = redis_open(TIMEOUT_MS);
    struct redis_reply *reply;
    send_words(r, WORDS("XREAD", "BLOCK", "10000", "STREAMS", "s", "$"));
    assert_int_equal(redis_flush(r), ERR_NONE);
    kill(pid_of("LINK_REDIS_PID"), SIGKILL);
    assert_int_equal(redis_take(r, &reply), ERR_UNAVAILABLE);
    assert_int_equal(redis_connect(r), ERR_UNAVAILABLE);
    redis_free(r);
}

int main(void)
{
    alarm(120);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redis_answers_in_order),
        cmocka_unit_test(redis_pipelines_do_not_deadlock),
        cmocka_unit_test(redis_output_is_bounded),
        cmocka_unit_test(redis_wait_is_bounded),
        cmocka_unit_test(redis_stopped_times_out),
        cmocka_unit_test(redis_killed_connection_is_noticed),
        cmocka_unit_test(redis_scripts_load),
        cmocka_unit_test(postgres_session_is_set_up),
        cmocka_unit_test(postgres_values_go_both_ways),
        cmocka_unit_test(postgres_refusals_leave_the_session),
        cmocka_unit_test(postgres_aborted_commit_is_refused),
        cmocka_unit_test(postgres_deferred_error_is_seen),
        cmocka_unit_test(postgres_begin_does_not_wait),
        cmocka_unit_test(postgres_begin_sees_a_long_statement_off),
        cmocka_unit_test(postgres_slow_statement_is_unknown),
        cmocka_unit_test(postgres_terminated_backend_is_noticed),
        cmocka_unit_test(postgres_lock_wait_is_refused),
        cmocka_unit_test(postgres_large_parameters_go_through),
        cmocka_unit_test(postgres_rows_stream),
        cmocka_unit_test(copy_escapes_are_undone),
        cmocka_unit_test(postgres_second_host_is_tried),
        cmocka_unit_test(postgres_stopped_times_out),
        cmocka_unit_test(redis_killed_server_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
