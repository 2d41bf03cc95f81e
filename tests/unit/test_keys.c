#include "base/bounds.h"
#include "base/keys.h"
#include "tests/unit/unit.h"

static struct id id_one(void)
{
    struct id id = {{0}};

    id.bytes[ID_BYTES - 1] = 1;
    return id;
}

static void assert_key(struct key key, const char *want)
{
    assert_string_equal(key.text, want);
    assert_int_equal(key.len, strlen(want));
}

/* Spelled out once more: lua/, tests and people rely on these very names. */
TEST(every_name_is_the_documented_one)
{
    assert_key(key_requests(1), "usher:{1}:requests");
    assert_key(key_state(12), "usher:{12}:state");
    assert_key(key_status(1), "usher:{1}:status");
    assert_key(key_generations(1), "usher:{1}:generations");
    assert_key(key_queued(1, id_one()), "usher:{1}:queued:00000000000000000000000001");
    assert_key(key_availability(1, 7), "usher:{1}:availability:7");
    assert_key(key_queue_news(1, 7), "usher:{1}:queue-news:7");
    assert_key(key_reports("courier"), "usher:{1}:reports:courier");
    assert_key(key_report("courier", "a.1"), "usher:{1}:report:courier:a.1");
    assert_key(key_generation(1, "3-a1b2"), "usher:{1}:3-a1b2:");
    assert_key(key_replies_channel("gateway-1"), "usher:replies:gateway-1");
    assert_key(key_show_channel(7), "usher:show:7");
    assert_key(key_shows_channel(), "usher:shows");
}

static struct id id_made(int64_t ms, uint64_t random)
{
    return id_fresh(7, ms, 30000, random);
}

TEST(answers_to_fresh_ids_lie_with_those_made_at_the_same_time)
{
    const int64_t made = INT64_C(1770000000000) / ANSWER_BUCKET_MS * ANSWER_BUCKET_MS;
    const int64_t last = made + ANSWER_BUCKET_MS - 1;
    struct id of_another_show = id_fresh(8, last, 600000, 1);

    assert_key(key_answer(1, id_made(made, 1)), "usher:{1}:answers:13828125000");
    assert_true(key_answer_bucket(id_made(made, 1)) == key_answer_bucket(of_another_show));
    assert_key(key_answer(1, of_another_show), "usher:{1}:answers:13828125000");
    assert_key(key_answer(2, id_made(last + 1, 1)), "usher:{2}:answers:13828125001");
    assert_key(key_answer(1, id_made(made - 1, 1)), "usher:{1}:answers:13828124999");
}

/* A clock that stands before ids begin would fill one hash for ever. */
TEST(answers_to_ids_that_tell_no_time_lie_alone)
{
    struct id keyed = id_keyed(1, SPAN("caller"), SPAN("route"), SPAN("key"));
    struct key key = key_answer(1, keyed);
    char text[ID_TEXT_BYTES];

    assert_true(key_answer_bucket(id_one()) == 0 && key_answer_bucket(keyed) == 0);
    assert_true(key_answer_bucket(id_made(0, 1)) == 0);
    assert_true(key_answer_bucket(id_made(ID_EPOCH_MS + 1, 1)) != 0);
    assert_key(key_answer(1, id_one()), "usher:{1}:reply:00000000000000000000000001");
    id_format(keyed, text);
    assert_string_equal(key.text + strlen("usher:{1}:reply:"), text);
}

TEST(an_answer_is_read_from_where_it_lies)
{
    struct id alone = id_one(), fresh = id_made(ID_EPOCH_MS + 1, 0);
    struct key own = key_answer(1, alone), bucket = key_answer(1, fresh);
    struct span argv[3];

    assert_int_equal(key_answer_get(&own, &alone, argv), 2);
    assert_true(span_is(argv[0], "GET") && span_is(argv[1], own.text));
    assert_int_equal(key_answer_get(&bucket, &fresh, argv), 3);
    assert_true(span_is(argv[0], "HGET") && span_is(argv[1], bucket.text));
    assert_true(argv[2].len == ID_BYTES);
    assert_memory_equal(argv[2].bytes, fresh.bytes, ID_BYTES);
}

TEST(the_largest_numbers_fit)
{
    assert_key(key_state(0), "usher:{0}:state");
    assert_key(key_availability(UINT32_MAX, UINT32_MAX),
               "usher:{4294967295}:availability:4294967295");
    assert_key(key_answer(UINT32_MAX, id_made(INT64_MAX, UINT64_MAX)),
               "usher:{4294967295}:answers:30492894183");
}

static void make_generation_of(int64_t bytes)
{
    char name[200];

    memset(name, 'g', sizeof(name));
    name[bytes] = '\0';
    key_generation(1, name);
}

TEST(a_name_that_does_not_fit_is_a_programming_error)
{
    int64_t fits = KEY_NAME_BYTES_MAX - 1 - (int64_t)strlen("usher:{1}::");

    assert_false(aborts(make_generation_of, fits));
    assert_true(aborts(make_generation_of, fits + 1));
    assert_true(aborts(make_generation_of, 199));
}

TEST(a_partition_has_the_slot_that_redis_says)
{
    /* CLUSTER KEYSLOT 'usher:{n}:state' */
    assert_int_equal(key_slot(1), 9842);
    assert_int_equal(key_slot(2), 5649);
    assert_int_equal(key_slot(3), 1584);
    assert_int_equal(key_slot(123456789), 12739);
}

int main(void)
{
    return RUN(cmocka_unit_test(a_partition_has_the_slot_that_redis_says),
               cmocka_unit_test(every_name_is_the_documented_one),
               cmocka_unit_test(answers_to_fresh_ids_lie_with_those_made_at_the_same_time),
               cmocka_unit_test(answers_to_ids_that_tell_no_time_lie_alone),
               cmocka_unit_test(an_answer_is_read_from_where_it_lies),
               cmocka_unit_test(the_largest_numbers_fit),
               cmocka_unit_test(a_name_that_does_not_fit_is_a_programming_error));
}
