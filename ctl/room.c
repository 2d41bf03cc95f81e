#include "room.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/bounds.h"
#include "base/draw.h"
#include "base/text.h"
#include "context.h"
#include "databases.h"
#include "json.h"

#define EACH_MAX 200000 /* arrivals of a draw whose numbers are all looked at */
#define NOT_GIVEN (-1)

struct set_arguments {
    const char *mode, *order, *opens_at;
    int64_t rate, places_each, admission_seconds, no_show_seconds;
    bool pause, resume;
};

static const struct flag set_flags[] = {
    {"--mode", FLAG_TEXT, offsetof(struct set_arguments, mode), 0, 0, "MODE",
     "on: bookings need an admission; off; auto: on while the queue is long"},
    {"--order", FLAG_TEXT, offsetof(struct set_arguments, order), 0, 0, "ORDER",
     "draw: who came before the opening is shuffled; arrival"},
    {"--opens-at", FLAG_TEXT, offsetof(struct set_arguments, opens_at), 0, 0, "TIME",
     "when people begin to be let in, RFC 3339, or now"},
    {"--rate", FLAG_NUMBER, offsetof(struct set_arguments, rate), 1, 1000000, "N",
     "people let in a minute [600]"},
    {"--places-each", FLAG_NUMBER, offsetof(struct set_arguments, places_each), 1, QUANTITY_MAX,
     "N", "places that one person is expected to take [1]"},
    {"--admission-seconds", FLAG_NUMBER, offsetof(struct set_arguments, admission_seconds), 1,
     86400, "N", "how long who was let in may book [600]"},
    {"--no-show-seconds", FLAG_NUMBER, offsetof(struct set_arguments, no_show_seconds), 1, 86400,
     "N", "who does not come for so long gives the place on [120]"},
    {"--pause", FLAG_SWITCH, offsetof(struct set_arguments, pause), 0, 0, "",
     "let nobody in for now"},
    {"--resume", FLAG_SWITCH, offsetof(struct set_arguments, resume), 0, 0, "", "go on"},
};

struct verify_arguments {
    struct word_list arrivals;
};

static const struct flag verify_flags[] = {
    {"--arrival", FLAG_LIST, offsetof(struct verify_arguments, arrivals), 0, 0, "N",
     "tell the number of who came as the Nth; again for each"},
};

static int set_run(struct context *context, const struct command *command, int argc, char **argv);
static int show_run(struct context *context, const struct command *command, int argc, char **argv);
static int verify_run(struct context *context, const struct command *command, int argc,
                      char **argv);

const struct command room_set_command = {
    .name = "room set",
    .positional = "SHOW",
    .summary =
        "Give a show a waiting room, or change what it has. The owner of its partition sees\n"
        "that within a second.",
    .run = set_run,
    .flags = {{set_flags, COUNT(set_flags)}},
};
const struct command room_show_command = {
    .name = "room show",
    .positional = "SHOW",
    .summary = "Tell how a show's waiting room is set, and how far it has come, as JSON.",
    .run = show_run,
};
const struct command draw_verify_command = {
    .name = "draw verify",
    .positional = "SHOW|FILE",
    .summary = "Check a draw: that its key is the one that was committed to, and what numbers it\n"
               "gives. FILE is what GET /v1/shows/{show}/queue said, or - for standard input.",
    .run = verify_run,
    .flags = {{verify_flags, COUNT(verify_flags)}},
};

/* Set. */

struct digits {
    char text[24];
};

/* As JSON has it; NULL: it was not given. */
static const char *number_or_null(int64_t n, struct digits *digits)
{
    if (n == NOT_GIVEN)
        return NULL;
    snprintf(digits->text, sizeof(digits->text), "%" PRId64, n);
    return digits->text;
}

static void check_words(const struct command *command, const struct set_arguments *a)
{
    if (a->mode != NULL && strcmp(a->mode, "on") != 0 && strcmp(a->mode, "off") != 0 &&
        strcmp(a->mode, "auto") != 0)
        arguments_wrong(command, "--mode must be on, off or auto, not '%s'", a->mode);
    if (a->order != NULL && strcmp(a->order, "draw") != 0 && strcmp(a->order, "arrival") != 0)
        arguments_wrong(command, "--order must be draw or arrival, not '%s'", a->order);
    if (a->pause && a->resume)
        arguments_wrong(command, "either --pause or --resume");
}

static int set_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct set_arguments a = {.rate = NOT_GIVEN,
                              .places_each = NOT_GIVEN,
                              .admission_seconds = NOT_GIVEN,
                              .no_show_seconds = NOT_GIVEN};
    struct digits digits[4];
    char path[ASK_PATH_BYTES_MAX];
    const char *show, *paused = NULL;

    arguments_read(command, argc, argv, &a, &show);
    check_words(command, &a);
    if (a.pause || a.resume)
        paused = a.pause ? "true" : "false";
    const struct json_member members[] = {
        {"mode", a.mode, JSON_TEXT},
        {"order", a.order, JSON_TEXT},
        {"opens_at", a.opens_at, JSON_TEXT},
        {"rate", number_or_null(a.rate, &digits[0]), JSON_ANY},
        {"places_each", number_or_null(a.places_each, &digits[1]), JSON_ANY},
        {"admission_seconds", number_or_null(a.admission_seconds, &digits[2]), JSON_ANY},
        {"no_show_seconds", number_or_null(a.no_show_seconds, &digits[3]), JSON_ANY},
        {"paused", paused, JSON_ANY},
    };
    char *body = ask_body(command, members, COUNT(members));
    snprintf(path, sizeof(path), "/v1/admin/shows/%.64s/room", ask_word(command, show));
    int code = ask_to_change(context, "POST", path, body, show);
    free(body);
    return code;
}

/* Show. */

static struct postgres_parameter named(const char *name)
{
    return (struct postgres_parameter){name, strlen(name), false};
}

/* Asks one database after the other, until one has the show; the result is empty if none has. */
static int ask_its_database(struct context *context, const char *doing, const char *sql,
                            size_t count, const struct postgres_parameter *row,
                            struct postgres_result **result)
{
    struct databases databases;
    const struct database *away = NULL;
    int code = EXIT_SUCCESS;

    *result = NULL;
    if (context_postgres(context) == NULL)
        return EXIT_FAILED;
    if (databases_open(context, &databases))
        code = context_fail_postgres(context, "looking for the databases");
    for (size_t i = 0; code == EXIT_SUCCESS && i < databases.count; i++) {
        const struct database *each = &databases.each[i];
        if (*result != NULL && postgres_rows(*result) > 0)
            break;
        if (!postgres_is_connected(each->postgres)) {
            away = each;
            continue;
        }
        postgres_result_free(*result);
        *result = NULL;
        if (postgres_query(each->postgres, sql, count, row, false, result))
            code = context_fail("%s: %s", doing, postgres_why(each->postgres));
    }
    if (code == EXIT_SUCCESS && away != NULL && postgres_rows(*result) == 0) {
        code = context_fail("%s: it may be in %s, which cannot be asked: %s", doing,
                            database_name(away), postgres_why(away->postgres));
        postgres_result_free(*result);
    }
    databases_close(&databases);
    return code;
}

static const char show_sql[] =
    "SELECT json_strip_nulls(json_build_object('show', s.slug, 'show_id', s.show, 'mode', r.mode,"
    " 'active', r.active, 'order', CASE WHEN r.draws THEN 'draw' ELSE 'arrival' END,"
    " 'opens_at', to_char(r.opens_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    " 'rate', r.rate_per_minute, 'places_each', r.places_each,"
    " 'admission_ms', r.admission_ms, 'no_show_ms', r.no_show_ms, 'paused', r.paused,"
    " 'serving', r.serving, 'reserved', r.issued_upto, 'opened_ms', r.opened_ms,"
    " 'arrivals', CASE WHEN r.draws THEN r.arrivals END,"
    " 'commitment', encode(r.commitment, 'hex'), 'key', encode(r.key, 'hex')))"
    " FROM shows s JOIN rooms r USING (show) WHERE s.slug = $1 OR s.show::text = $1";

static int show_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct postgres_result *result;
    const char *name;

    arguments_read(command, argc, argv, NULL, &name);
    const struct postgres_parameter row = named(name);
    if (ask_its_database(context, "reading the waiting room", show_sql, 1, &row, &result))
        return EXIT_FAILED;
    bool found = postgres_rows(result) > 0;
    if (found)
        printf("%.*s\n", (int)postgres_cell(result, 0, 0).len, postgres_cell(result, 0, 0).bytes);
    postgres_result_free(result);
    return found ? EXIT_SUCCESS : context_fail("there is no show '%s' with a waiting room", name);
}

/* Verify. */

static const char draw_sql[] =
    "SELECT encode(r.commitment, 'hex'), encode(r.key, 'hex'), r.arrivals, r.draws::integer"
    " FROM shows s JOIN rooms r USING (show) WHERE s.slug = $1 OR s.show::text = $1";

static int read_from_postgres(struct context *context, const char *name, struct draw_record *draw)
{
    struct postgres_result *result;
    const struct postgres_parameter row = named(name);

    if (ask_its_database(context, "reading the draw", draw_sql, 1, &row, &result))
        return EXIT_FAILED;
    int code = EXIT_SUCCESS;
    if (postgres_rows(result) == 0)
        code = context_fail("there is no show '%s' with a waiting room, and no such file", name);
    else if (postgres_cell_i64(result, 0, 3) == 0)
        code = context_fail("nothing is drawn in this waiting room: the order is that of arrival");
    else if (postgres_is_null(result, 0, 1))
        code = context_fail("the waiting room has not opened yet: its key is not published");
    else if (!text_unhex(postgres_cell(result, 0, 0), draw->commitment) ||
             !text_unhex(postgres_cell(result, 0, 1), draw->key))
        code = context_fail("the draw cannot be read");
    draw->arrivals = (uint32_t)postgres_cell_i64(result, 0, 2);
    postgres_result_free(result);
    return code;
}

static bool is_file(const char *name)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");

    if (file != NULL && file != stdin)
        fclose(file);
    return file != NULL;
}

static bool key_is_committed(const struct draw_record *draw)
{
    unsigned char commitment[DIGEST_BYTES];

    draw_commitment(draw->key, commitment);
    return digest_equal(commitment, draw->commitment);
}

/* Whether every number is somebody's, once. */
static bool is_whole(const struct draw_record *draw)
{
    bool *taken = calloc((size_t)draw->arrivals + 1, sizeof(*taken)), whole = true;

    if (taken == NULL)
        abort();
    for (uint32_t arrival = 1; arrival <= draw->arrivals && whole; arrival++) {
        uint32_t number = draw_number(draw->key, draw->arrivals, arrival);
        whole = number >= 1 && number <= draw->arrivals && !taken[number];
        if (whole)
            taken[number] = true;
    }
    free(taken);
    return whole;
}

static void print_numbers(const struct command *command, const struct draw_record *draw,
                          const struct word_list *words)
{
    for (size_t i = 0; i < words->count; i++) {
        uint64_t arrival;
        if (!text_u64(span_of(words->word[i]), ROOM_PEOPLE_MAX, &arrival) || arrival == 0)
            arguments_wrong(command, "--arrival must be a number from 1 on, not '%s'",
                            words->word[i]);
        uint32_t number = arrival <= draw->arrivals
                              ? draw_number(draw->key, draw->arrivals, (uint32_t)arrival)
                              : (uint32_t)arrival;
        printf("arrival %" PRIu64 " has number %" PRIu32 "%s\n", arrival, number,
               arrival <= draw->arrivals ? "" : ", having come after the opening");
    }
}

static int verify_run(struct context *context, const struct command *command, int argc, char **argv)
{
    struct verify_arguments arguments = {.arrivals = {0}};
    struct draw_record draw = {0};
    char why[SHOW_WHY_BYTES];
    const char *name;

    arguments_read(command, argc, argv, &arguments, &name);
    if (is_file(name)) {
        if (!json_read_draw(name, &draw, why))
            return context_fail("%s", why);
    } else {
        int code = read_from_postgres(context, name, &draw);
        if (code)
            return code;
    }
    if (!key_is_committed(&draw))
        return context_fail("the key is not the one that was committed to: this draw is not right");
    printf("the key is the one that was committed to; %" PRIu32 " had come before the opening\n",
           draw.arrivals);
    if (draw.arrivals <= EACH_MAX && !is_whole(&draw))
        return context_fail("the numbers are not those from 1 to %" PRIu32, draw.arrivals);
    if (draw.arrivals <= EACH_MAX)
        printf("each number from 1 to %" PRIu32 " is given once\n", draw.arrivals);
    print_numbers(command, &draw, &arguments.arrivals);
    return EXIT_SUCCESS;
}
