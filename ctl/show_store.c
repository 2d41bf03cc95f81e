#include "show_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "seat_map.h"

#define NUMBER_BYTES 24
#define PART_SEATS 10000 /* in one statement */
#define PART_BYTES_MAX (16 << 20)

static const char partition_sql[] =
    "INSERT INTO partitions (partition) VALUES ($1) ON CONFLICT DO NOTHING RETURNING partition";
/* What is made without a queue is written down all the same. */
static const char audit_sql[] =
    "INSERT INTO audit (at_ms, actor, action, show, settings, after)"
    " SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, 'usherctl', 'show.create',"
    " s.show, '{}', jsonb_build_object('show', s.slug, 'show_id', s.show, 'partition', s.partition,"
    " 'state', s.state) FROM shows s WHERE s.show = $1";
static const char find_sql[] = "SELECT show FROM shows WHERE slug = $1";
static const char show_sql[] =
    "INSERT INTO shows (show, slug, name, category, partition, starts_at, sales_open_at,"
    " sales_close_at, state, max_per_user, max_per_booking, hold_ms, hold_ms_max, currency,"
    " offer_ms, ends_at, series, payment)"
    " VALUES (coalesce($1, next_show()), $2, $3, $4, $5, $6, $7,"
    " $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) RETURNING show";
static const char tier_sql[] =
    "INSERT INTO tiers (show, tier, code, price, kind, capacity, blocked, available)"
    " VALUES ($1, $2, $3, $4, $5, $6::integer, $7::integer, $6::integer - $7::integer)";
/* A line a seat: no field has a control character in it. One that is blocked (4) is taken by
 * nobody. */
static const char seats_sql[] =
    "WITH seat AS (SELECT f FROM unnest(string_to_array($2, E'\\n')) AS line,"
    "  string_to_array(line, E'\\t') AS f),"
    " blocked AS (INSERT INTO seats_taken (show, position, booking)"
    "  SELECT $1::integer, f[1]::integer, '00000000-0000-0000-0000-000000000000'"
    "  FROM seat WHERE f[3] = '4')"
    " INSERT INTO seat_map (show, position, tier, accessible, x, y, id, section, row, number)"
    " SELECT $1::integer, f[1]::integer, f[2]::integer, f[4]::boolean, nullif(f[5], '')::real,"
    " nullif(f[6], '')::real, f[7], f[8], f[9], f[10] FROM seat";
static const char step_sql[] =
    "INSERT INTO price_steps (show, tier, step, sold_permille, from_at, price)"
    " VALUES ($1, $2, $3, $4, $5, $6)";
static const char elsewhere_sql[] =
    "SELECT slug, partition FROM shows WHERE series = $1 AND partition <> $2 ORDER BY show LIMIT 1";
static const char list_sql[] =
    "SELECT s.show, s.slug, s.name, s.category, s.partition, s.state,"
    " (SELECT string_agg(format('%s %s/%s', t.code, t.available, t.capacity), ', ' ORDER BY t.tier)"
    "  FROM tiers t WHERE t.show = s.show)"
    " FROM shows s ORDER BY s.show";

static struct postgres_parameter text_of(const char *text)
{
    return (struct postgres_parameter){text, text != NULL ? strlen(text) : 0, false};
}

/* 0 is NULL where `optional`. The text lives in `into`. */
static struct postgres_parameter number_of(int64_t n, bool optional, char into[NUMBER_BYTES])
{
    snprintf(into, NUMBER_BYTES, "%" PRId64, n);
    return text_of(optional && n == 0 ? NULL : into);
}

enum err partition_add(struct postgres *postgres, int64_t partition, bool *existed)
{
    char number[NUMBER_BYTES];
    struct postgres_parameter one = number_of(partition, false, number);
    struct postgres_result *result;
    TRY(postgres_query(postgres, partition_sql, 1, &one, false, &result));
    *existed = postgres_rows(result) == 0;
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err find(struct postgres *postgres, const char *slug, struct show_made *made)
{
    struct postgres_parameter one = text_of(slug);
    struct postgres_result *result;
    TRY(postgres_query(postgres, find_sql, 1, &one, false, &result));
    made->existed = postgres_rows(result) > 0;
    if (made->existed)
        made->number = (uint32_t)postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err insert_show(struct postgres *postgres, const struct show_spec *spec,
                            uint32_t *number)
{
    char texts[7][NUMBER_BYTES];
    const struct postgres_parameter row[] = {
        number_of(spec->number, true, texts[0]),
        text_of(spec->slug),
        text_of(spec->name),
        text_of(spec->category),
        number_of(spec->partition, false, texts[1]),
        text_of(spec->starts_at),
        text_of(spec->opens_at),
        text_of(spec->closes_at),
        text_of(spec->draft ? "draft" : "open"),
        number_of(spec->max_per_user, true, texts[2]),
        number_of(spec->max_per_booking, false, texts[3]),
        number_of(spec->hold_seconds * 1000, false, texts[4]),
        number_of(spec->hold_seconds_max * 1000, false, texts[5]),
        text_of(spec->currency),
        number_of(spec->offer_seconds * 1000, true, texts[6]),
        text_of(spec->ends_at),
        text_of(spec->series),
        text_of(spec->payment),
    };
    struct postgres_result *result;
    TRY(postgres_query(postgres, show_sql, sizeof(row) / sizeof(row[0]), row, false, &result));
    *number = (uint32_t)postgres_cell_i64(result, 0, 0);
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err insert_steps(struct postgres *postgres, const struct tier_spec *tier, uint32_t show,
                             int64_t number)
{
    for (size_t i = 0; i < tier->steps; i++) {
        const struct price_step_spec *step = &tier->step[i];
        char texts[5][NUMBER_BYTES];
        const struct postgres_parameter row[] = {
            number_of(show, false, texts[0]),
            number_of(number, false, texts[1]),
            number_of((int64_t)i + 1, false, texts[2]),
            number_of(step->sold_percent * 10, true, texts[3]),
            text_of(step->sold_percent == 0 ? step->from : NULL),
            number_of(step->price, false, texts[4]),
        };
        struct postgres_result *result;
        TRY(postgres_query(postgres, step_sql, 6, row, false, &result));
        postgres_result_free(result);
    }
    return ERR_NONE;
}

static enum err insert_tiers(struct postgres *postgres, const struct show_spec *spec,
                             uint32_t number)
{
    for (size_t i = 0; i < spec->tiers; i++) {
        const struct tier_spec *tier = &spec->tier[i];
        char texts[5][NUMBER_BYTES];
        const struct postgres_parameter row[] = {
            number_of(number, false, texts[0]),
            number_of((int64_t)i + 1, false, texts[1]),
            text_of(tier->code),
            number_of(tier->price, false, texts[2]),
            text_of(tier->has_seats ? "seats" : "counter"),
            number_of(tier->capacity, false, texts[3]),
            number_of(tier->blocked, false, texts[4]),
        };
        struct postgres_result *result;
        TRY(postgres_query(postgres, tier_sql, 7, row, false, &result));
        postgres_result_free(result);
        TRY(insert_steps(postgres, tier, number, (int64_t)i + 1));
    }
    return ERR_NONE;
}

static void put_seat(struct buf *b, const struct seat_spec *seat)
{
    if (b->len > 0)
        buf_putc(b, '\n');
    buf_putf(b, "%u\t%u\t%d\t%s\t", seat->position, seat->tier,
             seat->blocked ? SEAT_BLOCKED : SEAT_AVAILABLE, seat->accessible ? "t" : "f");
    if (seat->has_place)
        buf_putf(b, "%.9g\t%.9g", seat->x, seat->y);
    else
        buf_putc(b, '\t');
    buf_putf(b, "\t%s\t%s\t%s\t%s", seat->id, seat->section, seat->row, seat->number);
}

static enum err insert_seats(struct postgres *postgres, const struct seat_map *map, uint32_t show)
{
    char number[NUMBER_BYTES];
    struct buf lines;
    enum err err = ERR_NONE;

    buf_init(&lines, PART_BYTES_MAX);
    for (size_t at = 0; !err && at < map->count;) {
        buf_reset(&lines);
        for (size_t n = 0; n < PART_SEATS && at < map->count; n++)
            put_seat(&lines, &map->seat[at++]);
        const struct postgres_parameter row[] = {number_of(show, false, number),
                                                 {lines.bytes, lines.len, false}};
        struct postgres_result *result = NULL;
        err =
            lines.failed ? ERR_MEMORY : postgres_query(postgres, seats_sql, 2, row, false, &result);
        postgres_result_free(result);
    }
    buf_free(&lines);
    return err;
}

static enum err insert_audit(struct postgres *postgres, uint32_t show)
{
    char number[NUMBER_BYTES];
    const struct postgres_parameter one = number_of(show, false, number);
    struct postgres_result *result;
    TRY(postgres_query(postgres, audit_sql, 1, &one, false, &result));
    postgres_result_free(result);
    return ERR_NONE;
}

static enum err create_one(struct postgres *postgres, const struct show_spec *spec, bool if_absent,
                           struct show_made *made)
{
    *made = (struct show_made){0};
    if (if_absent)
        TRY(find(postgres, spec->slug, made));
    if (made->existed)
        return ERR_NONE;
    bool existed;
    TRY(partition_add(postgres, spec->partition, &existed));
    TRY(insert_show(postgres, spec, &made->number));
    TRY(insert_tiers(postgres, spec, made->number));
    TRY(insert_audit(postgres, made->number));
    return spec->map != NULL ? insert_seats(postgres, spec->map, made->number) : ERR_NONE;
}

static enum err begin(struct postgres *postgres)
{
    /* The lock keeps the next free number free; readers and allocators pass it. */
    return postgres_run(postgres, "BEGIN; LOCK TABLE shows IN SHARE ROW EXCLUSIVE MODE");
}

static enum err create_and_commit(struct postgres *postgres, const struct show_spec *specs,
                                  size_t count, bool if_absent, struct show_made *made,
                                  size_t *failed)
{
    for (; *failed < count; (*failed)++)
        TRY(create_one(postgres, &specs[*failed], if_absent, &made[*failed]));
    *failed = count > 0 ? count - 1 : 0;
    return postgres_commit(postgres);
}

enum err shows_create(struct postgres *postgres, const struct show_spec *specs, size_t count,
                      bool if_absent, struct show_made *made, size_t *failed)
{
    *failed = 0;
    TRY(begin(postgres));
    return create_and_commit(postgres, specs, count, if_absent, made, failed);
}

enum err series_find_elsewhere(struct postgres *postgres, const struct show_spec *spec,
                               struct show_where *elsewhere)
{
    char number[NUMBER_BYTES];
    const struct postgres_parameter row[] = {text_of(spec->series),
                                             number_of(spec->partition, false, number)};
    struct postgres_result *result;
    elsewhere->partition = 0;
    TRY(postgres_query(postgres, elsewhere_sql, 2, row, false, &result));
    if (postgres_rows(result) > 0) {
        struct span slug = postgres_cell(result, 0, 0);
        snprintf(elsewhere->slug, sizeof(elsewhere->slug), "%.*s", (int)slug.len, slug.bytes);
        elsewhere->partition = (uint32_t)postgres_cell_i64(result, 0, 1);
    }
    postgres_result_free(result);
    return ERR_NONE;
}

enum err series_create(struct postgres *postgres, const struct show_spec *specs, size_t count,
                       bool if_absent, struct show_made *made, size_t *failed,
                       struct show_where *elsewhere)
{
    *failed = 0;
    TRY(begin(postgres));
    TRY(series_find_elsewhere(postgres, &specs[0], elsewhere));
    if (elsewhere->partition != 0)
        return postgres_run(postgres, "ROLLBACK");
    return create_and_commit(postgres, specs, count, if_absent, made, failed);
}

enum err shows_list(struct postgres *postgres, struct postgres_result **result)
{
    return postgres_query(postgres, list_sql, 0, NULL, false, result);
}
