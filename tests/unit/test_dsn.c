#include <stdlib.h>

#include "link/dsn.h"
#include "tests/unit/unit.h"

static void expect(const char *own, const char *dsn, const char *merged)
{
    char *got = dsn_merge(own, dsn);

    assert_non_null(got);
    assert_string_equal(got, merged);
    free(got);
}

TEST(what_a_dsn_leaves_out_is_the_programs_own)
{
    expect("postgresql://olga:secret@home:5433/usher?sslmode=require", "host=other",
           "user='olga' password='secret' dbname='usher' host='other' sslmode='require'");
    expect("postgresql://olga@home/usher", "dbname=second",
           "user='olga' dbname='second' host='home'");
    expect("postgresql:///usher", "postgresql://ivan@b:6432/u2",
           "user='ivan' dbname='u2' host='b' port='6432'");
}

TEST(a_place_goes_as_a_whole)
{
    expect("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2 dbname=u", "host=c",
           "dbname='u' host='c'");
    expect("host=a port=1 dbname=u", "hostaddr=10.0.0.3", "dbname='u' hostaddr='10.0.0.3'");
    expect("host=a port=1 dbname=u", "port=2", "dbname='u' host='a' port='2'");
}

TEST(what_is_quoted_stays_one_word)
{
    expect("password='it\\'s \\\\ mine' dbname=u", "host='/var/run/a b'",
           "password='it\\'s \\\\ mine' dbname='u' host='/var/run/a b'");
}

TEST(what_cannot_be_a_dsn_is_told)
{
    assert_null(dsn_check("host=b dbname=usher"));
    assert_null(dsn_check("postgresql://b,c/usher?target_session_attrs=read-write"));
    assert_non_null(dsn_check(""));
    assert_non_null(dsn_check("postgresql://"));
    assert_non_null(dsn_check("b"));
    assert_non_null(dsn_check("hots=b"));
    assert_string_equal(dsn_check("postgresql://u:secret@b/usher"),
                        dsn_check("host=b password=secret"));
    assert_non_null(dsn_check("postgresql://b/usher?p%61ssword=secret"));
    assert_non_null(dsn_check("host=b sslpassword=x"));
    assert_null(dsn_merge("host=a", "nonsense"));
}

int main(void)
{
    return RUN(cmocka_unit_test(what_a_dsn_leaves_out_is_the_programs_own),
               cmocka_unit_test(a_place_goes_as_a_whole),
               cmocka_unit_test(what_is_quoted_stays_one_word),
               cmocka_unit_test(what_cannot_be_a_dsn_is_told));
}
