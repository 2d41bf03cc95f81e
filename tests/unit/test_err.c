#include "base/err.h"
#include "tests/unit/unit.h"

TEST(every_error_has_a_name_of_its_own)
{
    for (int i = ERR_NONE; i <= ERR_REFUSED; i++) {
        assert_string_not_equal(err_name((enum err)i), "no_such_error");
        for (int j = ERR_NONE; j < i; j++)
            assert_string_not_equal(err_name((enum err)i), err_name((enum err)j));
    }
    assert_string_equal(err_name(ERR_NONE), "none");
    assert_string_equal(err_name((enum err)(ERR_REFUSED + 1)), "no_such_error");
    assert_string_equal(err_name((enum err) - 1), "no_such_error");
}

static enum err counted(enum err err, int *count)
{
    ++*count;
    return err;
}

static enum err try_two(enum err first, enum err second, int *count)
{
    TRY(counted(first, count));
    TRY(counted(second, count));
    return ERR_NONE;
}

TEST(try_returns_the_first_error_and_evaluates_once)
{
    int count = 0;

    assert_int_equal(try_two(ERR_NONE, ERR_NONE, &count), ERR_NONE);
    assert_int_equal(count, 2);
    assert_int_equal(try_two(ERR_BOUND, ERR_INPUT, &count), ERR_BOUND);
    assert_int_equal(count, 3);
    assert_int_equal(try_two(ERR_NONE, ERR_INPUT, &count), ERR_INPUT);
    assert_int_equal(count, 5);
}

int main(void)
{
    return RUN(cmocka_unit_test(every_error_has_a_name_of_its_own),
               cmocka_unit_test(try_returns_the_first_error_and_evaluates_once));
}
