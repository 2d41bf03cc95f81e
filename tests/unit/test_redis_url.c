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
    assert_string_equal(url.address[0].host, "localhost");
    assert_int_equal(url.address[0].port, 6379);
    assert_string_equal(url.user, "");
    assert_string_equal(url.password, "");
    assert_int_equal(url.database, 0);
}

TEST(the_long_form_says_all)
{
    struct redis_url url = parse("redis://me:hush@redis.example:7000/15");

    assert_string_equal(url.address[0].host, "redis.example");
    assert_int_equal(url.address[0].port, 7000);
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
    assert_string_equal(parse("redis://h/").address[0].host, "h");
    assert_int_equal(parse("redis://h:1").address[0].port, 1);
    assert_int_equal(parse("redis://h:65535").address[0].port, 65535);
    assert_string_equal(parse("redis://[::1]:7000/2").address[0].host, "::1");
    assert_int_equal(parse("redis://[::1]:7000/2").address[0].port, 7000);
    assert_int_equal(parse("redis://[::1]:7000/2").database, 2);
    assert_int_equal(parse("redis://[::1]").address[0].port, 6379);
}

TEST(a_socket_is_a_path)
{
    struct redis_url url = parse("unix:///run/redis%20s/r.sock?db=3");

    assert_true(url.is_unix);
    assert_string_equal(url.address[0].host, "/run/redis s/r.sock");
    assert_int_equal(url.database, 3);
    assert_int_equal(parse("unix:///r.sock").database, 0);
    assert_string_equal(parse("unix:///r.sock?").address[0].host, "/r.sock");
}

TEST(a_socket_may_have_a_login)
{
    struct redis_url url = parse("unix://me:p%40s%2Fs@/run/r@home.sock?db=3");

    assert_true(url.is_unix);
    assert_string_equal(url.address[0].host, "/run/r@home.sock");
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "p@s/s");
    assert_int_equal(url.database, 3);
    assert_string_equal(parse("unix://:hush@/r.sock").password, "hush");
    assert_string_equal(parse("unix://:hush@/r.sock").user, "");
    assert_string_equal(parse("unix:///r@s.sock").user, "");
}

TEST(several_hosts_are_replicas_or_a_cluster)
{
    struct redis_url url = parse("redis://me:hush@a:7001,b,[::1]:7003/2");

    assert_int_equal(url.addresses, 3);
    assert_true(redis_url_has_replicas(&url));
    assert_false(url.is_cluster);
    assert_string_equal(url.address[1].host, "b");
    assert_int_equal(url.address[1].port, 6379);
    assert_string_equal(url.address[2].host, "::1");
    assert_int_equal(url.address[2].port, 7003);
    assert_string_equal(url.user, "me");
    assert_int_equal(url.database, 2);

    url = parse("redis+cluster://:hush@a:7001,b:7002");
    assert_int_equal(url.addresses, 2);
    assert_true(url.is_cluster);
    assert_false(redis_url_has_replicas(&url));
    assert_string_equal(url.password, "hush");
    assert_int_equal(parse("redis+cluster://a").addresses, 1);
    assert_int_equal(parse("redis://1,2,3,4,5,6,7,8").addresses, 8);
}

static enum redis_elsewhere elsewhere(const char *error, unsigned *slot, struct redis_address *to)
{
    struct redis_address asked = {"here", 7001};
    struct guarded g = guarded_copy((struct span){error, strlen(error)});
    enum redis_elsewhere where = redis_elsewhere(g.span, &asked, slot, to);

    guarded_free(&g);
    return where;
}

TEST(an_error_says_where_to_ask_instead)
{
    struct redis_address to;
    unsigned slot = 0;

    assert_int_equal(elsewhere("MOVED 3999 127.0.0.1:6381", &slot, &to), REDIS_MOVED);
    assert_int_equal(slot, 3999);
    assert_string_equal(to.host, "127.0.0.1");
    assert_int_equal(to.port, 6381);
    assert_int_equal(elsewhere("ASK 0 ::1:7", &slot, &to), REDIS_ASK);
    assert_string_equal(to.host, "::1");
    assert_int_equal(elsewhere("MOVED 16383 :6381", &slot, &to), REDIS_MOVED);
    assert_string_equal(to.host, "here");

    static const char *const others[] = {
        "",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED x :1",
        "MOVED 1 h",
        "MOVED 1 h:",
        "MOVED 1 h:0",
        "MOVED 1 h:65536",
        "MOVED 16384 h:1",
        "ERR wrong",
        "ASK 1 h:x",
        "moved 1 h:1",
    };
    for (size_t i = 0; i < COUNT(others); i++)
        if (elsewhere(others[i], &slot, &to) != REDIS_HERE)
            fail_msg("%s was taken", others[i]);
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
        "redis://a,",
        "redis://,a",
        "redis://a,b:x",
        "redis://1,2,3,4,5,6,7,8,9",
        "redis+cluster://",
        "redis+cluster://a/1",
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
    assert_int_equal(strlen(parse(text).address[0].host), 255);
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
               cmocka_unit_test(several_hosts_are_replicas_or_a_cluster),
               cmocka_unit_test(an_error_says_where_to_ask_instead),
               cmocka_unit_test(what_is_no_url_is_refused_with_a_reason),
               cmocka_unit_test(parts_have_a_bound));
}
