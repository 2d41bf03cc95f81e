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
    assert_key(key_reply(1, id_one()), "usher:{1}:reply:00000000000000000000000001");
    assert_key(key_queued(1, id_one()), "usher:{1}:queued:00000000000000000000000001");
    assert_key(key_availability(1, 7), "usher:{1}:availability:7");
    assert_key(key_generation(1, "3-a1b2"), "usher:{1}:3-a1b2:");
    assert_key(key_replies_channel("gateway-1"), "usher:replies:gateway-1");
    assert_key(key_show_channel(7), "usher:show:7");
}

TEST(the_largest_numbers_fit)
{
    assert_key(key_state(0), "usher:{0}:state");
    assert_key(key_availability(UINT32_MAX, UINT32_MAX),
               "usher:{4294967295}:availability:4294967295");
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

int main(void)
{
    return RUN(cmocka_unit_test(every_name_is_the_documented_one),
               cmocka_unit_test(the_largest_numbers_fit),
               cmocka_unit_test(a_name_that_does_not_fit_is_a_programming_error));
}
