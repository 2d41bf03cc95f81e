#include "base/draw.h"
#include "tests/unit/unit.h"

static void set_key(unsigned char key[DRAW_KEY_BYTES])
{
    for (size_t i = 0; i < DRAW_KEY_BYTES; i++)
        key[i] = (unsigned char)i;
}

/* The same vectors hold for whoever writes the algorithm down again: tests/system/harness/draw.py,
 * a page. */
TEST(numbers_are_those_of_the_vectors)
{
    static const uint32_t of_ten[] = {1, 2, 9, 8, 5, 10, 4, 7, 3, 6};
    unsigned char key[DRAW_KEY_BYTES];

    set_key(key);
    for (uint32_t arrival = 1; arrival <= 10; arrival++)
        assert_int_equal(draw_number(key, 10, arrival), of_ten[arrival - 1]);
    assert_int_equal(draw_number(key, 1, 1), 1);
    assert_int_equal(draw_number(key, 1000000, 1), 659347);
    assert_int_equal(draw_number(key, 1000000, 1000000), 973691);
}

TEST(every_number_is_given_once)
{
    unsigned char key[DRAW_KEY_BYTES];
    static bool taken[2000];

    set_key(key);
    for (uint32_t count = 1; count < 1500; count += count < 70 ? 1 : 211) {
        memset(taken, 0, sizeof taken);
        for (uint32_t arrival = 1; arrival <= count; arrival++) {
            uint32_t number = draw_number(key, count, arrival);
            assert_in_range(number, 1, count);
            assert_false(taken[number]);
            taken[number] = true;
        }
    }
}

/* No place is better to come in than another: the first to come gets each number about as often. */
TEST(the_first_is_not_favoured)
{
    enum { KEYS = 4000, COUNT = 8 };
    unsigned char key[DRAW_KEY_BYTES];
    int times[COUNT + 1] = {0};

    set_key(key);
    for (int i = 0; i < KEYS; i++) {
        key[0] = (unsigned char)i;
        key[1] = (unsigned char)(i >> 8);
        times[draw_number(key, COUNT, 1)]++;
    }
    for (int number = 1; number <= COUNT; number++)
        assert_in_range(times[number], KEYS / COUNT * 8 / 10, KEYS / COUNT * 12 / 10);
}

TEST(the_commitment_is_the_keys_sha256)
{
    static const unsigned char wanted[] = {0x63, 0x0d, 0xcd, 0x29, 0x66, 0xc4, 0x33, 0x66};
    unsigned char key[DRAW_KEY_BYTES], commitment[DIGEST_BYTES];

    set_key(key);
    draw_commitment(key, commitment);
    assert_memory_equal(commitment, wanted, sizeof wanted);
}

int main(void)
{
    return RUN(cmocka_unit_test(numbers_are_those_of_the_vectors),
               cmocka_unit_test(every_number_is_given_once),
               cmocka_unit_test(the_first_is_not_favoured),
               cmocka_unit_test(the_commitment_is_the_keys_sha256));
}
