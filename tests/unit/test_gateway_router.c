#include "gateway/router.h"
#include "tests/unit/unit.h"

static const struct route routes[] = {
    {METHOD_GET, "/", NULL, BODY_NONE, WHO_USER},
    {METHOD_GET, "/v1/shows", NULL, BODY_NONE, WHO_USER},
    {METHOD_GET, "/v1/shows/:show", NULL, BODY_NONE, WHO_USER},
    {METHOD_POST, "/v1/shows/:show/bookings", NULL, BODY_REQUIRED, WHO_USER},
    {METHOD_GET, "/v1/shows/:show/bookings", NULL, BODY_NONE, WHO_USER},
    {METHOD_DELETE, "/a/:b/c/:d", NULL, BODY_NONE, WHO_USER},
};

static enum route_found find(enum http_method method, const char *path, struct route_match *match)
{
    return route_match(routes, COUNT(routes), method, span_of(path), match);
}

TEST(paths_lead_to_their_rows)
{
    static const struct {
        enum http_method method;
        const char *path;
        size_t row;
    } rows[] = {
        {METHOD_GET, "/", 0},
        {METHOD_GET, "/v1/shows", 1},
        {METHOD_HEAD, "/v1/shows", 1},
        {METHOD_GET, "/v1/shows/x", 2},
        {METHOD_POST, "/v1/shows/x/bookings", 3},
        {METHOD_GET, "/v1/shows/x/bookings", 4},
        {METHOD_DELETE, "/a/1/c/2", 5},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct route_match match;
        assert_int_equal(find(rows[i].method, rows[i].path, &match), ROUTE_FOUND);
        assert_ptr_equal(match.route, &routes[rows[i].row]);
    }
}

TEST(parameters_are_what_stands_between_slashes)
{
    struct route_match match;

    assert_int_equal(find(METHOD_DELETE, "/a/%2f%00/c/x.y", &match), ROUTE_FOUND);
    assert_span(match.parameter[0], SPAN("%2f%00"));
    assert_span(match.parameter[1], SPAN("x.y"));
}

TEST(other_paths_are_unknown)
{
    static const char *const wrong[] = {
        "",
        "*",
        "//",
        "/v1",
        "/v1/shows/",
        "/v1/shows//bookings",
        "/v1/showsx",
        "/v1/shows/x/",
        "/v1/shows/x/y",
        "/V1/shows",
        "/v1/shows/x/bookings/",
    };

    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct route_match match;
        struct guarded g = guarded_copy(span_of(wrong[i]));
        assert_int_equal(route_match(routes, COUNT(routes), METHOD_GET, g.span, &match),
                         ROUTE_UNKNOWN);
        guarded_free(&g);
    }
}

static void is_unknown_cut(struct span prefix)
{
    struct route_match match;

    if (prefix.len > 0 && prefix.bytes[prefix.len - 1] != '2')
        assert_int_equal(route_match(routes + 5, 1, METHOD_DELETE, prefix, &match), ROUTE_UNKNOWN);
}

TEST(a_path_is_not_read_beyond_its_end)
{
    each_prefix(SPAN("/a/1/c/2"), is_unknown_cut);
}

TEST(other_methods_are_named)
{
    struct route_match match;
    struct buf b;

    buf_init(&b, 100);
    assert_int_equal(find(METHOD_PUT, "/v1/shows/x/bookings", &match), ROUTE_METHOD);
    route_put_allow(&b, match.methods);
    assert_string_equal(buf_text(&b), "GET, HEAD, POST, OPTIONS");
    buf_reset(&b);
    assert_int_equal(find(METHOD_UNKNOWN, "/a/1/c/2", &match), ROUTE_METHOD);
    route_put_allow(&b, match.methods);
    assert_string_equal(buf_text(&b), "DELETE, OPTIONS");
    buf_free(&b);
}

int main(void)
{
    return RUN(cmocka_unit_test(paths_lead_to_their_rows),
               cmocka_unit_test(parameters_are_what_stands_between_slashes),
               cmocka_unit_test(other_paths_are_unknown),
               cmocka_unit_test(a_path_is_not_read_beyond_its_end),
               cmocka_unit_test(other_methods_are_named));
}
