#include "base/redis_url.h"
#include "tests/unit/unit.h"

static struct redis_url parse(const char *text)
{
    struct redis_url url;
    const char *why = NULL;

    memset(&url, 0xa5, sizeof(url));
    if (!redis_url_parse(text, &url, &why))
        fail_msg("%s: %s", text, why);
    return url;
}

TEST(the_short_form_has_defaults)
{
    struct redis_url url = parse("redis://localhost");

    assert_false(url.is_unix);
    assert_string_equal(url.host, "localhost");
    assert_int_equal(url.port, 6379);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_int_equal(url.database, 0);
}

TEST(the_long_form_says_all)
{
    struct redis_url url = parse("redis://me:hush@redis.example:7000/15");

    assert_string_equal(url.host, "redis.example");
    assert_int_equal(url.port, 7000);
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "hush");
    assert_int_equal(url.database, 15);
}

TEST(parts_are_percent_decoded)
{
    struct redis_url url = parse("redis://m%65:p%40s%3As%2F%c3%A9@h");

    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "p@s:s/\xc3\xa9");
    assert_string_equal(parse("redis://:%0a%10@h").password, "\n\x10");
}

TEST(odd_but_right_forms)
{
    assert_string_equal(parse("redis://:hush@h").password, "hush");
    assert_string_equal(parse("redis://:hush@h").user, "");
    assert_string_equal(parse("redis://me@h").user, "me");
    assert_string_equal(parse("redis://me:a:b@h").password, "a:b");
    assert_string_equal(parse("redis://me:a@b@h").password, "a@b");
    assert_string_equal(parse("redis://h/").host, "h");
    assert_int_equal(parse("redis://h:1").port, 1);
    assert_int_equal(parse("redis://h:65535").port, 65535);
    assert_string_equal(parse("redis://[::1]:7000/2").host, "::1");
    assert_int_equal(parse("redis://[::1]:7000/2").port, 7000);
    assert_int_equal(parse("redis://[::1]:7000/2").database, 2);
    assert_int_equal(parse("redis://[::1]").port, 6379);
}

TEST(a_socket_is_a_path)
{
    struct redis_url url = parse("unix:///run/redis%20s/r.sock?db=3");

    assert_true(url.is_unix);
    assert_string_equal(url.host, "/run/redis s/r.sock");
    assert_int_equal(url.database, 3);
    assert_int_equal(parse("unix:///r.sock").database, 0);
    assert_string_equal(parse("unix:///r.sock?").host, "/r.sock");
}

TEST(a_socket_may_have_a_login)
{
    struct redis_url url = parse("unix://me:p%40s%2Fs@/run/r@home.sock?db=3");

    assert_true(url.is_unix);
    assert_string_equal(url.host, "/run/r@home.sock");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "p@s/s");
    assert_int_equal(url.database, 3);
    assert_string_equal(parse("unix://:hush@/r.sock").password, "hush");
    assert_string_equal(parse("unix://:hush@/r.sock").user, "");
    assert_string_equal(parse("unix:///r@s.sock").user, "");
}

TEST(what_is_no_url_is_refused_with_a_reason)
{
    static const char *const wrong[] = {
        "",
        "localhost",
        "localhost:6379",
        "http://h",
        "REDIS://h",
        "rediss://h",
        "redis:/h",
        "redis://",
        "redis:///0",
        "redis://:6379",
        "redis://me@",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:port",
        "redis://h:-1",
        "redis://h:6379x",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/1/2",
        "redis://h/99999999999",
        "redis://h/0?x=1",
        "redis://[::1",
        "redis://[::1]x",
        "redis://[]:1",
        "redis://%zz@h",
        "redis://%4@h",
        "redis://me:%00@h",
        "redis://me:%4z@h",
        "redis://me:%z4@h",
        "redis://h%0",
        "unix://",
        "unix://relative/path",
        "unix:///r?x=1",
        "unix:///r?db=",
        "unix:///r?db=x",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct guarded g = guarded_copy((struct span){wrong[i], strlen(wrong[i]) + 1});
        struct redis_url url;
        const char *why = NULL;

        if (redis_url_parse(g.span.bytes, &url, &why))
            fail_msg("%s was taken", wrong[i]);
        assert_non_null(why);
        assert_true(strlen(why) > 0);
        guarded_free(&g);
    }
}

TEST(parts_have_a_bound)
{
    char text[400];
    struct redis_url url;
    const char *why = NULL;

    strcpy(text, "redis://");
    memset(text + 8, 'h', 255);
    text[8 + 255] = '\0';
    assert_int_equal(strlen(parse(text).host), 255);
    text[8 + 255] = 'h';
    text[8 + 256] = '\0';
    assert_false(redis_url_parse(text, &url, &why));

    strcpy(text, "redis://:");
    memset(text + 9, 'p', 255);
    strcpy(text + 9 + 255, "@h");
    assert_int_equal(strlen(parse(text).password), 255);
    strcpy(text + 9 + 255, "p@h");
    assert_false(redis_url_parse(text, &url, &why));
}

int main(void)
{
    return RUN(cmocka_unit_test(the_short_form_has_defaults),
               cmocka_unit_test(the_long_form_says_all),
               cmocka_unit_test(parts_are_percent_decoded), cmocka_unit_test(odd_but_right_forms),
               cmocka_unit_test(a_socket_is_a_path), cmocka_unit_test(a_socket_may_have_a_login),
               cmocka_unit_test(what_is_no_url_is_refused_with_a_reason),
               cmocka_unit_test(parts_have_a_bound));
}
