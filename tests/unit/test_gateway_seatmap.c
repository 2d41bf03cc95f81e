#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/seatmap.h"
#include "unit.h"

#define LINES                                                                                      \
    "1\t1\t0\tA-1\tLeft\tA\t1\t1.5\t2\n"                                                           \
    "2\t1\t1\tA-2\tLeft\tA\t2\t\t\n"                                                               \
    "4\t2\t0\tBox \"1\"\t\t\t\t\t"

static void seats_are_found_by_id_and_by_position(void **state)
{
    struct seatmap *map = seatmap_new(SPAN(LINES));

    (void)state;
    assert_non_null(map);
    assert_int_equal(map->count, 3);
    const struct seat *box = seatmap_named(map, SPAN("Box \"1\""));
    assert_ptr_equal(box, seatmap_at(map, 4));
    assert_int_equal(box->tier, 2);
    assert_string_equal(seatmap_text(map, box, SEAT_TEXT_ROW), "");
    const struct seat *first = seatmap_at(map, 1);
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_X), "1.5");
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_SECTION), "Left");
    assert_string_equal(seatmap_text(map, first, SEAT_TEXT_NUMBER), "1");
    assert_false(first->accessible);
    assert_true(seatmap_at(map, 2)->accessible);
    assert_null(seatmap_at(map, 0));
    assert_null(seatmap_at(map, 3));
    assert_null(seatmap_at(map, 5));
    assert_null(seatmap_named(map, SPAN("A-3")));
    assert_null(seatmap_named(map, SPAN("")));
    seatmap_free(map);
}

static void an_empty_map_has_nothing(void **state)
{
    struct seatmap *map = seatmap_new((struct span){NULL, 0});

    (void)state;
    assert_non_null(map);
    assert_null(seatmap_at(map, 1));
    assert_null(seatmap_named(map, SPAN("A-1")));
    seatmap_free(map);
    seatmap_free(NULL);
}

static void what_is_no_map_is_refused(void **state)
{
    static const char *const wrong[] = {
        "1",
        "1\t1\t0\tA\t\t\t\t",                         /* a field too few */
        "0x1\t1\t0\tA\t\t\t\t\t",                     /* no number */
        "1\t33\t0\tA\t\t\t\t\t",                      /* no tier */
        "1\t1\t2\tA\t\t\t\t\t",                       /* neither true nor false */
        "2\t1\t0\tA\t\t\t\t\t\n2\t1\t0\tB\t\t\t\t\t", /* not ascending */
        "\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_null(seatmap_new(span_of(wrong[i])));
}

static void many_seats_are_each_found(void **state)
{
    struct buf text;
    char id[24];

    (void)state;
    buf_init(&text, 1 << 20);
    for (unsigned i = 1; i <= 5000; i++)
        buf_putf(&text, "%s%u\t1\t0\tseat-%u\t\t\t\t\t", i > 1 ? "\n" : "", 2 * i, i);
    struct seatmap *map = seatmap_new(buf_span(&text));
    assert_non_null(map);
    for (unsigned i = 1; i <= 5000; i++) {
        snprintf(id, sizeof id, "seat-%u", i);
        assert_int_equal(seatmap_named(map, span_of(id))->position, 2 * i);
    }
    seatmap_free(map);
    buf_free(&text);
}

/* A map of rows "A", "B", …: a letter a row, and each seat available ('.') or not. Tier 1, but for
 * rows in capitals that are doubled in `tier2`. */
static struct seatmap *map_of(const char *const *rows, const char *tier2, unsigned char *status)
{
    char text[4096];
    size_t n = 0, seats = 0;
    uint32_t position = 1;

    for (char row = 'A'; rows[row - 'A'] != NULL; row++, position++)
        for (size_t at = 0; rows[row - 'A'][at] != '\0'; at++, position++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u\t%d\t0\t%c-%zu\t\t%c\t%zu\t\t",
                                  n > 0 ? "\n" : "", position, strchr(tier2, row) != NULL ? 2 : 1,
                                  row, at + 1, row, at + 1);
            status[seats++] = rows[row - 'A'][at] == '.' ? 0 : (unsigned char)(1 + at % 4);
        }
    struct seatmap *map = seatmap_new((struct span){text, n});
    assert_non_null(map);
    return map;
}

static void assert_blocks(const char *const *rows, uint32_t tier, uint32_t n, const char *wanted)
{
    unsigned char status[256];
    struct seatmap *map = map_of(rows, "YZ", status);
    uint32_t first[3];
    char seen[64] = "";
    size_t count = seatmap_blocks(map, status, tier, n, first, 3);

    for (size_t i = 0; i < count; i++) {
        strcat(seen, i > 0 ? " " : "");
        strcat(seen, seatmap_text(map, &map->seat[first[i]], SEAT_TEXT_ID));
    }
    assert_string_equal(seen, wanted);
    seatmap_free(map);
}

static void free_seats_side_by_side_are_found(void **state)
{
    (void)state;
    assert_blocks((const char *[]){"....", "....", NULL}, 1, 2, "A-1 B-1");
    assert_blocks((const char *[]){"x...", "....", NULL}, 1, 2, "B-1 A-2"); /* one left alone */
    assert_blocks((const char *[]){"...x..", "xx", NULL}, 1, 2, "A-5");     /* better in its row */
    assert_blocks((const char *[]){"..", "...", "....", NULL}, 1, 4, "C-1");
    assert_blocks((const char *[]){"..", "..", NULL}, 1, 3, ""); /* never across rows */
    assert_blocks((const char *[]){".....", NULL}, 2, 1, "");
    assert_blocks((const char *[]){NULL}, 1, 1, "");
    /* No more than there is room for, the good ones first, in the map's order. */
    assert_blocks((const char *[]){"...", "...", "..", "...", "..", "..", "..", NULL}, 1, 2,
                  "C-1 E-1 F-1");
    assert_blocks((const char *[]){"...", "...", "..", "...", NULL}, 1, 2, "C-1 A-1 B-1");
}

/* Whatever is found is free, of its tier and side by side, and a row that has such is found. */
static void blocks_are_what_they_are_said_to_be(void **state)
{
    uint64_t seed = 7;
    char text[8][12];

    (void)state;
    for (int round = 0; round < 2000; round++) {
        const char *rows[9] = {NULL};
        unsigned char status[128];
        uint32_t first[8], n = 1 + (uint32_t)(seed % 4);
        size_t with = 0;
        for (int row = 0; row < 8; row++) {
            size_t len = (seed = seed * 6364136223846793005U + 1442695040888963407U) >> 33 & 7;
            for (size_t at = 0; at < len; at++)
                text[row][at] = (seed >> (40 + at) & 1) != 0 ? '.' : 'x';
            text[row][len] = '\0';
            char needle[8] = "....";
            needle[n] = '\0';
            with += strstr(text[row], needle) != NULL;
            rows[row] = text[row];
        }
        struct seatmap *map = map_of(rows, "", status);
        size_t count = seatmap_blocks(map, status, 1, n, first, 8);
        assert_int_equal(count, with);
        for (size_t i = 0; i < count; i++)
            for (uint32_t j = 0; j < n; j++) {
                assert_int_equal(status[first[i] + j], 0);
                assert_int_equal(map->seat[first[i] + j].position,
                                 map->seat[first[i]].position + j);
            }
        seatmap_free(map);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seats_are_found_by_id_and_by_position),
        cmocka_unit_test(an_empty_map_has_nothing),
        cmocka_unit_test(free_seats_side_by_side_are_found),
        cmocka_unit_test(blocks_are_what_they_are_said_to_be),
        cmocka_unit_test(what_is_no_map_is_refused),
        cmocka_unit_test(many_seats_are_each_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
