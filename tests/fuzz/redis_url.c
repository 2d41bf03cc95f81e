/* Redis URLs: what one says, written as a URL with every byte encoded, says the same again. */
#include "base/redis_url.h"

#include "tests/fuzz/fuzz.h"

static void put_encoded(struct buf *b, const char *text)
{
    for (; *text != '\0'; text++)
        buf_putf(b, "%%%02X", (unsigned char)*text);
}

static void put_url(struct buf *b, const struct redis_url *url)
{
    buf_puts(b, url->is_unix ? "unix://" : "redis://");
    put_encoded(b, url->user);
    buf_putc(b, ':');
    put_encoded(b, url->password);
    if (url->is_unix) {
        buf_puts(b, "@/");
        put_encoded(b, url->host + 1);
        buf_putf(b, "?db=%d", url->database);
        return;
    }
    buf_puts(b, "@[");
    put_encoded(b, url->host);
    buf_putf(b, "]:%d/%d", url->port, url->database);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(fuzz_span(data, size));
    struct redis_url url, again;
    const char *why = NULL;
    struct buf written;

    if (!redis_url_parse(text, &url, &why)) {
        CHECK(why != NULL && why[0] != '\0');
        free(text);
        return 0;
    }
    free(text);
    CHECK(url.host[0] != '\0' && url.port >= 1 && url.port <= 65535 && url.database >= 0);
    CHECK(!url.is_unix || url.host[0] == '/' || url.host[0] == '%');
    buf_init(&written, 8192);
    put_url(&written, &url);
    CHECK(redis_url_parse(buf_text(&written), &again, &why));
    CHECK(url.is_unix == again.is_unix && url.port == again.port && url.database == again.database);
    CHECK(strcmp(url.host, again.host) == 0 && strcmp(url.user, again.user) == 0);
    CHECK(strcmp(url.password, again.password) == 0);
    buf_free(&written);
    return 0;
}
