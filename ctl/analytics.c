#include "analytics.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/buf.h"
#include "context.h"
#include "web_json.h"

struct analytics_arguments {
    const char *from, *to, *step;
    int64_t page;
    bool csv;
};
#define AT(field) offsetof(struct analytics_arguments, field)

static void put_encoded(struct buf *b, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    for (; *text != '\0'; text++)
        if (strchr(plain, *text) != NULL)
            buf_putc(b, *text);
        else
            buf_putf(b, "%%%02X", (unsigned char)*text);
}

static void put_parameter(struct buf *b, const char *name, const char *value)
{
    if (value == NULL)
        return;
    buf_putf(b, "&%s=", name);
    put_encoded(b, value);
}

/* The first page's path; the next ones' are what the gateway says. */
static void put_path(struct buf *b, const char *const words[2], const struct analytics_arguments *a)
{
    buf_puts(b, "/v1/admin/shows/");
    put_encoded(b, words[0]);
    buf_puts(b, "/analytics/");
    put_encoded(b, words[1]);
    buf_putf(b, "?limit=%lld", (long long)a->page);
    put_parameter(b, "from", a->from);
    put_parameter(b, "to", a->to);
    put_parameter(b, "step", a->step);
}

/* From a Link to the path in it, or empty. */
static void follow(struct buf *path, struct buf *link)
{
    const char *text = buf_text(link), *end = text != NULL ? strchr(text, '>') : NULL;

    buf_reset(path);
    if (end != NULL && text[0] == '<')
        buf_put(path, text + 1, (size_t)(end - text - 1));
}

/* All pages as one: of those behind the first, the names of the columns are left out. */
static void print_page(const struct buf *body, bool is_csv, bool is_first)
{
    struct span text = buf_span(body);

    if (!is_csv) {
        json_print_lines(stdout, text, "rows");
        return;
    }
    const char *rows = is_first ? text.bytes : memchr(text.bytes, '\n', text.len);
    if (!is_first && rows != NULL)
        rows++;
    if (rows != NULL)
        fwrite(rows, 1, text.len - (size_t)(rows - text.bytes), stdout);
}

static int analytics_run(struct context *context, const struct command *command, int argc,
                         char **argv)
{
    struct analytics_arguments a = {.page = 1000};
    const char *words[2];
    struct buf path, link, answer;
    int code = EXIT_SUCCESS;

    arguments_read(command, argc, argv, &a, words);
    buf_init(&path, ASK_PATH_BYTES_MAX);
    buf_init(&link, ASK_PATH_BYTES_MAX);
    put_path(&path, words, &a);
    for (bool is_first = true; !code && path.len > 0; is_first = false) {
        const char *text = buf_text(&path);
        if (text == NULL)
            arguments_wrong(command, "that is too long");
        if (!ask_to_read(context, text, a.csv ? "text/csv" : NULL, &link, &answer)) {
            code = EXIT_FAILED;
            continue;
        }
        print_page(&answer, a.csv, is_first);
        buf_free(&answer);
        follow(&path, &link);
    }
    buf_free(&path);
    buf_free(&link);
    return code;
}

static const struct flag analytics_flags[] = {
    {"--from", FLAG_TEXT, AT(from), 0, 0, "TIME", "RFC 3339, or a date; steps count from it"},
    {"--to", FLAG_TEXT, AT(to), 0, 0, "TIME", "up to there"},
    {"--step", FLAG_TEXT, AT(step), 0, 0, "STEP",
     "minute, hour, day, all, or seconds: whole minutes [hour]"},
    {"--csv", FLAG_SWITCH, AT(csv), 0, 0, "", "as CSV, with a line of names"},
    {"--page", FLAG_NUMBER, AT(page), 1, 2000, "N", "rows that are asked for at a time [1000]"},
};

const struct command analytics_command = {
    .name = "analytics",
    .positional = "SHOW REPORT",
    .summary =
        "Tell how a sale went, a row a line: sales, conversion, sell-out, decisions, refusals "
        "or waits.",
    .run = analytics_run,
    .flags = {{analytics_flags, sizeof(analytics_flags) / sizeof(analytics_flags[0])}},
};
