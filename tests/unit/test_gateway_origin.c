#include "gateway/origin.h"
#include "gateway/rate.h"
#include "tests/unit/unit.h"

#define PROXIES "10.0.0.0/8, 2001:db8:ffff::/48"

/* Whom the gateway takes a request from, with up to two fields. */
static const char *origin(enum forwarded_by by, const char *peer, const char *first,
                          const char *second)
{
    static char text[ADDRESS_TEXT_BYTES];
    struct proxies proxies = {.by = by};
    struct guarded fields[2] = {guarded_copy(span_of(first)), guarded_copy(span_of(second))};
    struct span values[2] = {fields[0].span, fields[1].span};
    struct address at;

    assert_true(proxies_read(&proxies, PROXIES));
    assert_true(address_read(span_of(peer), &at));
    at = origin_of(&proxies, at, values, (size_t)(first != NULL) + (size_t)(second != NULL));
    address_format(at, text);
    guarded_free(&fields[0]);
    guarded_free(&fields[1]);
    return text;
}

static const char *x(const char *peer, const char *first)
{
    return origin(FORWARDED_X, peer, first, NULL);
}

static const char *f(const char *first)
{
    return origin(FORWARDED, "10.0.0.1", first, NULL);
}

TEST(who_is_no_proxy_speaks_for_itself)
{
    assert_string_equal(x("192.0.2.1", "198.51.100.7"), "192.0.2.1");
    assert_string_equal(x("192.0.2.1", NULL), "192.0.2.1");
    assert_string_equal(x("10.0.0.1", NULL), "10.0.0.1");
    assert_string_equal(x("10.0.0.1", ""), "10.0.0.1");
}

TEST(the_rightmost_that_is_no_proxy_is_the_client)
{
    assert_string_equal(x("10.0.0.1", "198.51.100.7"), "198.51.100.7");
    assert_string_equal(x("10.0.0.1", "1.1.1.1, 198.51.100.7"), "198.51.100.7");
    assert_string_equal(x("10.0.0.1", "1.1.1.1, 198.51.100.7, 10.9.9.9"), "198.51.100.7");
    assert_string_equal(x("10.0.0.1", "10.1.1.1,10.2.2.2"), "10.1.1.1");
    assert_string_equal(x("2001:db8:ffff::1", "2001:db8::5"), "2001:db8::5");
    assert_string_equal(x("10.0.0.1", "198.51.100.7:4711"), "198.51.100.7");
    assert_string_equal(origin(FORWARDED_X, "10.0.0.1", "198.51.100.7", "10.2.2.2"),
                        "198.51.100.7");
    assert_string_equal(origin(FORWARDED_X, "10.0.0.1", "1.1.1.1", "198.51.100.7"), "198.51.100.7");
}

/* What cannot be read ends it: the proxy that wrote it is counted in its place. */
TEST(what_cannot_be_read_is_not_passed_over)
{
    assert_string_equal(x("10.0.0.1", "198.51.100.7, nonsense"), "10.0.0.1");
    assert_string_equal(x("10.0.0.1", "198.51.100.7,"), "10.0.0.1");
    assert_string_equal(x("10.0.0.1", "198.51.100.7, unknown, 10.2.2.2"), "10.2.2.2");
    assert_string_equal(x("10.0.0.1", ","), "10.0.0.1");
}

TEST(the_other_field_has_its_own_form)
{
    assert_string_equal(f("for=198.51.100.7"), "198.51.100.7");
    assert_string_equal(f("For=\"198.51.100.7:80\";proto=https;by=10.0.0.1"), "198.51.100.7");
    assert_string_equal(f("by=10.0.0.1 ; for=\"[2001:db8::7]:4711\""), "2001:db8::7");
    assert_string_equal(f("for=1.1.1.1, for=198.51.100.7;host=\"a\", for=10.3.3.3"),
                        "198.51.100.7");
    assert_string_equal(f("for=198.51.100.7;for=1.1.1.1"), "10.0.0.1");
    assert_string_equal(f("for=_hidden"), "10.0.0.1");
    assert_string_equal(f("proto=https"), "10.0.0.1");
    assert_string_equal(f("198.51.100.7"), "10.0.0.1");
    assert_string_equal(f("for=\"198.51.100.7"), "10.0.0.1");
    assert_string_equal(f("for=\""), "10.0.0.1");
    assert_string_equal(f("for=1.1.1.1;host=\", for=198.51.100.7\""), "10.0.0.1");
}

TEST(lists_of_proxies)
{
    struct proxies proxies;

    assert_true(proxies_read(&proxies, "") && proxies.count == 0);
    assert_true(proxies_read(&proxies, " 10.0.0.0/8 ,::1") && proxies.count == 2);
    assert_false(proxies_read(&proxies, "10.0.0.0/8,,::1"));
    assert_false(proxies_read(&proxies, "proxy.example"));
}

static bool is_rate(const char *text, uint32_t quota, uint32_t seconds)
{
    struct rate rate;

    return rate_read(&rate, text) && rate.quota == quota && rate.seconds == seconds;
}

TEST(rates_are_a_quota_and_seconds)
{
    assert_true(is_rate("", 0, 0));
    assert_true(is_rate("60/10", 60, 10));
    assert_true(is_rate("1000000/86400", 1000000, 86400));
    static const char *const none[] = {"60",    "60/",       "/10",     "0/10",
                                       "60/0",  "-1/10",     "60 / 10", "60/10/1",
                                       "60/1m", "1000001/1", "1/86401"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct rate rate;
        assert_false(rate_read(&rate, none[i]));
    }
}

int main(void)
{
    return RUN(cmocka_unit_test(who_is_no_proxy_speaks_for_itself),
               cmocka_unit_test(the_rightmost_that_is_no_proxy_is_the_client),
               cmocka_unit_test(what_cannot_be_read_is_not_passed_over),
               cmocka_unit_test(the_other_field_has_its_own_form),
               cmocka_unit_test(lists_of_proxies), cmocka_unit_test(rates_are_a_quota_and_seconds));
}
