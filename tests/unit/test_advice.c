/* Figures → what is wanted, and what is said of them. */
#include "base/advice.h"
#include "tests/unit/unit.h"

#define HOT 7 /* a show */

static struct partition_figures a_partition(uint32_t number, double use, double hot_share)
{
    return (struct partition_figures){.partition = number,
                                      .is_serving = true,
                                      .decided = use * 40000,
                                      .capacity = 40000,
                                      .hot_show = HOT,
                                      .hot_share = hot_share};
}

static struct gateway_load a_gateway(uint64_t busy_permille, uint64_t connections)
{
    return (struct gateway_load){.workers = 2,
                                 .busy_permille = busy_permille,
                                 .busiest_permille = busy_permille,
                                 .connections = connections,
                                 .connections_max = 10000,
                                 .awaiting_max = 100000};
}

TEST(a_partition_is_used_by_what_it_decides_of_what_it_can)
{
    struct partition_figures p = a_partition(1, 0.5, 0);

    assert_true(partition_use(&p) > 0.499 && partition_use(&p) < 0.501);
    p.decided = 50000;
    assert_true(partition_use(&p) == 1);
}

TEST(what_waits_long_is_more_than_is_decided_whatever_that_is)
{
    struct partition_figures p = {.partition = 1, .is_serving = true, .decided = 10};

    assert_true(partition_use(&p) == 0); /* nobody knows what it can */
    p.wait_ms = WAIT_LONG_MS + 1;
    assert_true(partition_use(&p) == 1);
}

TEST(so_many_partitions_are_wanted)
{
    static const struct {
        double use[4], hot[4]; /* of as many as have a use ≥ 0 */
        unsigned wanted;
    } rows[] = {
        {{0, -1}, {0}, 1},                     /* never none */
        {{0, 0, 0, -1}, {0}, 1},               /* they are too many */
        {{0.6, -1}, {0.4}, 1},                 /* just at the aim */
        {{0.61, -1}, {0.4}, 2},                /* above it, and to be divided */
        {{0.3, 0.3, -1}, {0.9, 0.9}, 1},       /* hot, but small: they fit together */
        {{0.7, 0.5, 0.6, -1}, {0, 0, 0}, 3},   /* 1.8 of partitions at 0.6 */
        {{0.9, -1}, {0.96}, 1},                /* one show alone cannot be divided */
        {{0.9, -1}, {0.9}, 2},                 /* … but others can leave it */
        {{1, 1, -1}, {0.99, 0.6}, 3},          /* two that are hot, and one for the rest */
        {{1, 1, 0.1, -1}, {0.99, 0.99, 0}, 3}, /* two alone, and what was beside them */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct partition_figures p[4];
        size_t n = 0;
        for (; n < 4 && rows[i].use[n] >= 0; n++)
            p[n] = a_partition((uint32_t)n + 1, rows[i].use[n], rows[i].hot[n]);
        assert_int_equal(partitions_wanted(p, n), rows[i].wanted);
    }
    assert_int_equal(partitions_wanted(NULL, 0), 1);
}

TEST(so_many_gateways_are_wanted)
{
    static const struct {
        uint64_t busy[3], connections[3], awaiting; /* the first one's */
        size_t count;
        unsigned wanted;
        enum gateway_bound by;
    } rows[] = {
        {{0}, {0}, 0, 1, 1, BOUND_BUSY},
        {{0, 0, 0}, {0}, 0, 3, 1, BOUND_BUSY},
        {{600}, {0}, 0, 1, 1, BOUND_BUSY},
        {{610}, {0}, 0, 1, 2, BOUND_BUSY},
        {{1000, 1000}, {0}, 0, 2, 4, BOUND_BUSY}, /* 2 / 0.6 */
        {{900, 0, 0}, {0}, 0, 3, 2, BOUND_BUSY},  /* 0.9 / 0.6, a tenth more: 1.65 */
        {{290, 290}, {0}, 0, 2, 2, BOUND_BUSY},   /* one would do, but only just */
        {{270, 270}, {0}, 0, 2, 1, BOUND_BUSY},
        {{100}, {7100}, 0, 1, 2, BOUND_CONNECTIONS},
        {{100, 100}, {10000, 9000}, 0, 2, 3, BOUND_CONNECTIONS},
        {{100}, {100}, 60000, 1, 2, BOUND_AWAITING},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct gateway_load load[3];
        for (size_t j = 0; j < rows[i].count; j++)
            load[j] = a_gateway(rows[i].busy[j], rows[i].connections[j]);
        load[0].awaiting = rows[i].awaiting;
        struct gateways_wanted w = gateways_wanted(load, rows[i].count);
        assert_int_equal(w.wanted, rows[i].wanted);
        assert_int_equal(w.by, rows[i].by);
    }
    assert_int_equal(gateways_wanted(NULL, 0).wanted, 1);
}

/* Reports come from elsewhere: whatever they say, the answer has bounds. */
TEST(what_is_wanted_has_bounds)
{
    static struct gateway_load load[WANTED_MAX];
    static struct partition_figures p[2 * PARTITIONS_WANTED_MAX];
    struct gateway_load nothing = {.busy_permille = UINT64_MAX, .connections = UINT64_MAX};

    for (size_t i = 0; i < COUNT(load); i++)
        load[i] = a_gateway(1000, 10000);
    for (size_t i = 0; i < COUNT(p); i++)
        p[i] = a_partition((uint32_t)i + 1, 1, 0);
    assert_int_equal(gateways_wanted(load, COUNT(load)).wanted, WANTED_MAX);
    assert_int_equal(gateways_wanted(&nothing, 1).wanted, WANTED_MAX);
    assert_int_equal(partitions_wanted(p, COUNT(p)), PARTITIONS_WANTED_MAX);
}

TEST(what_is_told_rises_to_what_is_wanted_all_the_time)
{
    struct smoothing s = {.told = 0};

    assert_int_equal(smoothing_step(&s, 2, 2), 2);
    assert_int_equal(smoothing_step(&s, 9, 2), 2);
    assert_int_equal(smoothing_step(&s, 5, 2), 2);
    assert_int_equal(smoothing_step(&s, 7, 2), 5);
    assert_int_equal(smoothing_step(&s, 2, 5), 5);
    assert_int_equal(smoothing_step(&s, 9, 5), 5); /* it goes to and fro: nothing moves */
}

TEST(what_is_told_falls_to_the_most_of_the_whole_window)
{
    struct smoothing s = {.told = 0};

    for (int i = 0; i < SMOOTHING_LOOKS - 1; i++)
        assert_int_equal(smoothing_step(&s, 1, 4), 4); /* it has not looked for long enough */
    assert_int_equal(smoothing_step(&s, 1, 4), 1);
    for (int i = 0; i < SMOOTHING_RISE; i++)
        smoothing_step(&s, 3, 1);
    assert_int_equal(s.told, 3);
    for (int i = 0; i < SMOOTHING_LOOKS - 1; i++)
        assert_int_equal(smoothing_step(&s, i == 5 ? 2 : 1, 3), 3);
    assert_int_equal(smoothing_step(&s, 1, 3), 2);
}

static size_t kinds_of(const struct figures *f, enum finding_kind kinds[FINDINGS_MAX],
                       struct finding found[FINDINGS_MAX])
{
    size_t count = advise(f, found);

    for (size_t i = 0; i < count; i++)
        kinds[i] = found[i].kind;
    return count;
}

static struct figures all_well(const struct partition_figures *p, size_t partitions,
                               const struct gateway_load *g, size_t gateways)
{
    return (struct figures){.partitions = partitions,
                            .partition = p,
                            .gateways = gateways,
                            .gateway = g,
                            .redis_busy = 0.2};
}

TEST(nothing_is_said_of_what_is_well)
{
    struct partition_figures p = a_partition(1, 0.5, 0.9);
    struct gateway_load g = a_gateway(400, 100);
    struct figures f = all_well(&p, 1, &g, 1);
    struct finding found[FINDINGS_MAX];

    assert_int_equal(advise(&f, found), 0);
}

TEST(a_hot_show_is_given_a_partition_of_its_own)
{
    struct partition_figures p[] = {a_partition(1, 0.8, 0.9), a_partition(2, 0.3, 0.3),
                                    a_partition(3, 0.02, 0.3)};
    struct gateway_load g = a_gateway(400, 100);
    struct figures f = all_well(p, 3, &g, 1);
    enum finding_kind kinds[FINDINGS_MAX];
    struct finding found[FINDINGS_MAX];

    assert_int_equal(kinds_of(&f, kinds, found), 1);
    assert_int_equal(kinds[0], FINDING_HOT_SHOW);
    assert_int_equal(found[0].partition, 1);
    assert_int_equal(found[0].show, HOT);
    assert_int_equal(found[0].to, 3); /* where nearly nothing happens */
    f.partitions = 2;
    assert_int_equal(kinds_of(&f, kinds, found), 1);
    assert_int_equal(found[0].to, 0); /* there is none: it is to be added */
}

TEST(one_that_is_alone_is_given_a_waiting_room_once)
{
    struct partition_figures p = a_partition(1, 0.8, 0.97);
    struct gateway_load g = a_gateway(400, 100);
    struct figures f = all_well(&p, 1, &g, 1);
    enum finding_kind kinds[FINDINGS_MAX];
    struct finding found[FINDINGS_MAX];

    assert_int_equal(kinds_of(&f, kinds, found), 1);
    assert_int_equal(kinds[0], FINDING_WAITING_ROOM);
    p.hot_has_room = true;
    assert_int_equal(kinds_of(&f, kinds, found), 0);
}

TEST(what_is_pressing_comes_first)
{
    struct partition_figures p[] = {a_partition(1, 0.9, 0.2), a_partition(2, 0, 0)};
    struct gateway_load g[] = {a_gateway(990, 100), a_gateway(0, 100), a_gateway(0, 0),
                               a_gateway(0, 0)};
    struct figures f = all_well(p, 2, g, 4);
    enum finding_kind kinds[FINDINGS_MAX];
    struct finding found[FINDINGS_MAX];
    static const enum finding_kind want[] = {
        FINDING_NOT_SERVED, FINDING_PARTITION_HIGH, FINDING_POSTGRES_SLOW, FINDING_LOCK_WAITS,
        FINDING_REDIS_BUSY, FINDING_WORKER_BUSY,    FINDING_GATEWAYS_MANY};

    p[0].commit_share = 0.8;
    p[1].is_serving = false;
    f.redis_busy = 0.9;
    f.lock_waits = 3;
    assert_int_equal(kinds_of(&f, kinds, found), COUNT(want));
    assert_memory_equal(kinds, want, sizeof want);
    assert_int_equal(found[6].count, 2);
    assert_true(kinds[5] < FINDING_NEEDS_NOT && kinds[6] >= FINDING_NEEDS_NOT);
}

TEST(what_does_nothing_is_too_much)
{
    struct partition_figures p[] = {a_partition(1, 0, 0), a_partition(2, 0, 0)};
    struct gateway_load g[] = {a_gateway(3, 0), a_gateway(2, 0)};
    struct figures f = all_well(p, 2, g, 2);
    enum finding_kind kinds[FINDINGS_MAX];
    struct finding found[FINDINGS_MAX];

    assert_int_equal(kinds_of(&f, kinds, found), 2);
    assert_int_equal(kinds[0], FINDING_PARTITIONS_MANY);
    assert_int_equal(found[0].count, 1);
    assert_int_equal(found[0].partition, 2);
    assert_int_equal(found[0].to, 1);
    assert_int_equal(kinds[1], FINDING_GATEWAYS_MANY);
    assert_int_equal(found[1].count, 1);
}

/* Shows do not move between databases, so what one has too little of another cannot give. */
TEST(each_database_is_by_itself)
{
    struct partition_figures p[] = {a_partition(1, 0.8, 0.9), a_partition(7, 0.02, 0),
                                    a_partition(8, 0, 0)};
    struct gateway_load g = a_gateway(400, 100);
    struct figures f = all_well(p, 2, &g, 1);
    enum finding_kind kinds[FINDINGS_MAX];
    struct finding found[FINDINGS_MAX];

    p[0].database = 1;
    p[1].database = p[2].database = 7;
    assert_int_equal(kinds_of(&f, kinds, found), 1);
    assert_int_equal(kinds[0], FINDING_HOT_SHOW);
    assert_int_equal(found[0].to, 0); /* the empty one is elsewhere */
    assert_int_equal(partitions_wanted(p, 2), 3);
    p[0].decided = 0;
    assert_int_equal(partitions_wanted(p, 2), 2); /* each has one, however little it does */
    assert_int_equal(kinds_of(&f, kinds, found), 0);
    f.partitions = 3;
    assert_int_equal(kinds_of(&f, kinds, found), 1);
    assert_int_equal(kinds[0], FINDING_PARTITIONS_MANY);
    assert_int_equal(found[0].partition, 8);
    assert_int_equal(found[0].to, 7);
    assert_int_equal(found[0].count, 2);
}

TEST(no_more_is_said_than_there_is_room_for)
{
    static struct partition_figures p[PARTITIONS_WANTED_MAX];
    struct gateway_load g = a_gateway(1000, 100);
    struct figures f = all_well(p, COUNT(p), &g, 1);
    struct finding found[FINDINGS_MAX];

    assert_int_equal(advise(&f, found), FINDINGS_MAX); /* none of them is served */
}

TEST(a_load_is_read_as_it_was_written)
{
    struct gateway_load load = a_gateway(310, 17), back;
    struct buf b;

    buf_init(&b, 512);
    gateway_load_write(&b, &load);
    gateway_load_read(buf_span(&b), &back);
    assert_memory_equal(&load, &back, sizeof load);
    gateway_load_read(SPAN("workers=3 of=another busy_permille= = connections=x  awaiting=7"),
                      &back);
    assert_int_equal(back.workers, 3);
    assert_int_equal(back.awaiting, 7);
    assert_int_equal(back.busy_permille + back.connections + back.awaiting_max, 0);
    buf_free(&b);
}

int main(void)
{
    return RUN(cmocka_unit_test(a_partition_is_used_by_what_it_decides_of_what_it_can),
               cmocka_unit_test(what_waits_long_is_more_than_is_decided_whatever_that_is),
               cmocka_unit_test(so_many_partitions_are_wanted),
               cmocka_unit_test(so_many_gateways_are_wanted),
               cmocka_unit_test(what_is_wanted_has_bounds),
               cmocka_unit_test(what_is_told_rises_to_what_is_wanted_all_the_time),
               cmocka_unit_test(what_is_told_falls_to_the_most_of_the_whole_window),
               cmocka_unit_test(nothing_is_said_of_what_is_well),
               cmocka_unit_test(a_hot_show_is_given_a_partition_of_its_own),
               cmocka_unit_test(one_that_is_alone_is_given_a_waiting_room_once),
               cmocka_unit_test(what_is_pressing_comes_first),
               cmocka_unit_test(what_does_nothing_is_too_much),
               cmocka_unit_test(each_database_is_by_itself),
               cmocka_unit_test(no_more_is_said_than_there_is_room_for),
               cmocka_unit_test(a_load_is_read_as_it_was_written));
}
