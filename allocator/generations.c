#include "allocator/generations.h"

#include <stdio.h>
#include <string.h>

#include "allocator/rebuild_waiting.h"
#include "base/keys.h"
#include "base/text.h"

static enum err do_and_forget(struct redis *redis, size_t argc, const struct span *argv)
{
    struct redis_reply *reply = NULL;

    TRY(redis_do(redis, argc, argv, &reply));
    redis_reply_free(reply);
    return ERR_NONE;
}

static struct span name_in(struct buf *b, struct span prefix, const char *kind, struct span show)
{
    buf_reset(b);
    buf_put(b, prefix.bytes, prefix.len);
    buf_puts(b, kind);
    buf_put(b, show.bytes, show.len);
    return buf_span(b);
}

/* A namespace that nobody uses any more; Redis frees it in the background. */
static enum err drop_generation(struct redis *redis, uint32_t partition, const char *generation)
{
    struct key prefix_key = key_generation(partition, generation);
    struct key generations = key_generations(partition);
    struct span prefix = {prefix_key.text, prefix_key.len};
    struct redis_reply *shows = NULL;
    struct buf name[6];
    enum err err;

    for (int i = 0; i < 6; i++)
        buf_init(&name[i], KEY_NAME_BYTES_MAX + 64);
    struct span members[] = {SPAN("SMEMBERS"), name_in(&name[0], prefix, "shows", SPAN(""))};
    err = redis_do(redis, 2, members, &shows);
    for (size_t i = 0; !err && i < redis_count(shows); i++) {
        struct span show = redis_text(redis_at(shows, i));
        struct span argv[] = {SPAN("UNLINK"),
                              name_in(&name[0], prefix, "show:", show),
                              name_in(&name[1], prefix, "users:", show),
                              name_in(&name[2], prefix, "bookings:", show),
                              name_in(&name[3], prefix, "seats:", show),
                              name_in(&name[4], prefix, "seatlog:", show),
                              name_in(&name[5], prefix, "admitted:", show)};
        err = do_and_forget(redis, 7, argv);
        if (!err)
            err = rebuild_drop_waiting(redis, prefix, show);
    }
    redis_reply_free(shows);
    struct span rest[] = {SPAN("UNLINK"), name_in(&name[0], prefix, "shows", SPAN("")),
                          name_in(&name[1], prefix, "holds", SPAN("")),
                          name_in(&name[2], prefix, "unseen", SPAN("")),
                          name_in(&name[3], prefix, "offers", SPAN(""))};
    struct span forget[] = {SPAN("SREM"), {generations.text, generations.len}, span_of(generation)};
    if (!err)
        err = do_and_forget(redis, 5, rest);
    if (!err)
        err = do_and_forget(redis, 3, forget);
    for (int i = 0; i < 6; i++)
        buf_free(&name[i]);
    return err;
}

enum err generations_drop_older(struct redis *redis, const struct tenure *t)
{
    struct key generations = key_generations(t->partition);
    struct span argv[] = {SPAN("SMEMBERS"), {generations.text, generations.len}};
    struct redis_reply *names = NULL;
    enum err err;

    TRY(redis_do(redis, 2, argv, &names));
    err = ERR_NONE;
    for (size_t i = 0; !err && i < redis_count(names); i++) {
        struct span name = redis_text(redis_at(names, i));
        char generation[GENERATION_BYTES_MAX];
        uint64_t epoch;
        if (name.len >= sizeof generation || !text_u64(name, UINT64_MAX, &epoch) ||
            epoch >= t->epoch)
            continue;
        memcpy(generation, name.bytes, name.len);
        generation[name.len] = '\0';
        err = drop_generation(redis, t->partition, generation);
    }
    redis_reply_free(names);
    return err;
}

enum err generations_add(struct redis *redis, const struct tenure *t)
{
    struct key generations = key_generations(t->partition);
    struct span argv[] = {
        SPAN("SADD"), {generations.text, generations.len}, span_of(t->generation)};

    return do_and_forget(redis, 3, argv);
}

enum err generation_has_show(struct redis *redis, const struct tenure *t, uint32_t show, bool *has)
{
    struct key prefix = key_generation(t->partition, t->generation);
    struct redis_reply *reply = NULL;
    struct buf name;
    char number[16];

    snprintf(number, sizeof number, "%u", show);
    buf_init(&name, KEY_NAME_BYTES_MAX + 64);
    struct span argv[] = {SPAN("SISMEMBER"),
                          name_in(&name, (struct span){prefix.text, prefix.len}, "shows", SPAN("")),
                          span_of(number)};
    enum err err = redis_do(redis, 3, argv, &reply);
    *has = !err && redis_integer(reply) == 1;
    redis_reply_free(reply);
    buf_free(&name);
    return err;
}
