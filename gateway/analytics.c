#include "gateway/analytics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "gateway/admin_access.h"
#include "gateway/csv.h"
#include "gateway/databases.h"
#include "gateway/fields.h"
#include "gateway/gateway.h"
#include "gateway/handlers.h"
#include "gateway/postgres_link.h"
#include "gateway/reads.h"
#include "gateway/render.h"
#include "gateway/reply.h"
#include "gateway/shows.h"

#define REPORT_MS 20000
#define REPORT_LAG_MS 60000
#define ROWS_DEFAULT 1000
#define ROWS_MAX 2000 /* an answer fits into output_bytes_max */
#define MINUTE_MS INT64_C(60000)
#define STEP_S_MAX (366 * 86400)
#define STEP_ALL_MS INT64_C(1000000000000000) /* longer than time */
#define TIME_MAX_MS INT64_C(253402300800000)  /* the year 10000 */
#define KEY_BYTES 32

/*
 * From the views of sql/0015_analytics.sql, some of them anew in 0026 and 0027; adding a report is
 * adding a row to `reports`.
 *
 * $1 show, $2 from, $3 to, $4 step, $5 and $6 behind which row, $7 how many. Steps count from $2.
 */
#define AT(ms) "$2::bigint + (" ms " - $2::bigint) / $4::bigint * $4::bigint"
#define PART(ms) " WHERE show = $1::integer AND " ms " >= $2::bigint AND " ms " < $3::bigint"
#define FIRST(ms, key) "SELECT * FROM (SELECT " AT(ms) " AS at_ms, " key " AS key, "
#define REST(key_type)                                                                             \
    " GROUP BY 1, 2) r WHERE (at_ms, key) > ($5::bigint, $6::" key_type ")"                        \
    " ORDER BY 1, 2 LIMIT $7::integer"
#define REPORT(columns, from, ms, key, key_type)                                                   \
    FIRST(ms, key) columns " " from PART(ms) REST(key_type)

enum cell { CELL_TIME, CELL_NUMBER, CELL_TEXT };
/* What tells rows of the same time apart, and so stands in a cursor. */
enum key { KEY_NONE, KEY_NUMBER, KEY_WORD };

struct column {
    const char *name;
    enum cell cell;
};
#define COLUMNS_MAX 16

/* The statement's first two columns are the row's time and key; then come the report's, of which
 * `at` is that time again. */
struct report {
    const char *name;
    enum key key;
    bool has_time; /* if not, it takes no from, to and step */
    struct statement statement;
    struct column columns[COLUMNS_MAX];
};

#define COUNTED(from) REPORT("min(code), sum(requests)", from, "minute_ms", "code", "text")

static const struct report reports[] = {
    {"sales",
     KEY_NUMBER,
     true,
     {"analytics_sales",
      REPORT("min(code), sum(bookings), sum(held), sum(held_amount), sum(pending),"
             " sum(pending_amount), sum(confirmed), sum(confirmed_amount), sum(cancelled),"
             " sum(cancelled_amount), sum(expired), sum(failed)",
             "FROM analytics_sales", "minute_ms", "tier", "integer")},
     {{"tier", CELL_TEXT},
      {"bookings", CELL_NUMBER},
      {"held", CELL_NUMBER},
      {"held_amount", CELL_NUMBER},
      {"pending", CELL_NUMBER},
      {"pending_amount", CELL_NUMBER},
      {"confirmed", CELL_NUMBER},
      {"confirmed_amount", CELL_NUMBER},
      {"cancelled", CELL_NUMBER},
      {"cancelled_amount", CELL_NUMBER},
      {"expired", CELL_NUMBER},
      {"failed", CELL_NUMBER}}},
    {"conversion",
     KEY_NONE,
     true,
     {"analytics_conversion",
      REPORT("count(*), count(confirmed_ms), count(*) FILTER (WHERE status IN ('HELD', 'PENDING')),"
             " count(*) FILTER (WHERE status = 'EXPIRED'),"
             " count(*) FILTER (WHERE status = 'CANCELLED' AND confirmed_ms IS NULL),"
             " count(*) FILTER (WHERE status = 'FAILED'),"
             " round(count(confirmed_ms)::numeric /"
             "  nullif(count(*) FILTER (WHERE status NOT IN ('HELD', 'PENDING')), 0), 4),"
             " percentile_disc(0.5) WITHIN GROUP (ORDER BY confirmed_ms - created_ms)",
             "FROM analytics_holds", "created_ms", "0", "integer")},
     {{"holds", CELL_NUMBER},
      {"confirmed", CELL_NUMBER},
      {"open", CELL_NUMBER},
      {"expired", CELL_NUMBER},
      {"cancelled", CELL_NUMBER},
      {"failed", CELL_NUMBER},
      {"share", CELL_NUMBER},
      {"median_ms", CELL_NUMBER}}},
    {"sell-out",
     KEY_NUMBER,
     false,
     {"analytics_sell_out",
      "SELECT 0, tier, code, capacity, available, first_ms, sold_out_ms, seconds"
      " FROM analytics_sell_out WHERE show = $1::integer AND tier > $6::integer"
      " AND ($2::bigint, $3::bigint, $4::bigint, $5::bigint) IS NOT NULL"
      " ORDER BY tier LIMIT $7::integer"},
     {{"tier", CELL_TEXT},
      {"capacity", CELL_NUMBER},
      {"available", CELL_NUMBER},
      {"first_at", CELL_TIME},
      {"sold_out_at", CELL_TIME},
      {"seconds", CELL_NUMBER}}},
    {"decisions",
     KEY_WORD,
     true,
     {"analytics_decisions", COUNTED("FROM analytics_decisions")},
     {{"code", CELL_TEXT}, {"requests", CELL_NUMBER}}},
    {"refusals",
     KEY_WORD,
     true,
     {"analytics_refusals", COUNTED("FROM analytics_refusals")},
     {{"code", CELL_TEXT}, {"requests", CELL_NUMBER}}},
    {"waits",
     KEY_NONE,
     true,
     {"analytics_waits",
      REPORT("sum(count), round(sum(sum_ms) / sum(count), 1),"
             " wait_percentile(0.50, array_agg(max_ms), array_agg(count)),"
             " wait_percentile(0.95, array_agg(max_ms), array_agg(count)),"
             " wait_percentile(0.99, array_agg(max_ms), array_agg(count)), max(max_ms)",
             "FROM waits_by_minute", "minute_ms", "0", "integer")},
     {{"requests", CELL_NUMBER},
      {"mean_ms", CELL_NUMBER},
      {"p50_ms", CELL_NUMBER},
      {"p95_ms", CELL_NUMBER},
      {"p99_ms", CELL_NUMBER},
      {"max_ms", CELL_NUMBER}}},
};
#define REPORTS_COUNT (sizeof reports / sizeof *reports)

/* What is asked for. */
struct wish {
    const struct report *report;
    bool is_csv;
    int64_t rows_max;
    int64_t from_ms, to_ms; /* 0, TIME_MAX_MS: not said */
    int64_t step_ms;
    int64_t at_ms; /* behind this row; -1: from the first on */
    char key[KEY_BYTES + 1];
};

static const struct {
    const char *word;
    int64_t ms;
} steps[] = {
    {"minute", MINUTE_MS},
    {"hour", 60 * MINUTE_MS},
    {"day", 1440 * MINUTE_MS},
    {"all", STEP_ALL_MS},
};

static bool find_report(struct task *task, struct wish *wish)
{
    for (size_t i = 0; i < REPORTS_COUNT; i++)
        if (span_is(task->parameter[1], reports[i].name)) {
            wish->report = &reports[i];
            return true;
        }
    reply_not_found(task, "There is no such report; there are sales, conversion, sell-out, "
                          "decisions, refusals and waits");
    return false;
}

static bool read_format(struct task *task, struct wish *wish)
{
    char bytes[8];
    const char *format;

    if (!reads_text(task, "format", bytes, sizeof bytes - 1, &format))
        return false;
    wish->is_csv = format != NULL ? strcmp(format, "csv") == 0
                                  : media_prefers_csv(exchange_header(task->exchange, "accept"));
    if (format == NULL || wish->is_csv || strcmp(format, "json") == 0)
        return true;
    reply_invalid(task, 400, "\"format\" must be json or csv");
    return false;
}

/* A time in whole minutes; `adds` rounds it up. Absent: *ms stays. */
static bool read_minute(struct task *task, const char *name, int64_t adds, int64_t *ms)
{
    char bytes[40], why[96];
    const char *text;
    int64_t read_ms;

    if (!reads_text(task, name, bytes, sizeof bytes - 1, &text))
        return false;
    if (text == NULL)
        return true;
    if (time_read(span_of(text), &read_ms)) {
        read_ms = (read_ms + adds) / MINUTE_MS * MINUTE_MS;
        *ms = read_ms > 0 ? read_ms : 0;
        return true;
    }
    snprintf(why, sizeof why, "\"%s\" must be a date or a time as in RFC 3339", name);
    reply_invalid(task, 400, why);
    return false;
}

static bool read_step(struct task *task, struct wish *wish)
{
    char bytes[16];
    const char *text;
    uint64_t seconds;

    if (!reads_text(task, "step", bytes, sizeof bytes - 1, &text))
        return false;
    if (text == NULL)
        return true;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(text, steps[i].word) == 0) {
            wish->step_ms = steps[i].ms;
            return true;
        }
    if (text_u64(span_of(text), STEP_S_MAX, &seconds) && seconds > 0 && seconds % 60 == 0) {
        wish->step_ms = (int64_t)seconds * 1000;
        return true;
    }
    reply_invalid(task, 400,
                  "\"step\" must be minute, hour, day, all, or seconds: whole minutes, "
                  "at most 366 days");
    return false;
}

static bool key_is_right(enum key key, const char *text)
{
    uint64_t n;

    switch (key) {
    case KEY_NONE:
        return strcmp(text, "0") == 0;
    case KEY_NUMBER:
        return text_u64(span_of(text), INT32_MAX, &n);
    case KEY_WORD:
        return text[0] != '\0' && text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0';
    }
    return false;
}

/* "<time>.<key>" of the last row told. */
static bool read_cursor(struct task *task, struct wish *wish)
{
    char bytes[KEY_BYTES + 24];
    const char *text, *dot;
    uint64_t ms;

    if (!reads_text(task, "cursor", bytes, sizeof bytes - 1, &text))
        return false;
    if (text == NULL)
        return true;
    dot = strchr(text, '.');
    if (dot == NULL || strlen(dot + 1) > KEY_BYTES || !key_is_right(wish->report->key, dot + 1) ||
        !text_u64((struct span){text, (size_t)(dot - text)}, TIME_MAX_MS, &ms)) {
        reply_invalid(task, 400, "\"cursor\" must be what \"next\" said");
        return false;
    }
    wish->at_ms = (int64_t)ms;
    snprintf(wish->key, sizeof wish->key, "%s", dot + 1);
    return true;
}

static bool read_times(struct task *task, struct wish *wish)
{
    static const char *const names[] = {"from", "to", "step"};
    char why[96], bytes[40];
    const char *text;

    for (size_t i = 0; !wish->report->has_time && i < sizeof names / sizeof *names; i++) {
        if (!reads_text(task, names[i], bytes, sizeof bytes - 1, &text))
            return false;
        if (text == NULL)
            continue;
        snprintf(why, sizeof why, "This report has no \"%s\"", names[i]);
        reply_invalid(task, 400, why);
        return false;
    }
    if (!read_minute(task, "from", 0, &wish->from_ms) ||
        !read_minute(task, "to", MINUTE_MS - 1, &wish->to_ms) || !read_step(task, wish))
        return false;
    if (wish->from_ms < wish->to_ms)
        return true;
    reply_invalid(task, 400, "\"to\" must be later than \"from\"");
    return false;
}

/* False: the task was answered. */
static bool read_wish(struct task *task, struct wish *wish)
{
    uint64_t rows = ROWS_DEFAULT;

    *wish = (struct wish){.to_ms = TIME_MAX_MS, .step_ms = 60 * MINUTE_MS, .at_ms = -1};
    if (!find_report(task, wish) || !read_format(task, wish) || !read_times(task, wish) ||
        !reads_number(task, "limit", 1, ROWS_MAX, &rows))
        return false;
    snprintf(wish->key, sizeof wish->key, "%s", wish->report->key == KEY_WORD ? "" : "0");
    if (!wish->report->has_time)
        snprintf(wish->key, sizeof wish->key, "-1");
    wish->rows_max = (int64_t)rows;
    return read_cursor(task, wish);
}

/* A cell as JSON; of CSV, what is not there is empty. */
static void put_cell(struct buf *body, bool is_csv, enum cell cell,
                     const struct postgres_rows *rows, size_t row, size_t column)
{
    struct span text = rows_text(rows, row, column);

    if (rows_is_null(rows, row, column)) {
        buf_puts(body, is_csv ? "" : "null");
        return;
    }
    switch (cell) {
    case CELL_TIME:
        if (is_csv)
            render_time_bare(body, rows_i64(rows, row, column));
        else
            render_time(body, rows_i64(rows, row, column));
        return;
    case CELL_NUMBER:
        buf_put(body, text.bytes, text.len);
        return;
    case CELL_TEXT:
        if (is_csv)
            csv_text(body, text);
        else
            render_text(body, text);
        return;
    }
}

static void put_json_row(struct buf *body, const struct report *report,
                         const struct postgres_rows *rows, size_t row)
{
    buf_putc(body, '{');
    if (report->has_time) {
        buf_puts(body, "\"at\":");
        put_cell(body, false, CELL_TIME, rows, row, 0);
        buf_putc(body, ',');
    }
    for (size_t i = 0; i < COLUMNS_MAX && report->columns[i].name != NULL; i++) {
        buf_putf(body, "%s\"%s\":", i > 0 ? "," : "", report->columns[i].name);
        put_cell(body, false, report->columns[i].cell, rows, row, i + 2);
    }
    buf_putc(body, '}');
}

static void put_csv_row(struct buf *body, const struct report *report,
                        const struct postgres_rows *rows, size_t row)
{
    if (report->has_time) {
        put_cell(body, true, CELL_TIME, rows, row, 0);
        buf_putc(body, ',');
    }
    for (size_t i = 0; i < COLUMNS_MAX && report->columns[i].name != NULL; i++) {
        if (i > 0)
            buf_putc(body, ',');
        put_cell(body, true, report->columns[i].cell, rows, row, i + 2);
    }
    buf_puts(body, CSV_EOL);
}

static void put_csv(struct buf *body, const struct report *report, const struct postgres_rows *rows,
                    size_t count)
{
    buf_puts(body, report->has_time ? "at," : "");
    for (size_t i = 0; i < COLUMNS_MAX && report->columns[i].name != NULL; i++)
        buf_putf(body, "%s%s", i > 0 ? "," : "", report->columns[i].name);
    buf_puts(body, CSV_EOL);
    for (size_t i = 0; i < count; i++)
        put_csv_row(body, report, rows, i);
}

static void put_json(struct buf *body, const struct show *show, const struct wish *wish,
                     const struct postgres_rows *rows, size_t count, const char *next)
{
    buf_putf(body,
             "{\"show\":\"%s\",\"show_id\":%u,\"currency\":\"%s\",\"report\":\"%s\",\"from\":",
             show->slug, show->number, show->currency, wish->report->name);
    render_time(body, wish->from_ms);
    buf_puts(body, ",\"to\":");
    render_time(body, wish->to_ms < TIME_MAX_MS ? wish->to_ms : 0);
    buf_puts(body, ",\"step\":");
    if (wish->report->has_time && wish->step_ms < STEP_ALL_MS)
        render_i64(body, wish->step_ms / 1000);
    else
        buf_puts(body, "null");
    buf_puts(body, ",\"rows\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_putc(body, ',');
        put_json_row(body, wish->report, rows, i);
    }
    if (next[0] != '\0')
        buf_putf(body, "],\"next\":\"%s\"}", next);
    else
        buf_puts(body, "],\"next\":null}");
}

static void put_time_parameter(struct buf *link, const char *name, int64_t ms)
{
    buf_putf(link, "%s=", name);
    render_time_bare(link, ms);
    buf_putc(link, '&');
}

/* The same again, from there on: what was understood, not what was written. */
static void put_link(struct task *task, const struct wish *wish, const char *next)
{
    struct buf link;
    const char *text;

    buf_init(&link, 512);
    buf_putf(&link, "</v1/admin/shows/%s/analytics/%s?", task->show->slug, wish->report->name);
    if (wish->from_ms > 0)
        put_time_parameter(&link, "from", wish->from_ms);
    if (wish->to_ms < TIME_MAX_MS)
        put_time_parameter(&link, "to", wish->to_ms);
    if (wish->report->has_time && wish->step_ms == STEP_ALL_MS)
        buf_puts(&link, "step=all&");
    else if (wish->report->has_time)
        buf_putf(&link, "step=%" PRId64 "&", wish->step_ms / 1000);
    buf_putf(&link, "%slimit=%" PRId64 "&cursor=%s>; rel=\"next\"",
             wish->is_csv ? "format=csv&" : "", wish->rows_max, next);
    text = buf_text(&link);
    if (text != NULL)
        reply_field(task, "Link", text);
    buf_free(&link);
}

static void put_file_name(struct task *task, const struct wish *wish)
{
    char value[SLUG_BYTES_MAX + 64];

    snprintf(value, sizeof value, "attachment; filename=\"%s-%s.csv\"", task->show->slug,
             wish->report->name);
    reply_field(task, "Content-Disposition", value);
}

static void on_report(void *context, enum err err, const struct postgres_rows *rows)
{
    struct task *task = context;
    char next[KEY_BYTES + 24] = "";
    struct wish wish;
    struct buf *body;
    size_t count;

    if (!reads_have(task, err, rows) || !read_wish(task, &wish))
        return;
    count = rows_count(rows);
    if (count > (size_t)wish.rows_max) {
        struct span key = rows_text(rows, --count - 1, 1);
        snprintf(next, sizeof next, "%" PRId64 ".%.*s", rows_i64(rows, count - 1, 0), (int)key.len,
                 key.bytes);
    }
    body = reply_open_private(task);
    reply_field(task, "Vary", "Accept");
    if (next[0] != '\0')
        put_link(task, &wish, next);
    if (wish.is_csv) {
        put_file_name(task, &wish);
        put_csv(body, wish.report, rows, count);
    } else {
        put_json(body, task->show, &wish, rows, count, next);
    }
    reply_send(task, 200, wish.is_csv ? CSV_TYPE : REPLY_JSON);
}

/* A replica that is a minute behind will do: the answer says how old it is. */
static void open_databases(struct gateway *g)
{
    struct database_options options = {.primary = g->options->postgres,
                                       .replica = g->options->postgres_replica,
                                       .connections = 1,
                                       .lag_ms_max = REPORT_LAG_MS,
                                       .patience_ms = REPORT_MS};

    if (g->reports == NULL)
        g->reports = databases_open(g->loop, &options);
}

void analytics_begin(struct gateway *g)
{
    if (g->options->postgres_replica[0] != '\0')
        open_databases(g);
}

void analytics_end(struct gateway *g)
{
    if (g->reports != NULL)
        databases_close(g->reports);
}

/* Where the show is, on a connection for reports; if there are too many databases, on another. */
static struct database *reports_of(struct task *task)
{
    struct gateway *g = task->gateway;
    struct database *everybodys = databases_of(task), *own;

    open_databases(g);
    own = databases_named(g->reports, span_of(databases_dsn(g->databases, everybodys)));
    return own != NULL ? own : everybodys;
}

void get_admin_analytics(struct task *task)
{
    struct administrator who;
    struct wish wish;
    char number[16], from[24], to[24], step[24], at[24], many[24];
    struct postgres_query query = {.values = 7,
                                   .value = {number, from, to, step, at, NULL, many},
                                   .done = on_report,
                                   .may_lag = true};

    if (!admin_access(task, &who) || !shows_give(task, task->parameter[0]) ||
        !read_wish(task, &wish))
        return;
    snprintf(number, sizeof number, "%u", task->show->number);
    snprintf(from, sizeof from, "%" PRId64, wish.from_ms);
    snprintf(to, sizeof to, "%" PRId64, wish.to_ms);
    snprintf(step, sizeof step, "%" PRId64, wish.step_ms);
    snprintf(at, sizeof at, "%" PRId64, wish.at_ms);
    snprintf(many, sizeof many, "%" PRId64, wish.rows_max + 1);
    query.value[5] = wish.key;
    query.statement = &wish.report->statement;
    reads_ask_at(task, reports_of(task), &query);
}
