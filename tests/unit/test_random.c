#include "base/random.h"
#include "tests/unit/unit.h"

TEST(numbers_differ_over_many_pages)
{
    enum { NUMBERS = 5000 };
    static uint64_t seen[NUMBERS];
    uint64_t ones = 0;
    uint64_t all = UINT64_MAX;

    for (size_t i = 0; i < NUMBERS; i++) {
        seen[i] = random_u64();
        ones |= seen[i];
        all &= seen[i];
        for (size_t j = i > 600 ? i - 600 : 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
    assert_true(ones == UINT64_MAX); /* every bit is 1 at times, and 0 */
    assert_true(all == 0);
}

TEST(a_forked_child_draws_other_numbers)
{
    int ends[2];
    uint64_t childs = 0;
    uint64_t own;
    pid_t child;

    random_u64(); /* the pool is filled before the fork */
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        childs = random_u64();
        _exit(write(ends[1], &childs, sizeof(childs)) == sizeof(childs) ? 0 : 1);
    }
    own = random_u64();
    assert_int_equal(read(ends[0], &childs, sizeof(childs)), sizeof(childs));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(own != childs);
    close(ends[0]);
    close(ends[1]);
}

TEST(hex_has_its_length_and_its_alphabet)
{
    for (size_t digits = 0; digits <= 40; digits++) {
        char text[48];

        memset(text, '#', sizeof(text));
        random_hex(text, digits);
        assert_int_equal(strlen(text), digits);
        assert_int_equal(strspn(text, "0123456789abcdef"), digits);
        assert_int_equal(text[digits + 1], '#');
    }
}

TEST(hex_differs_in_every_place)
{
    char first[33];
    char other[33];
    size_t differs = 0;

    random_hex(first, 32);
    for (size_t at = 0; at < 32; at++) {
        for (int i = 0; i < 1000; i++) {
            random_hex(other, 32);
            if (other[at] != first[at]) {
                differs++;
                break;
            }
        }
    }
    assert_int_equal(differs, 32);
}

int main(void)
{
    return RUN(cmocka_unit_test(numbers_differ_over_many_pages),
               cmocka_unit_test(a_forked_child_draws_other_numbers),
               cmocka_unit_test(hex_has_its_length_and_its_alphabet),
               cmocka_unit_test(hex_differs_in_every_place));
}
