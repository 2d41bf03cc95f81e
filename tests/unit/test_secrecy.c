#include <string.h>
#include <sys/prctl.h>

#include "base/secrecy.h"
#include "tests/unit/unit.h"

TEST(what_is_erased_is_gone)
{
    char text[] = "hunter2", none[] = "";
    const char zeros[sizeof text] = "";

    secrecy_erase(text);
    secrecy_erase(none);
    assert_memory_equal(text, zeros, sizeof text);
}

TEST(a_password_beside_its_place_is_seen)
{
    assert_null(secrecy_check_address(NULL, NULL));
    assert_null(secrecy_check_address("", ""));
    assert_null(secrecy_check_address("db1,db2", "5432,"));
    assert_null(secrecy_check_address("/run/postgresql,@abstract", "5432"));
    assert_non_null(secrecy_check_address("word@db1", NULL));
    assert_non_null(secrecy_check_address("db1,word@db2", NULL));
    assert_non_null(secrecy_check_address("@abstract@db", NULL));
    assert_non_null(secrecy_check_address("u", "word"));
    assert_non_null(secrecy_check_address(NULL, "5432,54x"));
}

TEST(secrets_are_kept_until_somebody_debugs)
{
    secrecy_keep(true);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    secrecy_keep(false);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
}

int main(void)
{
    return RUN(cmocka_unit_test(what_is_erased_is_gone),
               cmocka_unit_test(a_password_beside_its_place_is_seen),
               cmocka_unit_test(secrets_are_kept_until_somebody_debugs));
}
