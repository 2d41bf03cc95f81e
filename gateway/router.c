#include "gateway/router.h"

#include <assert.h>
#include <string.h>

/* Whether the path has the pattern's shape; fills the parameters. */
static bool shape_fits(const char *pattern, struct span path, struct span *parameter)
{
    const char *at = path.bytes, *end = path.bytes + path.len;
    size_t parameters = 0;

    while (*pattern != '\0') {
        if (*pattern != ':') {
            if (at == end || *at != *pattern)
                return false;
            at++;
            pattern++;
            continue;
        }
        const char *from = at;
        while (at < end && *at != '/')
            at++;
        if (at == from)
            return false;
        assert(parameters < ROUTE_PARAMETERS_MAX);
        parameter[parameters++] = (struct span){from, (size_t)(at - from)};
        while (*pattern != '\0' && *pattern != '/')
            pattern++;
    }
    return at == end;
}

enum route_found route_match(const struct route *routes, size_t count, enum http_method method,
                             struct span path, struct route_match *match)
{
    enum http_method wanted = method == METHOD_HEAD ? METHOD_GET : method;

    match->methods = 0;
    for (size_t i = 0; i < count; i++) {
        if (!shape_fits(routes[i].pattern, path, match->parameter))
            continue;
        if (routes[i].method == wanted) {
            match->route = &routes[i];
            return ROUTE_FOUND;
        }
        match->methods |= 1U << routes[i].method;
    }
    return match->methods != 0 ? ROUTE_METHOD : ROUTE_UNKNOWN;
}

void route_put_allow(struct buf *b, unsigned methods)
{
    static const struct {
        enum http_method method;
        const char *name;
    } names[] = {
        {METHOD_GET, "GET, HEAD, "}, {METHOD_POST, "POST, "},     {METHOD_PUT, "PUT, "},
        {METHOD_PATCH, "PATCH, "},   {METHOD_DELETE, "DELETE, "},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (methods & 1U << names[i].method)
            buf_puts(b, names[i].name);
    buf_puts(b, "OPTIONS");
}
