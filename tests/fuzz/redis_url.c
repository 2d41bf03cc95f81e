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
    buf_puts(b, url->is_unix ? "unix://" : url->is_cluster ? "redis+cluster://" : "redis://");
    put_encoded(b, url->user);
    buf_putc(b, ':');
    put_encoded(b, url->password);
    buf_putc(b, '@');
    if (url->is_unix) {
        buf_putc(b, '/');
        put_encoded(b, url->address[0].host + 1);
        buf_putf(b, "?db=%d", url->database);
        return;
    }
    for (size_t i = 0; i < url->addresses; i++) {
        buf_puts(b, i > 0 ? ",[" : "[");
        put_encoded(b, url->address[i].host);
        buf_putf(b, "]:%d", url->address[i].port);
    }
    buf_putf(b, "/%d", url->database);
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
    CHECK(url.addresses >= 1 && url.addresses <= REDIS_ADDRESSES_MAX && url.database >= 0);
    for (size_t i = 0; i < url.addresses; i++)
        CHECK(url.address[i].host[0] != '\0' && (url.is_unix || url.address[i].port >= 1) &&
              url.address[i].port <= 65535);
    CHECK(!url.is_unix || url.address[0].host[0] == '/' || url.address[0].host[0] == '%');
    buf_init(&written, 16384);
    put_url(&written, &url);
    CHECK(redis_url_parse(buf_text(&written), &again, &why));
    CHECK(url.is_unix == again.is_unix && url.is_cluster == again.is_cluster);
    CHECK(url.addresses == again.addresses && url.database == again.database);
    for (size_t i = 0; i < url.addresses; i++)
        CHECK(redis_address_equal(&url.address[i], &again.address[i]));
    CHECK(strcmp(url.user, again.user) == 0);
    CHECK(strcmp(url.password, again.password) == 0);
    buf_free(&written);
    return 0;
}
