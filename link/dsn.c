#include "dsn.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/buf.h"

#define MERGED_BYTES_MAX 65536

static bool is_given(const PQconninfoOption *options, const char *keyword)
{
    for (; options->keyword != NULL; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val != NULL && options->val[0] != '\0';
    return false;
}

static bool names_nothing(const PQconninfoOption *options)
{
    for (; options->keyword != NULL; options++)
        if (options->val != NULL && options->val[0] != '\0')
            return false;
    return true;
}

static PQconninfoOption *parse(const char *conninfo)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);

    PQfreemem(why); /* may repeat a password */
    return options;
}

const char *dsn_check(const char *dsn)
{
    const char *why = NULL;

    if (strlen(dsn) > DSN_BYTES_MAX)
        return "is longer than 1000 bytes";
    PQconninfoOption *options = parse(dsn);
    if (options == NULL)
        return "is neither a libpq URL nor a libpq keyword string";
    if (is_given(options, "password") || is_given(options, "sslpassword"))
        why = "has a password, which the programs have in their own option postgres; leave it out";
    else if (names_nothing(options))
        why = "names no database";
    PQconninfoFree(options);
    return why;
}

/* Where a server is. */
static bool is_place(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 ||
           strcmp(keyword, "port") == 0;
}

static void put(struct buf *b, const char *keyword, const char *value)
{
    buf_puts(b, b->len > 0 ? " " : "");
    buf_puts(b, keyword);
    buf_puts(b, "='");
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            buf_putc(b, '\\');
        buf_putc(b, *value);
    }
    buf_putc(b, '\'');
}

/* libpq lists the same keywords in the same order, whatever it is given. */
static void put_all(struct buf *b, const PQconninfoOption *own, const PQconninfoOption *dsn)
{
    bool has_place = is_given(dsn, "host") || is_given(dsn, "hostaddr");

    for (; own->keyword != NULL; own++, dsn++) {
        bool is_theirs = dsn->val != NULL && dsn->val[0] != '\0';
        const char *value =
            is_theirs || (has_place && is_place(own->keyword)) ? dsn->val : own->val;
        if (value != NULL && value[0] != '\0')
            put(b, own->keyword, value);
    }
}

char *dsn_merge(const char *own, const char *dsn)
{
    PQconninfoOption *ours = parse(own), *theirs = parse(dsn);
    char *merged = NULL;

    if (ours != NULL && theirs != NULL) {
        struct buf b;
        buf_init(&b, MERGED_BYTES_MAX);
        put_all(&b, ours, theirs);
        const char *text = buf_text(&b);
        if (text != NULL && (merged = strdup(text)) == NULL)
            abort();
        buf_free(&b);
    }
    PQconninfoFree(ours);
    PQconninfoFree(theirs);
    return merged;
}
